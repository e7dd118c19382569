"""Jumps into a room's history: the messages around one of them, and those that follow."""

from pathlib import Path
from unittest.mock import patch

from apps.chat.tests.harness import Gate, Page, chat
from apps.chat.tests.test_hubs import refusal
from apps.chat.tests.test_past import fill, said
from hubline_chat.history import PAGE_CHARACTERS

GONE = "This message does not exist any more."


def numbers(reply: dict[str, list[dict[str, int]]]) -> list[int]:
    return [each["seq"] for each in reply["messages"]]


async def read_on(page: Page, seq: int) -> list[int]:
    """The numbers of all messages of the room behind this one, page by page."""
    found, more = [seq], True
    while more:
        later = await page.client.invoke("LoadLater", "general", found[-1])
        found, more = found + numbers(later), later["hasMore"]
    return found[1:]


async def test_a_page_jumps_anywhere_and_reads_on_in_both_directions(database_url: str) -> None:
    await fill(database_url, [said(seq) for seq in range(1, 331)])
    async with chat(database=database_url, history_messages=100) as under_test:
        ada = await under_test.enter("Ada")
        around = await ada.client.invoke("LoadAround", "general", "m100")
        assert numbers(around) == list(range(75, 126))
        assert (around["hasMore"], around["hasLater"]) == (True, True)
        assert await read_on(ada, 125) == list(range(126, 331))
        earlier = await ada.client.invoke("LoadEarlier", "general", 75)
        assert numbers(earlier) == list(range(25, 75))


async def test_the_ends_of_a_room_have_nothing_behind_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    await fill(url, [said(seq) for seq in range(1, 61)])
    async with chat(database=url) as under_test:
        ada = await under_test.enter("Ada")
        first = await ada.client.invoke("LoadAround", "general", "m2")
        last = await ada.client.invoke("LoadAround", "general", "m60")
        assert (numbers(first), first["hasMore"], first["hasLater"]) == (list(range(1, 28)), False, True)
        assert (numbers(last), last["hasMore"], last["hasLater"]) == (list(range(35, 61)), True, False)
        assert await ada.client.invoke("LoadLater", "general", 60) == {"messages": [], "hasMore": False}


async def test_long_messages_make_short_pages_and_none_is_lost(tmp_path: Path) -> None:
    url, long = f"sqlite:///{tmp_path / 'chat.db'}", "x" * (PAGE_CHARACTERS // 3)
    await fill(url, [said(seq, long) for seq in range(1, 21)])
    async with chat(database=url) as under_test:
        ada = await under_test.enter("Ada")
        around = await ada.client.invoke("LoadAround", "general", "m10")
        assert (numbers(around), around["hasMore"], around["hasLater"]) == ([9, 10, 11], True, True)
        assert await read_on(ada, 10) == list(range(11, 21))


async def test_an_answer_comes_as_it_is_now(tmp_path: Path) -> None:
    gate = Gate()
    async with chat(["One", " two"], gate=gate, data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        asked = await ada.say("@ai Count!")
        answer = await ada.answer()
        watched = ada.watch(answer)
        gate.let()
        await watched.said("One")
        running = (await ada.client.invoke("LoadAround", "general", asked["id"]))["messages"][1]
        assert (running["answer"]["state"], running["answer"]["runId"]) == ("running", answer["answer"]["runId"])
        gate.let(2)
        await ada.ended()
        [ended] = (await ada.client.invoke("LoadLater", "general", asked["seq"]))["messages"]
        assert (ended["text"], ended["answer"]["state"]) == ("One two", "completed")


async def test_what_is_gone_or_elsewhere_is_told_in_one_sentence(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = (await ada.client.invoke("CreateRoom", "Secret", True))["id"]
        secret = await ada.say("secret", room)
        assert await refusal(bob, "LoadAround", room, secret["id"]) == "This room does not exist."
        assert await refusal(bob, "LoadLater", room, 0) == "This room does not exist."
        assert await refusal(bob, "LoadAround", "general", secret["id"]) == GONE
        assert await refusal(bob, "LoadAround", "general", "nothing") == GONE


async def test_what_is_cleared_while_it_is_read_is_not_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    await fill(url, [said(seq) for seq in range(1, 101)])
    async with chat(database=url) as under_test:
        rooms, messages = under_test.chat.rooms, under_test.store.messages
        general, read = rooms.find("general", ""), messages.after

        async def cleared_meanwhile(room_id: str, seq: int, count: int) -> object:
            found = await read(room_id, seq, count)
            await rooms.clear(general, 52)
            return found

        with patch.object(messages, "after", cleared_meanwhile):
            around = await under_test.chat.places.around(general, "m50")
            later = await under_test.chat.places.later(general, 10)
        assert [each.seq for each in around.messages] == list(range(52, 76))
        assert [each.seq for each in later.messages] == list(range(52, 101))


async def test_whoever_has_a_link_is_told_why_it_shows_nothing(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = (await ada.client.invoke("CreateRoom", "Secret", True))["id"]
        states = [await bob.client.invoke("RoomState", each) for each in ("general", room, "nowhere")]
        assert states == ["open", "private", "gone"]
        await ada.client.invoke("AddMember", room, "Bob")
        assert await bob.client.invoke("RoomState", room) == "open"
