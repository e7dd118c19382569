"""Read marks and mentions: what each person has not read yet, on whatever device."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from apps.chat.tests.harness import JSON, OtherProgram, Page, chat
from apps.chat.tests.test_hubs import refusal
from apps.chat.tests.test_meanwhile import held
from hubline.testing import settle


async def reads(page: Page) -> dict[str, tuple[int, list[int]]]:
    """Marks and unread mentions by room, as a page is told when it enters."""
    return {each["roomId"]: (each["seq"], each["mentions"]) for each in (await page.enter())["reads"]}


async def told(page: Page, target: str) -> list[Any]:
    return list(await page.client.expect(target))


async def mention(page: Page) -> JSON:
    [message] = await told(page, "Mentioned")
    return dict(message)


async def test_what_was_said_before_the_first_visit_counts_as_read_and_what_comes_later_does_not() -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        await ada.say("before")
        await under_test.member("Bob")
        bob = await under_test.enter("Bob", room=None)
        assert await reads(bob) == {"general": (1, []), "ask-the-assistant": (0, []), "off-topic": (0, [])}
        await ada.say("after")
        room = (await ada.client.invoke("CreateRoom", "New"))["id"]
        await ada.say("in a room that is new", room)
        assert await reads(bob) == {
            "general": (1, []), "ask-the-assistant": (0, []), "off-topic": (0, []), room: (0, []),
        }  # fmt: skip


async def test_a_mark_rises_only_and_is_told_to_every_device_of_the_person() -> None:
    async with chat() as under_test:
        ada, second, bob = [await under_test.enter(name) for name in ("Ada", "Ada", "Bob")]
        for number in range(3):
            await bob.say(str(number))
            for page in (ada, second, bob):
                await page.hear()
            assert await told(bob, "ReadChanged") == ["general", number + 1]
        await ada.client.invoke("MarkRead", "general", 2)
        for page in (ada, second):
            assert await told(page, "ReadChanged") == ["general", 2]
        for seq in (1, 2, 0, -5):
            await second.client.invoke("MarkRead", "general", seq)
        await second.client.invoke("MarkRead", "general", 99)
        for page in (ada, second):
            assert await told(page, "ReadChanged") == ["general", 3]
            await page.client.expect_nothing()
        await bob.client.expect_nothing()
        assert (await reads(second))["general"] == (3, [])
        assert await refusal(ada, "MarkRead", "nowhere", 1) == "This room does not exist."


async def test_who_writes_has_read_the_room_up_to_that_on_every_device() -> None:
    async with chat() as under_test:
        await under_test.member("Ada")
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        elsewhere = await under_test.enter("Ada", room=None)
        for text in ("one", "@Ada two"):
            await bob.say(text)
        assert (await reads(ada))["general"] == (0, [2])
        said = await ada.say("three")
        for page in (ada, elsewhere):
            assert await told(page, "ReadChanged") == ["general", said["seq"]]
        assert (await reads(ada))["general"] == (3, [])
        await bob.say("four")
        assert (await reads(ada))["general"] == (3, [])
        assert (await reads(bob))["general"] == (4, [])


async def test_a_page_that_is_gone_before_its_message_is_stored_has_read_it_when_it_is_back() -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        async with held(under_test.store.messages, "add") as storing:
            saying = asyncio.create_task(ada.say("mine"))
            await storing.wait()
            await ada.client.stop()
            await asyncio.gather(saying, return_exceptions=True)
            again = await under_test.enter("Ada", room=None)
        assert await told(again, "ReadChanged") == ["general", 1]
        assert (await reads(again))["general"] == (1, [])


async def test_a_question_is_read_and_its_answer_is_not() -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        asked = await ada.ask("Why?")
        assert (await ada.ended())[0] == "Hello"
        assert (await reads(ada))["general"] == (asked["seq"], [])


async def test_marks_and_mentions_survive_a_restart(database_url: str) -> None:
    async with chat(database=database_url) as under_test:
        await under_test.member("Ada")
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        for text in ("@Ada one", "two", "@ada three"):
            await bob.say(text)
        await ada.client.invoke("MarkRead", "general", 2)
        assert (await reads(ada))["general"] == (2, [3])
        cookie = (await under_test.guest("Ada")).http.cookies
    async with chat(database=database_url) as under_test:
        page = Page(await under_test.connect(under_test.browser(cookies=cookie)))
        assert (await reads(page))["general"] == (2, [3])
        await page.client.invoke("MarkRead", "general", 3)
        assert (await reads(page))["general"] == (3, [])


async def test_a_mention_is_told_to_whom_it_names_wherever_they_are() -> None:
    async with chat() as under_test:
        await under_test.member("Ada Lovelace")
        lovelace, ada, bob = [await under_test.enter(name) for name in ("Ada Lovelace", "Ada", "Bob")]
        await lovelace.join("off-topic")
        await lovelace.client.invoke("LeaveRoom", "general")
        said = await bob.say("Ask @ada lovelace, or (@Bob), or @Ada.")
        assert await mention(lovelace) == said
        assert await ada.hear() == said
        assert await mention(ada) == said
        await bob.say("Only @Ada Lovelace!")
        assert (await mention(lovelace))["seq"] == 2
        await ada.hear()
        for text in ("`@Ada`", "ada@Ada", "@Adam", "@nobody here", "@", "```\n@Ada\n```"):
            await bob.say(text)
            await ada.hear()
        await ada.client.expect_nothing()
        await lovelace.client.expect_nothing()
        assert (await reads(ada))["general"] == (0, [1])


async def test_nobody_outside_of_a_private_room_hears_of_it_and_who_is_added_begins_with_what_comes() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = (await ada.client.invoke("CreateRoom", "Secret", True))["id"]
        await ada.say("@Bob cannot see this", room)
        assert room not in await reads(bob)
        assert await refusal(bob, "MarkRead", room, 1) == "This room does not exist."
        await bob.client.expect_nothing()
        await ada.client.invoke("AddMember", room, "Bob")
        assert await told(bob, "ReadChanged") == [room, 1]
        said = await ada.say("@Bob hello", room)
        assert await mention(bob) == said
        assert (await reads(bob))[room] == (1, [2])


async def test_a_mark_that_rises_while_others_are_stored_is_stored_as_the_server_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(data=tmp_path) as under_test:
        ada, bob, marks = await under_test.enter("Ada"), await under_test.enter("Bob"), under_test.chat.marks
        for text in ("one", "two"):
            await bob.say(text)
        await marks.save()
        advance, begun, goes_on = under_test.store.marks.advance, asyncio.Event(), asyncio.Event()

        async def slow(new: Any) -> None:
            begun.set()
            await goes_on.wait()
            await advance(new)

        monkeypatch.setattr(under_test.store.marks, "advance", slow)
        await ada.client.invoke("MarkRead", "general", 1)
        saving = asyncio.create_task(marks.save())  # which the server does every now and then
        await begun.wait()
        await ada.client.invoke("MarkRead", "general", 2)
        last = asyncio.create_task(marks.save())
        await settle()
        goes_on.set()
        await asyncio.gather(saving, last)
        assert (await under_test.store.marks.of(ada.me["id"]))["general"] == 2


async def test_who_enters_while_marks_are_stored_is_not_taken_for_somebody_new(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat() as under_test:
        browser, bob = await under_test.member("Ada"), await under_test.enter("Bob")
        ada = await under_test.store.users.named("Ada")
        assert ada is not None
        await bob.say("@Ada one")
        marks, stored = under_test.chat.marks, under_test.store.marks.of

        async def late(user_id: str) -> Any:
            found = await stored(user_id)
            await marks.save()  # what was read is older than what is stored now
            return found

        monkeypatch.setattr(under_test.store.marks, "of", late)
        page = Page(await under_test.connect(browser))
        marks._new[ada.id, "general"] = 0
        assert (await reads(page))["general"] == (0, [1])


async def test_marks_that_cannot_be_stored_are_stored_later(tmp_path: Path) -> None:
    other = OtherProgram(tmp_path)
    async with chat(data=tmp_path, other=other) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        for text in ("one", "two"):
            await bob.say(text)
        await under_test.chat.marks.save()
        async with other.writing():
            await ada.client.invoke("MarkRead", "general", 1)
            await under_test.chat.marks.save()
            await ada.client.invoke("MarkRead", "general", 2)
            assert (await reads(ada))["general"] == (2, [])
        await under_test.chat.marks.save()
        assert (await under_test.store.marks.of(ada.me["id"]))["general"] == 2
