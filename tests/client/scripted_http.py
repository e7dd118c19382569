"""An HTTP library that answers as a test says, for the carriers that are made of requests."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping

from hubline.client.carrier import Body, Carrier, Opening
from hubline.client.negotiation import Place
from hubline.errors import ConnectionClosed

Answer = tuple[int, bytes] | BaseException


class ScriptedBody:
    """The body of an event stream. `None` among the pieces: it is lost."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed = False

    async def read(self) -> bytes:
        piece = await self.pieces.get()
        if piece is None:
            raise ConnectionClosed("the connection to the server was lost")
        return piece

    def close(self) -> None:
        self.closed = True
        self.pieces.put_nowait(b"")


class ScriptedHttp:
    """Answers of `answers` are used up, by method; then a POST is answered, and a GET waits until it is cancelled."""

    def __init__(self) -> None:
        self.answers: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self.asked: list[tuple[str, bytes, str | None]] = []
        """Method, body and bearer token of each request."""
        self.gate = asyncio.Event()
        """POSTs wait for it."""
        self.gate.set()
        self.body = ScriptedBody()
        self.largest: int | None = None

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        largest: int | None,
        seconds: float | None,
    ) -> tuple[int, bytes]:
        self.largest = largest
        self.asked.append((method, body, headers.get("Authorization")))
        if method == "POST":
            await self.gate.wait()
        answers = self.answers[method]
        if not answers and method == "GET":
            await asyncio.Event().wait()
        answer = answers.popleft() if answers else (200, b"")
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def listen(self, url: str, headers: Mapping[str, str]) -> Body:
        self.asked.append(("GET", headers["Accept"].encode(), headers.get("Authorization")))
        return self.body

    async def connect(self, place: Place, *, binary: bool, maximum_message_size: int | None) -> Carrier:
        raise NotImplementedError

    async def close(self) -> None: ...

    def said(self, method: str) -> list[bytes]:
        """The bodies of all requests with this method."""
        return [body for asked, body, _ in self.asked if asked == method]

    def opening(self, renew: Callable[[], Awaitable[str | None]] | None = None, *, binary: bool = False) -> Opening:
        return Opening(self, Place("http://h/hub?id=1", {"Authorization": "Bearer old"}), binary, 1_000, renew)


async def received(carrier: Carrier) -> bytes:
    """The next bytes that come."""
    found: list[bytes] = []

    def take(data: bytes) -> bool:
        found.append(data)
        return False

    await carrier.carry(take)
    (message,) = found
    return message
