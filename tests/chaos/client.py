"""Clients that come back by themselves, to whichever server: viewers of runs, a talker and listeners of a room."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from hubline.client.events import Called, CallFailed, Event, Handler, Item, Opened, Result, Write
from hubline.client.session import ClientSession
from hubline.errors import ConnectionClosed, InvocationError
from hubline.runs.info import NO_RUN
from hubline.wire.json import JsonCodec
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import answer_of
from tests.runs.viewer import Page

SERVER_TIMEOUT = 3.0
"""Seconds without a word after which a server has gone, where servers are frozen; its pings come every second."""


class Line:
    """One connection to a hub. Its calls raise ConnectionClosed when it is lost, InvocationError when refused."""

    def __init__(self, socket: ClientConnection, on: dict[str, Callable[..., None]], patience: float) -> None:
        self._socket = socket
        handlers = {target: Handler(function) for target, function in on.items()}
        now = time.monotonic()
        self._session = ClientSession(JsonCodec(), handlers, now=now, keep_alive_interval=1, server_timeout=patience)
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def invoke(self, target: str, *arguments: Any) -> Any:
        call, data = self._session.invoke(target, arguments)
        call.sink = asyncio.Queue()
        await self._write(data)
        return _value(await call.sink.get())

    async def stream(self, target: str, *arguments: Any) -> AsyncIterator[Any]:
        call, data = self._session.stream(target, arguments)
        call.sink = asyncio.Queue()
        await self._write(data)
        while isinstance(event := await call.sink.get(), Item):
            yield event.value
        _value(event)

    async def _open(self) -> None:
        await self._socket.send(self._session.handshake(), text=True)
        await self._opened

    async def _read(self) -> None:
        cause: BaseException | None = None
        try:
            while not self._session.close_message:
                try:
                    async with asyncio.timeout(1):
                        data = await self._socket.recv(decode=False)
                except TimeoutError:
                    events = self._session.tick(time.monotonic())
                else:
                    events = self._session.receive(data, time.monotonic())
                for event in events:
                    await self._take(event)
        except (ConnectionClosed, WebSocketException, OSError) as error:
            cause = error
        finally:
            if not self._opened.done():
                self._opened.set_exception(self._session.closed("no handshake"))
            for failed in self._session.end(cause):
                failed.call.sink.put_nowait(failed)

    async def _take(self, event: Event) -> None:
        match event:
            case Item() | Result() | CallFailed():
                event.call.sink.put_nowait(event)
            case Called(handler=Handler() as handler):
                handler.function(*event.arguments)
            case Write():
                await self._write(event.data)
            case Opened():
                self._opened.set_result(None)
            case Called():
                pass
            case _:
                raise ConnectionClosed(f"the server has ended the connection: {event}")

    async def _write(self, data: bytes) -> None:
        try:
            await self._socket.send(data, text=True)
        except (WebSocketException, OSError) as error:
            raise self._session.closed("the connection is lost") from error


def _value(event: Result | CallFailed) -> Any:
    if isinstance(event, CallFailed):
        raise event.error
    return event.value


async def negotiated(url: str, path: str, patience: float = SERVER_TIMEOUT) -> str:
    """The token of a new connection. Raises ConnectionClosed."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=patience) as http:
            answer = await http.post(f"{url}{path}/negotiate", params={"negotiateVersion": 1})
            token: str = answer.raise_for_status().json()["connectionToken"]
            return token
    except httpx.HTTPError as error:
        raise ConnectionClosed(f"no negotiation: {error}") from error


@asynccontextmanager
async def line(
    url: str,
    *,
    path: str = "/hub?user=ada",
    negotiate: bool = False,
    patience: float = SERVER_TIMEOUT,
    **on: Callable[..., None],
) -> AsyncIterator[Line]:
    """A connection, with what the server may call. Raises ConnectionClosed when there is none.

    `patience` is for how many seconds the server may say nothing, also while it is connected to.
    """
    if negotiate:
        path += f"?id={quote(await negotiated(url, path, patience), safe='')}"
    address = url.replace("http", "ws", 1) + path
    try:
        socket = await connect(
            address, compression=None, ping_interval=None, proxy=None, open_timeout=patience, close_timeout=0.2
        )
    except (WebSocketException, OSError, TimeoutError, EOFError) as error:
        raise ConnectionClosed(f"no connection: {error}") from error
    opened = Line(socket, on, patience)
    reading = asyncio.create_task(opened._read())
    try:
        await opened._open()
        yield opened
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await socket.close()


