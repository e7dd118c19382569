"""Calls of the real application through ASGI, for a client that can misbehave. No sockets."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from hubline._tasks import TaskOwner, wake_up
from hubline.errors import HublineError
from hubline.testing.clock import ManualClock

TIME_LIMIT = 30.0
"""Seconds of real time that a wait may take by default: long enough for a machine that is busy with other tests."""

T = TypeVar("T")

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class RefusedError(HublineError):
    """The application refused a request of the client: `status` and `text` are those of the HTTP response."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text
        super().__init__(f"the application refused with status {status}: {text!r}")


class Mailbox(Generic[T]):
    """A queue. asyncio's own raises an error when its loop is closed while a task reads."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._readers: list[asyncio.Future[None]] = []

    def empty(self) -> bool:
        return not self._items

    def put_nowait(self, item: T) -> None:
        self._items.append(item)
        for reader in self._readers:
            wake_up(reader)

    async def get(self) -> T:
        while not self._items:
            reader = asyncio.get_running_loop().create_future()
            self._readers = [*(each for each in self._readers if not each.done()), reader]
            await reader
        return self._items.popleft()


class Session:
    """One running ASGI call: `give` passes an event of the client, `next` returns an event of the application."""

    def __init__(self, app: ASGIApp, scope: dict[str, Any], tasks: TaskOwner) -> None:
        self._app, self._scope = app, scope
        self._given: Mailbox[Event] = Mailbox()
        self._sent: Mailbox[Event | None] = Mailbox()
        self._reading = asyncio.Event()
        self._reading.set()
        self._gone: Event | None = None
        self._mute = False
        self._failure: Exception | None = None
        self.task = tasks.start(self._run())

    def give(self, event: Event) -> None:
        """Let the application receive an event."""
        if self._gone is None:
            self._given.put_nowait(event)

    def leave(self, code: int) -> None:
        """End the session from the client's side; a WebSocket with `code`."""
        if self._gone is None:
            self._gone = _disconnected(self._scope["type"], code)
            self._given.put_nowait(self._gone)
            self._reading.set()
            self._sent.put_nowait(None)

    def stop_reading(self) -> None:
        """Make every `send` of the application wait, as if the peer's buffers were full."""
        if self._gone is None:
            self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def mute(self) -> None:
        """Discard what the application sends from now on. The application does not notice."""
        self._mute = True

    async def next(self) -> Event | None:
        """The next event of the application; `None` if there can be no more.

        Raises:
            RuntimeError: the application raised an exception, which is the cause.
        """
        event = await self._sent.get()
        if event is None:
            self._sent.put_nowait(None)
            if self._failure is not None:
                raise RuntimeError(f"the application raised {self._failure!r}") from self._failure
        return event

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as error:
            self._failure = error
        finally:
            self._sent.put_nowait(None)

    async def _receive(self) -> Event:
        if self._gone is not None and self._given.empty():
            return self._gone
        return await self._given.get()

    async def _send(self, event: Event) -> None:
        await self._reading.wait()
        if self._gone is not None:
            if self._scope["type"] == "websocket":
                raise OSError("the client has disconnected")  # ASGI specification 2.4, "Send After Close"
            return
        if not self._mute:
            self._sent.put_nowait(event)
        if event["type"] == "websocket.close" or (
            event["type"] == "http.response.body" and not event.get("more_body", False)
        ):
            self._gone = _disconnected(self._scope["type"], event.get("code", 1000))
            self._given.put_nowait(self._gone)


def _disconnected(kind: str, code: int) -> Event:
    return {"type": "http.disconnect"} if kind == "http" else {"type": "websocket.disconnect", "code": code}


