"""Typed calls and typed handlers: names, arguments and results come from the annotations of functions."""

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from typing import Annotated, Any, Generic, Protocol, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from hubline.client.events import Handler
from hubline.errors import ConfigurationError
from hubline.server.decorators import name_of
from hubline.wire.binding import Argument, Binder
from hubline.wire.codec import Codec
from hubline.wire.names import pascal_case

T = TypeVar("T")

_ASYNC_STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)
_BLOCKING_STREAMS = (Iterator, Iterable, Generator)


class Caller(Protocol):
    """What typed calls are made with: a `HubConnection`, or the blocking one."""

    @property
    def invoke(self) -> Callable[..., Any]: ...
    @property
    def stream(self) -> Callable[..., Any]: ...


class TypedServer:
    """The base of the classes whose methods call a hub."""

    __slots__ = ("_hub",)

    def __init__(self, hub: Caller) -> None:
        self._hub = hub

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__qualname__} has no method {name!r}")


class ServerInterface(Generic[T]):
    """The methods of a class that describes a hub, inspected once. `blocking`: its calls block, without `await`."""

    def __init__(self, described: Callable[..., T], *, blocking: bool = False) -> None:
        """Raises ConfigurationError with every mistake in the class."""
        self._name = getattr(described, "__qualname__", repr(described))
        self._blocking = blocking
        self._problems: list[str] = []
        if not isinstance(described, type):
            raise ConfigurationError([f"{self._name} is no class that describes the methods of a hub"])
        functions = {
            name: function
            for name in dir(described)
            if not name.startswith("_") and inspect.isfunction(function := inspect.getattr_static(described, name))
        }
        methods = {name: self._method(name, function) for name, function in functions.items()}
        if not methods:
            self._problems.append(f"{self._name} describes no methods")
        if self._problems:
            raise ConfigurationError(self._problems)
        self.bound_to: Callable[[Caller], T] = type(self._name, (TypedServer,), {"__slots__": (), **methods})
        """Makes the object that calls through this connection."""

    def _method(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        where = f"{self._name}.{name}"
        signature = inspect.signature(function)
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        for parameter in signature.parameters.values():
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
                self._problems.append(f"{where}: arguments are sent by position, which {parameter} does not take")
        try:
            result = get_type_hints(function, include_extras=True).get("return", Any)
        except Exception as error:  # hints that are strings are evaluated, and may raise anything
            self._problems.append(f"{where}: cannot resolve its type hints: {error}")
            return function
        target = name_of(function) or pascal_case(name)
        arguments = _in_order(signature)
        awaited = inspect.iscoroutinefunction(function)
        if inspect.isasyncgenfunction(function) or _item_of(result, _ASYNC_STREAMS) is not None:
            if self._blocking:
                self._problems.append(f"{where}: a stream that is read by plain code is an `Iterator[…]`")
            return _stream(target, arguments, _item_of(result, _ASYNC_STREAMS), awaited=awaited)
        if self._blocking and (item := _item_of(result, _BLOCKING_STREAMS)) is not None and not awaited:
            return _stream(target, arguments, item, awaited=False)
        if awaited is self._blocking:
            wanted = "a plain `def`: it blocks" if awaited else "`async def`, or return an `AsyncIterator[…]`"
            self._problems.append(f"{where} must be {wanted}")
        return _call(target, arguments, result)


def handler_of(function: Callable[..., Any], codec: Codec, name: str | None = None) -> tuple[str, Handler]:
    """What the server calls, and the handler with the types of its arguments.

    Raises:
        ConfigurationError: the function cannot be called so; all its mistakes are listed.
    """
    where = getattr(function, "__qualname__", repr(function))
    given = name or name_of(function)
    if given is None and not hasattr(function, "__name__"):
        raise ConfigurationError([f"{where} has no name: `handler(name=…)` gives one"])
    target = given or pascal_case(function.__name__)
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception as error:  # hints that are strings are evaluated, and may raise anything
        raise ConfigurationError([f"{where}: cannot resolve its type hints: {error}"]) from None
    arguments, problems = [], []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            problems.append(f"{where}: the server sends arguments by position, which {parameter} cannot take")
        default = msgspec.NODEFAULT if parameter.default is parameter.empty else parameter.default
        arguments.append(Argument(parameter.name, hints.get(parameter.name, Any), default))
    if problems:
        raise ConfigurationError(problems)
    try:
        binder = Binder(target, arguments)
        binder.prepare(codec)
    except Exception as error:  # mostly a TypeError, but hints in classes of users are evaluated here too
        raise ConfigurationError([f"{where}: {error}"]) from None
    return target, Handler(function, bind=binder.bind)


def _item_of(result: Any, streams: tuple[Any, ...]) -> Any:
    """The type of the items of a stream, `None` if this is the type of no stream."""
    if get_origin(result) is Annotated:
        result = get_args(result)[0]
    if (get_origin(result) or result) in streams:
        return (get_args(result) or (Any,))[0]
    return None


def _call(target: str, arguments: "_Arguments", result: Any) -> Callable[..., Any]:
    wanted = Any if result is None or result is type(None) else result  # who wants nothing gets nothing wrong

    def call(server: TypedServer, /, *args: Any, **named: Any) -> Any:
        return server._hub.invoke(target, *arguments(args, named), result_type=wanted)

    return call


def _stream(target: str, arguments: "_Arguments", item: Any, *, awaited: bool) -> Callable[..., Any]:
    wanted = Any if item is None else item

    def stream(server: TypedServer, /, *args: Any, **named: Any) -> Any:
        return server._hub.stream(target, *arguments(args, named), result_type=wanted)

    async def awaited_stream(server: TypedServer, /, *args: Any, **named: Any) -> Any:
        return stream(server, *args, **named)

    return awaited_stream if awaited else stream


_Arguments = Callable[[Sequence[Any], dict[str, Any]], Sequence[Any]]


def _in_order(signature: inspect.Signature) -> _Arguments:
    """A function that gives the arguments of a call by position, and raises TypeError as the call of a function does.

    Defaults at the end are not sent: the server has its own.
    """
    names = list(signature.parameters)
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    required = sum(default is inspect.Parameter.empty for default in defaults.values())
    varies = any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())

    def arguments(args: Sequence[Any], named: dict[str, Any]) -> Sequence[Any]:
        if not named and not varies and required <= len(args) <= len(names):
            return args
        found = signature.bind(*args, **named).arguments
        if varies:
            return args
        last = max(map(names.index, found), default=-1)
        given = [found.get(name, defaults[name]) for name in names[: last + 1]]
        if ... in given:  # the server's default is not known here
            raise TypeError(f"{names[given.index(...)]!r} must be given, because {names[last]!r} is")
        return given

    return arguments
