"""One connection, whatever carries it: what `hubline.connection.TransportConnection` asks for."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, Protocol, TypeAlias

from hubline._bursts import bursts_of
from hubline._clock import Clock
from hubline.connection import ConnectionScope, Feed, Heartbeat, Transport, TransportConnection
from hubline.errors import FAILURES, ConnectionClosed, SendTimeout, SlowConsumerError, text_of
from hubline.transports.inbox import Inbox
from hubline.transports.options import TransportOptions
from hubline.transports.outbox import HIGH_WATER, Outbox
from hubline.wire.codec import TransferFormat

logger = logging.getLogger("hubline.transports")

Serve: TypeAlias = Callable[[TransportConnection], Awaitable[None]]


_MIB = 1_048_576


class State(Enum):
    """Where a connection is in its life; the original's `HttpConnectionStatus`, with its "inactive" told apart."""

    WAITING = "negotiated, but nothing carries it yet"
    ACTIVE = "carried by a request"
    BETWEEN_POLLS = "long polling, and no poll is here"
    BROKEN_OFF = "the same, and the client itself ended the last poll: official clients do so when they give up"
    ENDED = "no request reaches it any more; the application may still be finishing"


_ENDED = State.ENDED
"""Enum members cost 0.1 µs when taken from their class."""


class Input(Protocol):
    """Where `receive()` gets its bytes from."""

    async def get(self) -> bytes:
        """The next bytes, never empty. Raises `ConnectionClosed` when there will be none."""

    def consume(self, feed: Feed) -> Coroutine[Any, Any, None]:
        """Feed everything that comes, one after the other, until `ConnectionClosed` is raised as by `get()`."""

    def close(self, error: ConnectionClosed) -> None:
        """Make a waiting `get()` and every later one raise `error`."""


class Carrier(Protocol):
    """What a transport does about events of the connection it carries. Neither waits nor raises."""

    @property
    def ready(self) -> bool:
        """Whether the peer is offered what is queued at the next turn of the loop, if there is something."""

    def wake(self) -> None:
        """Output is about to be queued on an empty outbox, or there will be none any more."""

    def abandon(self) -> None:
        """The connection ended: let go of whatever still waits for the peer."""


class NoCarrier:
    """The carrier of a connection that was negotiated and not opened yet, or is not carried any more."""

    ready = False

    def wake(self) -> None: ...

    def abandon(self) -> None: ...


NOT_CARRIED = NoCarrier()


