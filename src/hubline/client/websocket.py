"""A WebSocket of a client, on a connection that HTTP has upgraded: messages go from the socket to who takes them."""

import asyncio
import os
from collections.abc import Callable, Iterator

from hubline._loops import PerLoop
from hubline._tasks import wake_up
from hubline.client.carrier import Take
from hubline.client.frames import PROTOCOL_ERROR, BrokenFrame, Frames
from hubline.client.requests import CLOSING
from hubline.errors import ConnectionClosed
from hubline.websocket_frames import BINARY, CLOSE, PING, PONG, TEXT, is_close_payload, masked_frame

LOST = "the connection to the server was lost"

NORMAL, NO_CODE = 1000, 1005
"""Codes of a close (RFC 6455 §7.4.1)."""

READ = 65_536
"""Bytes that are read at once. Ours."""

_BUFFERS = PerLoop(lambda loop: memoryview(bytearray(READ)))
"""All connections of a loop read into one buffer, out of which each takes its bytes at once. An `asyncio.Protocol` gets
each read in an object of its own, for which asyncio asks the system for 256 KiB: that took half the CPU of a call."""


def upgrade_headers(key: str) -> dict[str, str]:
    """The headers of the request; `key` is 16 random bytes in base64 (RFC 6455 §4.1)."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }


def _masks() -> Iterator[bytes]:
    """Random masks, many for one call of the system."""
    while True:
        pool = os.urandom(1_024)
        for at in range(0, len(pool), 4):
            yield pool[at : at + 4]


class WebSocket(asyncio.BufferedProtocol):
    """An open WebSocket. `over` is called when its connection has ended, with the error of the network if that was why.

    Nothing is read before the first `carry`, and nothing while nobody takes what comes.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        over: Callable[[Exception | None], None],
        *,
        binary: bool,
        largest: int | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport, self._over = transport, over
        self._opcode = BINARY if binary else TEXT
        self._frames, self._masks = Frames(largest), _masks()
        self._buffer = _BUFFERS.of(self._loop)
        self._take: Take | None = None
        self._carrying: asyncio.Future[None] = self._loop.create_future()
        self._end: ConnectionClosed | None = None
        """Why no more messages come, and none can be sent."""
        self._gone: asyncio.Future[None] = self._loop.create_future()
        """Done when there is no connection any more."""
        self._room: asyncio.Future[None] | None = None
        """While the socket's buffer is full."""
        self._ping: bytes | None = None
        """The last ping that was not answered because of that."""
        transport.pause_reading()
        transport.set_protocol(self)

    async def carry(self, take: Take) -> None:
        done = self._carrying = self._loop.create_future()
        self._take = take
        try:
            self._deliver()
            if self._end is not None:
                self._stop(self._end)
            elif not done.done():
                self._read_on()
            await done
        finally:
            self._take = None

    async def write(self, data: bytes) -> None:
        """Send one message. Waits while the socket's buffer is full."""
        if self._end is not None or self._transport.is_closing():
            raise ConnectionClosed(LOST)
        self._say(self._opcode, data)
        while self._room is not None:
            await asyncio.shield(self._room)
            if self._end is not None:
                raise ConnectionClosed(LOST)

    async def close(self) -> None:
        """Say so and wait for the server's answer, which it may not give."""
        if self._end is None:
            self._finish(ConnectionClosed("the connection was closed by this client"), NORMAL)
            self._take = _drop
            self._read_on()
            self._deliver()
        try:
            await asyncio.wait((self._gone,), timeout=CLOSING)
        finally:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Bytes have come, by the buffer or with the upgrade."""
        self._frames.add(data)
        self._deliver()

    def pause_writing(self) -> None:
        self._room = self._room or self._loop.create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        wake_up(room)
        if self._ping is not None and self._end is None:
            self._say(PONG, self._ping)
        self._ping = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is None:
            self._end = ConnectionClosed(LOST)
        self._stop(self._end)
        wake_up(self._room)
        wake_up(self._gone)
        self._over(exc)

    def _deliver(self) -> None:
        """Give what has come to who takes it, as far as it is taken."""
        try:
            while (take := self._take) is not None and (found := self._frames.next()) is not None:
                opcode, payload = found
                if opcode >= CLOSE:
                    self._control(opcode, payload)
                elif not take(payload):
                    self._stop()
        except BrokenFrame as broken:
            self._finish(ConnectionClosed(f"WebSocket failed: {broken}"), broken.code)
            self._transport.close()
        except Exception as error:  # `take` has failed: its caller is told
            self._stop(error)

    def _stop(self, error: Exception | None = None) -> None:
        """Nothing is taken any more, or for now."""
        self._take = None
        if self._carrying.done():
            return
        if error is None:
            if not self._transport.is_closing():  # uvloop raises then
                self._transport.pause_reading()
            self._carrying.set_result(None)
        else:
            self._carrying.set_exception(error)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            if not is_close_payload(payload):
                raise BrokenFrame(PROTOCOL_ERROR, "the server gives no reason that exists")
            code = int.from_bytes(payload[:2], "big") or NO_CODE
            self._finish(ConnectionClosed(_closed(code, payload[2:].decode(errors="replace"))), code)
            self._transport.close()
        elif opcode == PING and self._room is not None:
            self._ping = payload
        elif opcode == PING and self._end is None:
            self._say(PONG, payload)

    def _finish(self, end: ConnectionClosed, code: int) -> None:
        """The end of messages in both directions, of which the server is told if that was not done before."""
        if self._end is None:
            self._say(CLOSE, b"" if code == NO_CODE else code.to_bytes(2, "big"))
            self._end = end
        self._stop(self._end)

    def _say(self, opcode: int, payload: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(masked_frame(opcode, payload, next(self._masks)))

    def _read_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()


def _drop(message: bytes) -> bool:
    """Take what comes after our close, up to the close of the server."""
    return True


def _closed(code: int, reason: str) -> str:
    if code == NORMAL:
        return "the server closed the WebSocket"
    return f"WebSocket closed with status code: {code} ({reason})."
