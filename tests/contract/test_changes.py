"""Each rule in both directions: what one step breaks, the step back does not, or breaks for a reason of its own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, make_dataclass
from types import new_class
from typing import Annotated, Any, Literal, Protocol, TypedDict, get_origin

import pytest
from msgspec import Meta, Struct

from hubline import Hub, HubApp, authorize
from hubline.contract.changes import Change, changes
from hubline.contract.document import contract


@dataclass
class Small:
    x: int


@dataclass
class Large:
    x: int
    y: int


@dataclass
class Larger:
    x: int
    y: int = 0


class Strict(Struct, forbid_unknown_fields=True):
    x: int


@dataclass
class Tree:
    children: list["Tree"]
    value: int


@dataclass
class OtherTree:
    children: list["OtherTree"]
    value: int | None


def hub(**methods: Any) -> type[Hub]:
    return type("SomeHub", (Hub,), {"__module__": __name__, **methods})


def calling(**methods: Any) -> type[Hub]:
    client: Any = new_class("SomeClient", (Protocol,), exec_body=lambda body: body.update(methods))
    return new_class("SomeHub", (Hub[client],))


def taking(kind: Any) -> type[Hub]:
    async def method(self, value): ...  # type: ignore[no-untyped-def]

    method.__annotations__ = {"value": kind, "return": None}
    return hub(method=method)


def giving(kind: Any) -> type[Hub]:
    async def method(self): ...  # type: ignore[no-untyped-def]

    method.__annotations__ = {"return": kind}
    return hub(method=method)


def showing(kind: Any) -> type[Hub]:
    async def show(self, value): ...  # type: ignore[no-untyped-def]

    show.__annotations__ = {"value": kind, "return": None}
    return calling(show=show)


def asking(kind: Any) -> type[Hub]:
    async def ask(self): ...  # type: ignore[no-untyped-def]

    ask.__annotations__ = {"return": kind}
    return calling(ask=ask)


def uploading(kind: Any) -> type[Hub]:
    async def method(self, values): ...  # type: ignore[no-untyped-def]

    method.__annotations__ = {"values": AsyncIterator[kind], "return": None}
    return hub(method=method)


def of(*hubs: type[Hub]) -> dict[str, Any]:
    app = HubApp({f"/{number}": each for number, each in enumerate(hubs)})
    return contract([(each.path, each) for each in app.describe()], title="")


async def nothing(self: Any) -> None: ...
async def one(self: Any, a: int) -> None: ...
async def two(self: Any, a: int, b: int) -> None: ...
async def two_swapped(self: Any, b: int, a: int) -> None: ...
async def two_and_default(self: Any, a: int, b: int = 1) -> None: ...
async def one_renamed(self: Any, c: int) -> None: ...
@authorize
async def for_users(self: Any) -> None: ...
async def streaming(self: Any) -> AsyncIterator[int]:
    yield 1


NEITHER, FORWARD, BACK, BOTH = (False, False), (True, False), (False, True), (True, True)
"""Which of the two steps, there and back, breaks clients."""


@pytest.mark.parametrize(
    ("before", "after", "breaking"),
    [
        (hub(first=nothing, second=nothing), hub(first=nothing), FORWARD),
        (hub(method=one), hub(method=two), BOTH),
        (hub(method=one), hub(method=two_and_default), BACK),
        (hub(method=two), hub(method=two_and_default), BACK),
        (hub(method=two), hub(method=two_swapped), BOTH),
        (hub(method=one), hub(method=one_renamed), NEITHER),
        (giving(int), hub(method=streaming), BOTH),
        (hub(method=nothing), hub(method=for_users), FORWARD),
        (hub(method=nothing), authorize(hub(method=nothing)), FORWARD),
        (uploading(int), hub(method=nothing), BOTH),
        (uploading(int), uploading(int | None), BACK),
        (calling(show=one), calling(), FORWARD),
        (calling(show=one), calling(show=two), BOTH),
        (calling(show=one), calling(show=one_renamed), NEITHER),
        (calling(), asking(bool), BOTH),
        (calling(ask=nothing), asking(bool), FORWARD),
    ],
)
def test_signatures(before: type[Hub], after: type[Hub], breaking: tuple[bool, bool]) -> None:
    old, new = of(before), of(after)
    steps = changes(old, new), changes(new, old)
    assert all(steps), "a change is told, whether it breaks or not"
    assert tuple(any(change.breaks for change in step) for step in steps) == breaking, steps


TYPES = [
    # narrow, wide, whether the wide one also has values that the narrow one has not
    (int, float, True),
    (int, int | None, True),
    (Literal["a"], Literal["a", "b"], True),
    (Literal["a"], str, True),
    (Literal["a"], Literal["a"] | None, True),
    (int, Any, True),
    (list[int], list[float], True),
    (dict[str, int], dict[str, float], True),
    (tuple[int, int], list[int], True),
    (tuple[int, int], tuple[int, float], True),
    (Annotated[int, Meta(ge=2)], Annotated[int, Meta(ge=1)], True),
    (Annotated[int, Meta(ge=0)], int, True),
    (Annotated[int, Meta(le=1)], Annotated[int, Meta(le=2)], True),
    (Annotated[str, Meta(pattern="^a")], str, True),
    (Annotated[str, Meta(max_length=1)], str, True),
    (Annotated[int, Meta(ge=2)], Annotated[int, Meta(ge=1)] | None, True),
    (Large, Small, True),
    (Large, dict[str, int], True),
    (Small, int | Small, True),
    (Tree, OtherTree, True),
    (int, int, False),
    (Tree, Tree, False),
]


USES = ((taking, True), (asking, True), (uploading, True), (giving, False), (showing, False))


@pytest.mark.parametrize(
    ("use", "is_read", "narrow", "wide", "differs"),
    [
        (*use, *types)
        for use in USES
        for types in TYPES
        if use[0] is not asking
        or get_origin(types[0]) is not Annotated  # the server does not check these answers so far
    ],
    ids=lambda each: each.__name__ if callable(each) and not get_origin(each) else str(each),
)
def test_what_is_read_may_only_become_wider_and_what_is_sent_narrower(
    use: Any, is_read: bool, narrow: Any, wide: Any, differs: bool
) -> None:
    old, new = of(use(narrow)), of(use(wide))
    widened, narrowed = (any(each.breaks for each in changes(*step)) for step in ((old, new), (new, old)))
    assert (widened, narrowed) == ((not is_read and differs), (is_read and differs))


def test_unrelated_types_break_in_both_directions() -> None:
    for use in (taking, giving, showing, asking, uploading):
        for one, other in ((int, str), (list[int], int), (Small, str), (Literal["a"], Literal["b"])):
            assert any(each.breaks for each in changes(of(use(one)), of(use(other)))), (use, one, other)


def test_a_field_with_a_default_may_be_added_to_what_is_read_and_any_to_what_is_sent() -> None:
    assert not any(change.breaks for change in changes(of(taking(Small)), of(taking(Larger))))
    assert any(change.breaks for change in changes(of(taking(Small)), of(taking(Large))))
    assert not any(change.breaks for change in changes(of(giving(Small)), of(giving(Large))))
    assert any(change.breaks for change in changes(of(giving(Large)), of(giving(Small))))


def test_a_map_fits_no_object_whose_fields_are_of_other_types_or_the_only_ones() -> None:
    class Optional(TypedDict, total=False):
        name: str

    class Closed(Struct, forbid_unknown_fields=True):
        x: int = 0

    for wide, narrow in ((dict[str, int], Optional), (dict[str, int], Closed), (dict[str, Any], Optional)):
        assert any(change.breaks for change in changes(of(taking(wide)), of(taking(narrow)))), narrow
    assert not any(change.breaks for change in changes(of(taking(dict[str, str])), of(taking(Optional))))


def test_a_new_field_is_told_once() -> None:
    def note(*fields: Any) -> Any:
        return make_dataclass("Note", [("x", int), *fields])

    def told(use: Any, field: Any) -> list[tuple[str, bool]]:
        return [(change.where, change.breaks) for change in changes(of(use(note())), of(use(note(field))))]

    assert told(taking, ("y", int, 0)) == [("Note", False)]
    assert told(taking, ("y", int)) == [("/0 Method", True)]
    assert told(giving, ("y", int)) == [("/0 Method", False)]


def test_hubs_come_and_go() -> None:
    one, both = of(hub(a=nothing)), of(hub(a=nothing), hub(a=nothing))
    assert changes(one, both) == [Change("/1", "the hub is new", breaks=False)]
    assert changes(both, one) == [Change("/1", "the hub is gone", breaks=True)]


def test_a_reason_names_the_place() -> None:
    (change,) = changes(of(giving(list[Tree])), of(giving(list[OtherTree])))
    assert change == Change("/0 Method", "the result at '[].value' may be null, not only integer", breaks=True)


def test_a_field_that_is_removed_from_what_is_read_breaks_only_where_it_is_refused() -> None:
    assert not any(change.breaks for change in changes(of(taking(Large)), of(taking(Small))))
    (change,) = changes(of(taking(Large)), of(taking(Strict)))
    assert change.breaks
    assert "'y', which is refused" in change.text
