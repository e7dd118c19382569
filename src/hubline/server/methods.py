"""What clients can call: each public method of a hub, inspected once at registration."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from hubline.auth.policies import Policies, Requirement, requirements_of
from hubline.errors import ConfigurationError
from hubline.server.decorators import is_hidden, name_of
from hubline.server.filters import HubFilter, filters_of
from hubline.server.hub import Hub, ends_of
from hubline.server.injection import Dependency, compile_dependency
from hubline.server.invocations import Cancellation
from hubline.server.parameters import depends_of, misuse
from hubline.wire.binding import Argument, Binder
from hubline.wire.codec import Codec
from hubline.wire.names import pascal_case

_ASYNC_STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)
_STREAMS = (*_ASYNC_STREAMS, Iterator, Generator)


def fold(name: str) -> str:
    """The form in which names are compared: `send_message`, `SendMessage` and `sendMessage` are equal."""
    return name.replace("_", "").lower()


@dataclass(frozen=True, slots=True)
class HubMethod:
    """A callable method. `arguments` come from the caller, other parameters from Hubline."""

    name: str
    """The registered name, which error texts use."""
    function: Callable[..., Any]
    binder: Binder
    arguments: tuple[Argument, ...]
    uploads: tuple[tuple[str, Any], ...]
    """Parameters that are upload streams, with the type of their items, in order."""
    cancellation: str | None
    injected: tuple[tuple[str, Dependency], ...]
    result: Any
    is_stream: bool
    is_async: bool
    """False for a plain `def`, which runs in a worker thread."""
    requirements: tuple[Requirement, ...]
    filters: tuple[HubFilter, ...]
    """The filters of the method, the outermost first, inside those of the hub and the app."""
    order: tuple[str, ...]
    """The parameters given by position, in order, without `self`."""
    keywords: tuple[str, ...]
    """Injected parameters that can only be given by name."""
    where: str
    """Class and function, for the log."""


class HubMethods:
    """The methods of a hub class by the names clients may use.

    Raises:
        ConfigurationError: with every mistake in every signature, and every policy that does not exist.
    """

    def __init__(self, hub: type[Hub[Any]], codecs: tuple[Codec, ...], policies: Policies) -> None:
        self.hub = hub
        problems = policies.problems(hub.__qualname__, *hub.__mro__)
        problems += [
            f"{hub.__qualname__}.{end.__name__}: @filtered does nothing here: write it at the hub, with a filter that "
            "has `connected` or `disconnected`"
            for end in ends_of(hub)
            if filters_of(end)
        ]
        problems += _not_injected(hub)
        self.all: list[HubMethod] = []
        self._folded: dict[str, HubMethod] = {}
        for attribute, definitions in _public_functions(hub):
            where = f"{hub.__qualname__}.{attribute}"
            problems += policies.problems(where, *definitions)
            method = _Inspector(where, attribute, definitions, problems).method(codecs)
            if method is None:
                continue
            other = self._folded.setdefault(fold(method.name), method)
            if other is not method:
                problems.append(
                    f"{method.where}: clients cannot tell {method.name!r} from {other.name!r} ({other.where}); "
                    "rename one or use @hub_method(name=…)"
                )
            self.all.append(method)
        if problems:
            raise ConfigurationError(problems)
        self._exact = {method.name: method for method in self.all}

    def find(self, target: str) -> HubMethod | None:
        """The method for a name from a client: an exact match, or one that ignores case and underscores."""
        return self._exact.get(target) or self._folded.get(fold(target))


def _public_functions(hub: type[Hub[Any]]) -> list[tuple[str, list[Callable[..., Any]]]]:
    """Each callable attribute with its definitions: the one that runs, then the overridden ones of its bases."""
    found: list[tuple[str, list[Callable[..., Any]]]] = []
    for attribute in dir(hub):
        if attribute.startswith("_") or attribute in Hub.__dict__:
            continue
        if not inspect.isfunction(inspect.getattr_static(hub, attribute)):
            continue
        definitions = [cls.__dict__[attribute] for cls in hub.__mro__ if attribute in cls.__dict__]
        if not any(map(is_hidden, definitions)):
            found.append((attribute, definitions))
    return found


def _not_injected(hub: type[Hub[Any]]) -> list[str]:
    """Find parameters with `Depends` where nothing is injected: in `__init__`, and in methods like `on_connected`.

    Such a function would get the `Depends` object itself as the default.
    """
    found = []
    for function in (hub.__init__, *ends_of(hub)):
        try:
            hints = get_type_hints(function, include_extras=True)
        except Exception:  # as for methods; an annotation that cannot be resolved may still have a default
            hints = {}
        found += [
            f"{function.__qualname__}: {name!r} is not injected here: only methods that clients call are. "
            "A constructor is given its values by the function that makes the hub"
            for name, parameter in inspect.signature(function).parameters.items()
            if depends_of(hints.get(name), parameter.default) is not None
        ]
    return found


class _Inspector:
    """Inspects one method, and collects its mistakes.

    Decorators are inherited: an override keeps the name, the `@authorize` and the filters of the overridden method.
    """

    def __init__(self, where: str, attribute: str, definitions: list[Callable[..., Any]], problems: list[str]) -> None:
        self.where, self.attribute, self.problems = where, attribute, problems
        self.function, self.definitions = definitions[0], definitions
        self.arguments: list[Argument] = []
        self.uploads: list[tuple[str, Any]] = []
        self.injected: list[tuple[str, Dependency]] = []
        self.cancellation: str | None = None

    def method(self, codecs: tuple[Codec, ...]) -> HubMethod | None:
        try:
            hints = get_type_hints(self.function, include_extras=True)
        except Exception as error:  # hints that are strings are evaluated, and may raise anything
            self.problems.append(f"{self.where}: cannot resolve its type hints: {error}")
            return None
        before = len(self.problems)
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        for parameter in parameters:
            self._parameter(parameter, hints.get(parameter.name, Any))
        name = next(filter(None, map(name_of, self.definitions)), None) or pascal_case(self.attribute)
        binder = self._binder(name, codecs) if len(self.problems) == before else None
        if binder is None:
            return None
        result = hints.get("return", Any)
        return HubMethod(
            name=name,
            function=self.function,
            binder=binder,
            arguments=tuple(self.arguments),
            uploads=tuple(self.uploads),
            cancellation=self.cancellation,
            injected=tuple(self.injected),
            result=result,
            is_stream=_is_stream(self.function, result),
            is_async=inspect.iscoroutinefunction(self.function) or inspect.isasyncgenfunction(self.function),
            requirements=requirements_of(*self.definitions),
            filters=filters_of(*self.definitions),
            order=tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY),
            keywords=tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY),
            where=self.where,
        )

    def _parameter(self, parameter: inspect.Parameter, kind: Any) -> None:
        depends = depends_of(kind, parameter.default)
        if problem := misuse(parameter, kind, in_method=True):
            self.problems.append(f"{self.where}: {parameter.name!r} {problem}")
        elif depends is not None:
            self.injected.append((parameter.name, compile_dependency(depends, self.problems, self.where)))
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            self.problems.append(f"{self.where}: clients send arguments by position, which {parameter} cannot take")
        elif kind is Cancellation:
            if self.cancellation is not None:
                self.problems.append(f"{self.where}: has two Cancellation parameters")
            self.cancellation = parameter.name
        elif get_origin(kind) in _ASYNC_STREAMS or kind in _ASYNC_STREAMS:
            self.uploads.append((parameter.name, (get_args(kind) or (Any,))[0]))
        else:
            default = msgspec.NODEFAULT if parameter.default is parameter.empty else parameter.default
            self.arguments.append(Argument(parameter.name, kind, default))

    def _binder(self, name: str, codecs: tuple[Codec, ...]) -> Binder | None:
        try:
            binder = Binder(name, self.arguments)
            for codec in codecs:
                binder.prepare(codec)
                for _, item in self.uploads:
                    codec.reader(item)
        except Exception as error:  # mostly a TypeError, but hints in user classes are evaluated here too
            self.problems.append(f"{self.where}: {error}")
            return None
        return binder


def _is_stream(function: Callable[..., Any], result: Any) -> bool:
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        return True
    if get_origin(result) is Annotated:
        result = get_args(result)[0]
    return (get_origin(result) or result) in _STREAMS
