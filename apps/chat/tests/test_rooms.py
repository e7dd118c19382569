"""Rooms are changed and deleted by whoever made them, and by administrators."""

from pathlib import Path

import pytest

from apps.chat.tests.harness import Gate, Page, chat
from apps.chat.tests.test_hubs import refusal

NOT_YOURS = "Only the owner of a room or an administrator can do this."


async def test_the_owner_and_an_administrator_change_a_room_and_others_do_not(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        await under_test.member("Ada")
        await under_test.member("Root", role="admin")
        ada, bob, root = [await under_test.enter(name) for name in ("Ada", "Bob", "Root")]
        room = (await ada.client.invoke("CreateRoom", "Plans"))["id"]
        assert await refusal(bob, "ChangeRoom", room, "Mine", "") == NOT_YOURS
        assert await refusal(bob, "DeleteRoom", room) == NOT_YOURS
        assert await refusal(bob, "DeleteRoom", "general") == NOT_YOURS
        changed = await ada.client.invoke("ChangeRoom", room, " Big  plans ", "For\nall")
        assert (changed["id"], changed["name"], changed["topic"]) == (room, "Big plans", "For all")
        await bob.news("RoomsChanged", lambda rooms: rooms[-1]["name"] == "Big plans")
        assert await refusal(ada, "ChangeRoom", room, "general", "") == "There is a room called general already."
        assert "200 are allowed" in await refusal(ada, "ChangeRoom", room, "Plans", "x" * 201)
        assert (await root.client.invoke("ChangeRoom", room, "BIG PLANS", ""))["name"] == "BIG PLANS"
    async with chat(data=tmp_path) as under_test:
        eve = await under_test.enter("Eve")
        assert (await eve.enter())["rooms"][-1]["name"] == "BIG PLANS"


async def test_a_new_room_is_made_now_and_the_first_ones_have_no_time(tmp_path: Path) -> None:
    """The list begins with the latest: a new room must not stand behind all others until something is said in it."""
    async with chat(data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        made = (await ada.client.invoke("CreateRoom", "Plans"))["lastAt"]
        assert made is not None
    async with chat(data=tmp_path) as under_test:
        rooms = (await (await under_test.enter("Eve")).enter())["rooms"]
        assert [(room["name"], room["lastAt"]) for room in rooms] == [
            ("General", None),
            ("Ask the assistant", None),
            ("Off topic", None),
            ("Plans", made),
        ]


async def test_a_deleted_room_is_gone_for_everybody_with_its_answers(tmp_path: Path) -> None:
    gate = Gate()
    async with chat(["Once ", "upon"], gate=gate, data=tmp_path) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = (await ada.client.invoke("CreateRoom", "Plans"))["id"]
        for page in (ada, bob):
            await page.join(room)
        await ada.say("@ai Why?", room)
        await ada.client.invoke("DeleteRoom", room)
        for page in (ada, bob):
            assert list(await page.client.expect("RoomGone")) == [room, "Ada has deleted Plans."]
            await page.news("RoomsChanged", lambda rooms: all(each["id"] != room for each in rooms))
            assert await refusal(page, "OpenRoom", room, None) == "This room does not exist."
        assert list(await under_test.store.messages.newest(room, 10)) == []
        again = (await ada.client.invoke("CreateRoom", "Plans"))["id"]
        await ada.join(again)
        assert (await ada.say("new", again))["seq"] == 1


async def test_one_person_makes_so_many_rooms_and_no_more() -> None:
    async with chat(rooms_per_person=2) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        for name in ("One", "Two"):
            await ada.client.invoke("CreateRoom", name)
        sentence = "You have made 2 rooms already, and more are not possible."
        assert await refusal(ada, "CreateRoom", "Three") == sentence
        await bob.client.invoke("CreateRoom", "Three")


async def test_guests_do_not_use_up_the_rooms_of_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubline_chat.rooms.GUEST_ROOMS", 5)
    monkeypatch.setattr("hubline_chat.rooms.ROOMS", 6)
    async with chat() as under_test:
        await under_test.member("Cleo")
        ada, bob, cleo = [await under_test.enter(name) for name in ("Ada", "Bob", "Cleo")]
        for page, name in ((ada, "One"), (bob, "Two")):  # beside the three of the beginning
            await page.client.invoke("CreateRoom", name)
        for page in (ada, bob):
            sentence = "There are 5 rooms already, and guests can make no more."
            assert await refusal(page, "CreateRoom", "Three") == sentence
        await cleo.client.invoke("CreateRoom", "Three")
        assert await refusal(cleo, "CreateRoom", "Four") == "There are 6 rooms already, and more are not possible."


async def test_an_archived_room_is_read_and_not_written_until_it_is_opened_again(database_url: str) -> None:
    async with chat(["Because."], database=database_url) as under_test:
        await under_test.member("Ada")
        await under_test.member("Root", role="admin")
        ada, bob, root = [await under_test.enter(name) for name in ("Ada", "Bob", "Root")]
        room = (await ada.client.invoke("CreateRoom", "Plans"))["id"]
        for page in (ada, bob):
            await page.join(room)
        await ada.say("@ai Why?", room)
        answer = await ada.answer()
        await ada.ended()
        for method in ("ArchiveRoom", "RetainMessages"):
            assert await refusal(bob, method, room, True if method == "ArchiveRoom" else 3) == NOT_YOURS
        archived = await ada.client.invoke("ArchiveRoom", room, True)
        assert (archived["isArchived"], archived["owners"]) == (True, [ada.me["id"]])
        await bob.news("RoomsChanged", lambda rooms: rooms[-1]["isArchived"])
        closed = "Plans is archived: it can be read, and nothing new can be written."
        for method, *arguments in (("SendMessage", room, "x", "hello"), ("Ask", room, "y", "Why?")):
            assert await refusal(bob, method, *arguments) == closed
        for method in ("RetryAnswer", "GoOn"):
            assert await refusal(ada, method, answer["id"]) == closed
        assert [each["text"] for each in (await bob.join(room))["messages"]] == ["@ai Why?", "Because."]
        assert (await root.client.invoke("ChangeRoom", room, "Old plans", ""))["isArchived"]
    async with chat(database=database_url) as under_test:
        eve = await under_test.enter("Eve")
        assert await refusal(eve, "SendMessage", room, "x", "hello") == closed.replace("Plans", "Old plans")
        browser = under_test.browser()
        await browser.user("sign-in", name="Root", password="secret of Root")
        root = Page(await under_test.connect(browser))
        await root.enter()
        assert not (await root.client.invoke("ArchiveRoom", room, False))["isArchived"]
        assert (await eve.say("open again", room))["seq"] == 3


async def test_a_room_has_a_retention_of_its_own(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        room = (await ada.client.invoke("CreateRoom", "Plans"))["id"]
        for days in (0, 4_000, -1):
            sentence = "Messages can be deleted after 1 to 3,650 days."
            assert await refusal(ada, "RetainMessages", room, days) == sentence
        assert (await ada.client.invoke("RetainMessages", room, 30))["retentionDays"] == 30
        await ada.news("RoomsChanged", lambda rooms: rooms[-1]["retentionDays"] == 30)
    async with chat(data=tmp_path) as under_test:
        assert (await (await under_test.enter("Eve")).enter())["rooms"][-1]["retentionDays"] == 30
