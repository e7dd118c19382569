"""The sending side of a hub connection. All its messages pass this module.

Messages of hubs pass `send(message)` and `broadcast(packet)`, which write them while the connection is open. Messages
of the connection itself, `Close`, `Ack` and `Sequence`, pass `_say` and `WireConnection`. So the state of the protocol
is right, and stateful reconnect counts exactly the messages of hubs.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hubline.connection import TransportConnection
from hubline.errors import SendTooLarge, SlowConsumerError
from hubline.server.options import HubOptions
from hubline.server.yielding import yield_to_loop
from hubline.wire.codec import Codec
from hubline.wire.connection import WireConnection
from hubline.wire.messages import Message
from hubline.wire.packet import Packet
from hubline.wire.replay import Replay

UNACKNOWLEDGED = 16
"""How many times `stateful_reconnect_buffer_size` may be unacknowledged before the connection ends. Ours: the original
lets a broadcast wait for the slowest of all clients instead."""


def drop(packet: bytes) -> bool:
    """Drops messages after the end of a connection, without an error, as in the original."""
    return False


class Outgoing:
    """The sending side of a connection."""

    __slots__ = (
        *("_acknowledged", "_pending", "_transport", "_wire"),
        *("broadcast", "codec", "drain", "id", "write", "write_now"),
    )

    codec: Codec

    def __init__(self, transport: TransportConnection) -> None:
        self.id = transport.id
        self._transport = transport
        self._wire: WireConnection
        self._acknowledged: asyncio.Event | None = None
        """Done when the client has acknowledged enough, if a sender waits for that."""
        self._pending: Callable[[], None] | None = None
        """Writes what a stream has gathered, before anything else is written."""
        self.write: Callable[[bytes], bool] = transport.write
        """Queue an encoded message. False if the caller should `drain()`. Raises `SendTooLarge`."""
        self.write_now: Callable[[bytes], bool] = transport.write_now
        """The same for a message that is likely to be the only one of this turn of the event loop."""
        self.broadcast = self.write
        """The same for a message to many connections. Fan-out makes only this call for each recipient."""
        self.drain: Callable[[], Coroutine[Any, Any, None]] = transport.drain
        """Wait until less is queued, or the connection has ended."""

    @property
    def unoffered(self) -> bool:
        return self._transport.unoffered

    @property
    def unacknowledged(self) -> int:
        replay = self._wire.replay
        return 0 if replay is None else replay.size

    def send(self, message: Message) -> bool:
        """Encode and queue. False if the caller should `drain()`. Raises what encoding raises, and `SendTooLarge`."""
        return self.write(self.codec.encode(message))

    def replace(self, packet: Packet) -> bool:
        """As `broadcast`, in place of a queued message with the same key. Counted messages are never replaced."""
        self.release()
        transport = self._transport
        return transport.replace(packet) if self.broadcast == transport.write else self.broadcast(bytes(packet))

    def _say(self, message: Message) -> None:
        """Write a message of the connection itself, also when messages of hubs are no longer written."""
        self.release()
        self._transport.write(self._wire.send(message))

    def _shut(self) -> None:
        """From now on messages of hubs are dropped."""
        self.release()
        self.write = self.write_now = self.broadcast = drop
        self.drain = yield_to_loop
        self._let_senders_go()

    # What a stream gathers

    def hold(self, pending: Callable[[], None]) -> bool:
        """Call `pending`, once, before anything else is written. False if it would have to be written piece by piece.

        That is so when messages are counted, one by one, for stateful reconnect, and after the end.
        """
        self.release()
        if self.write != self._transport.write:
            return False
        self._pending = pending
        self.write = self.write_now = self.broadcast = self._write_after_pending
        return True

    def release(self) -> None:
        """Call what `hold` has got, unless it has been called."""
        pending = self._pending
        if pending is not None:
            self._pending = None
            self.write = self.broadcast = self._transport.write
            self.write_now = self._transport.write_now
            pending()

    def _write_after_pending(self, packet: bytes) -> bool:
        self.release()
        return self.write(packet)

    # Stateful reconnect

    def _count(self, replay: Replay, options: HubOptions, reconnected: Callable[[], None]) -> None:
        """From now on messages are kept until the client has acknowledged them."""
        limit = options.stateful_reconnect_buffer_size * UNACKNOWLEDGED
        maximum, transport = options.maximum_send_message_size, self._transport

        def write(packet: bytes) -> bool:
            if len(packet) > maximum:
                raise SendTooLarge(len(packet), limit=maximum)
            has_room = transport.write(packet)  # without a socket nothing is written: it will be sent on the next one
            replay.keep(packet)
            if replay.size - len(packet) > limit:
                transport.abort(SlowConsumerError(self.id, queued=replay.size, capacity=limit))
            return has_room and not replay.full

        async def drain() -> None:
            await transport.drain()
            if replay.full and not transport.lost:
                await self._acknowledgement()

        self.write = self.write_now = self.broadcast = write
        self.drain = drain
        transport.on_reconnected(reconnected, window=options.stateful_reconnect_window)

    def _say_again(self, packets: list[bytes]) -> None:
        """Write the first messages on a new socket."""
        for packet in packets:
            self._transport.write(packet)

    def _heard_ack(self, replay: Replay) -> None:
        if not replay.full:
            self._let_senders_go()

    async def _acknowledgement(self) -> None:
        if self._acknowledged is None:
            self._acknowledged = asyncio.Event()
        await self._acknowledged.wait()

    def _let_senders_go(self) -> None:
        if self._acknowledged is not None:
            self._acknowledged.set()
            self._acknowledged = None
