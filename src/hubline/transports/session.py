"""The life of one connection as transports see it, and what `hubline.connection.TransportConnection` asks for.

A session outlives the requests that carry it, one after another: `attach` and `detach`. It owns the application's task,
or runs it in the task of the request, where that saves the memory of one. Its states: `session_states.py`.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from hubline._bursts import bursts_of
from hubline._clock import Clock
from hubline._tasks import TaskOwner, ends_its_task
from hubline.connection import ConnectionScope, Feed, Transport
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
"""Enum members cost 0.1 µs when taken from their class."""


def _nobody(session: "Session") -> None: ...


class Session(ApplicationTask):
    """A connection as the registry keeps it, as carriers feed it, and as a hub sees it."""

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
        self.write: Callable[[bytes], bool] = self.outbox.put
        self.replace, self.drain = self.outbox.replace, self.outbox.drain
        self.asked_to_reconnect = False
        """Whether the client has asked for stateful reconnect when it negotiated, where the endpoint allows that."""
        self._reconnects: tuple[float, Callable[[], None]] | None = None
        """How long the session lives without a socket, and what is called when another one has come."""
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
        return self.transport_used is Transport.LONG_POLLING

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
            await asyncio.sleep(0)  # an application that asks again and again must not hold everybody up
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
        """Whether another socket may take the place of the last one, which may look alive still."""
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
        """Another socket carries the session from now on: with an outbox of its own, and input from `source`.

        What was queued for the last one is lost; the application says it again before anything else.
        """
        assert self._reconnects is not None, "who attaches has seen that it may"
        self.outbox, self.write, self.replace, self.drain = outbox, outbox.put, outbox.replace, outbox.drain
        self.attach(carrier)
        self._reconnects[1]()
        assert isinstance(self.input, ReconnectInput), "the first socket has seen to it"
        self.input.replace(source)

    def detach(self, carrier: Carrier, *, broken_off: bool = False) -> None:
        """Its request has ended, and the session does too unless another one may come soon."""
        if self.carrier is not carrier:
            return
        self.carrier = NOBODY
        self._turn(SessionEvent.BREAK_OFF if broken_off else SessionEvent.DETACH)
        if self.state is _ENDED:
            self._check_over()
        elif not self._may_come_again:
            self.end(unread=True)
        elif self._reconnects is not None:
            self.outbox.close()  # nobody waits for room in it, nor for the end of a write
            self.outbox.sent()
            self.set_deadline(self._reconnects[0], self.time_out)
        else:
            self.set_deadline(self.options.disconnect_timeout, self.time_out)

    def terminate(self) -> None:
        """The peer has said that it is done: what it sent is still read, and a poll that waits gets the last words."""
        self._turn(SessionEvent.TERMINATE)
        self.inbox.finish(ConnectionClosed())
        if self.carrier is NOBODY and not self._may_come_again:
            self.peer_left()

    def peer_left(self) -> None:
        """What the peer sent is still read, but nothing reaches it any more."""
        self.end(unread=True)

    def end(self, error: Exception | None = None, *, unread: bool = False) -> None:
        """The one way in which a session ends, whoever says so. Doing it twice is doing it once.

        What is queued is dropped. What is not read yet is dropped too, and reading raises `error`; or, if it is to be
        read, the application learns of the end behind it.
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
        """The last call: nothing that the connection refers to refers back any more, so that it is freed at once."""
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
        """Run the application in a task of its own, which goes on whatever becomes of the request."""
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
            if not self._is_our_end(error):
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

    # Who it is

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
            except BaseException:
                logger.exception("connection %s: the application failed to take a refresh", self.id)

    def expire(self) -> None:
        self.expired, self._reconnects = True, None
        self.input.close(ConnectionClosed("the identity expired", allow_reconnect=True))

    def write_timed_out(self, error: SendTimeout) -> None:
        self.end(error)

    @property
    def _may_come_again(self) -> bool:
        """Whether another request may carry the session, when none does.

        When the client is done and its last words were fetched, no poll will come.
        """
        done = self.state is SessionState.TERMINATED and self.outbox.finished
        return self._reconnects is not None or (self.transport_used is Transport.LONG_POLLING and not done)

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
