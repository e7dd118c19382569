"""What becomes of the messages of people whose accounts are removed: they stay without the name, or are deleted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from hubline_chat.answering import now
from hubline_chat.attached import Quote, Reaction
from hubline_chat.contract import Answer, Message, Person
from hubline_chat.news import ENTERED, Pages
from hubline_chat.store import Store, User

if TYPE_CHECKING:
    from hubline_chat.chat import Chat

REMOVED = "Removed person"
BATCH = 200
"""Messages that are changed in one transaction."""


class Removals:
    """Takes a person out of everything that was said: in memory, in the store, and on open pages.

    It can be repeated: what a failure has left is done by the next attempt.
    """

    def __init__(self, chat: "Chat", store: Store, pages: Callable[[], Pages]) -> None:
        self._chat, self._store, self._pages = chat, store, pages

    async def __call__(self, user: User, *, erase: bool) -> None:
        """Leave the private rooms of a person, and rename or delete (`erase`) what the person said elsewhere.

        Raises:
            StoreError: it was not done to its end.
        """
        person, moment = Person(user.id, REMOVED), now()

        def change(message: Message) -> Message:
            return without(message, user, moment, erase=erase)

        await self._chat.assistant.disown(person)
        await self._chat.room_changes.forget(user, REMOVED)
        async with self._chat.journal.rewriting(change):
            await self._rewrite(user, change)
            for room in self._chat.rooms.all():
                room.history.rewrite(change)
        await self._store.versions.rewrite(user.id, lambda answer: disowned(answer, user))
        await self._pages().clients.group(ENTERED).person_removed(person, erase)
        self._chat.news.rooms()

    async def _rewrite(self, user: User, change: Callable[[Message], Message]) -> None:
        place = ("", 0)
        while found := await self._store.messages.naming(user.id, user.name, place, BATCH):
            place = (found[-1].room_id, found[-1].seq)
            changed = [(before, after) for before in found if (after := change(before)) is not before]
            if not changed:
                continue
            await self._store.messages.update([after for _, after in changed])
            for before, after in changed:
                if after.is_deleted and not before.is_deleted:
                    await self._store.marks.mention(before.room_id, before.seq, ())
                    await self._chat.files.delete_of(before.files)


def without(message: Message, user: User, moment: datetime, *, erase: bool) -> Message:
    """A message after the removal of an account at this `moment`; the same object if it does not name the person."""
    person, changed = Person(user.id, REMOVED), message
    if message.author.id == person.id:
        changed = replace(changed, author=person, reacted_at=moment)
        if erase and not message.is_deleted:
            changed = replace(changed, text="", is_deleted=True, edited_at=moment, files=[], quote=None, reactions=[])
    if message.answer is not None and (answer := disowned(message.answer, user)) is not message.answer:
        changed = replace(changed, answer=answer, reacted_at=moment)
    if changed.quote is not None and changed.quote.author_id == person.id:
        changed = replace(changed, quote=_quote(changed.quote, person, erase=erase), reacted_at=moment)
    if any(each.id == person.id for reaction in changed.reactions for each in reaction.people):
        reactions = [_reaction(each, person, erase=erase) for each in changed.reactions]
        changed = replace(changed, reactions=[each for each in reactions if each.people], reacted_at=moment)
    return changed


def disowned(answer: Answer, user: User) -> Answer:
    """An answer that was not asked for, and of whose tools nothing was decided, by the person of this name."""
    if answer.asked_by.id == user.id:
        answer = replace(answer, asked_by=Person(user.id, REMOVED))
    if any(use.decided_by == user.name for use in answer.tools):
        uses = [replace(use, decided_by=REMOVED) if use.decided_by == user.name else use for use in answer.tools]
        answer = replace(answer, tools=uses)
    return answer


def _quote(quote: Quote, person: Person, *, erase: bool) -> Quote:
    return Quote(quote.seq, is_deleted=True) if erase else replace(quote, author_name=person.name)


def _reaction(reaction: Reaction, person: Person, *, erase: bool) -> Reaction:
    others = [each for each in reaction.people if not erase or each.id != person.id]
    return replace(
        reaction, people=[replace(each, name=person.name) if each.id == person.id else each for each in others]
    )
