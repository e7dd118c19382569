"""Filters around calls to clients."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from hubline._clock import Clock
from hubline.server.recipients import Recipients
from hubline.wire.messages import Invocation
from hubline.wire.packet import SerializedMessage


@dataclass(slots=True)
class OutgoingMessage:
    """One call to clients, made in a hub or outside of it. A filter may change it before it is sent."""

    hub: str
    """The hub's name: `HubRoute.name`, or the module and name of its class."""
    recipients: Recipients
    """The recipients: `All`, `Connections`, `Groups` or `Users`."""
    target: str
    """The method that is called on the clients."""
    arguments: tuple[Any, ...]
    """The arguments of the call."""
    key: str | None
    """The key of `clients.latest(key)`: it replaces a queued message with the same key."""
    awaits_result: bool
    """Whether the caller waits for the client's answer."""
    clock: Clock
    """The application's, so that a test can move the time that a filter sees."""


SendNext: TypeAlias = Callable[[OutgoingMessage], Awaitable[None]]


class SendFilter(Protocol):
    """A filter around calls to clients: a `HubFilter` that overrides `send`."""

    async def send(self, message: OutgoingMessage, next: SendNext) -> None: ...


class Innermost(Protocol):
    """The end of a chain of filters, which sends the message."""

    async def __call__(self, recipients: Recipients, message: SerializedMessage, /) -> None: ...


class OutgoingFilters:
    """The filters around the calls of one hub to clients, the first outermost."""

    def __init__(self, hub: str, filters: tuple[SendFilter, ...], clock: Clock) -> None:
        self._hub, self._filters, self._clock = hub, filters, clock

    async def send(self, recipients: Recipients, message: SerializedMessage, innermost: Innermost) -> bool:
        """Send through every filter. False if one of them dropped the message."""
        call = message.message
        if not isinstance(call, Invocation):  # already encoded elsewhere: filters could not read it
            await innermost(recipients, message)
            return True
        invocation_id, sent = call.invocation_id, False

        async def end(outgoing: OutgoingMessage) -> None:
            nonlocal sent
            sent = True
            made = Invocation(invocation_id=invocation_id, target=outgoing.target, arguments=tuple(outgoing.arguments))
            await innermost(outgoing.recipients, SerializedMessage(made, key=outgoing.key))

        await nested([each.send for each in self._filters], end)(
            OutgoingMessage(
                hub=self._hub,
                recipients=recipients,
                target=call.target,
                arguments=call.arguments,
                key=message.key,
                awaits_result=bool(invocation_id),
                clock=self._clock,
            )
        )
        return sent


def nested(steps: Sequence[Callable[..., Awaitable[Any]]], innermost: Callable[..., Awaitable[Any]]) -> Any:
    """Nest functions, the first outermost. Each gets the next one as its last argument.

    All chains of filters are made with it.
    """
    for step in reversed(steps):
        innermost = _around(step, innermost)
    return innermost


def _around(step: Callable[..., Awaitable[Any]], following: Callable[..., Awaitable[Any]]) -> Any:
    return lambda *arguments: step(*arguments, following)
