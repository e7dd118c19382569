"""The protocols of load clients: SignalR is here, others are in `benchmarks/load/`."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Protocol

from msgspec import Struct

from hubline.client.events import Called, Event, Opened, Refused, Unasked
from hubline.client.session import ClientSession
from hubline.wire.connection import Failed
from hubline.wire.framing import RECORD_SEPARATOR, frame_record, frame_with_length
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Close, Completion, Invocation, StreamInvocation, StreamItem
from hubline.wire.msgpack import MessagePackCodec


class Kind(Enum):
    """The kinds of records."""

    OPENED = auto()
    MESSAGE = auto()
    ITEM = auto()
    COMPLETION = auto()
    PING = auto()
    CLOSE = auto()
    OTHER = auto()


class Record(Struct, frozen=True):
    """One message of a server. `value` is a completion's result, `error` its error."""

    kind: Kind
    call: str = ""
    value: Any = None
    error: str | None = None


class Reader(Protocol):
    """Cuts the input of one connection into payloads and decodes them, in order."""

    tail: bytes
    """The first part of an incomplete payload, with its framing."""

    def feed(self, data: bytes, final: bool) -> list[bytes]:
        """The payloads that are complete now; `final` ends a WebSocket message."""

    def framed(self, payload: bytes) -> bytes:
        """The payload as it was in the stream of bytes."""

    def read(self, payload: bytes) -> Record: ...


class Dialect(Protocol):
    """A protocol. Stateless: all connections use one object."""

    binary: bool
    greeting: bytes
    """The first bytes of a client. If they are empty, a connection is open at once."""

    pong: bytes
    """The answer to a ping; empty if the server expects none."""

    def reader(self) -> Reader: ...

    def call(self, call: str, method: str, arguments: Sequence[Any]) -> bytes:
        """A call. Without an id it is not answered."""

    def stream(self, call: str, method: str, arguments: Sequence[Any]) -> bytes: ...


class SignalR:
    """The hub protocol, in JSON or MessagePack."""

    pong = b""

    def __init__(self, protocol: str = "json") -> None:
        """`protocol` is `json` or `messagepack`."""
        self.binary = protocol == "messagepack"
        self.codec: JsonCodec | MessagePackCodec = MessagePackCodec() if self.binary else JsonCodec()
        self.greeting = ClientSession(self.codec).handshake()

    def reader(self) -> "SignalRReader":
        return SignalRReader(self.codec)

    def call(self, call: str, method: str, arguments: Sequence[Any]) -> bytes:
        return self.codec.encode(Invocation(invocation_id=call, target=method, arguments=list(arguments)))

    def stream(self, call: str, method: str, arguments: Sequence[Any]) -> bytes:
        return self.codec.encode(StreamInvocation(invocation_id=call, target=method, arguments=list(arguments)))


class SignalRReader:
    """Cuts with the codec's own splitter, and has the client's session read each message."""

    def __init__(self, codec: JsonCodec | MessagePackCodec) -> None:
        self.tail = b""
        self.framed = frame_with_length if isinstance(codec, MessagePackCodec) else frame_record
        self._codec = codec
        self._value = codec.reader(object)
        self._receive = ClientSession(codec).receive
        self._frame = frame_record  # the handshake response is a record with every codec
        self._cut = False  # whether the handshake response has been read

    def feed(self, data: bytes, final: bool) -> list[bytes]:
        data, self.tail = self.tail + data, b""
        payloads: list[bytes] = []
        if not self._cut:
            answer, separator, rest = data.partition(RECORD_SEPARATOR)
            if not separator:
                self.tail = data
                return []
            self._cut, data = True, rest
            payloads.append(answer)
        splitter = self._codec.splitter(None)
        payloads += splitter.feed(data)
        if splitter.error is not None:
            raise splitter.error
        if splitter.pending:
            self.tail = data[-splitter.pending :]
        return payloads

    def read(self, payload: bytes) -> Record:
        for event in self._receive(self._frame(payload), 0.0):
            return self._record(event)
        return Record(Kind.OTHER)  # such as a ping, which a load client does not use

    def _record(self, event: Event) -> Record:
        match event:
            case Unasked(message):  # the load clients keep their calls themselves
                if isinstance(message, StreamItem):
                    return Record(Kind.ITEM, message.invocation_id)
                return self._completion(message)
            case Called():
                return Record(Kind.MESSAGE)
            case Opened():
                self._frame = self.framed
                return Record(Kind.OPENED)
            case Refused():
                return Record(Kind.CLOSE, error=event.error)
            case Close():
                return Record(Kind.CLOSE, error=event.error or None)
            case Failed():
                raise event.error
        return Record(Kind.OTHER)

    def _completion(self, message: Completion) -> Record:
        if message.error:
            return Record(Kind.COMPLETION, message.invocation_id, error=str(message.error))
        value = self._value(message.result) if message.result else None
        return Record(Kind.COMPLETION, message.invocation_id, value)
