"""The download of a room: all of it, in both forms, for those who may read it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from apps.chat.tests.files.test_files import send, uploaded
from apps.chat.tests.harness import JSON, Browser, chat
from hubline_chat.contract import Message, Person
from hubline_chat.export.formats import Exported, MarkdownFormat
from hubline_chat.export.routes import BURST
from hubline_chat.store import Store

BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)


def said(seq: int) -> Message:
    author = Person(f"p{seq % 3}", f"Person {seq % 3}")
    return Message(f"m{seq}", "general", seq, "person", author, f"Text {seq}", BEGAN + timedelta(minutes=seq))


async def download(browser: Browser, room: str, form: str) -> httpx.Response:
    return await browser.http.get(f"/api/rooms/{room}/export", params={"format": form})


async def test_a_large_room_is_downloaded_whole_without_what_was_deleted(new_url: Callable[[], str]) -> None:
    database, count = new_url(), 4_000
    store = Store(database)
    await store.open()
    await store.messages.add([replace(said(seq), is_deleted=seq % 100 == 7) for seq in range(1, count + 1)])
    await store.close()
    async with chat(database=database, history_messages=100) as under_test:
        await under_test.enter("Ada")
        answer = await download(await under_test.guest("Ada"), "general", "json")
        assert answer.status_code == 200
        assert "content-length" not in answer.headers  # it is written while it is read
        assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''General.json"
        assert answer.headers["cache-control"] == "no-store"
        whole = answer.json()
        assert (whole["room"]["name"], whole["exportedBy"]) == ("General", "Ada")
        assert [each["seq"] for each in whole["messages"]] == [n for n in range(1, count + 1) if n % 100 != 7]
        assert whole["messages"][0] == {
            "id": "m1",
            "seq": 1,
            "kind": "person",
            "author": {"id": "p1", "name": "Person 1"},
            "sentAt": "2026-11-01T12:01:00+00:00",
            "text": "Text 1",
        }
        text = (await download(await under_test.guest("Ada"), "general", "markdown")).text
        assert text.count("> Text ") == len(whole["messages"])
        assert text.count("## 2026-11-01") == 1


async def test_an_export_has_answers_files_replies_and_reactions() -> None:
    async with chat(["The ", "answer"]) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("B*b")
        browser = await under_test.guest("Ada")
        file = await uploaded(browser, "a b.txt", b"content")
        first = await send(ada, [file], "Look")
        await bob.client.invoke("SendMessage", "general", "reply", "```\nan open fence", [], first["id"])
        await bob.client.invoke("React", first["id"], "👍", True)
        await ada.ask("Why?")
        await ada.ended()
        look, reply, question, answer = (await download(browser, "general", "json")).json()["messages"]
        link = f"http://testserver/api/files/{file['id']}/a%20b.txt"
        assert look["files"] == [{"name": "a b.txt", "type": "text/plain", "size": 7, "url": link}]
        assert (await browser.http.get(link)).content == b"content"
        assert look["reactions"] == [{"emoji": "👍", "people": ["B*b"]}]
        assert reply["replyTo"] == {"id": first["id"], "author": "Ada"}
        assert answer["answer"]["questionId"] == question["id"]
        assert (answer["text"], answer["answer"]["askedBy"], answer["answer"]["state"]) == (
            "The answer",
            "Ada",
            "completed",
        )
        text = (await download(browser, "general", "markdown")).text
        assert f"> Look\n\n- [a b.txt]({link}) (7 bytes)\n\n👍 B\\*b\n" in text
        assert "> > **Ada**: Look\n>\n> ```\n> an open fence\n\n**Ada** ·" in text
        assert " · to Ada\n\n> The answer\n" in text


async def test_only_those_who_may_read_a_room_can_download_it() -> None:
    async with chat() as under_test:
        await under_test.member("Root", role="admin")
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await under_test.enter("Root")
        room = await ada.client.invoke("CreateRoom", "Secret", True)
        await ada.say("Nobody hears it", room=room["id"])
        pair = await ada.client.invoke("CreatePair", bob.me["id"])
        assert "Nobody hears it" in (await download(await under_test.guest("Ada"), room["id"], "markdown")).text
        for name, place in (("Bob", room["id"]), ("Root", room["id"]), ("Root", pair["id"]), ("Ada", "nowhere")):
            refused = await download(await under_test.guest(name), place, "json")
            assert (refused.status_code, refused.json()["code"]) == (404, "no-such-room")
        assert (await download(under_test.browser(), "general", "json")).status_code == 401
        mine = await download(await under_test.guest("Bob"), pair["id"], "json")
        assert mine.json()["room"]["name"] == "Ada and Bob"
        assert mine.json()["messages"] == []


async def test_who_is_removed_while_a_download_begins_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = (await ada.client.invoke("CreateRoom", "Secret", True))["id"]
        await ada.client.invoke("AddMember", room, "Bob")
        await ada.say("Nobody hears it", room=room)
        messages = under_test.store.messages
        read = messages.after

        async def removed_meanwhile(*place: Any) -> Any:
            await ada.client.invoke("RemoveMember", room, bob.me["id"])
            return await read(*place)

        monkeypatch.setattr(messages, "after", removed_meanwhile)
        refused = await download(await under_test.guest("Bob"), room, "json")
        assert (refused.status_code, refused.json()["code"]) == (404, "no-such-room")


async def test_nobody_downloads_without_end() -> None:
    async with chat() as under_test:
        await under_test.enter("Ada")
        answers = [await download(await under_test.guest("Ada"), "general", "json") for _ in range(BURST + 1)]
        assert [each.status_code for each in answers] == [200] * BURST + [429]
        assert json.loads(answers[-1].text)["code"] == "too-many"


def test_names_and_topics_are_no_markup() -> None:
    room = Exported("r", "A [b](c)", "# Topic\n<b>", "Ada", BEGAN, "http://chat.example")
    form = MarkdownFormat(room)
    assert form.begin() == (
        "# A \\[b\\](c)\n\n\\# Topic \\<b\\>\n\nExported by Ada on 2026-11-01 12:00. All times are UTC.\n"
    )
    edited: JSON = {"edited_at": BEGAN, "text": "> quoted\n\n# big"}
    assert form.message(replace(said(1), **edited)) == (
        "\n## 2026-11-01\n\n**Person 1** · 12:01 · edited\n\n> > quoted\n>\n> # big\n"
    )
    assert form.message(replace(said(1), text="one\r# two\r\n# three")).endswith("> one\n> # two\n> # three\n")
