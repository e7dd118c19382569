"""The people who are typing at the moment."""

import asyncio
from collections.abc import Callable

from hubline_chat.contract import Person
from hubline_chat.room import Room

TYPING_SECONDS = 4.0
"""How long a person counts as typing after a report; pages repeat the report every two seconds."""


class TypingPeople:
    """Calls `changed` when a person begins or stops typing in a room."""

    def __init__(self, changed: Callable[[Room], None]) -> None:
        self._changed = changed
        self._typing: dict[str, dict[Person, asyncio.TimerHandle]] = {}

    def typed(self, room: Room, person: Person) -> None:
        """The person has typed just now."""
        typing = self._typing.setdefault(room.id, {})
        known = typing.pop(person, None)
        typing[person] = asyncio.get_running_loop().call_later(TYPING_SECONDS, self.ended, room, person)
        if known is None:
            self._changed(room)
        else:
            known.cancel()

    def ended(self, room: Room, person: Person) -> None:
        """The person has sent it, or has stopped."""
        timer = self._typing.get(room.id, {}).pop(person, None)
        if timer is not None:
            timer.cancel()
            self._changed(room)

    def names(self, room: Room) -> list[str]:
        return sorted(person.name for person in self._typing.get(room.id, ()))
