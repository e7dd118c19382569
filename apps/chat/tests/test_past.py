"""What was said long ago: all of it is there, in order, whatever is in memory."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from apps.chat.tests.harness import Page, chat
from apps.chat.tests.test_hubs import refusal
from hubline_chat.contract import Answer, AnswerState, Message, Person
from hubline_chat.history import PAGE, PAGE_CHARACTERS
from hubline_chat.housekeeping import Housekeeping
from hubline_chat.store import Store, StoreError

NOW = datetime.now(UTC)
ADA, AI = Person("ada", "Ada"), Person("assistant", "Assistant", "assistant")


def said(seq: int, text: str = "", *, age: timedelta = timedelta()) -> Message:
    return Message(f"m{seq}", "general", seq, "person", ADA, text or str(seq), NOW - age)


async def fill(url: str, messages: list[Message]) -> None:
    """A database in which all this was said."""
    store = Store(url)
    await store.open()
    await store.messages.add(messages)
    await store.close()


async def all_pages(page: Page) -> list[list[int]]:
    """The numbers of every page of the room's history, from the newest to the oldest."""
    reply = await page.join()
    pages = [[each["seq"] for each in reply["messages"]]]
    while reply["hasMore"]:
        reply = await page.client.invoke("LoadEarlier", "general", reply["messages"][0]["seq"])
        pages.append([each["seq"] for each in reply["messages"]])
    return pages


def flat(pages: list[list[int]]) -> list[int]:
    return [seq for page in reversed(pages) for seq in page]


async def test_every_message_is_read_in_order_page_by_page(database_url: str) -> None:
    await fill(database_url, [said(seq) for seq in range(1, 331)])
    async with chat(database=database_url, history_messages=100) as under_test:
        ada = await under_test.enter("Ada")
        pages = await all_pages(ada)
        assert flat(pages) == list(range(1, 331))
        assert [len(page) for page in pages] == [PAGE] * 6 + [30]


async def test_what_is_said_meanwhile_moves_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    await fill(url, [said(seq) for seq in range(1, 201)])
    async with chat(database=url, history_messages=100) as under_test:
        ada = await under_test.enter("Ada", room=None)
        first = await ada.join()
        found = [each["seq"] for each in first["messages"]]
        while found[0] > 1:
            for number in range(10):
                await ada.say(str(number))
            earlier = await ada.client.invoke("LoadEarlier", "general", found[0])
            found = [each["seq"] for each in earlier["messages"]] + found
        assert found == list(range(1, 201))
        assert earlier["hasMore"] is False


