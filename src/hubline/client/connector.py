"""Attempts to connect: the token, the negotiation, the transports one after another, and the handshake."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TypeAlias

from msgspec.structs import replace

from hubline._clock import Clock
from hubline._extras import missing
from hubline._tasks import TaskOwner, ends_its_task
from hubline.client.calls import Calls
from hubline.client.carrier import Carrier, Http, Opening
from hubline.client.link import Link
from hubline.client.negotiation import LARGEST_ANSWER, Offer, Place, negotiate, with_token
from hubline.client.pacing import Pacing
from hubline.client.resuming import Resuming
from hubline.client.session import ClientSession
from hubline.client.settings import WebSettings
from hubline.client.transports import TRANSPORTS, Transport, TransportName, usable
from hubline.errors import ConfigurationError, ConnectionClosed, HandshakeError, NegotiationError, text_of
from hubline.wire.codec import Codec, TransferFormat
from hubline.wire.replay import Replay

Token: TypeAlias = str | Callable[[], str | Awaitable[str | None] | None] | None


class Stage(Enum):
    """What an attempt waits for."""

    TOKEN = "the token"
    NEGOTIATION = "the answer to the negotiation"
    TRANSPORT = "the transport"
    HANDSHAKE = "the answer to the handshake"


@dataclass(kw_only=True)
class Connector:
    """Makes the connections of one `HubConnection`, which describes the settings."""

    url: str
    token: Token
    headers: dict[str, str]
    codec: Codec
    transports: Collection[TransportName]
    skip_negotiation: bool
    stateful_buffer: int | None
    """`None` without stateful reconnect."""
    connect_timeout: float
    keep_alive_interval: float
    server_timeout: float
    maximum_message_size: int | None
    clock: Clock
    make_http: Callable[[], Http]
    pacing: Pacing
    calls: Calls
    closing: TaskOwner
    """Ends connections; `close` waits for it."""
    _http: Http | None = field(default=None, init=False)
    _stage: Stage = field(default=Stage.TOKEN, init=False)
    _tasks: TaskOwner = field(default_factory=lambda: TaskOwner("hubline client"), init=False)

    async def attempt(self, tasks: TaskOwner) -> Link | ConnectionClosed:
        """One attempt to connect, within its time."""
        attempt = tasks.start(self._try(), name="hubline client: connect")
        try:
            done = await tasks.done_before(attempt, self.clock.sleep(self.connect_timeout))
        except BaseException:
            if attempt.done() and not attempt.cancelled() and isinstance(found := attempt.result(), Link):
                self.closing.start(found.close())
            attempt.cancel()
            raise
        if attempt.cancelling():
            return ConnectionClosed("the connection was stopped")
        if done:
            result: Link | ConnectionClosed = attempt.result()
            return result
        attempt.cancel()
        kind = HandshakeError if self._stage is Stage.HANDSHAKE else ConnectionClosed
        return kind(f"no connection within {self.connect_timeout:g} s: the client waited for {self._stage.value}")

    async def _try(self) -> Link | ConnectionClosed:
        try:
            try:
                return await self._open()
            except NegotiationError as error:
                if error.status != 401 or not callable(self.token):
                    raise
                return await self._open()  # with a token that is asked for again (spec, statement 209)
        except ConnectionClosed as error:
            return error

    async def _open(self) -> Link:
        """Negotiate, and try the transports in the server's order, each with a negotiation of its own (spec §11.2)."""
        offer = await self._offer()
        names: list[TransportName] = ["websocket"]
        if not self.skip_negotiation:
            names = usable(offer.transports, self.transports, self.codec.transfer_format)
        failures: list[str] = []
        for name in names:
            if failures:
                offer = await self._offer()
            self._stage = Stage.TRANSPORT
            opening = partial(self._carrier, TRANSPORTS[name], offer)
            if len(names) == 1:
                return await self._linked(name, await opening(), offer)
            try:
                carrier = await self._in_time(opening, self.connect_timeout / len(names))
            except ConnectionClosed as error:
                if isinstance(error, NegotiationError) and error.status == 401:
                    raise
                failures.append(f"{TRANSPORTS[name].name}: {error}")
            else:
                return await self._linked(name, carrier, offer)
        text = "Unable to connect to the server with any of the available transports."
        raise ConnectionClosed(f"{text} {'; '.join(failures)}")

    async def _offer(self) -> Offer:
        """A connection that the server offers to this client with its current token."""
        self._stage = Stage.TOKEN
        token = await self._current_token()
        self._stage = Stage.NEGOTIATION
        if self.skip_negotiation:
            return Offer(Place(self.url, with_token(self.headers, token)))
        stateful = self.stateful_buffer is not None and any(TRANSPORTS[name].resumes for name in self.transports)
        return await negotiate(self._post, self.url, self.headers, token, stateful=stateful)

    async def _post(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        return await self._requests().request("POST", url, headers, largest=LARGEST_ANSWER, seconds=None)

    def _requests(self) -> Http:
        self._http = self._http or self.make_http()
        return self._http

    async def _carrier(self, transport: Transport, offer: Offer) -> Carrier:
        binary = self.codec.transfer_format is TransferFormat.BINARY
        renew = self._current_token if callable(self.token) and not offer.token_given else None
        opening = Opening(self._requests(), offer.place, binary, self.maximum_message_size, renew)
        return await transport.open(opening)

    async def _in_time(self, opening: Callable[[], Awaitable[Carrier]], seconds: float) -> Carrier:
        """Open a carrier within a part of the time: a proxy may swallow the requests of one transport only."""
        task = self._tasks.start(_caught(opening), name="hubline client: open")
        try:
            if not await self._tasks.done_before(task, self.clock.sleep(seconds)):
                raise ConnectionClosed(f"it did not open within {seconds:g} s")
            found: Carrier | ConnectionClosed = task.result()
            if isinstance(found, ConnectionClosed):
                raise found
            return found
        except BaseException:
            if not task.cancel() and not task.cancelled() and not isinstance(found := task.result(), ConnectionClosed):
                self._retire(found)
            raise

    def _retire(self, carrier: Carrier) -> None:
        self.closing.start(carrier.close())

    async def _linked(self, name: TransportName, carrier: Carrier, offer: Offer) -> Link:
        """The handshake."""
        self._stage = Stage.HANDSHAKE
        transport, replay = TRANSPORTS[name], None
        if self.stateful_buffer is not None and offer.stateful and transport.resumes:
            replay = Replay(self.stateful_buffer)
        session = ClientSession(
            self.codec,
            self.calls.handlers,
            now=self.clock.now(),
            maximum_message_size=self.maximum_message_size,
            keep_alive_interval=self.keep_alive_interval if transport.pings else None,
            server_timeout=self.server_timeout if transport.pings else None,
            replay=replay,
        )
        if replay is not None:
            carrier = Resuming(carrier, session, self.clock, lambda: self._again(transport, offer), self._retire)
        link = Link(carrier, session, self.clock, self.pacing, self.calls.take, offer.place.connection_id)
        link.transport = name
        try:
            await link.open()
        except BaseException:
            self.closing.start(link.close())  # not here, where a second cancellation would end it
            raise
        return link

    async def _again(self, transport: Transport, offer: Offer) -> Carrier:
        """Another carrier for the same connection. It is authorised anew (spec §7.6)."""
        if not offer.token_given:
            headers = with_token(self.headers, await self._current_token())
            offer = replace(offer, place=replace(offer.place, headers=headers))
        return await self._in_time(partial(self._carrier, transport, offer), self.connect_timeout)

    async def _current_token(self) -> str | None:
        """The token to use now. A function that raises ends this attempt."""
        if not callable(self.token):
            return self.token
        try:
            found = self.token()
            return found if found is None or isinstance(found, str) else await found
        except (Exception, asyncio.CancelledError) as error:
            if ends_its_task(error):
                raise
            raise ConnectionClosed(f"there is no token: {text_of(error) or type(error).__name__}") from error

    async def close(self) -> None:
        """Wait until all connections are closed, and free what they have shared."""
        await self.closing.join()
        await self._tasks.cancel()
        http, self._http = self._http, None
        if http is not None:
            await http.close()


async def _caught(opening: Callable[[], Awaitable[Carrier]]) -> Carrier | ConnectionClosed:
    """A failure as a result, since nobody may be there any more to look at an exception."""
    try:
        return await opening()
    except ConnectionClosed as error:
        return error


def http_of(settings: WebSettings) -> Callable[[], Http]:
    """What sends requests with aiohttp.

    Raises:
        ConfigurationError: it is missing.
    """
    try:
        from hubline.client.web import Web
    except ImportError as error:
        raise ConfigurationError([missing(error)]) from None
    return lambda: Web(settings)
