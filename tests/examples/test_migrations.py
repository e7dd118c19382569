"""The programs of the migration guides: before, after, and both at once, with the clients of each."""

import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import websockets

from hubline import InvocationError
from hubline.client import HubConnection
from hubline.testing import RefusedError, connect, running
from tests.docs.pages import served

MIGRATIONS = Path(__file__).parents[2] / "examples" / "migrations"
LIMIT = 60.0
Load = Callable[[str], ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Imports a program afresh, as `hubline run --app-dir examples/migrations` would."""
    monkeypatch.syspath_prepend(str(MIGRATIONS))
    yield importlib.import_module
    for path in MIGRATIONS.glob("*.py"):
        if path.stem != "channels_site":  # Django is configured once in a process
            sys.modules.pop(path.stem, None)


class SocketIO:
    """A client of python-socketio that keeps what it hears."""

    def __init__(self, name: str | None) -> None:
        socketio = pytest.importorskip("socketio", reason="python-socketio is not installed")
        self.client: Any = socketio.AsyncClient(reconnection=False)
        self.heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._auth = {"name": name} if name else None
        for event in ("said", "cleared", "word", "end", "left"):
            self.client.on(event, lambda *data, event=event: self.heard.put_nowait((event, data)))
        self.client.on("confirm", lambda question: question == "Clear kitchen?")

    async def connect(self, address: str) -> None:
        await self.client.connect(address, auth=self._auth, transports=["websocket"])

    async def call(self, event: str, *data: Any) -> Any:
        return await self.client.call(event, data, timeout=LIMIT)


async def test_python_socketio(load: Load) -> None:
    ada, bob, stranger = SocketIO("ada"), SocketIO("bob"), SocketIO(None)
    async with asyncio.timeout(LIMIT), served(load("socketio_before").app) as address:
        with pytest.raises(Exception, match="failed to connect"):
            await stranger.connect(address)
        await ada.connect(address)
        await bob.connect(address)
        await ada.call("join", "kitchen")
        await bob.call("join", "kitchen")
        assert await ada.call("say", "kitchen", "tea?") == "delivered"
        assert await bob.heard.get() == ("said", ("kitchen", "ada", "tea?"))
        assert await bob.call("clear", "kitchen") is True
        assert await bob.heard.get() == ("cleared", ("kitchen",))
        await bob.client.emit("ask", "to be")
        assert [await bob.heard.get() for _ in range(3)] == [("word", ("to",)), ("word", ("be",)), ("end", ())]
        await ada.client.disconnect()
        assert await bob.heard.get() == ("left", ("ada",))
        await bob.client.disconnect()


async def test_after_python_socketio(load: Load) -> None:
    app = load("socketio_after").app
    with pytest.raises(RefusedError):
        async with connect(app, "/chat"):
            pass
    async with connect(app, "/chat", query={"name": "bob"}) as bob:
        async with connect(app, "/chat", query={"name": "ada"}) as ada:
            bob.on("Confirm", lambda question: question == "Clear kitchen?")
            await ada.invoke("Join", "kitchen")
            await bob.invoke("Join", "kitchen")
            await ada.invoke("Say", "kitchen", "tea?")
            assert await bob.expect("Said") == ["kitchen", "ada", "tea?"]
            assert await bob.invoke("Clear", "kitchen") is True
            assert await bob.expect("Cleared") == ["kitchen"]
            assert [word async for word in bob.stream("Ask", "to be")] == ["to", "be"]
            with pytest.raises(InvocationError):
                await bob.invoke("Say", "kitchen", 7)
        assert await bob.expect("Left") == ["ada"]


async def test_python_socketio_and_hubline_in_the_same_rooms(load: Load) -> None:
    old = SocketIO("ada")
    new: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()

    async with (
        asyncio.timeout(LIMIT),
        served(load("socketio_both").app) as address,
        HubConnection(f"{address}/chat?name=bob") as bob,
    ):
        bob.on("Said", lambda *said: new.put_nowait(said))
        await bob.invoke("Join", "kitchen")
        await old.connect(address)
        await old.call("join", "kitchen")
        assert await old.call("say", "kitchen", "tea?") == "delivered"
        await bob.invoke("Say", "kitchen", "with milk")
        expected = [("kitchen", "ada", "tea?"), ("kitchen", "bob", "with milk")]
        assert [await new.get() for _ in expected] == expected
        assert [await old.heard.get() for _ in expected] == [("said", said) for said in expected]
        await old.client.disconnect()


@pytest.fixture(scope="module")
def cookies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The cookies of two users of the Django project, which is configured once in a process."""
    pytest.importorskip("channels", reason="Channels is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE", str(tmp_path_factory.mktemp("django") / "site.sqlite3"))
        patch.syspath_prepend(str(MIGRATIONS))
        importlib.import_module("channels_site")
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connections
    from django.test import Client

    settings.MIGRATION_MODULES = dict.fromkeys(("auth", "contenttypes", "sessions"))  # the tables as they are now
    call_command("migrate", run_syncdb=True, verbosity=0)
    found = {}
    for name in ("ada", "bob"):
        browser = Client()
        browser.force_login(User.objects.create_user(name))
        found[name] = f"sessionid={browser.cookies['sessionid'].value}"
    connections.close_all()
    yield found
    connections.close_all()


def socket(address: str, room: str, cookie: str) -> websockets.connect:
    return websockets.connect(
        f"{address.replace('http', 'ws', 1)}/ws/{room}", additional_headers={"Cookie": cookie}, proxy=None
    )


async def test_channels(load: Load, cookies: dict[str, str]) -> None:
    async with asyncio.timeout(LIMIT), served(load("channels_before").app) as address:
        with pytest.raises(websockets.InvalidStatus, match="403"):
            async with socket(address, "kitchen", "sessionid=unknown"):
                pass
        async with (
            socket(address, "kitchen", cookies["ada"]) as ada,
            socket(address, "kitchen", cookies["bob"]) as bob,
        ):
            await ada.send(json.dumps({"type": "say", "text": "tea?"}))
            assert json.loads(await bob.recv()) == {"type": "said", "room": "kitchen", "name": "ada", "text": "tea?"}
            await bob.send(json.dumps({"type": "ask", "id": 1, "question": "why?"}))
            assert [json.loads(await bob.recv())["type"] for _ in range(2)] == ["word", "end"]


async def test_after_channels(load: Load, cookies: dict[str, str]) -> None:
    async with running(load("channels_after").app) as app:
        for headers in ({}, {"cookie": "sessionid=unknown"}):
            with pytest.raises(RefusedError):
                async with connect(app, "/live/chat", headers=headers):
                    pass
        async with (
            connect(app, "/live/chat", headers={"cookie": cookies["ada"]}) as ada,
            connect(app, "/live/chat", headers={"cookie": cookies["bob"]}, transport="sse") as bob,
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as http,
        ):
            await bob.invoke("Join", "kitchen")
            await ada.invoke("Say", "kitchen", "tea?")
            assert await bob.expect("Said") == ["kitchen", "ada", "tea?"]
            assert [word async for word in bob.stream("Ask", "to be")] == ["to", "be"]
            assert (await http.post("/sign-in", data={"name": "ada"})).status_code == 403  # Django's, by its CSRF check


async def test_channels_and_hubline_in_the_same_rooms(load: Load, cookies: dict[str, str]) -> None:
    async with asyncio.timeout(LIMIT), served(load("channels_both").app) as address:
        new: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()
        async with (
            HubConnection(f"{address}/live/chat", headers={"Cookie": cookies["bob"]}) as bob,
            socket(address, "kitchen", cookies["ada"]) as ada,
        ):
            bob.on("Said", lambda *said: new.put_nowait(said))
            await bob.invoke("Join", "kitchen")
            await ada.send(json.dumps({"type": "say", "text": "tea?"}))
            assert await new.get() == ("kitchen", "ada", "tea?")
            await bob.invoke("Say", "kitchen", "with milk")
            heard = [json.loads(await ada.recv()) for _ in range(2)]
            assert [(each["name"], each["text"]) for each in heard] == [("ada", "tea?"), ("bob", "with milk")]


def by_hand(address: str, room: str, name: str) -> websockets.connect:
    return websockets.connect(f"{address.replace('http', 'ws', 1)}/ws/{room}?name={name}", proxy=None)


async def test_websockets_by_hand(load: Load) -> None:
    async with (
        asyncio.timeout(LIMIT),
        served(load("websockets_before").app) as address,
        by_hand(address, "kitchen", "bob") as bob,
    ):
        async with by_hand(address, "kitchen", "ada") as ada:
            await ada.send(json.dumps({"type": "say", "text": "tea?"}))
            assert json.loads(await bob.recv()) == {"type": "said", "room": "kitchen", "name": "ada", "text": "tea?"}
            await bob.send(json.dumps({"type": "ask", "id": 1, "question": "why?"}))
            assert [json.loads(await bob.recv())["type"] for _ in range(2)] == ["word", "end"]
            await bob.send(json.dumps({"type": "say", "text": 7}))
            assert json.loads(await bob.recv())["type"] == "error"
        assert json.loads(await bob.recv()) == {"type": "left", "name": "ada"}


async def test_after_websockets_by_hand(load: Load) -> None:
    app = load("websockets_after").app
    async with connect(app, "/chat", query={"name": "bob"}) as bob:
        await bob.invoke("Join", "kitchen")
        async with connect(app, "/chat", query={"name": "ada"}) as ada:
            await ada.invoke("Join", "kitchen")
            await ada.invoke("Say", "kitchen", "tea?")
            assert await bob.expect("Said") == ["kitchen", "ada", "tea?"]
            assert [word async for word in ada.stream("Ask", "to be")] == ["to", "be"]
        assert await bob.expect("Left") == ["ada"]


async def test_websockets_by_hand_and_hubline_in_the_same_rooms(load: Load) -> None:
    new: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()
    async with (
        asyncio.timeout(LIMIT),
        served(load("websockets_both").app) as address,
        HubConnection(f"{address}/chat?name=bob") as bob,
        by_hand(address, "kitchen", "ada") as ada,
    ):
        bob.on("Said", lambda *said: new.put_nowait(said))
        await bob.invoke("Join", "kitchen")
        await ada.send(json.dumps({"type": "say", "text": "tea?"}))
        assert await new.get() == ("kitchen", "ada", "tea?")
        await bob.invoke("Say", "kitchen", "with milk")
        heard = [json.loads(await ada.recv()) for _ in range(2)]
        assert [(each["name"], each["text"]) for each in heard] == [("ada", "tea?"), ("bob", "with milk")]


def text_of(stream: str) -> str:
    """The text of an answer that came as an event stream, in the form of before."""
    events = [line.removeprefix("data: ") for line in stream.splitlines() if line]
    assert events[-1] == "[DONE]"
    return "".join(json.loads(event)["text"] for event in events[:-1])


async def headline(response: httpx.Response) -> str:
    async for line in response.aiter_lines():
        if line:
            return str(json.loads(line.removeprefix("data: "))["headline"])
    raise AssertionError("the stream has ended")


async def test_event_streams(load: Load) -> None:
    async with (
        asyncio.timeout(LIMIT),
        served(load("event_streams_before").app) as address,
        httpx.AsyncClient(base_url=address, timeout=LIMIT, trust_env=False) as http,
    ):
        assert text_of((await http.post("/ask", json={"prompt": "to be"})).text) == "to be "
        async with http.stream("GET", "/news") as news:
            await http.post("/publish", params={"headline": "Rain"})
            assert await headline(news) == "Rain"


async def test_after_event_streams(load: Load) -> None:
    async with (
        running(load("event_streams_after").app) as app,
        connect(app, "/assistant") as ada,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as http,
    ):
        run_id = await ada.invoke("Ask", "to be")
        assert "".join([item.get("text", "") async for item in ada.stream("AttachRun", run_id, None)]) == "to be "
        again = await http.get(f"/runs/{run_id}/events")  # as often as one likes, also after the end
        assert [line for line in again.text.splitlines() if '"completed"' in line] != []
        await http.post("/publish", params={"headline": "Rain"})
        assert await ada.expect("Headline") == ["Rain"]


async def test_event_streams_and_hubline_at_once(load: Load) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with (
        asyncio.timeout(LIMIT),
        served(load("event_streams_both").app) as address,
        HubConnection(f"{address}/assistant") as ada,
        httpx.AsyncClient(base_url=address, timeout=LIMIT, trust_env=False) as http,
    ):
        ada.on("Headline", heard.put_nowait)
        answer = await http.post("/ask", json={"prompt": "to be"})
        assert text_of(answer.text) == "to be "
        assert (await ada.run(answer.headers["x-run-id"]).wait()).text == "to be "
        async with http.stream("GET", "/news") as news:
            await http.post("/publish", params={"headline": "Rain"})
            assert await headline(news) == await heard.get() == "Rain"


def test_every_program_is_run() -> None:
    source = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [path.stem for path in MIGRATIONS.glob("*.py") if f'("{path.stem}")' not in source] == []
