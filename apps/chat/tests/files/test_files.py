"""Files of messages: uploaded, sent, read by those who may, and deleted with what they belong to."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from PIL import Image

from apps.chat.tests.harness import JSON, Browser, ChatUnderTest, chat, turns
from apps.chat.tests.test_hubs import refusal
from hubline.models import ScriptedModel


def picture(width: int = 30, height: int = 20, form: str = "PNG", **options: Any) -> bytes:
    written = BytesIO()
    Image.new("RGB", (width, height), "teal").save(written, form, **options)
    return written.getvalue()


async def put(browser: Browser, name: str, content: Any, room: str = "general") -> httpx.Response:
    return await browser.http.post("/api/files", params={"room": room, "name": name}, content=content)


async def uploaded(browser: Browser, name: str, content: bytes, room: str = "general") -> JSON:
    answer = await put(browser, name, content, room)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def got(browser: Browser, file: JSON) -> httpx.Response:
    return await browser.http.get(f"/api/files/{file['id']}/{file['name']}")


def stored(under_test: ChatUnderTest, data: Path) -> list[str]:
    return [path.name for path in (data / "files").rglob("*") if path.is_file()]


async def send(page: Any, files: list[JSON], text: str = "", room: str = "general") -> JSON:
    sent: JSON = await page.client.invoke("SendMessage", room, page._new_id(), text, [file["id"] for file in files])
    return sent


async def test_a_file_is_sent_and_read_by_those_in_the_room_only(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        adas, bobs = await under_test.guest("Ada"), await under_test.guest("Bob")
        image = await uploaded(adas, "../é t.png", picture())
        assert image == {**image, "name": "é t.png", "type": "image/png", "size": len(picture())}
        assert (image["width"], image["height"]) == (30, 20)
        page = await uploaded(adas, "evil.html", b"<script>alert(1)</script>")
        assert (await got(adas, image)).status_code == 200
        assert (await got(bobs, image)).status_code == 404  # not yet sent
        sent = await send(ada, [image, page])
        assert sent["files"] == [image, page]
        assert (await bob.hear())["files"] == sent["files"]
        shown = await got(bobs, image)
        assert shown.content == picture()
        assert shown.headers["content-type"] == "image/png"
        assert shown.headers["content-disposition"] == "inline; filename*=utf-8''%C3%A9%20t.png"
        saved = await got(bobs, page)
        assert saved.headers["content-type"] == "text/html; charset=utf-8"
        assert saved.headers["content-disposition"].startswith("attachment;")
        for answer in (shown, saved):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in answer.headers["content-security-policy"]
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "private, no-cache"
        known = {"if-none-match": shown.headers["etag"]}
        path = f"/api/files/{image['id']}/x"
        assert (await bobs.http.get(path, headers=known)).status_code == 304
        assert (await under_test.browser().http.get(path, headers=known)).status_code == 401
        assert "already" not in await refusal(bob, "SendMessage", "general", "x1", "mine", [image["id"]])
        assert await refusal(ada, "SendMessage", "general", "x2", "twice", [image["id"]])  # it is in a message

        room = await ada.client.invoke("CreateRoom", "Secret", True)
        hidden = await uploaded(adas, "secret.txt", b"psst", room["id"])
        assert await refusal(ada, "SendMessage", "general", "x3", "", [hidden["id"]])  # of another room
        await send(ada, [hidden], room=room["id"])
        assert (await got(adas, hidden)).text == "psst"
        assert (await got(bobs, hidden)).status_code == 404
        assert (await put(bobs, "in.txt", b"x", room["id"])).status_code == 404


async def test_files_come_back_after_a_restart_and_a_repeated_message_has_them_once(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        await under_test.member("Eve")
        eve = await under_test.enter("Eve")
        file = await uploaded(await under_test.guest("Eve"), "notes.txt", b"hello")
        call = ("SendMessage", "general", "once", "see", [file["id"]])
        first = await eve.client.invoke(*call)
        assert await eve.client.invoke(*call) == first
        assert (await ada.hear())["files"] == [file]
    async with chat(data=tmp_path) as under_test:
        eves = under_test.browser()
        await eves.user("sign-in", name="Eve", password="secret of Eve")
        under_test._browsers["Eve"] = eves
        eve = await under_test.enter("Eve", room=None)
        assert (await eve.join())["messages"][-1]["files"] == [file]
        assert (await eve.client.invoke(*call))["id"] == first["id"]
        assert (await got(eves, file)).text == "hello"


async def test_files_go_with_their_message_their_room_and_when_nobody_sends_them(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada, adas = await under_test.enter("Ada"), await under_test.guest("Ada")
        room = await ada.client.invoke("CreateRoom", "Short lived")
        one, two = await uploaded(adas, "1.txt", b"1"), await uploaded(adas, "2.txt", b"2", room["id"])
        three, four = await uploaded(adas, "3.txt", b"3"), await uploaded(adas, "4.txt", b"4")
        message, _ = await send(ada, [one]), await send(ada, [two], room=room["id"])
        await ada.client.invoke("DeleteMessage", message["id"])
        assert (await got(adas, one)).status_code == 404
        assert sorted(stored(under_test, tmp_path)) == sorted(file["id"] for file in (two, three, four))
        await ada.client.invoke("DeleteRoom", room["id"])
        assert (await got(adas, two)).status_code == 404
        assert (await adas.http.delete(f"/api/files/{three['id']}")).status_code == 204
        await under_test.chat.files.tidy()
        assert stored(under_test, tmp_path) == [four["id"]]
        with patch("hubline_chat.files.service.UNSENT", timedelta(0)):
            await under_test.chat.files.tidy()
        assert stored(under_test, tmp_path) == []
        assert (await got(adas, four)).status_code == 404


async def test_too_large_files_are_refused_before_and_while_they_arrive(tmp_path: Path) -> None:
    async with chat(data=tmp_path, file_megabytes=1, guest_megabytes=2) as under_test:
        entered = await (await under_test.enter("Ada", room=None)).client.invoke("Enter")
        assert entered["server"]["fileBytes"] == 1_000_000
        adas = await under_test.guest("Ada")

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b"x" * 100_000

        for content in (b"x" * 1_000_001, pieces()):
            answer = await put(adas, "large.txt", content)
            assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
            assert answer.json()["error"] == "The file is too large: 1 MB are allowed."
        assert (await put(adas, "empty.txt", b"")).json()["error"] == "The file is empty."
        await uploaded(adas, "1.bin", b"\0" * 1_000_000)
        await uploaded(adas, "2.bin", b"\0" * 900_000)
        full = await put(adas, "3.bin", b"\0" * 200_000)
        assert (full.status_code, full.json()["code"]) == (413, "quota")
        assert len(stored(under_test, tmp_path)) == 2
        assert list((tmp_path / "files" / "tmp").iterdir()) == []
        elsewhere = under_test.browser(headers={"origin": "https://evil.example"})
        elsewhere.http.cookies = adas.http.cookies
        assert (await put(elsewhere, "1.txt", b"x")).status_code == 403
    async with chat(file_megabytes=0) as under_test:
        await under_test.enter("Ada")
        assert (await put(await under_test.guest("Ada"), "1.txt", b"x")).json()["error"] == "Files cannot be sent here."


async def test_uploads_that_arrive_at_once_share_the_quota_and_are_few(tmp_path: Path) -> None:
    async with chat(data=tmp_path, guest_megabytes=20) as under_test:
        await under_test.enter("Ada")
        adas, begun, waits = await under_test.guest("Ada"), asyncio.Semaphore(0), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"x"
            begun.release()
            await waits.wait()

        first = [asyncio.create_task(put(adas, "slow.txt", slow())) for _ in range(2)]  # each may become 10 MB
        async with asyncio.timeout(30):
            for _ in first:
                await begun.acquire()
        assert (await put(adas, "third.txt", b"x")).json()["code"] == "quota"
        waits.set()
        assert [answer.status_code for answer in await asyncio.gather(*first)] == [201, 201]
        assert (await put(adas, "third.txt", b"x")).status_code == 201


async def test_texts_and_images_are_told_to_models_that_take_them(tmp_path: Path) -> None:
    model = ScriptedModel(["Nice"])
    async with chat(model=model, data=tmp_path, context_characters=400) as under_test:
        ada, adas = await under_test.enter("Ada"), await under_test.guest("Ada")
        notes = await uploaded(adas, "notes.py", b"x = '```'\n" + b"# more\n" * 100)
        image = await uploaded(adas, "plan.png", picture(3000, 1500))
        await send(ada, [notes, image], "@ai Explain this")
        await ada.ended()
        [_, (role, told)] = turns(model)
        assert role == "user"
        assert told.startswith("Explain this\n\nThe file notes.py:\n````\nx = '```'\n# more\n")
        assert "[…cut]" in told
        assert len(told) <= 400
        assert model.seen[-1][-1].images == ()  # it does not take any
    async with chat(model=model, model_images=True) as under_test:
        ada, adas = await under_test.enter("Ada"), await under_test.guest("Ada")
        await send(ada, [await uploaded(adas, "plan.png", picture(3000, 1500))], "@ai And this?")
        await ada.ended()
        [shown] = model.seen[-1][-1].images
        assert shown.type == "image/jpeg"
        with Image.open(BytesIO(shown.data)) as seen:
            assert seen.size == (1568, 784)
        assert "[Image: plan.png]" in model.seen[-1][-1].content


@pytest.mark.parametrize("breaks", ["put", "read", "delete"])
async def test_a_storage_that_fails_is_told_and_leaves_nothing(tmp_path: Path, breaks: str) -> None:
    async def fails(*_: Any) -> None:
        raise OSError("the disk is gone")

    async with chat(data=tmp_path) as under_test:
        ada, adas = await under_test.enter("Ada"), await under_test.guest("Ada")
        storage: Any = under_test.chat.files.storage
        if breaks == "put":
            storage.put = fails
            answer = await put(adas, "1.txt", b"1")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert await under_test.store.files.used(ada.me["id"]) == 0
            return
        file = await uploaded(adas, "1.txt", b"1")
        message = await send(ada, [file])
        if breaks == "read":
            for path in (tmp_path / "files").rglob(file["id"]):
                path.unlink()
            assert (await got(adas, file)).status_code == 404
            return
        works: Callable[..., Any] = storage.delete
        storage.delete = fails
        await ada.client.invoke("DeleteMessage", message["id"])
        assert stored(under_test, tmp_path) == [file["id"]]
        storage.delete = works
        await under_test.chat.files.tidy()
        assert stored(under_test, tmp_path) == []


async def test_a_place_for_uploads_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        adas = await under_test.guest("Ada")
        (tmp_path / "files").write_text("in the way")
        answer = await put(adas, "1.txt", b"1")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_what_a_killed_server_left_of_uploads_is_deleted_after_a_day(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        for name, age in (("old", 90_000), ("new", 10)):
            left = tmp_path / "files" / "tmp" / name
            left.mkdir(parents=True)
            (left / "upload").write_text("half")
            os.utime(left, (time.time() - age, time.time() - age))
        await under_test.chat.files.tidy()
        assert [path.name for path in (tmp_path / "files" / "tmp").iterdir()] == ["new"]


@pytest.mark.parametrize("path", ["/api/files?room=general&name=a.txt", "/api/sign-in"])
async def test_who_goes_away_in_the_middle_of_a_request_is_no_error(tmp_path: Path, path: str) -> None:
    async with chat(data=tmp_path) as under_test:
        adas = await under_test.guest("Ada")
        received = iter([{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}])
        request = adas.http.build_request("POST", path)
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        scope = {"type": "http", "method": "POST", "path": request.url.path, "query_string": request.url.query}
        scope |= {"headers": headers, "scheme": "http", "server": ("testserver", 80), "client": ("127.0.0.1", 1)}
        sent: list[Any] = []

        async def receive() -> Any:
            return next(received)

        async def send_back(message: Any) -> None:
            sent.append(message)

        await under_test.app({**scope, "root_path": "", "http_version": "1.1"}, receive, send_back)
        assert sent[0]["status"] == 400
        assert stored(under_test, tmp_path) == []
