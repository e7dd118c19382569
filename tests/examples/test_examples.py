"""Every program in `examples/` does what it says."""

import asyncio
import importlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from hubline import InvocationError
from hubline.auth.jwt import make_token
from hubline.testing import RefusedError, connect, connect_raw, running
from tests.valkey import valkey

EXAMPLES = Path(__file__).parents[2] / "examples"
Load = Callable[[str], ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Imports an example afresh, as `hubline run --app-dir examples` would."""
    names = [path.stem for path in EXAMPLES.glob("*.py")]
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


async def words(*items: str) -> AsyncIterator[str]:
    for item in items:
        yield item


async def test_chat(load: Load) -> None:
    app = load("chat").app
    async with connect(app, "/chatHub", query="access_token=premium-ada") as ada, connect(app, "/chatHub") as bob:
        assert await bob.expect("ReceiveMessage") == ["System", "Welcome to the chat!"]
        await ada.invoke("SendMessage", "Ada", "hello")
        assert await bob.expect("ReceiveMessage") == ["Ada", "hello"]
        assert [word async for word in ada.stream("Ask", "why?")] == ["You", "asked:", "why?"]
        with pytest.raises(InvocationError, match="unauthorized"):
            [word async for word in bob.stream("Ask", "why?")]


async def test_premium(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "a-secret-for-this-test-and-for-nothing-else"
    monkeypatch.setenv("HUBLINE_TOKEN_KEY", key)
    app = load("premium").app
    with pytest.raises(RefusedError) as refused:
        async with connect(app, "/chat"):
            pass
    assert refused.value.status == 401
    headers = {
        name: {"Authorization": f"Bearer {make_token(key, name, claims={'tier': tier})}"}
        for name, tier in (("ada", "premium"), ("bob", "free"))
    }
    async with (
        connect(app, "/chat", headers=headers["ada"]) as ada,
        connect(app, "/chat", headers=headers["bob"]) as bob,
    ):
        await bob.invoke("SendMessage", "hello")
        assert await ada.expect("ReceiveMessage") == ["bob", "hello"]
        assert [word async for word in ada.stream("Ask", "Why?")] == ["Why?", "That", "is", "a", "good", "question."]
        with pytest.raises(InvocationError, match="Failed to invoke 'Ask' because user is unauthorized"):
            [word async for word in bob.stream("Ask", "Why?")]


async def test_rooms(load: Load) -> None:
    app = load("rooms").app
    async with connect(app, "/rooms") as ada, connect(app, "/rooms") as eve:
        assert await ada.invoke("Join", "kitchen", "Ada") == ["Ada"]
        async with connect(app, "/rooms") as bob:
            assert await bob.invoke("Join", "kitchen", "Bob") == ["Ada", "Bob"]
            assert await ada.expect("PeopleChanged") == ["kitchen", ["Ada", "Bob"]]
            await bob.invoke("SendMessage", "kitchen", "tea?")
            assert await ada.expect("ReceiveMessage") == ["kitchen", "Bob", "tea?"]
        assert await ada.expect("PeopleChanged") == ["kitchen", ["Ada"]]
        with pytest.raises(InvocationError, match="Choose a name first"):
            await eve.invoke("Join", "kitchen", " ")
        await eve.expect_nothing()


async def test_team(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAUSE", "0")
    app = load("team").app
    async with connect(app, "/team", query={"user": "ada"}) as ada, connect(app, "/team", query={"user": "eve"}) as eve:
        with pytest.raises(InvocationError, match="The room does not exist"):
            await eve.invoke("JoinRoom", "kitchen")
        joined = await ada.invoke("JoinRoom", "kitchen")
        async with connect(app, "/team", query={"user": "bob"}) as bob:
            await bob.invoke("JoinRoom", "kitchen", None, {"device": "phone"})
            room, change = await ada.expect("RoomPresence")
            assert (room, change["kind"], change["member"]["user"]) == ("kitchen", "enter", "bob")
            await bob.invoke("SignalRoom", "kitchen", "typing")
            assert (await ada.expect("RoomSignal"))[1]["by"] == "bob"
            await bob.invoke("Ask", "kitchen", "Tea?")
            changes = [(await ada.expect("RoomPresence"))[1] for _ in range(2)]
            assert [(each["kind"], each["member"]["agent"]) for each in changes] == [("enter", True), ("leave", True)]
        found = await ada.invoke("JoinRoom", "kitchen", joined["position"])
        assert [(each["by"], each["data"]["text"]) for each in found["messages"]] == [
            ("bob", "Tea?"),
            ("assistant", "Tea? It depends."),
        ]
        assert found["complete"]


async def test_streams(load: Load) -> None:
    async with connect(load("streams").app, "/streams") as client:
        assert [number async for number in client.stream("Count", 3)] == [0, 1, 2]
        assert [word async for word in client.stream("Shout", words("to", "be"))] == ["TO", "BE"]
        assert await client.invoke("Total", numbers(3)) == 6
        assert await client.invoke("Render", 3) == 3


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number + 1


async def test_from_outside(load: Load) -> None:
    module = load("from_outside")
    async with (
        running(module.app) as app,
        connect(app, "/news", query={"topic": "weather"}) as ada,
        connect(app, "/news", query={"topic": "sport"}) as bob,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as http,
    ):
        response = await http.post("/publish/weather", params={"headline": "Rain"})
        assert response.json() == {"published": "Rain"}
        assert await ada.expect("Headline") == ["Rain"]
        [time] = await bob.expect("Time")
        assert time.endswith(("Z", "+00:00"))


@pytest.mark.parametrize(("confirmed", "seen"), [(True, "notes.txt"), (False, None)])
async def test_questions(load: Load, confirmed: bool, seen: str | None) -> None:
    app = load("questions").app
    async with connect(app, "/files") as ada, connect(app, "/files") as bob:
        asked: list[str] = []

        def confirm(question: str) -> bool:
            asked.append(question)
            return confirmed

        ada.on("Confirm", confirm)
        if seen:
            assert await ada.invoke("Delete", "notes.txt") == "notes.txt"
            assert await bob.expect("FileDeleted") == [seen]
        else:
            with pytest.raises(InvocationError, match="Nothing was deleted"):
                await ada.invoke("Delete", "notes.txt")
            await bob.expect_nothing()
        assert asked == ["Delete notes.txt?"]


async def test_injection(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "notes")
    async with connect(load("injection").app, "/notes") as client:
        note_id = await client.invoke("Write", {"text": "milk", "writtenAt": "2026-03-01T12:00:00Z"})
        note = await client.invoke("Read", note_id)
        assert note == {"text": "milk", "writtenAt": "2026-03-01T12:00:00Z", "id": note_id}
        with pytest.raises(InvocationError):
            await client.invoke("Write", {"text": 7})
        assert await client.invoke("Read", "00000000-0000-0000-0000-000000000000") is None
    assert "call ended, 1 notes" in caplog.messages
    assert any(message.startswith("Write took") for message in caplog.messages)


async def test_raw(load: Load) -> None:
    async with connect_raw(load("raw").app, "/echo") as client:
        await client.send_bytes(b"any bytes")
        assert await client.receive_bytes() == b"any bytes"


@pytest.mark.parametrize("name", ["starlette_app", "litestar_app"])
async def test_the_user_of_a_session(load: Load, name: str) -> None:
    if name == "litestar_app":
        pytest.importorskip("litestar", reason="Litestar is not installed")
    async with running(load(name).app) as app, requests_to(app) as http:
        with pytest.raises(RefusedError, match="401"):
            async with connect(app, "/live/news"):
                pass
        assert (await http.post("/sign-in/ada")).text == "welcome"
        cookie = f"session={http.cookies['session']}"
        async with (
            connect(app, "/live/news", headers={"cookie": cookie}) as ada,
            connect(app, "/live/news", headers={"cookie": cookie}, transport="sse") as again,
        ):
            assert await ada.invoke("Who") == await again.invoke("Who") == "ada"
            assert (await http.post("/publish/Rain")).text == "published"
            assert await ada.expect("Headline") == await again.expect("Headline") == ["Rain"]


test_starlette_app = test_litestar_app = test_the_user_of_a_session


async def test_fastapi_app(load: Load) -> None:
    headers = {"authorization": "Bearer token-of-ada"}
    async with running(load("fastapi_app").app) as app, requests_to(app) as http:
        assert (await http.post("/publish/Rain")).status_code == 401
        async with connect(app, "/live/news", headers=headers) as ada:
            assert await ada.invoke("Latest") == "nothing yet"
            assert (await http.post("/publish/Rain", headers=headers)).json() == "published"
            assert await ada.expect("Headline") == ["Rain", "ada"]
            assert await ada.invoke("Latest") == "Rain"


async def test_celery_tasks(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("celery", reason="Celery is not installed")
    with valkey() as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        module = load("celery_tasks")
        module.celery.conf.task_always_eager = True  # a task runs where it is called, here in a thread
        async with connect(module.app, "/reports") as ada, connect(module.app, "/reports") as bob:
            await ada.invoke("Order", "sales", 2)
            assert [await ada.expect("Progress") for _ in range(2)] == [["sales", 50], ["sales", 100]]
            await bob.expect_nothing()
        await asyncio.to_thread(module.reports.close)


async def test_django_app(tmp_path: Path) -> None:
    pytest.importorskip("django", reason="Django is not installed")
    environment = os.environ | {"DATABASE": str(tmp_path / "site.sqlite3")}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(EXAMPLES), str(EXAMPLES.parent), environment.get("PYTHONPATH", "")]
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "tests.examples.django_journey"),
        cwd=EXAMPLES.parent,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert (process.returncode, output.decode().splitlines()[-1]) == (0, "done"), output.decode()


def test_every_example_has_a_test_and_a_line_in_the_list() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {name.removeprefix("test_") for name in globals() if name.removeprefix("test_") in names}
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    assert [name for name in sorted(names) if f"({name}.py)" not in listed] == []


async def test_answers(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAUSE", "0")
    app = load("answers").app
    async with running(app) as served:
        async with connect(served, "/assistant") as first:
            run_id = await first.invoke("Ask", "kitchen", "why?", "message 1")
            assert await first.invoke("Ask", "kitchen", "why?", "message 1") == run_id
            items = first.stream("AttachRun", run_id, None)
            text, position = "", None
            async for item in items:
                text, position = text + item.get("text", ""), item["position"]
                if item["kind"] == "text":
                    break  # the connection is lost in the middle
            await items.aclose()
        async with connect(served, "/assistant") as again:
            async for item in again.stream("AttachRun", run_id, position):
                text += item.get("text", "")
                if item["kind"] == "ask":
                    await again.invoke("AnswerRun", run_id, item["askId"], True)
            assert text == "You asked: why? This answer takes a while, and goes on without viewers. "
            assert (item["kind"], item["state"]) == ("end", "completed")
            assert await again.invoke("Answers", "kitchen") == [text]
            with pytest.raises(InvocationError, match=r"Ask something\."):
                await again.invoke("Ask", "kitchen", " ", "message 2")


def events_of(text: str) -> list[Any]:
    """The data of each event of a stream, but for its last word."""
    found = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(each) for each in found if each != "[DONE]"]


def requests_to(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


@pytest.mark.rule("H2", "H3")
@pytest.mark.parametrize("name", ["ai_sdk", "ag_ui"])
def test_what_other_front_ends_need_is_a_short_program(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text("utf-8").splitlines()) < 60


@pytest.mark.rule("H2")
async def test_ai_sdk(load: Load) -> None:
    module = load("ai_sdk")
    messages = [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "to be"}]}]
    async with running(module.app) as app, requests_to(app) as http:
        sent = {"id": "chat", "messages": messages, "trigger": "submit-message"}
        answer = await http.post("/api/chat", json=sent)
        assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
        chunks = events_of(answer.text)
        assert "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta") == "to be "
        assert (await http.get("/api/chat/chat/stream")).status_code == 204
        info = await http.get(f"/runs/{chunks[0]['messageId']}")
        assert (info.json()["state"], info.json()["room"]) == ("completed", "chat")
        assert module.answers == {"chat": ["to be "]}
        empty = await http.post("/api/chat", json=sent | {"messages": [{"id": "m2", "role": "user", "parts": []}]})
        assert (empty.status_code, empty.json()) == (409, {"error": "Say something first."})


@pytest.mark.rule("H3")
@pytest.mark.parametrize(("agreed", "said"), [(True, "It is done."), (False, "I left it.")])
async def test_ag_ui(load: Load, agreed: bool, said: str) -> None:
    module = load("ag_ui")
    sent: dict[str, Any] = {
        "threadId": "t",
        "runId": "r",
        "messages": [{"id": "m", "role": "user", "content": "a cleanup"}],
    }
    async with running(module.app) as app, requests_to(app) as http:
        asked = events_of((await http.post("/agent", json=sent)).text)
        assert asked[-1]["type"] == "RUN_FINISHED"
        (interrupt,) = asked[-1]["outcome"]["interrupts"]
        decision = {"interruptId": interrupt["id"], "status": "resolved", "payload": agreed}
        events = events_of((await http.post("/agent", json=sent | {"resume": [decision]})).text)
        assert events[-1]["outcome"] == {"type": "success"}
        snapshot = next(event for event in events if event["type"] == "MESSAGES_SNAPSHOT")
        texts = [message["content"] for message in snapshot["messages"]]
        texts += [event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT"]
        assert "".join(texts) == f"a cleanupYou want: a cleanup. {said}"
        for thread in ("t", "another"):
            late = await http.post("/agent", json=sent | {"threadId": thread, "resume": [decision]})
            assert (late.status_code, list(late.json())) == (409, ["error"])
