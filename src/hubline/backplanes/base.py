"""The interface of a backplane. It carries bytes between servers on named channels, and does not know about hubs.

Other modules are the same for every backplane: the meaning of the bytes (`envelope.py`), subscriptions
(`subscriptions.py`), group commands with their acknowledgements and client results across servers (`server/relay.py`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class BackplaneListener(Protocol):
    """Receives messages for a server. Both methods are called on its event loop, return at once and never raise."""

    def received(self, channel: str, payload: bytes) -> bool:
        """A message has arrived. True asks the link to wait for a turn of the event loop: much is queued for clients.

        Nothing else slows the link down: to a client that does not read, its outbox policy applies.
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

        Returns the number of receivers, where a link with two of the channels counts twice; `None` if it is not known.
        After zero, the caller does not wait for an answer.

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


class Backplane(Protocol):
    """Connects servers. Give it to `HubApp(backplane=…)`, which makes one link for all its hubs."""

    @property
    def local_first(self) -> bool:
        """Whether clients of the server that sends get a message before it is published.

        They get it sooner, also if publishing fails, but not in the order that other servers see.
        """

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        """Make a link, on the running event loop.

        Raises:
            BackplaneError: the backplane cannot be reached. The next connection of a client tries again.
        """
