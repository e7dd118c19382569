"""The state of one hub connection without I/O: it turns bytes into events and messages into packets.

Time is an argument. After every `receive()` or `tick()` handle the returned events in order. All changes of state are
in `states.py`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from hubline.errors import (
    ConnectionClosed,
    HandshakeError,
    KeepAliveTimeout,
    LocalProtocolError,
    RemoteProtocolError,
)
from hubline.wire.codec import Codec, Splitter, TransferFormat
from hubline.wire.framing import RECORD_SEPARATOR
from hubline.wire.handshake import CANCELED, HandshakeRequest, HandshakeResponse, choose_codec
from hubline.wire.messages import Ack, Close, Message, Ping
from hubline.wire.messages import Sequence as SequenceMessage
from hubline.wire.replay import COUNTED, Replay
from hubline.wire.states import TRANSITIONS, State, Turn


class Side(Enum):
    SERVER = "server"
    CLIENT = "client"


STATEFUL_VERSION = 2
"""The lowest version of a handshake with stateful reconnect."""

_AGREED = HandshakeResponse().format()

_OPEN, _CLOSING = State.OPEN, State.CLOSING
"""To get an enum member from its class costs 0.1 µs, which is much for every message."""


@dataclass(frozen=True, slots=True)
class HandshakeAccepted:
    """Both sides agree. The server writes `response` first; on the client side it is empty."""

    codec: Codec
    version: int
    response: bytes


@dataclass(frozen=True, slots=True)
class HandshakeRefused:
    """The handshake failed: `error` says why. The server writes `response` and ends; on the client side it is empty."""

    error: str
    response: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The peer broke the protocol or has been silent for too long. Always the last event."""

    error: ConnectionClosed


@dataclass(frozen=True, slots=True)
class PingDue:
    """Send a `Ping` now."""


@dataclass(frozen=True, slots=True)
class AckDue:
    """Send an `Ack` of this number now."""

    sequence_id: int


_PING_DUE = PingDue()

Event: TypeAlias = Message | HandshakeAccepted | HandshakeRefused | Failed | PingDue | AckDue


