"""Code around calls: logging, timing, validation, rate limits. The first filter given is the outermost."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from hubline._clock import Clock, MonotonicClock
from hubline.errors import ConfigurationError
from hubline.server.context import HubCallerContext
from hubline.server.hub import Hub
from hubline.server.send_filters import OutgoingMessage, SendNext

Connect: TypeAlias = Callable[[], Awaitable[None]]
Disconnect: TypeAlias = Callable[[Exception | None], Awaitable[None]]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_MARK = "__hubline_filters__"


@dataclass(slots=True)
class InvocationContext:
    """One call, as a filter sees it. The filter may change `arguments`, which are already bound and validated."""

    hub: Hub[Any]
    """The object whose method is called; it lives for this call."""
    method: str
    """The method's name on the wire, as registered."""
    arguments: list[Any]
    """In the order of the parameters. If a filter changes them, they are not validated again."""
    context: HubCallerContext
    """The connection that called."""
    values: dict[str, Any] = field(default_factory=dict)
    """For values that a filter passes to the filters inside it."""
    clock: Clock = field(default_factory=MonotonicClock)
    """The application's, so that a test can move the time that a filter sees."""


Invoke: TypeAlias = Callable[[InvocationContext], Awaitable[Any]]


class HubFilter:
    """Override what you need, and call `next` once to continue. An exception ends the call, like one of the method."""

    async def invoke(self, call: InvocationContext, next: Invoke) -> Any:
        """Around a method, after binding and authorisation. For a stream: around getting its iterator."""
        return await next(call)

    async def send(self, message: OutgoingMessage, next: SendNext) -> None:
        """Around a call to clients, before it is encoded. The sender gets an exception that is raised here.

        If `next` is not called, nothing is sent. Calls that wait for an answer pass this method too.
        """
        await next(message)

    async def connected(self, hub: Hub[Any], next: Connect) -> None:
        """Around `on_connected`."""
        await next()

    async def disconnected(self, hub: Hub[Any], error: Exception | None, next: Disconnect) -> None:
        """Around `on_disconnected`."""
        await next(error)


FILTERS = "a list of HubFilter objects"
"""What the setting `filters` of an app or a route must be."""


def is_filters(given: Any) -> bool:
    """Whether the value is valid for that setting."""
    return isinstance(given, Sequence) and all(isinstance(each, HubFilter) for each in given)


def filtered(*filters: HubFilter) -> Callable[[Decorated], Decorated]:
    """Put filters around a hub or a method, the first outermost. Several `@filtered` nest in the order written.

    Filters of a hub are inside those of the app and the route, and filters of a method inside those of its hub. Both
    are inherited: those of a base class, or of the overridden method, are outside. For filters of a method, only
    `invoke` is called.

    Raises:
        ConfigurationError: an argument is not a `HubFilter` object.
    """
    given: tuple[object, ...] = filters
    problems = [f"@filtered: {item!r} is no HubFilter object" for item in given if not isinstance(item, HubFilter)]
    if problems:
        raise ConfigurationError(problems)

    def mark(target: Decorated) -> Decorated:
        setattr(target, _MARK, (*filters, *target.__dict__.get(_MARK, ())))
        return target

    return mark


def filters_of(*definitions: Any) -> tuple[HubFilter, ...]:
    """The filters from `@filtered` on a class, or on a function and those that it overrides, the most derived first."""
    return tuple(item for each in reversed(definitions) for item in each.__dict__.get(_MARK, ()))


def filters_of_sends(filters: Sequence[HubFilter]) -> tuple[HubFilter, ...]:
    """The filters that override `send`."""
    return tuple(item for item in filters if type(item).send is not HubFilter.send)