async def test_a_page_carries_so_much_text_from_the_store_too(tmp_path: Path) -> None:
    url, long = f"sqlite:///{tmp_path / 'chat.db'}", "x" * (PAGE_CHARACTERS // 3)
    await fill(url, [said(seq, long) for seq in range(1, 41)])
    async with chat(database=url, history_messages=100) as under_test:
        pages = await all_pages(await under_test.enter("Ada"))
        assert under_test.chat.rooms.find("general", "").history.oldest > 10  # a million characters are in memory
        assert flat(pages) == list(range(1, 41))
        assert {len(page) for page in pages[:-1]} == {3}


async def test_cleared_history_stays_away_and_its_numbers_do_not_return(database_url: str) -> None:
    await fill(database_url, [said(seq) for seq in range(1, 301)])
    async with chat(database=database_url, history_messages=100) as under_test:
        ada, rooms = await under_test.enter("Ada"), under_test.chat.rooms
        general = rooms.find("general", "")
        await rooms.clear(general, 150)  # behind what is in memory
        assert flat(await all_pages(ada)) == list(range(150, 301))
        await rooms.clear(general, 251)
        assert flat(await all_pages(ada)) == list(range(251, 301))
        await rooms.clear(general, 301)
        assert await all_pages(ada) == [[]]
    async with chat(database=database_url, history_messages=100) as under_test:
        bob = await under_test.enter("Bob")
        assert (await bob.say("after it"))["seq"] == 301
        assert flat(await all_pages(bob)) == [301]


async def test_what_is_cleared_while_it_is_read_is_not_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    await fill(url, [said(seq) for seq in range(1, 201)])
    async with chat(database=url, history_messages=100) as under_test:
        rooms, messages = under_test.chat.rooms, under_test.store.messages
        general, read = rooms.find("general", ""), messages.before

        async def cleared_meanwhile(room_id: str, seq: int, count: int) -> object:
            found = await read(room_id, seq, count)
            await rooms.clear(general, 90)
            return found

        with patch.object(messages, "before", cleared_meanwhile):
            found, has_more = await under_test.chat.past.before(general, 101)
        assert ([each.seq for each in found], has_more) == (list(range(90, 101)), False)


async def test_an_answer_that_left_memory_is_told_as_it_is_now(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    answer = Answer(AnswerState.INTERRUPTED, ADA, "m1")
    cut = Message("a", "general", 2, "assistant", AI, "Once", NOW, answer=answer)
    await fill(url, [said(1, "@ai A story!"), cut, *(said(seq) for seq in range(3, 203))])
    async with chat([" upon"], database=url, history_messages=100) as under_test:
        ada = await under_test.enter("Ada")
        with patch.object(under_test.store.messages, "update", side_effect=StoreError("full")):
            await ada.client.invoke("GoOn", "a")
            assert (await ada.ended())[0] == "Once upon"
            earlier = await ada.client.invoke("LoadEarlier", "general", 3)
        assert [each["text"] for each in earlier["messages"]] == ["@ai A story!", "Once upon"]
        again = await ada.client.invoke("RetryAnswer", "a")
        assert again["answer"]["questionId"] == "m1"
        assert await refusal(ada, "RetryAnswer", "nothing") == "This message does not exist any more."


async def test_messages_of_a_private_room_are_not_found_by_others(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = (await ada.client.invoke("CreateRoom", "Secret", True))["id"]
        await ada.join(room)
        asked = await ada.say("@ai Why?", room)
        await ada.ended()
        general = under_test.chat.rooms.find(room, ada.me["id"])
        general.history.clear(10)  # out of memory, and in the store
        assert await refusal(bob, "RetryAnswer", asked["id"]) == "This message does not exist any more."
        assert await refusal(ada, "RetryAnswer", asked["id"]) == "This message is not an answer."


async def test_retention_deletes_what_is_too_old_and_tells_pages(database_url: str) -> None:
    old = [said(seq, age=timedelta(days=40)) for seq in range(1, 151)]
    await fill(database_url, [*old, *(said(seq, age=timedelta(days=3)) for seq in range(151, 161))])
    async with chat(database=database_url, history_messages=100, retention_days=9_999) as under_test:
        ada, state = await under_test.enter("Ada"), under_test.chat
        assert (await ada.enter())["server"]["retentionDays"] == 9_999
        tidy = Housekeeping(
            under_test.store, under_test.accounts, state.rooms, retention_days=30, told=state.history_cleared
        )
        await tidy.tidy(NOW)
        assert list(await ada.client.expect("HistoryCleared")) == ["general", 151]
        assert flat(await all_pages(ada)) == list(range(151, 161))
        await tidy.tidy(NOW + timedelta(days=30))
        assert await all_pages(ada) == [[]]
        assert (await ada.say("new"))["seq"] == 161


@pytest.mark.parametrize(
    ("room_days", "server_days", "left"), [(5, None, 2), (5, 30, 2), (30, 5, 2), (None, 30, 3), (None, None, 4)]
)
async def test_the_shorter_retention_counts_of_room_and_server(
    tmp_path: Path, room_days: int | None, server_days: int | None, left: int
) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    await fill(url, [said(seq, age=timedelta(days=days)) for seq, days in enumerate((40, 10, 3, 1), 1)])
    async with chat(database=url) as under_test:
        state, store = under_test.chat, under_test.store
        await under_test.member("Root", role="admin")
        await (await under_test.enter("Root")).client.invoke("RetainMessages", "general", room_days)
        await Housekeeping(
            store, under_test.accounts, state.rooms, retention_days=server_days, told=state.history_cleared
        ).tidy(NOW)
        assert len(await store.messages.newest("general", 9)) == left
