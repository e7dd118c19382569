"""What changes while something else is under way: rights, rooms and messages count as they are at its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from apps.chat.tests.harness import ChatUnderTest, Page, chat
from apps.chat.tests.test_editing import NOT_YOURS
from apps.chat.tests.test_hubs import refusal
from hubline import InvocationError


@asynccontextmanager
async def held(target: object, method: str) -> AsyncIterator[asyncio.Event]:
    """Calls of a method wait until the block ends, one that reads with what it has read. The event: one was made."""
    works, reached, released = getattr(target, method), asyncio.Event(), asyncio.Event()

    async def wait(*arguments: Any) -> Any:
        result = await works(*arguments) if method == "of" else None
        reached.set()
        await released.wait()
        return result if method == "of" else await works(*arguments)

    with patch.object(target, method, wait):
        try:
            yield reached
        finally:
            released.set()


async def test_who_is_an_administrator_no_more_does_not_enter_as_one() -> None:
    async with chat() as under_test:
        browser = await under_test.member("Eve", role="admin")
        await under_test.member("Root", role="admin")
        bob = await under_test.enter("Bob")
        said = await bob.say("by Bob")
        eve = Page(await under_test.connect(browser))
        async with held(under_test.chat.marks, "of") as reading:
            entering = asyncio.create_task(eve.enter())
            await reading.wait()
            user = await under_test.store.users.named("Eve")
            assert user is not None
            await under_test.accounts.change(user.id, role="member")
        assert (await entering)["me"]["role"] == "member"
        assert await refusal(eve, "DeleteMessage", said["id"]) == NOT_YOURS


async def test_who_was_removed_while_a_message_was_stored_is_not_told_that_it_mentions_them() -> None:
    async with chat() as under_test:
        ada, bob, second = [await under_test.enter(name) for name in ("Ada", "Bob", "Ada")]
        room = (await ada.client.invoke("CreateRoom", "Secret", True))["id"]
        await ada.client.invoke("AddMember", room, "Bob")
        async with held(under_test.store.messages, "add") as storing:
            saying = asyncio.create_task(ada.say("@Bob the secret", room))
            await storing.wait()
            await second.client.invoke("RemoveMember", room, bob.me["id"])
            await bob.client.expect("RoomGone")
        await saying
        await bob.client.expect_nothing()


async def test_a_message_that_was_deleted_while_a_reply_was_stored_is_not_quoted() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        secret = await ada.say("the secret")
        async with held(under_test.store.messages, "add") as storing:
            call = bob.client.invoke("SendMessage", "general", "reply", "What?", [], secret["id"])
            replying = asyncio.create_task(call)
            await storing.wait()
            await ada.client.invoke("DeleteMessage", secret["id"])
        reply = await replying
        assert (reply["quote"]["isDeleted"], reply["quote"]["text"]) == (True, "")
        assert await ada.hear() == secret
        assert await ada.hear() == reply
        assert (await bob.join())["messages"][-1] == reply


async def test_a_room_that_is_deleted_while_its_messages_are_changed_is_no_unexpected_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        for table, refused in (("versions", "The question does not exist any more."), ("marks", None)):
            room = (await ada.client.invoke("CreateRoom", f"Plans {table}"))["id"]
            await bob.join(room)
            question = await bob.say("@ai Why?", room)
            answer = await bob.answer()
            await bob.ended()
            method = "add" if table == "versions" else "mention"
            async with held(getattr(under_test.store, table), method) as storing:
                again = (
                    ("RetryAnswer", answer["id"]) if table == "versions" else ("EditMessage", question["id"], "@Ada")
                )
                changing = asyncio.create_task(bob.client.invoke(*again))
                await storing.wait()
                await ada.client.invoke("DeleteRoom", room)
            if refused is None:
                assert (await changing)["text"] == "@Ada"
            else:
                with pytest.raises(InvocationError, match=refused):
                    await changing
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == []


async def resent(under_test: ChatUnderTest) -> list[tuple[str, bool]]:
    ada = await under_test.enter("Ada")
    found = [await ada.say(text, message_id=text) for text in ("rude", "tpyo")]
    return [(message["text"], message["isDeleted"]) for message in found]


async def test_a_message_sent_again_is_answered_as_it_is_now(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        await under_test.member("Ada")
        await under_test.member("Root", role="admin")
        ada, root = await under_test.enter("Ada"), await under_test.enter("Root")
        rude, mistaken = [await ada.say(text, message_id=text) for text in ("rude", "tpyo")]
        await root.client.invoke("DeleteMessage", rude["id"])
        await ada.client.invoke("EditMessage", mistaken["id"], "typo")
        assert await resent(under_test) == [("", True), ("typo", False)]
    async with chat(data=tmp_path) as under_test:
        browser = under_test.browser()
        await browser.user("sign-in", name="Ada", password="secret of Ada")
        under_test._browsers["Ada"] = browser
        assert await resent(under_test) == [("", True), ("typo", False)]
