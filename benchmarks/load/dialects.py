"""The protocols of the peers without SignalR."""

import json
from collections.abc import Sequence
from typing import Any

from hubline.cli.dialect import Kind, Record, SignalR, SignalRReader


class MessageReader:
    """For servers that send one payload in every WebSocket message."""

    tail = b""

    def feed(self, data: bytes, final: bool) -> list[bytes]:
        if not final:
            self.tail += data
            return []
        payload, self.tail = self.tail + data, b""
        return [payload]

    def framed(self, payload: bytes) -> bytes:
        return payload

    def read(self, payload: bytes) -> Record:
        """Hand-written JSON: `{"id": …, "result": …}` is an answer, anything else a message."""
        message = json.loads(payload)
        if "id" in message:
            return Record(Kind.COMPLETION, message["id"], message.get("result"), message.get("error"))
        return Record(Kind.MESSAGE)


class Json:
    """`{"id": …, "method": …, "arguments": […]}`, as a loop written by hand would have it."""

    binary = False
    greeting = pong = b""

    def reader(self) -> MessageReader:
        return MessageReader()

    def call(self, call: str, method: str, arguments: Sequence[Any]) -> bytes:
        message = {"method": method, "arguments": list(arguments)}
        return json.dumps({"id": call, **message} if call else message).encode()

    def stream(self, call: str, method: str, arguments: Sequence[Any]) -> bytes:
        raise NotImplementedError


class SocketIoReader(MessageReader):
    """The parts of Engine.IO 4 and Socket.IO 5 that the benchmark uses."""

    def read(self, payload: bytes) -> Record:
        text = payload.decode()
        if text == "2":
            return Record(Kind.PING)
        if text.startswith("40"):
            return Record(Kind.OPENED)
        if text.startswith(("41", "44", "1")):
            return Record(Kind.CLOSE, error=text)
        if text.startswith("43"):
            number, bracket, rest = text[2:].partition("[")
            values = json.loads(bracket + rest)
            return Record(Kind.COMPLETION, _LETTERS[number[0]] + number[1:], values[0] if values else None)
        return Record(Kind.MESSAGE if text.startswith("42") else Kind.OTHER)


_LETTERS = {"1": "c", "2": "i"}
_DIGITS = {letter: digit for digit, letter in _LETTERS.items()}
"""Socket.IO's ids are numbers, those of the load client begin with a letter."""


class SocketIo:
    """Events with acknowledgements; the WebSocket is opened at once, without polling first."""

    binary = False
    greeting, pong = b"40", b"3"

    def reader(self) -> SocketIoReader:
        return SocketIoReader()

    def call(self, call: str, method: str, arguments: Sequence[Any]) -> bytes:
        number = _DIGITS[call[0]] + call[1:] if call else ""
        return f"42{number}{json.dumps([method, *arguments], separators=(',', ':'))}".encode()

    def stream(self, call: str, method: str, arguments: Sequence[Any]) -> bytes:
        raise NotImplementedError


class WithoutHeaders(SignalR):
    """aiosignalr's MessagePack: it means an empty map of headers (0x80) and writes the number 128 (0xcc 0x80)."""

    def reader(self) -> SignalRReader:
        return _WithoutHeadersReader(self.codec)


class _WithoutHeadersReader(SignalRReader):
    def read(self, payload: bytes) -> Record:
        # After one byte for the array and one for the type.
        if payload[2:4] == b"\xcc\x80":
            payload = payload[:2] + payload[3:]
        return super().read(payload)
