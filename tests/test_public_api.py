"""The public names and their signatures, compared with `tests/public_api.txt`.

After a change that is wanted, write the file anew with `make public-api`; the diff then shows what users will notice.
"""

import enum
import importlib
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ("hubline", "hubline.testing")
EXPECTED = Path(__file__).with_name("public_api.txt")


def signature(thing: object) -> str:
    """The signature as written, without addresses or the names of inner modules."""
    try:
        text = str(inspect.signature(thing))  # type: ignore[arg-type]  # anything callable may come here
    except (TypeError, ValueError):
        return ""
    return text.replace("typing.", "").replace("collections.abc.", "")


def members(kind: type) -> Iterator[str]:
    """One line for each public member that a class defines itself or takes from a class of ours."""
    if issubclass(kind, enum.Enum):
        yield from (f"  {member.name} = {member.value!r}" for member in kind)
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
    for name in sorted(module.__all__):
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
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_class_and_function_says_what_it_is(package: str) -> None:
    module = importlib.import_module(package)
    things = {name: getattr(module, name) for name in module.__all__}
    ours = {n: t for n, t in things.items() if getattr(t, "__module__", "").startswith("hubline") and callable(t)}
    assert [name for name, thing in ours.items() if not vars(thing).get("__doc__")] == []


def test_a_changed_signature_is_noticed() -> None:
    def before(name: str, *, timeout: float = 5) -> None: ...
    def after(name: str, *, timeout: float | None = None) -> None: ...

    assert signature(before) == "(name: str, *, timeout: float = 5) -> None"
    assert signature(before) != signature(after)


if __name__ == "__main__":
    EXPECTED.write_text(text(), "utf-8")
    print(f"wrote {EXPECTED.name}: {text().count(chr(10))} lines")
