"""Decorators for hub methods. They only mark the function. Registration reads the marks."""

from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])

_NAME = "__hubline_name__"
_HIDDEN = "__hubline_hidden__"


def hub_method(*, name: str) -> Callable[[Method], Method]:
    """Give a method of a hub or of a client Protocol another name on the wire. Its own name is then unknown there."""

    def mark(method: Method) -> Method:
        setattr(method, _NAME, name)
        return method

    return mark


def hidden(method: Method) -> Method:
    """Keep a public method of a hub class from being called by clients, also where a subclass overrides it."""
    setattr(method, _HIDDEN, True)
    return method


def name_of(method: Any) -> str | None:
    """The name given by `hub_method`, if any."""
    name: str | None = getattr(method, _NAME, None)
    return name


def is_hidden(method: Any) -> bool:
    return bool(getattr(method, _HIDDEN, False))
