"""Server-Sent Events: one response that does not end, and POSTs (spec §2.3)."""

from collections.abc import Iterator

from hubline.client.carrier import Asked, Body, Carrier, Opening
from hubline.client.requests import SPARE, Posts, Requests
from hubline.errors import ConnectionClosed

ACCEPT = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}


async def open_events(opening: Opening) -> Carrier:
    """Open the event stream.

    Raises:
        NegotiationError: the server refuses.
        ConnectionClosed: the server cannot be reached.
    """
    place = opening.place
    maximum = opening.maximum_message_size
    body = await opening.http.listen(place.url, {**place.headers, **ACCEPT})
    return ServerSentEvents(Requests(opening), body, None if maximum is None else maximum + SPARE)


class ServerSentEvents(Asked):
    """An event stream. `largest` is how many bytes one line may have."""

    def __init__(self, requests: Requests, body: Body, largest: int | None) -> None:
        self._body, self._events = body, Events(largest)
        self._posts = Posts(requests, body.close)

    async def receive(self) -> bytes:
        while True:
            try:
                read = await self._body.read()
            except ConnectionClosed as error:
                raise self._posts.error or error from None
            if self._posts.error is not None:
                raise self._posts.error
            if not read:
                raise ConnectionClosed("the server ended the event stream")
            if data := b"".join(self._events.feed(read)):
                return data

    async def write(self, data: bytes) -> None:
        await self._posts.write(data)

    async def close(self) -> None:
        """There is no DELETE: the server sees that nobody listens any more."""
        await self._posts.finish()
        self._body.close()


class Events:
    """Reads an event stream (HTML standard, section 9.2.6). Lines may end with LF, CR LF or CR, and be cut anywhere.

    The data of an event is handed on line by line, because hub messages need no whole events.
    """

    def __init__(self, largest: int | None) -> None:
        self._largest = largest
        self._line = bytearray()
        self._after_cr = self._in_event = False

    def feed(self, read: bytes) -> Iterator[bytes]:
        """The data in these bytes.

        Raises:
            ConnectionClosed: a line is too long.
        """
        if not read:  # it does not part a CR from its LF
            return
        if self._after_cr and read.startswith(b"\n"):
            read = read[1:]
        self._after_cr = read.endswith(b"\r")
        *lines, rest = read.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if self._line:
                line = bytes(self._line + line)
                self._line.clear()
            yield from self._take(line)
        self._line += rest
        if self._largest is not None and len(self._line) > self._largest:
            raise ConnectionClosed(f"the server sent a line of more than {self._largest} bytes")

    def _take(self, line: bytes) -> Iterator[bytes]:
        if not line:
            self._in_event = False
        elif line.startswith(b"data:"):
            if self._in_event:
                yield b"\n"
            self._in_event = True
            yield line[6:] if line.startswith(b"data: ") else line[5:]
