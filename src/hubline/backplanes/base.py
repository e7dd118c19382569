"""The interface of a backplane. It carries bytes between servers on named channels, and does not know about hubs.

Other modules are the same for every backplane: the meaning of the bytes (`envelope.py`), subscriptions
(`subscriptions.py`), group commands with their acknowledgements and client results across servers (`server/relay.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Protocol, runtime_checkable


class BackplaneListener(Protocol):
    """Receives messages for a server. Both methods are called on its event loop, return at once and never raise."""

    def received(self, channel: str, payload: bytes) -> bool:
        """A message has arrived. True asks the link to wait for a turn of the event loop: much is queued for clients.

        Only this slows the link down. The outbox policy applies to clients that do not read.
        """

    def interrupted(self, since: datetime, until: datetime) -> None:
        """Messages between these times may have been lost. Called when messages arrive again, not before.

        Both times are in UTC. Lost messages are not repeated.
        """


class BackplaneLink(Protocol):
    """One server's connection to a backplane.

    - **At most once.** A message arrives once or not at all. It goes to every link that is subscribed to its channel
      when it is published, including the link that published it.
    - **Order.** Messages that one link publishes on one channel arrive everywhere in that order. There is no order
      between links or between channels.
    - **Loss.** While the backplane cannot be reached, `publish` raises and nothing is kept. The link reconnects by
      itself, restores its subscriptions, and then calls `interrupted` of its listener.
    """

    async def publish(self, channels: Sequence[str], payload: bytes) -> int | None:
        """Send to every link that is subscribed to these channels. A link that is subscribed to two gets it twice.

        Returns the number of receivers; a link with two of the channels counts twice. `None` if it is not known, and
        never a part of it: callers wait for as many answers.

        Raises:
            BackplaneError: the message could not be sent.
        """

    async def subscribe(self, channels: Sequence[str]) -> None:
        """Subscribe to these channels; returns when the subscription is active. Names are literal, not patterns.

        A channel that is already subscribed to is left as it is.

        Raises:
            BackplaneError: the backplane cannot be reached. No channel was added.
        """

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        """Unsubscribe. Raises BackplaneError if the backplane cannot be reached; the subscriptions then stay."""

    def renew(self) -> None:
        """Reconnect: the connection looks alive, but nothing that this server publishes comes back.

        Works as after an interruption. If it is already reconnecting, nothing happens.
        """

    async def close(self) -> None:
        """End the connection. Nothing is received after it returns. Closing twice is not an error."""


@runtime_checkable
class SeveralBrokers(Protocol):
    """Further methods of a link whose channels are on several brokers: each broker gets its own heartbeat."""

    def brokers(self, channels: Iterable[str]) -> Mapping[str, str]:
        """The brokers that are known at present, and for each the first of these channels that it has."""

    def renew_broker(self, name: str) -> None:
        """The same as `renew`, for one of them."""


class Backplane(Protocol):
    """Connects servers. Give it to `HubApp(backplane=…)`, which makes one link for all its hubs."""

    @property
    def local_first(self) -> bool:
        """Whether clients of the sending server get a message before it is published.

        They get it sooner, and even if publishing fails, but their order may differ from that on other servers.
        """

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        """Make a link, on the running event loop.

        Raises:
            BackplaneError: the backplane cannot be reached. The next connection of a client tries again.
        """


class Transaction(Protocol):
    """A transaction of the application's database, to which messages may belong."""

    over: bool
    """The block has ended. Tasks that were started in it go on without."""

    def takes(self, backplane: Backplane) -> bool:
        """Whether it is in the database of this backplane."""

    async def send(self, channels: Sequence[str], payload: bytes) -> None:
        """Send when it commits, and not if it is rolled back."""

    def send_blocking(self, channels: Sequence[str], payload: bytes) -> None:
        """The same on a connection that is not awaited."""


transaction: ContextVar[Transaction | None] = ContextVar("hubline.transaction", default=None)
"""The transaction of the running task: see `PostgresBackplane.within`."""


def present_transaction(backplane: Backplane) -> Transaction | None:
    """The transaction that the messages of the running task belong to.

    Raises:
        RuntimeError: those of this backplane cannot. Sent at once, they would stay if it is rolled back.
    """
    found = transaction.get()
    if found is None or found.over:
        return None
    if not found.takes(backplane):
        kind = type(backplane).__name__
        raise RuntimeError(f"a message of this {kind} cannot belong to the transaction: send it outside of `within`")
    return found
