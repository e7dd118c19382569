"""The client side of the hub protocol without I/O: calls, streams, uploads, and the server's calls to handlers.

Received bytes become events, calls become bytes, and time is an argument. The user of a session writes the bytes that
`handshake()` and the calls return, each as one message of the transport, and handles the events of `receive()` and
`tick()` in order.
"""

import itertools
from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from hubline.client.events import (
    Call,
    Called,
    CallFailed,
    Event,
    Handler,
    Item,
    Opened,
    Refused,
    Result,
    Unasked,
    Unfit,
    Upload,
    Write,
    named,
    told,
)
from hubline.client.readers import KnownReaders, by_stream
from hubline.errors import BindingError, ConnectionClosed, InvocationError, text_of
from hubline.wire.codec import Codec
from hubline.wire.connection import (
    STATEFUL_VERSION,
    AckDue,
    Failed,
    HandshakeAccepted,
    HandshakeRefused,
    PingDue,
    Side,
    WireConnection,
)
from hubline.wire.connection import Event as WireEvent
from hubline.wire.messages import (
    Ack,
    CancelInvocation,
    Close,
    Completion,
    Invocation,
    Message,
    Ping,
    StreamInvocation,
    StreamItem,
)
from hubline.wire.replay import Replay
from hubline.wire.states import State

NO_RESULT = "Client didn't provide a result."
"""The error for a server that waits for a result, if no handler returns one (spec, statement 206)."""

UNREADABLE = "Client failed to parse argument(s)."
"""The error if the arguments do not fit the handler: the .NET client's text (spec §6)."""


