"""The only action of the assistant: it clears a room's history, after a request and a confirmation."""

import re
from collections.abc import Awaitable, Callable

from hubline.runs import AskExpired, Run
from hubline_chat.answering import Answering
from hubline_chat.room import Room
from hubline_chat.rooms import Rooms
from hubline_chat.store import Store

WAIT_SECONDS = 300.0
"""Seconds that the question waits. Meanwhile the run is parked, and other questions in the room are answered."""

_WANTED = re.compile(
    r"(?:please[\s,]+)?(?:clear|delete|erase|wipe)\s+(?:(?:the|this|our|all)\s+)*(?:whole\s+|entire\s+)?"
    r"(?:room(?:'s)?\s+|chat\s+)?(?:history|messages|conversation)(?:\s+of\s+this\s+room)?(?:[\s,]+please)?\s*[.!]?",
    re.IGNORECASE,
)


def is_clearing(question: str) -> bool:
    """Whether a question to the assistant is the request to clear the room's history."""
    return _WANTED.fullmatch(question.strip()) is not None


class Clearing:
    """Asks the person who may decide, and clears. `told` is called with the room and its first remaining number."""

    def __init__(self, rooms: Rooms, store: Store, told: Callable[[Room, int], Awaitable[None]]) -> None:
        self._rooms, self._store, self._told = rooms, store, told

    async def __call__(self, run: Run, answering: Answering) -> None:
        """The answer to that request. It is called again after the decision."""
        room, before = answering.room, answering.question.seq
        count = await self._store.messages.count(room.id, before)
        if not count and run.attempt == 1:
            await run.text("There is nothing to clear.")
            return
        people = {each.id: each.name for each in room.members.values() if each.is_owner or room.is_pair}
        people |= {user.id: user.name for user in await self._store.users.admins() if room.is_visible_to(user.id)}
        what = f"{count} message{'' if count == 1 else 's'}"
        if run.attempt == 1:
            await run.text(f"This deletes {what} of {room.name}, for everybody and for good.")
            await run.data("deciders", [{"id": user_id, "name": name} for user_id, name in people.items()])
        question = f"Delete {what} of {room.name}?"
        try:
            agreed = await run.ask(question, expires=WAIT_SECONDS, who=people, key="clear", park=True)
        except AskExpired:
            await run.text("\n\nThere was no decision, so nothing was deleted.")
            return
        name = people.get(run.answered_by or "", "Somebody")
        if not agreed:
            await run.text(f"\n\n{name} declined, so nothing was deleted.")
            return
        await self._rooms.clear(room, before)
        await self._told(room, before)
        await run.text(f"\n\nDone: {name} agreed, and {what} {'is' if count == 1 else 'are'} gone.")