class Client:
    """Comes back by itself."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.cuts = 0

    async def pause(self) -> None:
        """Before the next attempt; random, as clients do it."""
        self.cuts += 1
        await asyncio.sleep(self.fleet.random.uniform(0.05, 0.3))


class Viewer(Client):
    """Follows a run to its end."""

    def __init__(self, fleet: Fleet, run_id: str, tokens: int) -> None:
        super().__init__(fleet)
        self.run_id, self.page, self._whole = run_id, Page(), answer_of(tokens)

    async def follow(self) -> None:
        while self.page.end is None:
            try:
                async with line(self.fleet.any().url) as opened:
                    async for item in opened.stream("AttachRun", self.run_id, self.page.position):
                        self.page.apply(item)
                        assert self._whole.startswith(self.page.text), f"a gap, or something twice: {self.page.text!r}"
            except ConnectionClosed:
                pass
            except InvocationError as error:
                if NO_RUN in error.message:
                    raise AssertionError(f"run {self.run_id} was lost") from error
            if self.page.end is None:
                self.page.cut()
                await self.pause()


async def begin(fleet: Fleet, tokens: int, pace: float, key: str) -> str:
    """Start a run, on whichever server takes it; its id."""
    client = Client(fleet)
    while True:
        try:
            async with line(fleet.any().url) as opened:
                run_id: str = await opened.invoke("Begin", tokens, pace, key)
                return run_id
        except (ConnectionClosed, InvocationError):
            await client.pause()


@dataclass
class Said:
    """One message: when its call began and ended, and whether the server said that it was sent."""

    begun: float
    ended: float = 0.0
    sent: bool = False


@dataclass
class Sitting:
    """One connection of a listener, from when it was in the room."""

    since: float
    heard: list[int] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)


class Talker(Client):
    """Says one number after the other in a room, until it is told to stop."""

    def __init__(self, fleet: Fleet, pace: float) -> None:
        super().__init__(fleet)
        self.said: list[Said] = []
        self._pace, self._last = pace, asyncio.Event()

    def stop(self) -> None:
        self._last.set()

    async def talk(self) -> None:
        while True:
            try:
                async with line(self.fleet.any().url) as opened:
                    while True:
                        last = self._last.is_set()
                        await self._say(opened)
                        if last:
                            return
                        await asyncio.sleep(self._pace)
            except (ConnectionClosed, InvocationError):
                await self.pause()

    async def _say(self, opened: Line) -> None:
        said = Said(time.time())
        self.said.append(said)
        try:
            await opened.invoke("Say", "room", len(self.said) - 1)
            said.sent = True
        finally:
            said.ended = time.time()


class Listener(Client):
    """Sits in the room, on one server after the other."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self.sittings: list[Sitting] = []

    async def listen(self) -> None:
        while True:
            sitting = Sitting(0.0)
            try:
                async with line(
                    self.fleet.any().url,
                    Said=sitting.heard.append,
                    Gap=lambda since, until, gaps=sitting.gaps: gaps.append((since, until)),
                ) as opened:
                    await opened.invoke("Join", "room")
                    sitting.since = time.time()
                    self.sittings.append(sitting)
                    async for _ in opened.stream("WatchRuns", "nothing"):
                        pass  # until the connection is lost
            except (ConnectionClosed, InvocationError):
                await self.pause()

    def hears(self, since: int) -> bool:
        """Whether it has heard, on its present connection, this message or one behind it."""
        return bool(self.sittings) and any(number >= since for number in self.sittings[-1].heard)


def unheard(sitting: Sitting, said: list[Said]) -> list[str]:
    """What is wrong with what one connection has heard: something twice, out of order, or silently not at all.

    What was sent before the last that it has heard had its chance; behind that the connection was lost.
    """
    sent = [number for number in sitting.heard if said[number].sent]
    found = [] if sent == sorted(set(sent)) else [f"twice, or out of order: {sitting.heard}"]
    heard, last = set(sitting.heard), max(sent, default=-1)
    for number, each in enumerate(said[: last + 1]):
        reported = any(since <= each.ended and each.begun <= until for since, until in sitting.gaps)
        if each.sent and each.begun > sitting.since and number not in heard and not reported:
            found.append(f"message {number} was lost, and nobody said so: {each}, {sitting.gaps}")
    return found