class ClientSession:
    """One connection of a client. Every method that returns bytes returns one message, to be written whole.

    Args:
        codec: how messages are written; the handshake names it.
        handlers: what the server may call, by target. Sessions may share it, and it may be changed at any time.
        maximum_message_size: bytes of one message of the server, `None` for no limit.
        keep_alive_interval: seconds after which the client pings if it sends nothing else, `None` for never.
        server_timeout: seconds without a message after which the server is considered gone, `None` for never.
        replay: for a stateful reconnect, if the server has agreed to one.

    Calls take the time in seconds as `now`, which postpones the next ping.

    Raises:
        ConnectionClosed: by every method that returns bytes, if the connection is not open.
        TypeError, ValueError, OverflowError, RecursionError: by the same methods; a value cannot be encoded.
    """

    def __init__(
        self,
        codec: Codec,
        handlers: dict[str, Handler] | None = None,
        *,
        now: float = 0.0,
        maximum_message_size: int | None = None,
        keep_alive_interval: float | None = 15.0,
        server_timeout: float | None = 30.0,
        replay: Replay | None = None,
    ) -> None:
        self.codec = codec
        self.handlers = {} if handlers is None else handlers
        self.calls: dict[str, Call] = {}
        """The calls that wait for an answer, by id."""
        self.close_message: Close | None = None
        """The server's `Close`, if it has sent one."""
        self._wire = WireConnection(
            Side.CLIENT,
            [codec],
            now=now,
            maximum_message_size=maximum_message_size,
            keep_alive_interval=keep_alive_interval,
            peer_timeout=server_timeout,
            replay=replay,
        )
        self.pings = keep_alive_interval is not None
        self._cause: BaseException | None = None
        self._ids = itertools.count()
        self._plain = codec.reader(list[Any])
        self._readers = KnownReaders(codec)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._wire.state is State.OPEN

    @property
    def replay(self) -> Replay | None:
        """The messages that may have to be sent again; `None` without stateful reconnect, and when it is over.

        Whoever writes a message tells it with `keep`, unless the message is a ping, a `Close` or not `counted`.
        """
        return self._wire.replay if self._wire.state is State.OPEN else None

    def reconnected(self, now: float) -> list[bytes]:
        """There is another socket for the same connection. Returns what to write first.

        What is not acknowledged yet is so at once. Where sockets are lost every second, the server would say more and
        more again on each.
        """
        replay, packets = self._wire.replay, self._wire.reconnected(now)
        if replay is not None and (number := replay.to_acknowledge()) is not None:
            packets.insert(1, self.codec.encode(Ack(sequence_id=number)))
        return packets

    def handshake(self) -> bytes:
        """The first bytes of a client: JSON with every codec. A WebSocket sends it as text or binary as the codec's."""
        return self._wire.handshake(STATEFUL_VERSION if self._wire.replay is not None else 1)

    def invoke(
        self, target: str, arguments: Iterable[Any], *, result_type: Any = Any, now: float | None = None
    ) -> tuple[Call, bytes]:
        """Call a method: a `Result` or `CallFailed` follows. Each `Upload` among the arguments gets its id."""
        return self._call(Invocation, target, arguments, result_type, now)

    def stream(
        self, target: str, arguments: Iterable[Any], *, item_type: Any = Any, now: float | None = None
    ) -> tuple[Call, bytes]:
        """Call a streaming method: any number of `Item`, then a `Result` or `CallFailed`."""
        return self._call(StreamInvocation, target, arguments, item_type, now)

    def send(self, target: str, arguments: Iterable[Any], *, now: float | None = None) -> bytes:
        """Call a method without an answer."""
        values, uploads = self._without_uploads(arguments)
        return self._encode(Invocation(target=target, arguments=values, stream_ids=uploads), now)

    def cancel(self, call: Call, *, now: float | None = None) -> bytes:
        """Cancel a stream. Items that still arrive are `Unasked`."""
        self.calls.pop(call.id, None)
        return self._encode(CancelInvocation(invocation_id=call.id), now)

    def upload_item(self, upload: Upload, value: Any, *, now: float | None = None) -> bytes:
        """The next item of an upload."""
        return self._encode(StreamItem(invocation_id=upload.id, item=value), now)

    def end_upload(self, upload: Upload, error: str | None = None, *, now: float | None = None) -> bytes:
        """The end of an upload. With an error, the method's loop over the upload raises it."""
        return self._encode(Completion(invocation_id=upload.id, error=UNSET if error is None else error), now)

    def answer(self, called: Called, result: Any, *, now: float | None = None) -> bytes:
        """The result of a handler, if the server waits for it."""
        return self._encode(Completion(invocation_id=called.id, result=result), now)

    def fail(self, called: Called, error: str, *, now: float | None = None) -> bytes:
        """The error of a handler, if the server waits for a result."""
        return self._encode(Completion(invocation_id=called.id, error=error), now)

    def ping(self, now: float | None = None) -> bytes:
        """A ping, in addition to those that `tick` returns."""
        return self._encode(Ping(), now)

    def close(self, error: str | None = None) -> bytes:
        """The client's `Close`. Nothing can be sent after it."""
        return self._encode(Close(error=UNSET if error is None else error), None)

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Decode bytes of the server, which may be cut anywhere, into events."""
        return self._read(self._wire.receive(data, now))

    def items(self, data: bytes, now: float) -> list[tuple[Call, list[Any]]]:
        """The items of streams in bytes that are nothing but items. Nothing in others, which are for `receive`."""
        first = self.calls.get(self.codec.stream_of(data))
        if first is None or not self._wire.is_between_messages(len(data)):
            return []
        found = by_stream(data, first, self.calls)
        count = sum([len(values) for _, values in found])
        return found if count and self._wire.came_together(count, now) else []

    def tick(self, now: float) -> list[Event]:
        """The events that are due by time, such as pings. Call it about once a second."""
        return self._read(self._wire.tick(now))

    def pause(self, now: float) -> None:
        """The client does not read for a while, so this time is no silence of the server."""
        self._wire.pause(now)

    def resume(self, now: float) -> None:
        """The client reads again."""
        self._wire.resume(now)

    def end(self, cause: BaseException | None = None) -> list[CallFailed]:
        """The transport has ended: every waiting call fails with `ConnectionClosed`."""
        self._wire.end_of_input()
        self._cause = self._cause or cause
        waiting, self.calls = self.calls, {}
        text = "the connection ended before {} was answered"
        return [CallFailed(call, self.closed(text.format(call.target))) for call in waiting.values()]

    def closed(self, reason: str) -> ConnectionClosed:
        """The error of the end: what fails, why, and whether the server invited the client to reconnect."""
        invited = self.close_message is not None and self.close_message.allow_reconnect
        why = "" if self._cause is None else f": {text_of(self._cause)}"
        error = ConnectionClosed(f"{reason}{why}", allow_reconnect=invited)
        error.__cause__ = self._cause
        return error

    def _call(
        self,
        kind: type[Invocation] | type[StreamInvocation],
        target: str,
        arguments: Iterable[Any],
        wanted: Any,
        now: float | None,
    ) -> tuple[Call, bytes]:
        values, uploads = self._without_uploads(arguments)
        call = Call(str(next(self._ids)), target, kind is StreamInvocation, *self._readers.of(wanted))
        data = self._encode(kind(invocation_id=call.id, target=target, arguments=values, stream_ids=uploads), now)
        self.calls[call.id] = call
        return call, data

    def _without_uploads(self, arguments: Iterable[Any]) -> tuple[list[Any], tuple[str, ...]]:
        """The plain arguments, and the ids of the streams among them."""
        values: list[Any] = []
        uploads: list[str] = []
        for value in arguments:
            if isinstance(value, Upload):
                value.id = str(next(self._ids))
                uploads.append(value.id)
            else:
                values.append(value)
        return values, tuple(uploads)

    def _encode(self, message: Message, now: float | None) -> bytes:
        if self._wire.state is not State.OPEN:
            raise self.closed("the connection has ended")
        return self._wire.send(message, now)

    def _read(self, received: list[WireEvent]) -> list[Event]:
        events: list[Event] = []
        calls = self.calls
        for message in received:
            if type(message) is StreamItem:  # first and without a call of ours, because there are many
                call = calls.get(message.invocation_id)
                if call is not None and call.streaming:
                    try:
                        events.append(Item(call, call.read(message.item)))
                    except Exception as error:
                        self._unfit(call, named(error, call), events)
                    continue
            self._read_one(message, events)
        return events

    def _read_one(self, message: WireEvent, events: list[Event]) -> None:
        match message:
            case StreamItem() | Completion():
                self._answered(message, events)
            case Invocation():
                self._called(message, events)
            case Close():
                self.close_message = message
                events.append(message)
            case Failed():
                self._cause = told(message.error)
                events.append(Failed(self._cause))
            case Ack():
                events.append(message)
            case PingDue():
                events.append(Write(self._wire.send(Ping()), counted=False))
            case AckDue():
                events.append(Write(self._wire.send(Ack(sequence_id=message.sequence_id)), counted=False))
            case HandshakeAccepted():
                events.append(Opened())
            case HandshakeRefused():
                events.append(Refused(message.error))
            case _:  # a ping, or a message that only servers use
                pass

    def _answered(self, message: StreamItem | Completion, events: list[Event]) -> None:
        call = self.calls.get(message.invocation_id)
        if call is None:
            events.append(Unasked(message))
            return
        del self.calls[call.id]
        if isinstance(message, StreamItem):
            text = "the server sent a stream item for a call that is no stream"
            events.append(CallFailed(call, InvocationError(call.target, text)))
            return
        if message.error is not UNSET:
            events.append(CallFailed(call, InvocationError(call.target, message.error)))
        elif message.result is UNSET or call.streaming:
            events.append(Result(call, None))
        else:
            try:
                events.append(Result(call, call.read(message.result)))
            except Exception as error:
                events.append(CallFailed(call, named(error, call)))

    def _unfit(self, call: Call, error: Exception, events: list[Event]) -> None:
        """An item is not what the caller wants: the call fails, and the server need not go on."""
        del self.calls[call.id]
        events.append(CallFailed(call, error))
        self._say(CancelInvocation(invocation_id=call.id), events)

    def _called(self, message: Invocation, events: list[Event]) -> None:
        handler = self.handlers.get(message.target)
        try:
            if handler is not None and handler.bind is not None:
                arguments = list(handler.bind(self.codec, message.arguments))
            else:
                read = self._plain if handler is None else self._readers.of(handler.arguments)[0]
                arguments = list(read(message.arguments))
        except Exception as error:
            events.append(Unfit(message.target, error))
            if message.invocation_id:
                text = f"{UNREADABLE} {error.message}" if isinstance(error, BindingError) else UNREADABLE
                self._say(Completion(invocation_id=message.invocation_id, error=text), events)
            return
        events.append(Called(message.target, arguments, handler, message.invocation_id))
        if handler is None and message.invocation_id:
            self._say(Completion(invocation_id=message.invocation_id, error=NO_RESULT), events)

    def _say(self, message: Message, events: list[Event]) -> None:
        """Answer without a handler, unless the connection has been closed in the meantime."""
        if self._wire.state is State.OPEN:
            events.append(Write(self._wire.send(message)))
