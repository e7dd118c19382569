"""Long polling: a GET for each batch of messages, and POSTs (spec §2.4)."""

import asyncio
import contextlib

from hubline._tasks import TaskOwner, wake_up
from hubline.client.carrier import Asked, Carrier, Opening
from hubline.client.requests import ANSWERED, CLOSING, Posts, Requests
from hubline.errors import ConnectionClosed, NegotiationError


async def open_polling(opening: Opening) -> Carrier:
    """The first poll, which the server answers at once.

    Raises:
        NegotiationError: the server refuses.
        ConnectionClosed: the server cannot be reached.
    """
    requests = Requests(opening)
    try:
        status, _ = await requests.request("GET")
    except TimeoutError:
        raise ConnectionClosed(f"the server did not answer the first poll within {ANSWERED:g} s") from None
    if status != 200:
        raise NegotiationError(status, f"the server refused long polling with status {status}")
    return LongPolling(requests)


class LongPolling(Asked):
    """Polls when it is asked for bytes. It must be asked again within the server's 15 s, or the server gives up."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._tasks = TaskOwner("hubline client")
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._posts = Posts(requests, lambda: wake_up(self._broken))
        self._over = False
        """Whether the server has ended the connection."""

    async def receive(self) -> bytes:
        while True:
            poll = self._tasks.start(self._poll(), name="hubline client: poll")
            await asyncio.wait((poll, self._broken), return_when=asyncio.FIRST_COMPLETED)
            if self._posts.error is not None:
                poll.cancel()
                raise self._posts.error
            found: tuple[int, bytes] | ConnectionClosed = await poll
            if isinstance(found, ConnectionClosed):
                raise found
            status, body = found
            if status == 204:
                self._over = True
                raise ConnectionClosed("the server closed the connection")
            if status != 200:
                self._over = status == 404
                raise ConnectionClosed(f"the server answered a poll with status {status}")
            if body:
                return body

    async def write(self, data: bytes) -> None:
        await self._posts.write(data)

    async def close(self) -> None:
        """The poll is given up, and DELETE tells the server, unless it has ended the connection itself."""
        await self._posts.finish()
        await self._tasks.cancel()
        if not self._over:
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(CLOSING):
                    await self._requests.request("DELETE")

    async def _poll(self) -> tuple[int, bytes] | ConnectionClosed:
        """A response to a poll. The server answers after 90 s at the latest; if that is lost, we ask again.

        A failure is a result, as nobody may be there any more to look at an exception.
        """
        try:
            return await self._requests.request("GET")
        except TimeoutError:
            return 200, b""
        except ConnectionClosed as error:
            return error
