"""Loads the application that a command names."""

import importlib
import os
import sys
from difflib import get_close_matches
from typing import Any

from hubline._extras import lacks_extra, missing
from hubline.errors import ConfigurationError


def load(target: str, directory: str = ".") -> Any:
    """The object that `module:attribute` names; modules are looked for in `directory` first.

    Raises:
        ConfigurationError: there is no such thing, or what it imports of Hubline needs an extra. An error inside the
            module is raised as it is, except a `ConfigurationError`, whose problems are those of the application.
    """
    module_name, separator, attribute = target.partition(":")
    if not (module_name and separator and attribute):
        raise ConfigurationError([f"{target!r} is no application: write `module:attribute`, such as `chat.app:app`"])
    path = os.path.abspath(directory)
    if path not in sys.path:
        sys.path.insert(0, path)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if lacks_extra(error):
            raise ConfigurationError([missing(error)]) from None
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError([f"there is no module {error.name!r}, neither in {path} nor installed"]) from None
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ConfigurationError([_missing(found, name, target)])
        found = getattr(found, name)
    if not callable(found):
        raise ConfigurationError([f"{target} is not an ASGI application, but {type(found).__name__}"])
    return found


def _missing(owner: Any, name: str, target: str) -> str:
    candidates = [other for other in vars(owner) if not other.startswith("_")]
    close = get_close_matches(name, candidates, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{getattr(owner, '__name__', target)!r} has no attribute {name!r}{hint}"
