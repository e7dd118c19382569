"""An `EventSource` for tests: reads an event stream as the HTML standard says (section 9.2.6), and asks as it does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import HubApp
from hubline._tasks import TaskOwner
from hubline.runs import Runs
from hubline.testing.asgi import Origin, Response, Session, read_response


@dataclass(frozen=True)
class Event:
    """One event, or a comment."""

    data: str
    id: str = ""
    name: str = "message"

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class Parser:
    """Bytes in, cut anywhere; events out."""

    def __init__(self) -> None:
        self.last_id = ""
        self.comments = 0
        self._rest = b""
        self._data: list[str] = []
        self._name = ""

    def feed(self, data: bytes) -> list[Event]:
        events = []
        *lines, self._rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        for line in map(bytes.decode, lines):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if self._data:
                    events.append(Event("\n".join(self._data), self.last_id, self._name or "message"))
                self._data, self._name = [], ""
            elif line.startswith(":"):
                self.comments += 1
            elif field == "data":
                self._data.append(value)
            elif field == "id":
                self.last_id = value
            elif field == "event":
                self._name = value
        return events


class Stream:
    """An open event stream."""

    def __init__(self, session: Session, status: int, headers: Mapping[str, str]) -> None:
        self.session, self.status, self.headers = session, status, headers
        self.parser = Parser()
        self.ended = False
        self._events: list[Event] = []

    async def next(self) -> Event | None:
        """The next event; `None` when the response has ended."""
        while not self._events and not self.ended:
            message = await self.session.next()
            if message is None:
                self.ended = True
                break
            self._events += self.parser.feed(message.get("body", b""))
            self.ended = not message.get("more_body", False)
        return self._events.pop(0) if self._events else None

    async def rest(self) -> list[Event]:
        """Everything until the response ends."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found

    async def comments(self, count: int) -> None:
        """Wait for so many comments, and no event before them."""
        while self.parser.comments < count:
            message = await self.session.next()
            assert message is not None
            assert self.parser.feed(message["body"]) == []

    async def leave(self) -> None:
        self.session.leave(1000)
        await self.session.task


class Site:
    """An application with the addresses of runs at `/runs`, and requests to it."""

    def __init__(self, runs: Runs, hubs: HubApp | None = None, **mounts: Any) -> None:
        self.tasks = TaskOwner("test")
        routes = [Mount("/runs", routes=runs.http), *mounts.values()]
        self.app = Starlette(routes=[*routes, *([Mount("/", hubs)] if hubs is not None else [])])

    async def ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None, **headers: str
    ) -> Response:
        """A whole request; a `body` that is not bytes goes as JSON."""
        session = self._open(method, path, query, body, headers)
        return await read_response(session, await session.next())

    async def events(self, path: str, *, query: Mapping[str, str] | None = None, **headers: str) -> Stream:
        """An event stream, of which the headers have come."""
        session = self._open("GET", path, query, None, headers)
        start = await session.next()
        assert start is not None
        answered = {name.decode(): value.decode() for name, value in start["headers"]}
        return Stream(session, start["status"], answered)

    def _open(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, headers: Mapping[str, str]
    ) -> Session:
        names = dict(headers)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            names.setdefault("content_type", "application/json")
        session = Origin(self.app, "/", self.tasks).open("http", method=method, path=path, query=query, **names)
        session.give({"type": "http.request", "body": body or b"", "more_body": False})
        return session
