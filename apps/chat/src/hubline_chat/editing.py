"""What people do to messages that were said: edit, delete, ask again, and look at earlier versions of answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from hubline import HubError
from hubline_chat.answering import Answering, now
from hubline_chat.attached import EMOJI, REACTIONS, Reactor, with_reaction
from hubline_chat.contract import Message, Version
from hubline_chat.limits import clean_text
from hubline_chat.room import Room
from hubline_chat.store import Store, User

if TYPE_CHECKING:
    from hubline_chat.chat import Chat

GONE = "This message does not exist any more."

Post = Callable[[Room, Sequence[Message], Answering | None], Awaitable[Sequence[Message]]]


class Editing:
    """Each change is stored before its room is told. `post` stores and sends new messages."""

    def __init__(self, chat: "Chat", store: Store, post: Post) -> None:
        self._chat, self._store, self._post = chat, store, post
        self._changing = asyncio.Lock()

    async def edit(self, connection_id: str, message_id: str, text: str, *, ask_again: bool) -> Message:
        """Give a message of one's own another text. `ask_again`: it is a question, and is answered anew.

        Raises:
            HubError: it is not one's own, the text is not valid, or it is being answered.
        """
        async with self._found(connection_id, message_id) as (user, room, message):
            if message.kind != "person" or message.author.id != user.id:
                raise HubError("Only messages of your own can be edited.")
            if self._chat.assistant.is_open(message):
                raise HubError("This message is being answered: wait for the answer or stop it.")
            text = clean_text(text, may_be_empty=bool(message.files))
            if text != message.text:
                before, message = message, replace(message, text=text, edited_at=now())
                await self._change(room, message)
                await self._chat.marks.edited(room, before, message)
            if ask_again:
                await self._ask_again(room, message, user)
            return message

    async def delete(self, connection_id: str, message_id: str) -> None:
        """Delete the text of a message, by its author, who asked for it, the owner of the room or an administrator.

        Its place stays, so that people see that something was there.

        Raises:
            HubError: it is not theirs to do, or the answer is still being written.
        """
        async with self._found(connection_id, message_id) as (user, room, message):
            rules = room.is_owned_by(user.id) or (user.role == "admin" and not room.is_pair)
            if not rules and user.id != await self._author(room, message):
                raise HubError("Only its author, the owner of the room or an administrator can delete a message.")
            if message.is_running or self._chat.assistant.is_open(message):
                raise HubError("This message is being answered: wait for the answer or stop it.")
            left = replace(message, text="", answer=None, is_deleted=True, edited_at=now(), versions=1)
            left = replace(left, files=[], quote=None, reactions=[])
            await self._change(room, left)
            await self._chat.files.delete_of(message.files)
            await self._store.versions.forget(message)
            await self._store.marks.mention(room.id, message.seq, ())

    async def _author(self, room: Room, message: Message) -> str | None:
        """Whose a message is: an answer is that of whoever asked, not of those who let it be made anew or go on."""
        if message.answer is None:
            return message.author.id
        question = await self._chat.past.question(room, message.answer.question_id)
        return None if question is None else question.author.id

    async def react(self, connection_id: str, message_id: str, emoji: str, *, is_on: bool) -> Message:
        """Add a person's reaction to a message, or take it back.

        Raises:
            HubError: there is no such emoji, the answer is still being written, or the message has very many.
        """
        if emoji not in EMOJI:
            raise HubError("People cannot react with this.")
        async with self._found(connection_id, message_id) as (user, room, message):
            if message.is_running:
                raise HubError("This answer is still being written.")
            reactions = with_reaction(message.reactions, emoji, Reactor(user.id, user.name), is_on=is_on)
            if reactions != message.reactions:
                if is_on and sum(len(each.people) for each in reactions) > REACTIONS:
                    raise HubError(f"This message has {REACTIONS} reactions already, and more are not possible.")
                message = replace(message, reactions=reactions, reacted_at=now())
                await self._change(room, message)
            return message

    async def retry(self, connection_id: str, message_id: str) -> Message:
        """Ask the question of an answer again: the model that was chosen for the room, or else the same one."""
        async with self._found(connection_id, message_id) as (user, room, message):
            return await self._chat.assistant.again(room, message, user, self._model(user, message, room.model))

    async def go_on(self, connection_id: str, message_id: str) -> None:
        """Let an answer that was cut continue where it stopped."""
        async with self._found(connection_id, message_id) as (user, room, message):
            await self._chat.assistant.go_on(room, message, user, self._model(user, message))

    async def version(self, connection_id: str, message_id: str, number: int) -> Version:
        """An earlier version of an answer. Raises HubError when there is none."""
        user = self._chat.people.user(connection_id)
        _, message = await self._chat.past.find(message_id, user.id)
        found = None if message.is_deleted else await self._store.versions.get(message, number)
        if found is None:
            raise HubError("This version does not exist any more.")
        return found

    @asynccontextmanager
    async def _found(self, connection_id: str, message_id: str) -> AsyncIterator[tuple[User, Room, Message]]:
        """A message to change, and nobody else changes one while the block runs."""
        user = self._chat.people.user(connection_id)
        async with self._changing:
            room, message = await self._chat.past.find(message_id, user.id)
            if message.is_deleted:
                raise HubError(GONE)
            room.check_open()
            yield user, room, message

    async def _change(self, room: Room, message: Message) -> None:
        await self._chat.journal.replace(message)
        room.history.update(message)
        await self._chat.tell_changed(room, message)

    async def _ask_again(self, room: Room, question: Message, user: User) -> None:
        """A new version of the answer to a message; one that was not answered is answered at the end of the room."""
        answer = await self._chat.past.answer_to(room, question)
        if answer is not None:
            await self._chat.assistant.again(room, answer, user, self._model(user, answer, room.model))
            return
        answering = await self._chat.assistant.admit(room, question, user, None)
        try:
            await self._post(room, [answering.message], answering)
        except IntegrityError:  # the room was deleted meanwhile
            raise HubError("The message could not be stored.") from None

    def _model(self, user: User, message: Message, chosen: str | None = None) -> str:
        """The `chosen` model or that of an answer, if it is this person's to use, or another. Raises HubError."""
        model = message.answer.model if message.answer is not None else None
        return self._chat.assistant.models.fitting(user, chosen or model).info.id
