"""Who is writing."""

import pytest

from hubline.testing import settle
from hubline_chat import typing_people
from hubline_chat.contract import Person
from hubline_chat.history import History
from hubline_chat.room import Room
from hubline_chat.store.rooms import RoomRecord
from hubline_chat.typing_people import TypingPeople

ADA, BOB = Person("1", "Ada"), Person("2", "Bob")


async def test_a_change_is_told_once() -> None:
    room, changes = Room(RoomRecord("general", "General", "", False), History()), list[str]()
    typing = TypingPeople(lambda changed: changes.append(changed.id))
    typing.typed(room, BOB)
    typing.typed(room, BOB)
    typing.typed(room, ADA)
    assert (typing.names(room), changes) == (["Ada", "Bob"], ["general"] * 2)
    typing.ended(room, BOB)
    typing.ended(room, BOB)
    assert (typing.names(room), changes) == (["Ada"], ["general"] * 3)
    typing.ended(room, ADA)


async def test_silence_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typing_people, "TYPING_SECONDS", 0.0)
    room, changes = Room(RoomRecord("general", "General", "", False), History()), list[str]()
    typing = TypingPeople(lambda changed: changes.append(changed.id))
    typing.typed(room, ADA)
    await settle()
    assert (typing.names(room), changes) == ([], ["general"] * 2)
