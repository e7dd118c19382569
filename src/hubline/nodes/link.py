"""One connection between two nodes, which carries any number of forwarded requests.

Requests go one way: from the node that has opened the link. For the other way there is another link.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from hubline.nodes.frames import LARGEST, FrameReader, Kind, frame
from hubline.nodes.handshake import Handshake, Untrusted
from hubline.nodes.stream import LinkLost, Stream

logger = logging.getLogger("hubline.nodes")

HIGH_WATER = 1_048_576
"""Bytes that may be buffered for the other node before streams wait. Ours."""

PATIENCE = 5.0
"""Seconds for the handshake. Ours."""

SILENCE = 15.0
"""Seconds without a frame after which a link is closed. Three pings. Ours."""


class Link(asyncio.Protocol):
    """Frames over one connection, and the streams on it."""

    def __init__(
        self,
        peer: str,
        handshake: Handshake,
        *,
        now: Callable[[], float],
        over: Callable[["Link"], None],
        opened: Callable[[Stream, bytes], None] | None = None,
        ended: Callable[[str], None] | None = None,
    ) -> None:
        """`peer` names the other node in the log. `over` is called once, when the link has ended or was never made.

        `opened` takes new streams; without it, this end opens them. `ended` takes tokens of connections that were
        handed over and have ended.
        """
        self.peer = peer
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the handshake has succeeded; has an exception if it has failed."""
        self.dialed = opened is None
        """Whether this node has opened it, and forwards requests on it."""
        self.heard = now()
        self.lost = False
        self._handshake, self._now, self._over, self._opened = handshake, now, over, opened
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._streams: dict[int, Stream] = {}
        self._last = 0
        self._transport: asyncio.Transport | None = None
        self._pending: list[bytes] = []
        self._room: asyncio.Event | None = None
        self._patience: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Requests under way."""
        return len(self._streams)

    def open(self, opening: bytes) -> Stream:
        """A new stream, for the request that `opening` describes."""
        self._last = self._last % 0xFFFFFFFF + 1
        stream = self._streams[self._last] = Stream(self, self._last)
        if self.lost:
            stream.lose()
        else:
            self.write(Kind.OPEN, stream.number, opening)
        return stream

    def waiting_bytes(self) -> int:
        """Bytes that have arrived for streams and were not read by them, or wait for the other node."""
        waiting = sum(stream.waiting_bytes for stream in list(self._streams.values()))
        return waiting + (self._transport.get_write_buffer_size() if self._transport is not None else 0)

    # What streams need

    def write(self, kind: Kind, stream: int, payload: bytes = b"") -> None:
        """Queue a frame. All of one turn of the event loop are one write."""
        if self.lost:
            return
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(frame(kind, stream, payload))

    async def writable(self) -> None:
        """Wait until the other node takes what is buffered for it."""
        while self._room is not None:
            await self._room.wait()

    def forget(self, stream: int) -> None:
        self._streams.pop(stream, None)

    # The life of the link

    def beat(self) -> None:
        """Called every few seconds: send a ping, and close the link if the other node is silent."""
        if self._now() - self.heard > SILENCE:
            logger.warning("node %s: nothing was received for %g s, the link is closed", self.peer, SILENCE)
            self.abort()
        elif self._handshake.done:
            self.write(Kind.PING, 0)

    def close(self) -> None:
        """Write what is queued, and end the link."""
        if self._transport is not None and not self.lost:
            self._flush()
            self._transport.close()
        self._end(None)

    def abort(self) -> None:
        """End the link at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not derive from it
        if self.lost:  # there were too many already
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        # Not before: uvloop makes the protocol before it dials, and one that is refused is never told.
        self._patience = self._loop.call_later(PATIENCE, self._too_slow)
        self._say(self._handshake.begin())

    def data_received(self, data: bytes) -> None:
        self.heard = self._now()
        try:
            for kind, number, payload in self._reader.feed(data):
                if self._handshake.done:
                    self._received(kind, number, payload)
                else:
                    self._say(self._handshake.received(kind, payload))
                    if self._handshake.done:
                        self._trust()
        except Untrusted as error:
            self._distrust(str(error))
        except Exception as error:  # frames that no node sends
            logger.error("node %s: the link is closed: %r", self.peer, error)
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error)

    def pause_writing(self) -> None:
        self._room = asyncio.Event()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()

    def _received(self, kind: int, number: int, payload: bytes) -> None:
        if kind == Kind.PING:
            return
        if kind == Kind.ENDED:
            if self._ended is not None:
                self._ended(payload.decode())
            return
        stream = self._streams.get(number)
        if kind == Kind.OPEN:
            if self._opened is None or stream is not None:
                raise ValueError("a request on the wrong link")
            stream = self._streams[number] = Stream(self, number)
            self._opened(stream, payload)
        elif stream is not None:
            stream.arrived(Kind(kind), payload)

    def _say(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def _trust(self) -> None:
        self._stop_waiting()
        self._reader.largest = LARGEST
        if not self.ready.done():
            self.ready.set_result(None)

    def _stop_waiting(self) -> None:
        """No proof is waited for any more."""
        if self._patience is not None:
            self._patience.cancel()

    def _too_slow(self) -> None:
        self._distrust(f"no proof within {PATIENCE:g} s")

    def _distrust(self, why: str) -> None:
        logger.warning("node %s: no link, because %s", self.peer, why)
        self.abort()

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if pending and self._transport is not None and not self.lost:
            self._transport.write(b"".join(pending))

    def _end(self, error: Exception | None) -> None:
        if self.lost:
            return
        self.lost = True
        self._stop_waiting()
        self._pending.clear()
        self.resume_writing()
        if not self.ready.done():
            self.ready.set_exception(LinkLost(f"node {self.peer}: no link ({error})"))
            self.ready.exception()  # a caller that waits gets it too; without one, asyncio would log it
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.lose()
        self._over(self)