class WireConnection:
    """One end of a hub connection. Faults of the peer are events; only our own raise (`LocalProtocolError`).

    Args:
        codecs: what the server offers; the client names the first one.
        maximum_message_size: bytes of one message with its framing, the handshake included; `None` for no limit.
        keep_alive_interval: seconds between pings, `None` for none. A server pings whatever else it sends; a client
            only when it sent nothing else (spec §5.8, §11.3).
        peer_timeout: seconds without a message after which the peer is considered gone, `None` for never. A server
            starts with the first ping of the client, a client with the handshake.
        detailed_errors: whether the peer is told why its handshake could not be read.
        replay: for a stateful reconnect, if the handshake asks for version 2; the caller calls `keep` for each message.
    """

    __slots__ = (
        "_codecs",
        "_decode",
        "_detailed_errors",
        "_expects_pings",
        "_handshake",
        "_handshake_deadline",
        "_keep_alive_interval",
        "_last_heard",
        "_last_ping",
        "_maximum_message_size",
        "_peer_timeout",
        "_splitter",
        "_transfer_formats",
        "_version",
        "codec",
        "replay",
        "side",
        "state",
    )

    def __init__(
        self,
        side: Side,
        codecs: Sequence[Codec],
        *,
        now: float,
        maximum_message_size: int | None = 32768,
        handshake_timeout: float = 15.0,
        keep_alive_interval: float | None = 15.0,
        peer_timeout: float | None = 30.0,
        transfer_formats: frozenset[TransferFormat] = frozenset(TransferFormat),
        detailed_errors: bool = False,
        replay: Replay | None = None,
    ) -> None:
        self.side = side
        self.state = State.HANDSHAKE
        self.codec: Codec
        self._codecs, self._transfer_formats, self._detailed_errors = codecs, transfer_formats, detailed_errors
        self._maximum_message_size = maximum_message_size
        self._keep_alive_interval, self._peer_timeout = keep_alive_interval, peer_timeout
        self._handshake_deadline = now + handshake_timeout
        self._handshake = bytearray()
        self._version = 1
        self._splitter: Splitter
        self._decode: Callable[[bytes], Message | None]
        self._last_ping = now
        self._last_heard = now
        self._expects_pings = side is Side.CLIENT
        self.replay = replay

    def reconnected(self, now: float) -> list[bytes]:
        """A new socket has replaced the last one. Returns the bytes to send on it first.

        The peer sends a message again as a whole if only a part of it arrived on the last socket.
        """
        assert self.replay is not None, "only a connection that keeps messages can be resumed"
        self._splitter = self.codec.splitter(self._maximum_message_size)
        self.excuse(now)
        return self.replay.resume(self.codec)

    def excuse(self, now: float) -> None:
        """The peer has no socket at the moment, so this time does not count as its silence."""
        self._last_heard = max(self._last_heard, now)

    def _decode_counted(self, payload: bytes) -> Message | None:
        message, replay = self.codec.decode(payload), self.replay
        assert replay is not None
        if type(message) in COUNTED:
            return message if replay.came() else None
        if type(message) is SequenceMessage:
            replay.resumes_at(message.sequence_id)
        elif type(message) is Ack:
            replay.acknowledged(message.sequence_id)
        return message

    def handshake(self, version: int = 1) -> bytes:
        """The client's handshake request, its first bytes."""
        self._version = version
        return HandshakeRequest(self._codecs[0].name, version).format()

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Decode bytes into events. They may be cut anywhere, and messages may follow a handshake."""
        if self.state is not _OPEN and self.state is not _CLOSING:
            return self._receive_handshake(data, now) if self.state is State.HANDSHAKE else []
        events: list[Event] = []
        splitter, decode = self._splitter, self._decode
        try:
            for payload in splitter.feed(data):
                message = decode(payload)
                self._last_heard = now
                if message is None:
                    continue
                events.append(message)
                if type(message) is Ping:
                    self._expects_pings = True
                elif type(message) is Close:
                    self._turn(Turn.CLOSE_RECEIVED)
                    return events
        except RemoteProtocolError as error:
            return [*events, self._failed(error)]
        if splitter.error is not None:
            events.append(self._failed(splitter.error))
        return events

    def is_between_messages(self, size: int) -> bool:
        """Whether messages can be read and the next `size` bytes begin with one, so that others than we may read it.

        These tell it with `came_together`, or else give the bytes to `receive`.
        """
        if self.state is not _OPEN and self.state is not _CLOSING:
            return False
        limit, splitter = self._maximum_message_size, self._splitter
        return not splitter.pending and splitter.error is None and (limit is None or size <= limit)

    def came_together(self, count: int, now: float) -> bool:
        """So many items have come. False if there may be repetitions among them, which only `receive` finds."""
        if self.replay is not None and not self.replay.came_together(count):
            return False
        self._last_heard = now
        return True

    def end_of_input(self) -> ConnectionClosed | None:
        """There are no more bytes. Returns an error if the peer left in the middle of a handshake or a message."""
        if self.state is State.HANDSHAKE:
            self._turn(Turn.INPUT_ENDED)
            return HandshakeError("The connection ended before the handshake was complete.")
        if self.state is not _OPEN and self.state is not _CLOSING:
            return None
        self._turn(Turn.INPUT_ENDED)
        if self._splitter.pending:
            return RemoteProtocolError("Connection terminated while reading a message.")
        return None

    def send(self, message: Message, now: float | None = None) -> bytes:
        """Encode a message. Only a client needs `now`, which postpones its next ping.

        Raises:
            LocalProtocolError: the message may not be sent in this state.
            TypeError, ValueError, OverflowError, RecursionError: a value in it cannot be encoded.
        """
        last_words = isinstance(message, Close)
        if self.state is not State.OPEN and not (self.state is State.PEER_CLOSED and last_words):
            raise LocalProtocolError(
                f"cannot send {type(message).__name__}: the connection is in state {self.state.name}"
            )
        packet = self.codec.encode(message)
        if last_words:
            self._turn(Turn.CLOSE_SENT)
        if self.side is Side.CLIENT and now is not None:
            self._last_ping = now
        return packet

    def tick(self, now: float) -> list[Event]:
        """The events that are due by time. Call it about once a second."""
        if self.state is not _OPEN:
            late = self.state is State.HANDSHAKE and now >= self._handshake_deadline
            return [self._refused(CANCELED)] if late else []
        timeout, interval = self._peer_timeout, self._keep_alive_interval
        if timeout is not None and self._expects_pings and now - self._last_heard >= timeout:
            return [self._failed(KeepAliveTimeout(timeout))]
        events: list[Event] = []
        if interval is not None and now - self._last_ping >= interval:
            self._last_ping = now
            events.append(_PING_DUE)
        if self.replay is not None and (number := self.replay.to_acknowledge()) is not None:
            events.append(AckDue(number))
        return events

    def quiet_until(self, now: float) -> float:
        """The time before which `tick()` returns no event, whatever is received until then."""
        if self.state is not _OPEN:
            return self._handshake_deadline if self.state is State.HANDSHAKE else math.inf
        if self.replay is not None:
            return now  # there may be messages to acknowledge
        timeout, interval = self._peer_timeout, self._keep_alive_interval
        ping = math.inf if interval is None else self._last_ping + interval
        return ping if timeout is None else min(ping, min(self._last_heard, now) + timeout)

    def pause(self, now: float) -> None:
        """Reading is paused, so this time does not count as silence of the peer."""
        self._last_heard = math.inf

    def resume(self, now: float) -> None:
        """Reading continues. The time limit for the peer's silence starts again."""
        self._last_heard = now

    def _receive_handshake(self, data: bytes, now: float) -> list[Event]:
        end = data.find(RECORD_SEPARATOR)
        size = len(self._handshake) + (len(data) if end < 0 else end + 1)
        if self._maximum_message_size is not None and size > self._maximum_message_size:
            return [self._refused(CANCELED)]
        if end < 0:
            self._handshake += data
            return []
        payload = bytes(self._handshake) + data[:end]
        self._handshake.clear()
        try:
            accepted = self._accept(payload) if self.side is Side.SERVER else self._accepted(payload)
        except HandshakeError as error:
            return [self._refused(error.reason)]
        self._turn(Turn.ACCEPTED)
        self.codec, self._decode = accepted.codec, accepted.codec.decode
        if accepted.version < STATEFUL_VERSION:
            self.replay = None
        elif self.replay is not None:
            self._decode = self._decode_counted
        self._splitter = self.codec.splitter(self._maximum_message_size)
        self._last_ping = self._last_heard = now
        rest = data[end + 1 :]
        return [accepted, *self.receive(rest, now)] if rest else [accepted]

    def _accept(self, payload: bytes) -> HandshakeAccepted:
        """The server reads a request."""
        request = HandshakeRequest.parse(payload, detailed_errors=self._detailed_errors)
        codec = choose_codec(request, self._codecs, self._transfer_formats)
        return HandshakeAccepted(codec, request.version, _AGREED)

    def _accepted(self, payload: bytes) -> HandshakeAccepted:
        """The client reads a response."""
        response = HandshakeResponse.parse(payload)
        if response.error:
            raise HandshakeError(response.error)
        return HandshakeAccepted(self._codecs[0], self._version, b"")

    def _refused(self, error: str) -> HandshakeRefused:
        self._turn(Turn.REFUSED)
        return HandshakeRefused(error, HandshakeResponse(error).format() if self.side is Side.SERVER else b"")

    def _failed(self, error: ConnectionClosed) -> Failed:
        self._turn(Turn.FAILED)
        return Failed(error)

    def _turn(self, turn: Turn) -> None:
        self.state = TRANSITIONS[self.state, turn]
