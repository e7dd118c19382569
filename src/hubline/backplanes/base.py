"""What a backplane is: it carries bytes between servers on named channels, and knows nothing of hubs.

What the bytes mean (`envelope.py`), who subscribes to what and when (`subscriptions.py`), group commands with their
acknowledgements and client results across servers (`server/relay.py`) are written once, for every backplane.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class BackplaneListener(Protocol):
    """The side of a server. Both methods are called on its event loop; they return at once and never raise."""

    def received(self, channel: str, payload: bytes) -> bool:
        """A message has come. True asks for a turn of the event loop before the next one: much is queued for clients.

        Nothing else slows the caller down: a client that does not read meets its outbox policy.
        """

    def interrupted(self, since: datetime, until: datetime) -> None:
        """Messages from this time to that may have been lost. Called when messages come again, not before.

        Both are in UTC. What was published meanwhile is not repeated.
        """


class BackplaneLink(Protocol):
    """One server's connection to a backplane.

    - **At most once.** A message comes once or not at all. It comes to every link that was subscribed to its channel
      when it was published, to the one that published it too.
    - **Order.** What one link publishes on one channel arrives in that order, everywhere. Between links, and between
      channels, there is no order.
    - **Loss.** While the backplane cannot be reached, `publish` raises and nothing is kept. The link comes back by
      itself, restores its subscriptions, and then tells its listener `interrupted`.
    """

    async def publish(self, channels: Sequence[str], payload: bytes) -> int | None:
        """Send to everybody who is subscribed to these channels; who is subscribed to two of them gets it twice.

        Returns how many links get it, those of two channels counted twice; `None` when that is not known. Zero is
        believed: an answer will not be waited for.

        Raises:
            BackplaneError: it could not be sent.
        """

    async def subscribe(self, channels: Sequence[str]) -> None:
        """Receive what is published on these channels from now on; it returns when that is so. Names are literal.

        A channel that is subscribed to already is left as it is.

        Raises:
            BackplaneError: it cannot be reached; none of the channels is subscribed to.
        """

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        """Receive no more of these. Raises BackplaneError when it cannot be reached; they stay subscribed to then."""

    def renew(self) -> None:
        """It is deaf: it says that it is there, and does not hear what this server publishes. Begin to come back.

        As after an interruption; while it does so already, nothing happens.
        """

    async def close(self) -> None:
        """End the connection, for good. Nothing is received after it returns. Closing twice is harmless."""


class Backplane(Protocol):
    """Where servers meet. Given to `HubApp(backplane=…)`, which makes one link, whatever the number of its hubs."""

    @property
    def local_first(self) -> bool:
        """Whether clients of the server that sends get a message before it is published.

        They get it sooner, and even if publishing fails, but not in the order that the others see.
        """

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        """Join, on the event loop that runs.

        Raises:
            BackplaneError: it cannot be reached. The next connection of a client tries again.
        """
