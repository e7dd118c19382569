"""The tables of messages and rooms."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.exc import IntegrityError

from apps.chat.tests.store import first_edition
from hubline_chat.attached import Quote
from hubline_chat.contract import Answer, AnswerState, Message, Person
from hubline_chat.store import Store
from hubline_chat.store.rooms import MemberRecord, RoomRecord
from hubline_chat.store.tables import MESSAGES
from tests import postgres

NOON = datetime(2026, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)
ADA = Person("ada", "Ada")
AI = Person("assistant", "Assistant", "assistant")


def said(seq: int, text: str = "hello 🌈", room: str = "general", client_id: str | None = None) -> Message:
    return Message(f"{room}-{seq}", room, seq, "person", ADA, text, NOON, client_id)


def answer(seq: int, state: AnswerState) -> Message:
    answer = Answer(state, ADA, "general-1", started_at=NOON, elapsed=1.5, model="premium", reasoning="hm")
    return Message(f"general-{seq}", "general", seq, "assistant", AI, "so far", NOON, answer=answer)


async def test_messages_come_back_as_they_were(store: Store) -> None:
    kept = [said(1, client_id="m1"), answer(2, AnswerState.COMPLETED), said(3)]
    await store.messages.add(kept)
    assert list(await store.messages.newest("general", 10)) == kept
    assert list(await store.messages.newest("general", 2)) == kept[1:]
    assert list(await store.messages.newest("off-topic", 2)) == []
    assert await store.messages.sent("ada", "m1") == kept[0]
    assert await store.messages.sent("bob", "m1") is None


@pytest.mark.postgres
async def test_a_page_reads_no_more_than_it_shows_before_postgresql_knows_the_sizes(postgres_server: Path) -> None:
    store = Store(postgres.new_database(postgres_server))
    await store.open()
    quote = Quote(90, "general-90", ADA.id, ADA.name, "hello 🌈")
    await store.messages.add([replace(said(seq), quote=quote if seq == 295 else None) for seq in range(1, 301)])
    engine, asked = store.database._engine.sync_engine, list[tuple[str, Any]]()
    event.listen(
        engine, "before_cursor_execute", lambda _, __, statement, values, *___: asked.append((statement, values))
    )
    assert [each.quote for each in await store.messages.after("general", 290, 10)] == [
        quote if seq == 295 else None for seq in range(291, 301)
    ]
    async with store.database.reading() as connection:
        for statement, values in list(asked):
            explained = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
            assert read_by(explained.scalar_one()[0]["Plan"]) <= 10
    assert len(asked) >= 2
    await store.close()


def read_by(plan: dict[str, Any]) -> int:
    """The rows that the scans of a plan have read."""
    below = sum(read_by(each) for each in plan.get("Plans", ()))
    lost = plan.get("Rows Removed by Join Filter", 0) + plan.get("Rows Removed by Filter", 0)
    own = plan["Actual Rows"] * plan["Actual Loops"] if "Scan" in plan["Node Type"] else 0
    return int(below + lost + own)


async def test_all_or_none_are_kept(store: Store) -> None:
    await store.messages.add([said(1, client_id="m1")])
    for again in (said(1), said(3, client_id="m1"), said(3, room="nowhere")):
        with pytest.raises(IntegrityError):
            await store.messages.add([said(2), again])
    assert [message.seq for message in await store.messages.newest("general", 10)] == [1]


async def test_an_answer_is_replaced_by_its_newer_form(store: Store) -> None:
    first = answer(1, AnswerState.RUNNING)
    await store.messages.add([first])
    assert first.answer is not None
    grown = replace(first, text="all of it", answer=replace(first.answer, state=AnswerState.COMPLETED))
    await store.messages.update([grown, answer(2, AnswerState.COMPLETED)])
    assert list(await store.messages.newest("general", 10)) == [grown]


async def test_answers_that_were_running_are_interrupted_and_no_others(store: Store) -> None:
    await store.messages.add([answer(seq, state) for seq, state in enumerate(AnswerState, 1)])
    await store.messages.interrupt("A server restart interrupted the answer.")
    await store.messages.interrupt("again")
    ended = {m.seq: m.answer for m in await store.messages.newest("general", 10)}
    for seq, state in enumerate(AnswerState, 1):
        found = ended[seq]
        assert found is not None
        if state is AnswerState.RUNNING:
            assert (found.state, found.error) == (AnswerState.INTERRUPTED, "A server restart interrupted the answer.")
            assert found.ended_at is not None
        else:
            assert (found.state, found.error) == (state, None)


async def test_answers_that_ran_in_an_earlier_version_are_interrupted_too(store: Store) -> None:
    await store.messages.add([answer(1, AnswerState.RUNNING)])
    earlier = """{"state": "thinking", "place": 0, "asked_by": {"id": "ada", "name": "Ada"}, "question_id": "q"}"""
    async with store.database.writing() as connection:
        await connection.execute(update(MESSAGES).values(answer=earlier))
    await store.messages.interrupt("cut")
    [message] = await store.messages.newest("general", 10)
    assert message.answer is not None
    assert (message.text, message.answer.state, message.answer.asked_by) == ("so far", AnswerState.INTERRUPTED, ADA)


async def test_old_messages_are_deleted_and_their_numbers_remembered(store: Store) -> None:
    await store.messages.add([said(seq) for seq in range(1, 5)] + [said(seq, room="off-topic") for seq in range(1, 5)])
    await store.messages.clear("general", 3)
    await store.messages.clear("general", 2)
    assert [message.seq for message in await store.messages.newest("general", 10)] == [3, 4]
    assert len(await store.messages.newest("off-topic", 10)) == 4
    assert [room.last_seq for room in await store.rooms.all()] == [2, 0, 0]


async def test_older_messages_are_read_and_counted(store: Store) -> None:
    kept = [said(seq) for seq in range(1, 6)]
    await store.messages.add([*kept, said(1, room="off-topic")])
    assert list(await store.messages.before("general", 5, 3)) == [kept[3], kept[2], kept[1]]
    assert list(await store.messages.before("general", 1, 3)) == []
    assert await store.messages.find("general-2") == kept[1]
    assert await store.messages.find("nothing") is None
    assert await store.messages.count("general", 3) == 2


async def test_expired_are_those_before_the_first_young_one(store: Store) -> None:
    assert await store.messages.expired("general", NOON) is None
    late = replace(said(3), sent_at=NOON + timedelta(hours=1))
    await store.messages.add([said(1), said(2), late, said(4)])
    assert await store.messages.expired("general", NOON) is None
    assert await store.messages.expired("general", NOON + timedelta(minutes=1)) == 2
    assert await store.messages.expired("general", NOON + timedelta(hours=2)) == 4


async def test_the_first_rooms_are_there_and_new_ones_follow(store: Store) -> None:
    ada = await store.users.add("Ada", "member", "free")
    record = RoomRecord("x", "Secret", "", True, [MemberRecord(ada.id, "Ada", True)])
    await store.rooms.add(record)
    assert [room.id for room in await store.rooms.all()] == ["general", "ask-the-assistant", "off-topic", "x"]
    assert (await store.rooms.all())[-1] == record


async def test_members_come_and_go_in_order_and_one_inherits(store: Store) -> None:
    users = [await store.users.add(name, "member", "free") for name in ("Ada", "Bob", "Cy")]
    await store.rooms.add(RoomRecord("x", "Secret", "", True, [MemberRecord(users[0].id, "Ada", True)]))
    for user in users[1:]:
        await store.rooms.add_member("x", MemberRecord(user.id, user.name, False))
    await store.rooms.remove_member("x", users[0].id, heir=users[1].id)
    members = (await store.rooms.all())[-1].members
    assert members == [MemberRecord(users[1].id, "Bob", True), MemberRecord(users[2].id, "Cy", False)]
    await store.messages.add([said(1, room="x")])
    await store.rooms.delete("x")
    assert [room.id for room in await store.rooms.all()] == ["general", "ask-the-assistant", "off-topic"]
    assert list(await store.messages.newest("x", 1)) == []


async def test_a_database_of_the_first_edition_keeps_what_it_has(database_url: str) -> None:
    store = Store(database_url)
    await first_edition.make(store, [said(7)])
    async with store.database.writing() as connection:
        await connection.execute(text("UPDATE rooms SET topic = 'kept'"))
    await store.open()
    assert list(await store.messages.newest("general", 10)) == [said(7)]
    rooms = await store.rooms.all()
    assert [(room.id, room.topic, room.last_seq, room.asks) for room in rooms] == [
        ("general", "kept", 0, False),
        ("ask-the-assistant", "kept", 0, True),
        ("off-topic", "kept", 0, False),
    ]
    await store.close()
