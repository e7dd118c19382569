"""The marks of a parameter: `Depends`, Hubline's or FastAPI's, and marks that a hub does not support.

An unsupported mark is reported at start-up, with the form that works. Otherwise the parameter would be an ordinary
argument of the caller. FastAPI's objects are recognised by their attributes; FastAPI is never imported.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from hubline.connection import ConnectionScope, Identity
from hubline.server.context import HubCallerContext

_FRAMEWORKS = ("fastapi", "starlette")

_SENT = "what a client sends needs no mark"
_INSTEAD = {
    "Query": "read `{}.query`",
    "Header": "read `{}.headers`",
    "Cookie": "read `{}.headers`",
    "Path": "read `{}.path`",
    "Body": _SENT,
    "Form": _SENT,
    "File": _SENT,
}
"""By the names of FastAPI's classes. In a factory, `scope` is its parameter of type `ConnectionScope`."""

_SCOPE = {True: "`self.context.scope`", False: "a parameter that is a `ConnectionScope`"}

_OURS = {
    HubCallerContext: "`self.context`",
    ConnectionScope: "`self.context.scope`",
    Identity: "`self.context.identity`",
}
"""What a method has already. As an argument, the client could choose its own identity."""


@dataclass(frozen=True, slots=True)
class Depends:
    """Marks a parameter whose value `factory` makes for each call: `Annotated[T, Depends(factory)]`, or as its default.

    The factory may be a function, an async function, a class, or a generator that yields the value once. The code after
    the `yield` runs after the call (for a stream, after the last item) and gets the call's exception. Plain functions
    and generators run in a worker thread. The factory's parameters may have a `Depends` or be a `HubCallerContext` or
    `ConnectionScope`. Without a factory, the annotated class is the factory.

    Within one call a factory runs once; with `use_cache=False`, once for each such parameter. FastAPI's own
    `Depends(…)` works in the same way.
    """

    factory: Callable[..., Any] | None = None
    """The factory; `None` for the annotated class."""
    use_cache: bool = field(default=True, kw_only=True)
    """Whether parameters with the same factory share one value within a call."""


def depends_of(annotation: Any, default: Any = None) -> Depends | None:
    """The `Depends` of a parameter, in its `Annotated[…]` or as its default, ours or FastAPI's."""
    kind, marks = _resolved(annotation)
    for mark in (*marks, default):
        if _is_depends(mark):
            factory = _factory(mark)
            return Depends(kind if factory is None else factory, use_cache=mark.use_cache)
    return None


def misuse(parameter: inspect.Parameter, annotation: Any, *, in_method: bool) -> str | None:
    """The mistake in a parameter's marks, worded to follow its name; `None` if there is none."""
    kind, marks = _resolved(annotation)
    given = [mark for mark in (*marks, parameter.default) if mark is not parameter.empty]
    asked = [mark for mark in given if _is_depends(mark)]
    if len(asked) > 1:
        return "has two `Depends`"
    if asked and _factory(asked[0]) is None and (kind is Any or not callable(kind)):
        return "has a `Depends()` without a factory, and no class that could be it: write `Depends(…)`"
    if any(_is_depends(inner) for mark in given if isinstance(mark, list | tuple | set) for inner in mark):
        return "has its `Depends` inside of a list or tuple: a comma or bracket too many?"
    if any(_is_depends(mark) for mark in _buried(kind)):
        return "has its `Depends` inside of its type: write `Annotated[…, Depends(…)]` around the whole"
    for mark in given:
        if found := _misuse_of_mark(mark, "self.context.scope" if in_method else "scope"):
            return found
    if asked:
        return None
    for each in get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,):
        if not isinstance(each, type):
            continue
        if each.__module__.partition(".")[0] in _FRAMEWORKS:
            return f"asks for a {each.__name__}, which a call has not: {_SCOPE[in_method]} has what it was opened with"
        if in_method and each in _OURS:
            return f"is nothing that a client may send: {_OURS[each]} has it"
    return None


def _misuse_of_mark(mark: Any, scope: str) -> str | None:
    if getattr(mark, "__name__", "") in ("Depends", "Security"):
        return f"has {mark.__name__} without parentheses: write `{mark.__name__}(…)`"
    if getattr(mark, "scopes", None) and _is_depends(mark):
        return "has `Security(…)` with scopes, which nothing here checks: `@authorize(roles=…)` does"
    if getattr(mark, "max_concurrency", None) is not None and _is_depends(mark):
        return "has `Depends(…)` with `max_concurrency`, which nothing here keeps: the factory can, by a semaphore"
    for cls in type(mark).__mro__:
        if cls.__module__ == "fastapi.params" and cls.__name__ in _INSTEAD:
            return f"asks for FastAPI's {cls.__name__}(…), which a call has not: {_INSTEAD[cls.__name__].format(scope)}"
    return None


def _buried(kind: Any) -> Iterator[Any]:
    """The marks of every `Annotated` inside a type."""
    for inner in get_args(kind):
        found, marks = _resolved(inner)
        yield from marks
        yield from _buried(found)


def _resolved(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without its outermost `Annotated`, and the marks of that. Aliases made by `type` are resolved."""
    while hasattr(annotation, "__value__"):
        annotation = annotation.__value__
    if get_origin(annotation) is Annotated:
        kind, *marks = get_args(annotation)
        return kind, tuple(marks)
    return annotation, ()


def _is_depends(mark: Any) -> bool:
    """Whether this is a `Depends(…)`: ours, FastAPI's, or a similar object of another library."""
    if isinstance(mark, Depends):
        return True
    return not isinstance(mark, type) and hasattr(mark, "dependency") and hasattr(mark, "use_cache")


def _factory(mark: Any) -> Any:
    return mark.factory if isinstance(mark, Depends) else mark.dependency
