"""Requests to one connection of a server, and the sending of a client's bytes by POST (spec §2.5)."""

import asyncio
from collections import deque
from collections.abc import Callable

from hubline._tasks import TaskOwner, wake_up
from hubline.client.carrier import Opening
from hubline.client.negotiation import with_token
from hubline.errors import ConnectionClosed, text_of

SPARE = 1_048_576
"""Bytes by which a response or a WebSocket message may exceed a hub message: servers put several into one."""

ANSWERED = 100.0
"""Seconds for the response to a request, as in the official JavaScript client (spec §6)."""

CLOSING = 5.0
"""Seconds for what is still to be said at the end of a connection."""

ROOM = 65_536
"""Bytes that may be on their way before writers wait: what the server takes before it lets POSTs wait (spec §2.5)."""

LARGEST_POST = 1_048_576
"""Bytes from which on a POST gets no further message. Servers limit the bodies of requests, ASP.NET Core to 30 MB."""


class Requests:
    """Requests with the address, headers and token of a connection. After a 401 the token is renewed, once each."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._headers = opening.place.headers
        maximum = opening.maximum_message_size
        self._largest = None if maximum is None else maximum + SPARE
        self._post_type = "application/octet-stream" if opening.binary else "text/plain;charset=UTF-8"

    async def request(self, method: str, body: bytes = b"") -> tuple[int, bytes]:
        """Raises what `Http.request` raises."""
        status, answer = await self._request(method, body)
        if status == 401 and self._opening.renew is not None:
            self._headers = with_token(self._headers, await self._opening.renew())
            status, answer = await self._request(method, body)
        return status, answer

    async def _request(self, method: str, body: bytes) -> tuple[int, bytes]:
        headers = {**self._headers, "Content-Type": self._post_type} if body else self._headers
        return await self._opening.http.request(
            method, self._opening.place.url, headers, body, largest=self._largest, seconds=ANSWERED
        )


class Posts:
    """Sends what is written by POST, one after another. What is written while one is on its way goes together.

    `failed` is called when a POST fails, so that the connection ends even if nobody waits.
    """

    def __init__(self, requests: Requests, failed: Callable[[], None]) -> None:
        self._requests, self._failed = requests, failed
        self._tasks = TaskOwner("hubline client")
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._room: asyncio.Future[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self.error: ConnectionClosed | None = None

    async def write(self, data: bytes) -> None:
        """Send bytes. Waits while more than `ROOM` is on its way."""
        if self.error is None:
            self._waiting.append(data)
            self._size += len(data)
            if self._sending is None:
                self._sending = self._tasks.start(self._send(), name="hubline client: POST")
            while self._size > ROOM and self.error is None:
                if self._room is None or self._room.done():
                    self._room = asyncio.get_running_loop().create_future()
                await asyncio.shield(self._room)
        if self.error is not None:
            raise self.error

    async def finish(self) -> None:
        """Send what has been written, if that does not take long, and nothing more."""
        if self._sending is not None:
            await asyncio.wait((self._sending,), timeout=CLOSING)
        await self._tasks.cancel()
        self._fail(ConnectionClosed("the connection was closed by this client"))

    async def _send(self) -> None:
        while self._waiting and self.error is None:
            body = self._next()
            try:
                status, _ = await self._requests.request("POST", body)
            except TimeoutError:
                self._fail(ConnectionClosed(f"the server did not answer a POST within {ANSWERED:g} s"))
            except ConnectionClosed as error:
                self._fail(error)
            except Exception as error:
                self._fail(ConnectionClosed(f"the client failed: {text_of(error)}"))
                raise
            else:
                if status != 200:
                    self._fail(ConnectionClosed(f"the server answered a POST with status {status}"))
            self._size -= len(body)
            wake_up(self._room)
        self._sending = None

    def _next(self) -> bytes:
        pieces = [self._waiting.popleft()]
        size = len(pieces[0])
        while self._waiting and size < LARGEST_POST:
            pieces.append(self._waiting.popleft())
            size += len(pieces[-1])
        return b"".join(pieces)

    def _fail(self, error: ConnectionClosed) -> None:
        if self.error is None:
            self.error = error
            wake_up(self._room)
            self._failed()
