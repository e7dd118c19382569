"""A call to clients on its way out, as filters see it."""

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
    """With what."""
    key: str | None
    """The key of `clients.latest(key)`: it replaces a queued message with the same key."""
    awaits_result: bool
    """Whether the caller waits for the client's answer."""
    clock: Clock
    """The application's, so that a test can move the time that a filter sees."""


SendNext: TypeAlias = Callable[[OutgoingMessage], Awaitable[None]]


class SendFilter(Protocol):
    """What can stand around everything that a hub says to clients: a `HubFilter` that overrides `send`."""

    async def send(self, message: OutgoingMessage, next: SendNext) -> None: ...


class Innermost(Protocol):
    """What a chain of filters ends in."""

    async def __call__(self, recipients: Recipients, message: SerializedMessage, /) -> None: ...


class OutgoingFilters:
    """The filters around all that one hub says to clients, the first outermost."""

    def __init__(self, hub: str, filters: tuple[SendFilter, ...], clock: Clock) -> None:
        self._hub, self._filters, self._clock = hub, filters, clock

    async def send(self, recipients: Recipients, message: SerializedMessage, innermost: Innermost) -> bool:
        """Send through every filter. False when one of them held the message back."""
        call = message.message
        if not isinstance(call, Invocation):  # bytes that were made elsewhere: nothing to see
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
    """One function of several that stand around each other, the first outermost: each gets the next one to call, last.

    So are all filters put together, whatever they stand around.
    """
    for step in reversed(steps):
        innermost = _around(step, innermost)
    return innermost


def _around(step: Callable[..., Awaitable[Any]], following: Callable[..., Awaitable[Any]]) -> Any:
    return lambda *arguments: step(*arguments, following)
