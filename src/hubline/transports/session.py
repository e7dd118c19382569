"""One connection as transports see it. It implements `hubline.connection.TransportConnection`.

A session outlives the requests that carry it, one after another: `attach` and `detach`. It owns the application's task,
or runs it in the task of the request to save memory. Its states: `session_states.py`.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from hubline._bursts import bursts_of
from hubline._clock import Clock
from hubline._tasks import TaskOwner, ends_its_task
from hubline.connection import ConnectionScope, Feed, Refused, Transport
from hubline.errors import ConnectionClosed, SendTimeout, SlowConsumerError, text_of
from hubline.transports.application import ApplicationTask
from hubline.transports.carrier import NOBODY, Carrier, Input, Serve
from hubline.transports.inbox import Inbox
from hubline.transports.options import TransportOptions
from hubline.transports.outbox import HIGH_WATER, Outbox
from hubline.transports.reconnect import ReconnectInput
from hubline.transports.session_states import TRANSITIONS, SessionEvent, SessionState
from hubline.wire.codec import TransferFormat

logger = logging.getLogger("hubline.transports")

_ENDED = SessionState.ENDED
"""Getting an enum member from its class costs 0.1 µs."""


def _nobody(session: "Session") -> None: ...


class Session(ApplicationTask):
    """A connection, for the registry, for carriers and for a hub."""

    __slots__ = (
        "_over",
        "_reconnects",
        "_refresh_lock",
        "_refreshes",
        "asked_to_reconnect",
        "carrier",
        "drain",
        "expired",
        "inbox",
        "input",
        "replace",
        "state",
        "token",
        "transfer_format",
        "transport_used",
        "write",
        "write_now",
    )

    def __init__(
        self,
        *,
        connection_id: str,
        token: str,
        options: TransportOptions,
        clock: Clock,
        over: Callable[["Session"], None] = _nobody,
    ) -> None:
        """`over` is called when the session has ended, its application has, and no request carries it any more."""
        super().__init__()
        self.id, self.token, self.options, self.clock = connection_id, token, options, clock
        self._over = over
        self.state = SessionState.NEGOTIATED
        self.transport_used: Transport | None = None
        """`None` until a request opens the session."""
        self.expired = False
        self.transfer_format = TransferFormat.TEXT
        self.inbox = Inbox(options.application_buffer)
        self.input: Input = self.inbox
        self.outbox = self.new_outbox()
        self.write, self.write_now = self.outbox.put, self.outbox.put_now
        self.replace, self.drain = self.outbox.replace, self.outbox.drain
        self.asked_to_reconnect = False
        """Whether the client requested stateful reconnect in negotiate, and the endpoint allows it."""
        self._reconnects: tuple[float, Callable[[], None]] | None = None
        """How long the session lives without a socket, and what is called when it has a new one."""
        self.carrier: Carrier = NOBODY
        self._scope: ConnectionScope | None = None
        self._refreshes: list[Callable[[], None]] = []
        self._refresh_lock: asyncio.Lock | None = None

    # What a hub sees

    @property
    def scope(self) -> ConnectionScope:
        assert self._scope is not None, "nobody sees a connection before a request opens it"
        return self._scope

    @property
    def transport(self) -> Transport:
        assert self.transport_used is not None, "nobody sees a connection before a request opens it"
        return self.transport_used

    @property
    def transfer_formats(self) -> frozenset[TransferFormat]:
        return self.transport_used.transfer_formats if self.transport_used is not None else frozenset()

    @property
    def has_inherent_keep_alive(self) -> bool:
        return self.transport.many_requests

    @property
    def lost(self) -> bool:
        return self.state is _ENDED

    @property
    def unoffered(self) -> bool:
        return self.outbox.size > HIGH_WATER and self.carrier.ready

    @property
    def stateful_reconnect(self) -> bool:
        return self.asked_to_reconnect and self.transport_used is Transport.WEB_SOCKETS

    @property
    def detached(self) -> bool:
        return self.carrier is NOBODY

    def on_reconnected(self, callback: Callable[[], None], *, window: float) -> None:
        if self.stateful_reconnect and self.state is not _ENDED:
            self._reconnects = (window, callback)

    def use(self, transfer_format: TransferFormat, *, maximum_message: int | None = None) -> None:
        self.transfer_format = transfer_format
        if maximum_message is not None:
            self.outbox.limit_message(maximum_message)

    def on_refresh(self, callback: Callable[[], None]) -> None:
        self._refreshes.append(callback)

    async def receive(self) -> bytes:
        try:
            return await self.input.get()
        except ConnectionClosed:
            await asyncio.sleep(0)  # an application that calls it again and again must not block the event loop
            raise

    def consume(self, feed: Feed) -> Coroutine[Any, Any, None]:
        return self.input.consume(feed)

    def end_input(self) -> None:
        self._reconnects = None
        self.input.close(ConnectionClosed())

    def abort(self, error: Exception | None = None) -> None:
        self.end(error)

    # The requests that carry it

    def open(self, transport: Transport, scope: ConnectionScope) -> None:
        """A request of this transport opens the session; its carrier attaches next."""
        self.transport_used = scope.transport = transport
        self._scope = scope
        self._turn(SessionEvent.ATTACH)
        self._deadline = None

    def attach(self, carrier: Carrier) -> None:
        """Its request carries the session from now on. An older one has made way."""
        assert self.carrier is NOBODY, "one request at a time"
        self.carrier = carrier
        self._turn(SessionEvent.ATTACH)
        self._deadline = None

    @property
    def reconnects(self) -> bool:
        """Whether another socket may replace the last one, which may still look alive."""
        return self._reconnects is not None

    def new_outbox(self) -> Outbox:
        return Outbox(
            capacity=self.options.outbox_capacity,
            messages=self.options.outbox_messages,
            policy=self.options.outbox_policy,
            wake=self._wake,
            overflow=self._overflow,
            burst=self._burst,
        )

    def reattach(self, carrier: Carrier, outbox: Outbox, source: Input) -> None:
        """Another socket carries the session from now on, with a new outbox, and input from `source`.

        What was queued for the last one is lost. The application first sends it again.
        """
        assert self._reconnects is not None, "who attaches has seen that it may"
        self.outbox, self.replace, self.drain = outbox, outbox.replace, outbox.drain
        self.write, self.write_now = outbox.put, outbox.put_now
        self.attach(carrier)
        self._reconnects[1]()
        assert isinstance(self.input, ReconnectInput), "the first socket has seen to it"
        self.input.replace(source)

    def detach(self, carrier: Carrier, *, broken_off: bool = False) -> None:
        """Its request has ended. The session ends too, unless another request may follow."""
        if self.carrier is not carrier:
            return
        self.carrier = NOBODY
        self._turn(SessionEvent.BREAK_OFF if broken_off else SessionEvent.DETACH)
        if self.state is _ENDED:
            self._check_over()
        elif not self._may_come_again:
            self.end(unread=True)
        elif self._reconnects is not None:
            self.outbox.close()  # so that nobody waits for room in it, or for the end of a write
            self.outbox.sent()
            self.set_deadline(self._reconnects[0], self.time_out)
        else:
            self.set_deadline(self.options.disconnect_timeout, self.time_out)

    def terminate(self) -> None:
        """The peer has ended the session: what it sent is still read, and a waiting poll gets the last messages."""
        self._turn(SessionEvent.TERMINATE)
        self.inbox.finish(ConnectionClosed())
        if self.carrier is NOBODY and not self._may_come_again:
            self.peer_left()

    def peer_left(self) -> None:
        """The peer is gone: what it sent is still read, but nothing can be sent to it."""
        self.end(unread=True)

    def end(self, error: Exception | None = None, *, unread: bool = False) -> None:
        """End the session. Every end of a session passes here. A second call does nothing.

        Queued output is dropped. Unread input is dropped too, and reading raises `error`; but with `unread` it is still
        read, and the application sees the end after it.
        """
        if self.state is _ENDED:
            return
        self._turn(SessionEvent.END)
        self._deadline = self._reconnects = None
        self.stir()
        if unread:
            self.inbox.finish(ConnectionClosed())
            if isinstance(self.input, ReconnectInput):
                self.input.finish(ConnectionClosed())
        else:
            self.input.close(_as_closed(error))
        self.outbox.close()
        self.carrier.abandon()
        self._check_over()

    def release(self) -> None:
        """The last call: break all reference cycles, so that the memory is freed at once."""
        self.inbox.close(ConnectionClosed())
        self.carrier, self.input, self._over = NOBODY, self.inbox, _nobody
        self._heartbeats.clear()
        self._refreshes.clear()
        self.outbox.release()

    # The application

    @property
    def started(self) -> bool:
        """Whether the application was started; it may have ended since."""
        return self._runs or self.outbox.finished

    def start(self, serve: Serve, tasks: TaskOwner) -> None:
        """Run the application in a task of its own, which continues when the request ends."""
        self._runs = True
        tasks.start(self.run(serve))

    async def run(self, serve: Serve) -> bool:
        """Run the application in the task of the caller; whether it ended well."""
        self._runs, well = True, False
        self._task = asyncio.current_task()
        try:
            self._application = serve(self)
            await self._application
            well = True
        except ConnectionClosed:
            well = True  # a raw application that did not catch what `receive()` raises: the usual way to end a loop
        except BaseException as error:
            if not self._is_our_end(error) and not isinstance(error, Refused):
                if ends_its_task(error, self._task):
                    raise
                logger.exception("connection %s: the application failed", self.id)
        finally:
            if self._let_go_of_application():
                self.outbox.finish()
                if self.carrier is not NOBODY:
                    self.carrier.finish(well)
                elif self.state is not _ENDED and not self._may_come_again:
                    self.end(unread=True)
                else:
                    self._check_over()
        return well

    # Identity

    @property
    def refreshing(self) -> asyncio.Lock:
        """Held while a refresh is decided, so that refreshes are handled one after another. Made when needed."""
        if self._refresh_lock is None:
            self._refresh_lock = asyncio.Lock()
        return self._refresh_lock

    def renew(self, scope: ConnectionScope) -> None:
        """The connection has the identity of this request from now on."""
        self._scope = self.scope.renewed(scope.identity, scope.user_id)
        for callback in self._refreshes:
            try:
                callback()
            except BaseException:
                logger.exception("connection %s: the application failed in a refresh callback", self.id)

    def expire(self) -> None:
        self.expired, self._reconnects = True, None
        self.input.close(ConnectionClosed("the identity expired", allow_reconnect=True))

    def write_timed_out(self, error: SendTimeout) -> None:
        self.end(error)

    @property
    def _may_come_again(self) -> bool:
        """Whether another request may carry the session later.

        If the client has ended the session and the last messages were fetched, no poll will follow.
        """
        done = self.state is SessionState.TERMINATED and self.outbox.finished
        return self._reconnects is not None or (self.transport.many_requests and not done)

    def _turn(self, event: SessionEvent) -> None:
        self.state = TRANSITIONS[self.state][event]

    def _check_over(self) -> None:
        if self.state is _ENDED and not self._runs and self.carrier is NOBODY:
            self._over(self)

    def _wake(self) -> None:
        self.carrier.wake()

    def _burst(self) -> int:
        return bursts_of(asyncio.get_running_loop()).begin()

    def _overflow(self, queued: int) -> None:
        self.end(SlowConsumerError(self.id, queued=queued, capacity=self.options.outbox_capacity))


def _as_closed(error: Exception | None) -> ConnectionClosed:
    if isinstance(error, ConnectionClosed):
        return error
    closed = ConnectionClosed(text_of(error) if error is not None else "")
    closed.__cause__ = error
    return closed
