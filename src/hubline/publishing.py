"""Publishing without an app: a worker, a cron job or a task queue calls the clients of a hub through its backplane."""

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, Self, cast

from hubline._waiting import result_of
from hubline.backplanes.base import Backplane, BackplaneLink, present_transaction
from hubline.errors import BackplaneError, ConfigurationError, InvocationError
from hubline.hubs import codecs_of
from hubline.server.clients import ClientInterface, ClientT, HubClients
from hubline.server.hub import Hub, client_protocol
from hubline.server.options import HubOptions
from hubline.server.publications import Publications
from hubline.server.recipients import Recipients
from hubline.wire.messages import Invocation
from hubline.wire.packet import SerializedMessage

__all__ = ["BlockingPublisher", "Publisher"]

NO_ANSWERS = "a publisher hears nothing, so no client can answer it"


class Publisher(Generic[ClientT]):
    """Calls clients of a hub, wherever they are connected, without a server of its own.

    `backplane` is a backplane, or the address of a Redis or of a database (`postgresql://…`). The hub is given by its
    class, and by `name` if its route has one. `options` are those of its route: codecs, field names, the largest
    message. It connects at the first publish, and again when it is used in another event loop after the end of the
    first.

    Raises:
        ConfigurationError: with every mistake in the hub's client Protocol, or in the address.
    """

    def __init__(
        self,
        backplane: "Backplane | str",
        hub: type[Hub[ClientT]],
        *,
        name: str | None = None,
        options: HubOptions | None = None,
    ) -> None:
        settings = options or HubOptions()
        self._interface: ClientInterface[Any] = ClientInterface(client_protocol(hub))
        if self._interface.problems:
            raise ConfigurationError(self._interface.problems)
        self._backplane = _backplane_at(backplane) if isinstance(backplane, str) else backplane
        self._publications = Publications(
            name or f"{hub.__module__}.{hub.__qualname__}",
            codecs_of(settings),
            largest=settings.maximum_send_message_size,
        )
        self._link: BackplaneLink | None = None
        self._connecting = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def clients(self) -> HubClients[ClientT]:
        """The selectors. A call has no answer. It returns when the backplane has it, or raises BackplaneError."""
        return HubClients(self, self._interface)

    async def send(self, recipients: Recipients, message: Invocation | SerializedMessage) -> None:
        """Publish a message. For `clients`."""
        channels, payload = self._encoded(recipients, message)
        within = present_transaction(self._backplane)
        if within is not None:
            await within.send(channels, payload)
            return
        self._enter_loop()
        link = self._link or await self._connect()
        await link.publish(channels, payload)

    async def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        """Refused. For `clients`."""
        raise InvocationError(target, NO_ANSWERS)

    async def close(self) -> None:
        """End the connection. A later call makes a new one."""
        self._enter_loop()
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _send_within(self, recipients: Recipients, message: Invocation | SerializedMessage) -> bool:
        """Whether there is a transaction, of a connection that is not awaited; then the message belongs to it."""
        within = present_transaction(self._backplane)
        if within is None:
            return False
        within.send_blocking(*self._encoded(recipients, message))
        return True

    def _encoded(self, recipients: Recipients, message: Invocation | SerializedMessage) -> tuple[list[str], bytes]:
        found = SerializedMessage(message) if isinstance(message, Invocation) else message
        payload = self._publications.payload(found, recipients)
        return self._publications.addressed(recipients), payload

    def _enter_loop(self) -> None:
        """A link ends with its event loop, of which each `asyncio.run` has its own; the next makes another."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise RuntimeError("a Publisher belongs to one event loop: make one for each, or use a BlockingPublisher")
        self._loop, self._link, self._connecting = loop, None, asyncio.Lock()

    async def _connect(self) -> BackplaneLink:
        async with self._connecting:
            if self._link is None:
                self._link = await self._backplane.connect(_Deaf())
            return self._link


class BlockingPublisher:
    """The same for code that is not asynchronous: a Celery task, a script, a view of Django.

    A call returns when the backplane has the message. It runs in a thread of its own, which starts at the first
    use, and again in a forked process. Several threads may use one publisher. `timeout` seconds are given to each call.
    """

    def __init__(
        self,
        backplane: "Backplane | str",
        hub: type[Hub[Any]],
        *,
        name: str | None = None,
        options: HubOptions | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._make: Callable[[], Publisher[Any]] = lambda: Publisher(backplane, hub, name=name, options=options)
        self._publisher, self._timeout = self._make(), timeout
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        _PUBLISHERS.add(self)

    @property
    def clients(self) -> HubClients[Any]:
        """The selectors, without `await`. Raises as `Publisher` does, and BackplaneError after `timeout`."""
        return HubClients(cast("Any", self), self._publisher._interface)

    def send(self, recipients: Recipients, message: Invocation | SerializedMessage) -> None:
        """Publish a message. For `clients`."""
        _refuse_in_a_loop()
        if self._publisher._send_within(recipients, message):
            return
        loop = self._started()
        self._wait(asyncio.run_coroutine_threadsafe(self._publisher.send(recipients, message), loop))

    def ask(self, connection_id: str, target: str, *_: Any) -> Any:
        """Refused. For `clients`."""
        raise InvocationError(target, NO_ANSWERS)

    def close(self) -> None:
        """End the connection and the thread. A later call starts both again."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            try:
                self._wait(asyncio.run_coroutine_threadsafe(self._publisher.close(), loop))
            finally:
                loop.call_soon_threadsafe(loop.stop)
                thread.join(self._timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._publisher = self._make()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="hubline: publisher", daemon=True)
                self._thread.start()
            return self._loop

    def _forked(self) -> None:
        """In a new process: its parent's threads are not here, and one of them may have held the lock."""
        self._publisher, self._lock = self._make(), threading.Lock()
        self._loop = self._thread = None

    def _wait(self, future: "concurrent.futures.Future[None]") -> None:
        try:
            result_of(future, self._timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise BackplaneError(f"the backplane has not taken the message within {self._timeout:g} s") from None


class _Deaf:
    """The listener of a publisher, which receives nothing."""

    def received(self, channel: str, payload: bytes) -> bool:
        return False

    def interrupted(self, since: datetime, until: datetime) -> None: ...


_PUBLISHERS: "weakref.WeakSet[BlockingPublisher]" = weakref.WeakSet()


def _forked() -> None:
    for publisher in list(_PUBLISHERS):
        publisher._forked()


if hasattr(os, "register_at_fork"):  # where there are forks
    os.register_at_fork(after_in_child=_forked)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _refuse_in_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("a BlockingPublisher would block this event loop: use a Publisher, and await its calls")


def _backplane_at(address: str) -> Backplane:
    """Each needs an extra of its own."""
    if address.startswith(("postgresql://", "postgres://")):
        from hubline.backplanes.postgres import PostgresBackplane

        return PostgresBackplane(address)
    from hubline.backplanes.redis import RedisBackplane

    return RedisBackplane(address)