class Pipe:
    """A connection as the registry keeps it, as its transport feeds it, and as a hub sees it."""

    __slots__ = (
        "_deadline",
        "_heartbeats",
        "_refresh_lock",
        "_refreshes",
        "_scope",
        "_write_seen",
        "carried_by",
        "carrier",
        "clock",
        "drain",
        "expired",
        "id",
        "inbox",
        "input",
        "options",
        "outbox",
        "quiet_until",
        "replace",
        "state",
        "terminated",
        "token",
        "transfer_format",
        "write",
    )

    def __init__(self, *, connection_id: str, token: str, options: TransportOptions, clock: Clock) -> None:
        self.id = connection_id
        self.token = token
        self.options = options
        self.clock = clock
        self.state = State.WAITING
        self.carried_by: Transport | None = None
        """`None` until a request opens the connection."""
        self.terminated = False
        self.expired = False
        self.quiet_until = 0.0
        """No beat before this time concerns the connection, unless something is being written."""
        self.transfer_format = TransferFormat.TEXT
        self.inbox = Inbox(options.application_buffer)
        self.input: Input = self.inbox
        self.outbox = Outbox(
            capacity=options.outbox_capacity,
            messages=options.outbox_messages,
            policy=options.outbox_policy,
            wake=self._wake,
            overflow=self._overflow,
            burst=self._burst,
        )
        self.write: Callable[[bytes], bool] = self.outbox.put
        self.replace, self.drain = self.outbox.replace, self.outbox.drain
        self.carrier: Carrier = NOT_CARRIED
        self._scope: ConnectionScope | None = None
        self._heartbeats: list[Heartbeat] = []
        self._refreshes: list[Callable[[], None]] = []
        self._refresh_lock: asyncio.Lock | None = None
        self._deadline: tuple[float, Callable[[], None]] | None = None
        self._write_seen = (0, 0, 0.0)

    # What a hub sees

    @property
    def scope(self) -> ConnectionScope:
        assert self._scope is not None, "nobody sees a connection before a transport carries it"
        return self._scope

    @property
    def transport(self) -> Transport:
        assert self.carried_by is not None, "nobody sees a connection before a transport carries it"
        return self.carried_by

    @property
    def transfer_formats(self) -> frozenset[TransferFormat]:
        return self.carried_by.transfer_formats if self.carried_by is not None else frozenset()

    @property
    def has_inherent_keep_alive(self) -> bool:
        return self.carried_by is Transport.LONG_POLLING

    @property
    def lost(self) -> bool:
        return self.state is State.ENDED

    @property
    def unoffered(self) -> bool:
        return self.outbox.size > HIGH_WATER and self.carrier.ready

    def use(self, transfer_format: TransferFormat, *, maximum_message: int | None = None) -> None:
        self.transfer_format = transfer_format
        if maximum_message is not None:
            self.outbox.limit_message(maximum_message)

    def on_heartbeat(self, callback: Heartbeat) -> None:
        self._heartbeats.append(callback)
        self.stir()

    def stir(self) -> None:
        self.quiet_until = 0.0

    def on_refresh(self, callback: Callable[[], None]) -> None:
        self._refreshes.append(callback)

    async def receive(self) -> bytes:
        try:
            return await self.input.get()
        except ConnectionClosed:
            await asyncio.sleep(0)  # an application that asks again and again must not hold everybody up
            raise

    def consume(self, feed: Feed) -> Coroutine[Any, Any, None]:
        return self.input.consume(feed)

    def end_input(self) -> None:
        self.input.close(ConnectionClosed())

    def abort(self, error: Exception | None = None) -> None:
        if self.state is State.ENDED:
            return
        self.state = State.ENDED
        self._deadline = None
        self.stir()
        self.input.close(_as_closed(error))
        self.outbox.close()
        self.carrier.abandon()

    # What transports do with it

    def carry(self, transport: Transport, scope: ConnectionScope) -> None:
        """A request of this transport carries the connection from now on."""
        self.carried_by = scope.transport = transport
        self.state = State.ACTIVE
        self._deadline = None
        if self._scope is None:
            self._scope = scope

    @property
    def refreshing(self) -> asyncio.Lock:
        """Held while a refresh is decided about, so that refreshes count one after another. Made when it is needed."""
        if self._refresh_lock is None:
            self._refresh_lock = asyncio.Lock()
        return self._refresh_lock

    def renew(self, scope: ConnectionScope) -> None:
        """Who is behind this request is behind the connection from now on."""
        self._scope = self.scope.renewed(scope.identity, scope.user_id)
        for callback in self._refreshes:
            try:
                callback()
            except FAILURES:
                logger.exception("connection %s: the application failed to take a refresh", self.id)

    def leave(self) -> None:
        """The peer is gone: what it sent is still read, but nothing reaches it any more."""
        if self.state is State.ENDED:
            return
        self.state = State.ENDED
        self._deadline = None
        self.stir()
        self.inbox.finish(ConnectionClosed())
        self.outbox.close()
        self.carrier.abandon()

    def release(self) -> None:
        """The last call: nothing that the connection refers to refers back any more, so that it is freed at once."""
        self.inbox.close(ConnectionClosed())
        self.carrier, self.input = NOT_CARRIED, self.inbox
        self._heartbeats.clear()
        self._refreshes.clear()
        self.outbox.release()

    def terminate(self) -> None:
        """The peer has said that it is done: what it sent is still read, and a poll that waits gets the last words."""
        self.terminated = True
        self.inbox.finish(ConnectionClosed())
        if self.state in (State.BETWEEN_POLLS, State.BROKEN_OFF) and self.outbox.finished:
            self.leave()  # the application has ended and its last words were fetched: no poll will come

    def between_polls(self, *, broken_off: bool = False) -> None:
        """No request carries the connection now; it ends unless one comes soon."""
        if self.terminated and self.outbox.finished:
            self.leave()
        elif self.state is State.ACTIVE:
            self.state = State.BROKEN_OFF if broken_off else State.BETWEEN_POLLS
            self.set_deadline(self.options.disconnect_timeout, self.leave)

    def set_deadline(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` at the first heartbeat after `seconds`, unless another deadline takes its place."""
        at = self.clock.now() + seconds
        self._deadline = (at, action)
        self.quiet_until = min(self.quiet_until, at)

    async def serve(self, serve: Serve) -> bool:
        """Run the application on this connection; whether it ended well."""
        try:
            await serve(self)
        except ConnectionClosed:
            return True  # a raw application that did not catch what `receive()` raises: the usual way to end a loop
        except FAILURES:
            logger.exception("connection %s: the application failed", self.id)
            return False
        return True

    def tick(self, now: float) -> None:
        """One heartbeat: deadlines, the time a write takes, the expiry of the identity, then the hub's own."""
        self.quiet_until = math.inf
        if self._deadline is not None and now >= self._deadline[0]:
            action = self._deadline[1]
            self._deadline = None
            action()
        if self.outbox.in_flight:
            self._check_write(now)
        if self.options.close_on_token_expiry:
            self._check_expiry()
            self.stir()
        for callback in self._heartbeats:  # also of a connection that ended, until the application has noticed
            until = callback(now)
            if until is None or self.state is _ENDED:
                self.stir()
            elif until < self.quiet_until:
                self.quiet_until = until
        if self._deadline is not None and self._deadline[0] < self.quiet_until:
            self.quiet_until = self._deadline[0]

    def _check_write(self, now: float) -> None:
        """One that goes on is no slow one. Where that cannot be seen, each MiB of it has the time of a write."""
        outbox = self.outbox
        number, written, since = self._write_seen
        timeout = self.options.send_timeout
        if not outbox.shows_progress:
            timeout *= max(outbox.in_flight / _MIB, 1.0)
        if number != outbox.taken or written != outbox.written:
            self._write_seen = (outbox.taken, outbox.written, now)
        elif now - since >= timeout:
            self.abort(SendTimeout(self.id, timeout=timeout))

    def _check_expiry(self) -> None:
        identity = self._scope.identity if self._scope is not None else None
        if identity is not None and identity.expires_at is not None and identity.expires_at <= time.time():
            self.expired = True
            self.input.close(ConnectionClosed("the identity expired", allow_reconnect=True))

    def _wake(self) -> None:
        self.carrier.wake()

    def _burst(self) -> int:
        return bursts_of(asyncio.get_running_loop()).begin()

    def _overflow(self, queued: int) -> None:
        self.abort(SlowConsumerError(self.id, queued=queued, capacity=self.options.outbox_capacity))


def _as_closed(error: Exception | None) -> ConnectionClosed:
    if isinstance(error, ConnectionClosed):
        return error
    closed = ConnectionClosed(text_of(error) if error is not None else "")
    closed.__cause__ = error
    return closed
