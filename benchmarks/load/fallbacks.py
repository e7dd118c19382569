"""Server-Sent Events and long polling, as an official client uses them: negotiate, a stream or polls, and POSTs."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any
from urllib.parse import quote

from benchmarks.load.http import HttpClient, open_http
from hubline.cli.dialect import Dialect, SignalR
from hubline.cli.load import LoadError, Session


class HttpSession(Session):
    """Common to both: a connection token, and a POST for each message to the server."""

    def __init__(self, path: str, dialect: Dialect, posts: HttpClient, down: HttpClient) -> None:
        super().__init__(dialect)
        self._path = path
        self._posts = posts
        self._down = down
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def start(self, token: str | None = None) -> None:
        """Negotiate, unless that is done, begin to receive, shake hands."""
        token = token or await negotiate(self._down, self._path)
        self._path += f"?id={quote(token)}"
        self._later(self._receive())
        self.send(self.dialect.greeting)
        async with asyncio.timeout(30):
            await self.opened

    def send(self, payload: bytes) -> None:
        self._later(self._post(payload))

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._down.close()
        self._posts.close()

    async def _post(self, payload: bytes) -> None:
        async with self._turn:
            response = await self._posts.request("POST", self._path, payload)
        if response.status != 200:
            raise LoadError(f"a POST was answered with {response.status}: {response.body[:80]!r}")

    async def _receive(self) -> None:
        raise NotImplementedError

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except LoadError as error:
            self.ended(str(error))


class EventSession(HttpSession):
    """Server-Sent Events. A message may stand in an event of its own, or with others, in one line or in several."""

    _text = b""

    async def _receive(self) -> None:
        headers = {"Accept": "text/event-stream"}
        response = await self._down.request("GET", self._path, headers=headers, on_body=self._events)
        self.ended(f"the stream of events ended with status {response.status}")

    def _events(self, piece: bytes) -> None:
        # A message contains no CR: JSON escapes it.
        *events, self._text = (self._text + piece).replace(b"\r", b"").split(b"\n\n")
        data = b"".join(line[6:] for event in events for line in event.split(b"\n") if line.startswith(b"data: "))
        if data:
            self.inbox.receive(data)


class PollSession(HttpSession):
    """Long polling: the next poll begins when one is answered."""

    async def _receive(self) -> None:
        while True:
            response = await self._down.request("GET", self._path)
            if response.status != 200:
                self.ended(f"a poll was answered with {response.status}: {response.body[:80]!r}")
                return
            if response.body:
                self.inbox.receive(response.body)


async def negotiate(client: HttpClient, path: str) -> str:
    """The connection token that the server gives."""
    response = await client.request("POST", path + "/negotiate?negotiateVersion=1")
    if response.status != 200:
        raise LoadError(f"negotiate was answered with {response.status}")
    return str(json.loads(response.body)["connectionToken"])


async def open_sessions(
    kind: type[HttpSession], count: int, host: str, port: int, path: str, *, at_once: int = 16
) -> list[HttpSession]:
    """A number of sessions of a kind, each with a connection to receive and one to send."""
    made: list[HttpSession] = []
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            session = kind(path, SignalR(), await open_http(host, port), await open_http(host, port))
            await session.start()
            made.append(session)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(some())
    return made
