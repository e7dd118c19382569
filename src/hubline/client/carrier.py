"""What carries the bytes of a connection, and what carriers need of an HTTP library."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from hubline.client.negotiation import Place

Take: TypeAlias = Callable[[bytes], bool]
"""Takes bytes that have come, cut anywhere, without waiting. Returns False if no more are wanted for now."""

Renew: TypeAlias = Callable[[], Awaitable[str | None]]
"""Asks for a token again."""


class Carrier(Protocol):
    """Carries bytes in both directions, in order, until it ends. Nothing is lost before that, and nothing doubled."""

    async def carry(self, take: Take) -> None:
        """Give `take` what comes, when it comes, until it returns False. Then nothing is read until the next call.

        It can be cancelled only when the carrier is closed next.

        Raises:
            ConnectionClosed: no more comes; the text says why.
            Exception: what `take` has raised.
        """

    async def write(self, data: bytes) -> None:
        """Send bytes, which takes effect before the first wait. Waits while there is no room for more.

        Raises:
            ConnectionClosed: the carrier has ended.
        """

    async def close(self) -> None:
        """End it, from any state, after what was written. Takes a few seconds at most. Raises nothing."""


class Asked:
    """The base of carriers that are asked for bytes, by requests."""

    async def receive(self) -> bytes:
        """The next bytes, as `Carrier.carry` gives them."""
        raise NotImplementedError

    async def carry(self, take: Take) -> None:
        while take(await self.receive()):
            pass


class Body(Protocol):
    """The body of a response that does not end."""

    async def read(self) -> bytes:
        """What has arrived, empty at the end. Raises `ConnectionClosed` if the connection is lost."""

    def close(self) -> None:
        """Read no more. A `read` that waits ends."""


class Http(Protocol):
    """What carriers need of an HTTP library: `hubline.client.web.Web`. No method follows redirections of HTTP.

    Every method raises `ConnectionClosed` if the server cannot be reached or the connection is lost.
    """

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        largest: int | None,
        seconds: float | None,
    ) -> tuple[int, bytes]:
        """Status and body of a response. A request is never sent twice.

        Raises:
            TimeoutError: there is none within `seconds`.
            ConnectionClosed: among others, its body has more than `largest` bytes.
        """

    async def listen(self, url: str, headers: Mapping[str, str]) -> Body:
        """Open an event stream.

        Raises:
            NegotiationError: the response is another.
        """

    async def connect(self, place: Place, *, binary: bool, maximum_message_size: int | None) -> Carrier:
        """Open a WebSocket.

        Raises:
            NegotiationError: the server refuses.
        """

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Opening:
    """What a transport opens a carrier with."""

    http: Http
    place: Place
    binary: bool
    maximum_message_size: int | None
    renew: Renew | None
    """`None` if the token cannot be renewed."""
