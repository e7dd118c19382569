"""The one thing the assistant does besides talking: it clears a room's history, when it was asked to and has asked."""

import re
from collections.abc import Awaitable, Callable

from hubline.runs import AskExpired, Run
from hubline_chat.answering import Answering
from hubline_chat.rooms import Room, Rooms
from hubline_chat.store import Store

WAIT_SECONDS = 300.0
"""How long the question waits. Nothing else is answered in the room meanwhile."""

_WANTED = re.compile(
    r"(?:please[\s,]+)?(?:clear|delete|erase|wipe)\s+(?:(?:the|this|our|all)\s+)*(?:whole\s+|entire\s+)?"
    r"(?:room(?:'s)?\s+|chat\s+)?(?:history|messages|conversation)(?:\s+of\s+this\s+room)?(?:[\s,]+please)?\s*[.!]?",
    re.IGNORECASE,
)


def is_clearing(question: str) -> bool:
    """Whether a question to the assistant is the wish to clear the room's history."""
    return _WANTED.fullmatch(question.strip()) is not None


class Clearing:
    """Asks whoever may decide it, and does it. `told` is called for a room whose messages before a number are gone."""

    def __init__(self, rooms: Rooms, store: Store, told: Callable[[Room, int], Awaitable[None]]) -> None:
        self._rooms, self._store, self._told = rooms, store, told

    async def __call__(self, run: Run, answering: Answering) -> None:
        """The answer to that wish."""
        room, before = answering.room, answering.question.seq
        count = room.history.count(before)
        if not count:
            await run.text("There is nothing to clear.")
            return
        people = {each.id: each.name for each in room.members.values() if each.is_owner}
        people |= {user.id: user.name for user in await self._store.users.admins() if room.is_visible_to(user.id)}
        what = f"{count} message{'' if count == 1 else 's'}"
        await run.text(f"This deletes {what} of {room.name}, for everybody and for good.")
        await run.data("deciders", [{"id": user_id, "name": name} for user_id, name in people.items()])
        try:
            agreed = await run.ask(f"Delete {what} of {room.name}?", expires=WAIT_SECONDS, who=people)
        except AskExpired:
            await run.text("\n\nNobody has decided, so nothing was deleted.")
            return
        name = people.get(run.answered_by or "", "Somebody")
        if not agreed:
            await run.text(f"\n\n{name} declined, so nothing was deleted.")
            return
        await self._rooms.clear(room, before)
        await self._told(room, before)
        await run.text(f"\n\nDone: {name} agreed, and {what} {'is' if count == 1 else 'are'} gone.")
