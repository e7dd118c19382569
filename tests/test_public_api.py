"""The public names and their signatures, compared with `tests/public_api.txt`.

After a change that is wanted, write the file anew with `make public-api`; the diff then shows what users will notice.
"""

import enum
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubline import Hub
from hubline.rooms.items import RoomJoined
from hubline.runs.items import RunItem

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "hubline",
    "hubline.testing",
    "hubline.models",
    "hubline.limits",
    "hubline.limits.postgres_usage",
    "hubline.limits.redis_usage",
    "hubline.limits.sqlite_usage",
    "hubline.backplanes",
    "hubline.client",
    "hubline.client.sync",
    "hubline.backplanes.postgres",
    "hubline.backplanes.redis",
    "hubline.rest",
    "hubline.rest.postgres_memberships",
    "hubline.rest.sqlite_memberships",
    "hubline.inspect",
    "hubline.rooms",
    "hubline.rooms.items",
    "hubline.rooms.postgres_store",
    "hubline.rooms.redis_store",
    "hubline.rooms.sqlite_store",
    "hubline.runs",
    "hubline.runs.items",
    "hubline.runs.postgres_budget",
    "hubline.runs.redis_budget",
    "hubline.runs.sqlite_budget",
    "hubline.runs.postgres_log",
    "hubline.runs.redis_log",
    "hubline.runs.sqlite_log",
    "hubline.auth.jwt",
    "hubline.telemetry",
    "hubline.servers.uvicorn",
)
SERVERS = ("HubWebSocketProtocol", "Server", "bind", "configure", "serve")
"""What of `hubline.servers.uvicorn` an application may use to serve itself; the module has no `__all__`."""

EXPECTED = Path(__file__).with_name("public_api.txt")


def names_of(package: str) -> list[str]:
    return list(getattr(importlib.import_module(package), "__all__", SERVERS))


def signature(thing: object) -> str:
    """The signature as written, without the names of inner modules and without what differs between machines."""
    try:
        found = inspect.signature(thing)  # type: ignore[arg-type]  # anything callable may come here
    except (TypeError, ValueError):
        return ""
    parameters = [parameter.replace(default=stable(parameter.default)) for parameter in found.parameters.values()]
    text = str(found.replace(parameters=parameters))
    modules = "hubline|typing|collections|pathlib|asyncio|contextlib|datetime|msgspec|socket"
    return re.sub(rf"\b(?:{modules})(?:\.\w+)*\.(\w+)", r"\1", text)


def stable(default: object) -> object:
    """A default that looks the same everywhere."""
    if isinstance(default, frozenset):
        return Shown("{" + ", ".join(sorted(map(str, default))) + "}")
    if any(path in repr(default) for path in (str(ROOT), sys.executable)):
        return Shown("...")
    return default


class Shown(str):
    """A text that is shown without quotes."""

    def __repr__(self) -> str:
        return str(self)


def members(kind: type) -> Iterator[str]:
    """One line for each public member that a class defines itself or takes from a class of ours."""
    if issubclass(kind, enum.Enum):
        yield from (f"  {member.name} = {member.value!r}" for member in kind)
        return
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        yield from (f"  {name}: {inspect.formatannotation(hint)}" for name, hint in hints.items())
        return
    seen: set[str] = set()
    for owner in kind.__mro__:
        if not owner.__module__.startswith("hubline"):
            continue
        for name, value in sorted(vars(owner).items()):
            if not name.startswith("_") and name not in seen:
                seen.add(name)
                yield "  " + member(name, value)


def member(name: str, value: object) -> str:
    plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if inspect.isfunction(plain):
        prefix = "async def" if inspect.iscoroutinefunction(plain) else "def"
        return f"{prefix} {name}{signature(plain)}"
    if isinstance(value, property) or hasattr(value, "func"):
        getter = value.fget if isinstance(value, property) else value.func
        return f"{name}{signature(getter).partition(')')[2]}"
    return name


def described(package: str) -> Iterator[str]:
    """The public names of a package, each with what users may rely on."""
    module = importlib.import_module(package)
    for name in sorted(names_of(package)):
        thing = getattr(module, name)
        if inspect.isclass(thing):
            bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
            created = "" if issubclass(thing, enum.Enum) else " " + signature(thing)
            yield f"{package}.{name}: class({bases}){created}"
            yield from sorted(members(thing))
        elif callable(thing) and typing.get_origin(thing) is None:
            yield f"{package}.{name}: {signature(thing)}"
        else:
            yield f"{package}.{name} = {thing!r}" if isinstance(thing, str | int) else f"{package}.{name}"


def text() -> str:
    return "\n".join(line for package in PACKAGES for line in described(package)) + "\n"


def test_public_names_and_signatures_are_as_recorded() -> None:
    assert text() == EXPECTED.read_text("utf-8"), "changed on purpose? make public-api"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_exists_and_is_listed_once(package: str) -> None:
    names = names_of(package)
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(importlib.import_module(package), name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_class_and_function_says_what_it_is(package: str) -> None:
    things = {name: getattr(importlib.import_module(package), name) for name in names_of(package)}
    said = {name: typing.get_origin(thing) is not None or says_what_it_is(thing) for name, thing in things.items()}
    assert [name for name, right in said.items() if not right] == []  # types with other names: the reference needs them


def says_what_it_is(thing: object) -> bool:
    """A docstring of its own, not one that a base class or a decorator left there."""
    own = vars(thing).get("__doc__") if isinstance(thing, type) else getattr(thing, "__doc__", None)
    return bool(own) and not str(own).startswith(f"{getattr(thing, '__name__', '')}(")


def classes_of(hint: object) -> Iterator[type]:
    """The classes in a type, such as `Item` in `AsyncIterator[Item | None]`."""
    for part in typing.get_args(hint):
        yield from classes_of(part)
    if isinstance(hint, type):
        yield hint


def test_whoever_overrides_a_method_of_a_hub_can_write_its_types() -> None:
    things = [getattr(importlib.import_module(package), name) for package in PACKAGES for name in names_of(package)]
    hubs = [thing for thing in things if isinstance(thing, type) and issubclass(thing, Hub)]
    methods = [method for hub in hubs for method in vars(hub).values() if inspect.isfunction(method)]
    mentioned = {
        kind for method in methods for hint in typing.get_type_hints(method).values() for kind in classes_of(hint)
    }
    ours = {kind for kind in mentioned if kind.__module__.startswith("hubline")}
    assert {RoomJoined, RunItem} <= ours <= set(things)


def test_a_changed_signature_is_noticed() -> None:
    def before(name: str, *, timeout: float = 5) -> None: ...
    def after(name: str, *, timeout: float | None = None) -> None: ...

    assert signature(before) == "(name: str, *, timeout: float = 5) -> None"
    assert signature(before) != signature(after)


if __name__ == "__main__":
    EXPECTED.write_text(text(), "utf-8")
    print(f"wrote {EXPECTED.name}: {text().count(chr(10))} lines")
