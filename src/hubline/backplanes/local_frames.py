"""The messages between the workers of one machine and their hub: MessagePack arrays, each after its length."""

import asyncio
from abc import abstractmethod
from typing import cast

from msgspec import DecodeError, Struct, msgpack

HEAD = 4
"""Bytes of the length, big-endian."""

LARGEST = 1 << 28
"""Bytes of one frame. Ours: a broadcast has at most 16 MiB in each codec (`maximum_send_message_size`)."""

UNREAD = 64 * 1024 * 1024
"""Bytes that may wait for a peer to read them. Ours."""


class Subscribe(Struct, array_like=True, tag=1):
    """To the hub: subscribe to these channels. Answered by `Done`."""

    number: int
    channels: list[str]


class Unsubscribe(Struct, array_like=True, tag=2):
    """To the hub: unsubscribe from these channels. Answered by `Done`."""

    number: int
    channels: list[str]


class Publish(Struct, array_like=True, tag=3):
    """To the hub: send this to all subscribers of these channels. Answered by `Done`."""

    number: int
    channels: list[str]
    payload: bytes


class Done(Struct, array_like=True, tag=4):
    """From the hub: the request is done. `receivers` are those of a `Publish`."""

    number: int
    receivers: int


class Message(Struct, array_like=True, tag=5):
    """From the hub: this was published on these channels, each of which the peer has subscribed to."""

    channels: tuple[str, ...]
    payload: bytes


Frame = Subscribe | Unsubscribe | Publish | Done | Message

_encoder = msgpack.Encoder()
_decoder = msgpack.Decoder(Frame)


def frame(message: Frame) -> bytes:
    """The bytes of one message, with its length."""
    buffer = bytearray(HEAD)
    _encoder.encode_into(message, buffer, HEAD)
    buffer[:HEAD] = (len(buffer) - HEAD).to_bytes(HEAD, "big")
    return bytes(buffer)


class Peer(asyncio.Protocol):
    """One end of a connection. All frames of one turn of the event loop are written together."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._input, self._at = bytearray(), 0
        self._output: list[bytes] = []
        self._waiting = 0
        self.lost: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection has ended."""

    @abstractmethod
    def handle(self, message: Frame) -> bool:
        """A message has arrived. True asks for a turn of the event loop before the next one."""

    @property
    def unread(self) -> int:
        """Bytes that the other end has not taken yet."""
        transport = self._transport
        return self._waiting + (0 if transport is None else transport.get_write_buffer_size())

    def send(self, data: bytes) -> None:
        """Write a frame in this turn of the event loop. Does nothing after the end of the connection."""
        if not self._output:
            self._loop.call_soon(self._flush)
        self._output.append(data)
        self._waiting += len(data)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._input += data
        self._read()

    def _read(self) -> None:
        """Handle the frames that are complete. After one that asks for a turn, nothing is read until that turn."""
        transport = self._transport
        while transport is not None and (end := self._end_of_frame()):
            start, self._at = self._at + HEAD, end
            try:
                message = _decoder.decode(memoryview(self._input)[start:end])
            except DecodeError:
                self.abort()
                return
            if self.handle(message):
                transport.pause_reading()
                self._loop.call_soon(self._go_on)
                break
        if self._at == len(self._input) or self._at > UNREAD:
            del self._input[: self._at]
            self._at = 0

    def _go_on(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()
            self._read()

    def _end_of_frame(self) -> int:
        """The end of the next frame; 0 if it is not complete."""
        start = self._at + HEAD
        if len(self._input) < start:
            return 0
        size = int.from_bytes(self._input[self._at : start], "big")
        if size > LARGEST:
            self.abort()
            return 0
        return start + size if len(self._input) >= start + size else 0

    def _flush(self) -> None:
        output, self._output, self._waiting = self._output, [], 0
        if self._transport is not None:
            self._transport.write(b"".join(output))
