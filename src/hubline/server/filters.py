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
    """One call: what a filter sees and may change. `arguments` are bound and validated already."""

    hub: Hub[Any]
    """The object whose method is called; it lives for this call."""
    method: str
    """The method's name on the wire, as registered."""
    arguments: list[Any]
    """In the order of the parameters. What a filter puts here, the method gets; it is not validated again."""
    context: HubCallerContext
    """The connection that called."""
    values: dict[str, Any] = field(default_factory=dict)
    """For filters to hand something on."""
    clock: Clock = field(default_factory=MonotonicClock)
    """The application's, so that a test can move the time that a filter sees."""


Invoke: TypeAlias = Callable[[InvocationContext], Awaitable[Any]]


class HubFilter:
    """Override what you need; call `next` to go on, once. An exception ends the call as if the method had raised it."""

    async def invoke(self, call: InvocationContext, next: Invoke) -> Any:
        """Around a method, after binding and authorisation. For a stream: around getting its iterator."""
        return await next(call)

    async def send(self, message: OutgoingMessage, next: SendNext) -> None:
        """Around a call to clients, before it is encoded. What is raised, the sender gets.

        Not calling `next` holds the call back. Questions, whose results are awaited, come this way too.
        """
        await next(message)

    async def connected(self, hub: Hub[Any], next: Connect) -> None:
        """Around `on_connected`."""
        await next()

    async def disconnected(self, hub: Hub[Any], error: Exception | None, next: Disconnect) -> None:
        """Around `on_disconnected`."""
        await next(error)


FILTERS = "a list of HubFilter objects"
"""What the setting `filters` must be, of an app and of a route."""


def is_filters(given: Any) -> bool:
    """Whether it is that."""
    return isinstance(given, Sequence) and all(isinstance(each, HubFilter) for each in given)


def filtered(*filters: HubFilter) -> Callable[[Decorated], Decorated]:
    """Put filters around a hub or a method of one, the first outermost; several `@filtered` nest as they are written.

    Those of a hub stand inside those of the app and the route, and those of a method inside those of its hub. Both
    are inherited: those of a base class, or of the method that is overridden, stand outside. Around a method only
    `invoke` is called.

    Raises:
        ConfigurationError: something given is no `HubFilter` object.
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
    """What `@filtered` put around a class, or a function with those it overrides: the most derived comes first."""
    return tuple(item for each in reversed(definitions) for item in each.__dict__.get(_MARK, ()))


def filters_of_sends(filters: Sequence[HubFilter]) -> tuple[HubFilter, ...]:
    """Those that look at what goes out."""
    return tuple(item for item in filters if type(item).send is not HubFilter.send)


def around_invoke(filters: Sequence[HubFilter], innermost: Invoke) -> Invoke:
    """The chain of all filters around a call; made once for each method that has some."""
    chain = innermost
    for item in reversed(filters):
        chain = _link(item, chain)
    return chain


def _link(item: HubFilter, following: Invoke) -> Invoke:
    return lambda call: item.invoke(call, following)


async def run_connected(filters: Sequence[HubFilter], hub: Hub[Any]) -> None:
    """`on_connected` with every filter around it."""
    if filters:
        await filters[0].connected(hub, lambda: run_connected(filters[1:], hub))
    else:
        await hub.on_connected()


async def run_disconnected(filters: Sequence[HubFilter], hub: Hub[Any], error: Exception | None) -> None:
    """`on_disconnected` with every filter around it."""
    if filters:
        await filters[0].disconnected(hub, error, lambda e: run_disconnected(filters[1:], hub, e))
    else:
        await hub.on_disconnected(error)