@dataclass(frozen=True)
class Response:
    """A complete HTTP response. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Origin:
    """An application with the path, query and headers of a client's requests."""

    app: ASGIApp
    path: str
    tasks: TaskOwner
    root_path: str = ""
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=())
    address: str = "testclient"

    def open(
        self, kind: str, *, method: str = "GET", path: str = "", query: Mapping[str, str] | None = None, **headers: str
    ) -> Session:
        """Start a WebSocket or a request; `path` is appended, and `headers` replace those of the client."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        pairs = [(name.lower(), value) for name, value in self.headers if name.lower() not in names]
        host = [] if any(name == "host" for name, _ in pairs) else [("host", "testserver")]
        full_path = self.root_path + (self.path.removesuffix("/") if path else self.path) + path
        scope: dict[str, Any] = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws" if kind == "websocket" else "http",
            "path": full_path,
            "raw_path": quote(full_path).encode("ascii"),
            "root_path": self.root_path,
            "query_string": urlencode([*self.query, *(query or {}).items()]).encode("ascii"),
            "headers": [
                (name.encode("latin-1"), value.encode("latin-1")) for name, value in [*host, *pairs, *names.items()]
            ],
            "client": (self.address, 50000),
            "server": ("testserver", 80),
            "extensions": {"websocket.http.response": {}} if kind == "websocket" else {},
        }
        scope["subprotocols" if kind == "websocket" else "method"] = [] if kind == "websocket" else method
        return Session(self.app, scope, self.tasks)

    async def request(
        self, method: str, *, path: str = "", query: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Send a request and return the complete response."""
        session = self.open("http", method=method, path=path, query=query, content_length=str(len(body)))
        session.give({"type": "http.request", "body": body, "more_body": False})
        return await read_response(session, await session.next())


async def read_response(session: Session, start: Event | None) -> Response:
    """The response that begins with the event `start`, to a request or to a refused WebSocket."""
    if start is None:
        raise RuntimeError("the application did not answer")
    if start["type"] == "websocket.close":
        return Response(403, {}, b"")
    body = b""
    while (event := await session.next()) is not None:
        body += event.get("body", b"")
        if not event.get("more_body", False):
            break
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start.get("headers", ())}
    return Response(start["status"], headers, body)


def pairs_of(values: str | Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """A query string, a mapping or pairs, as pairs."""
    if isinstance(values, str):
        return tuple(parse_qsl(values, keep_blank_values=True))
    return tuple(values.items() if isinstance(values, Mapping) else values)


@asynccontextmanager
async def running(
    app: ASGIApp, *, clock: ManualClock | None = None, time_limit: float = TIME_LIMIT
) -> AsyncIterator[ASGIApp]:
    """Run the application's lifespan. Yields the application with its lifespan state.

    If a `clock` is given, it is moved while the application stops, so that the test does not wait for lost clients.

    Raises:
        RuntimeError: starting or stopping failed, or took longer than `time_limit` seconds of real time.
    """
    tasks = TaskOwner("hubline.testing")
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    session = Session(app, scope, tasks)

    async def served(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await app({**scope, "state": state.copy()}, receive, send)

    try:
        await _phase(session, "startup", time_limit)
        try:
            yield served
        finally:
            passing = tasks.start(_pass_time(clock)) if clock is not None else None
            await _phase(session, "shutdown", time_limit)
            if passing is not None:
                passing.cancel()
    finally:
        await tasks.cancel()


async def _pass_time(clock: ManualClock) -> None:
    while True:
        await clock.advance(1.0)


async def _phase(session: Session, phase: str, time_limit: float) -> None:
    session.give({"type": f"lifespan.{phase}"})
    try:
        async with asyncio.timeout(time_limit):
            event = await session.next()
    except TimeoutError:
        reason = f"the application's {phase} did not end within {time_limit:g} s of real time"
        hint = "; a client that was lost may delay it: give `running` the manual clock" if phase == "shutdown" else ""
        raise RuntimeError(reason + hint) from None
    if event is None or event["type"] != f"lifespan.{phase}.complete":
        reason = (event or {}).get("message") or "the lifespan protocol was not followed"
        raise RuntimeError(f"the application's {phase} failed: {reason}")
