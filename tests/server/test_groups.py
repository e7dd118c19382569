from dataclasses import dataclass

import pytest

from hubline.server.groups import LocalIndex
from hubline.server.recipients import All, Connections, Groups, Recipients, Users


@dataclass(frozen=True)
class Member:
    id: str
    user_id: str | None = None


@pytest.fixture
def index() -> LocalIndex[Member]:
    """a and b are Ada's, c is Bob's, d is nobody's; g has a, b, d, and h has b, c."""
    made: LocalIndex[Member] = LocalIndex()
    for member in (Member("a", "ada"), Member("b", "ada"), Member("c", "bob"), Member("d")):
        made.add(member)
    for name, group in [("a", "g"), ("b", "g"), ("d", "g"), ("b", "h"), ("c", "h")]:
        made.join(name, group)
    return made


@pytest.mark.statement(150, 151, 152, 153)
@pytest.mark.parametrize(
    ("recipients", "reached"),
    [
        (All(), "abcd"),
        (All(("a", "c", "nobody")), "bd"),
        (Connections(("c",)), "c"),
        (Connections(("d", "a", "nobody")), "da"),
        (Connections(()), ""),
        (Groups(("g",)), "abd"),
        (Groups(("G",)), ""),
        (Groups(("nobody",)), ""),
        (Groups(("",)), ""),
        (Groups(("g",), ("a", "c")), "bd"),
        (Groups(("g", "h")), "abdbc"),
        (Groups(("g", "h"), ("b",)), "adc"),
        (Users(("ada",)), "ab"),
        (Users(("Ada",)), ""),
        (Users(("bob", "nobody", "ada")), "cab"),
        (Users(("None",)), ""),
    ],
    ids=str,
)
def test_who_is_reached(index: LocalIndex[Member], recipients: Recipients, reached: str) -> None:
    assert "".join(member.id for member in index.members(recipients)) == reached


@pytest.mark.statement(155)
def test_joining_twice_and_leaving_what_one_is_not_in(index: LocalIndex[Member]) -> None:
    index.join("a", "g")
    assert [member.id for member in index.members(Groups(("g",)))] == ["a", "b", "d"]
    index.leave("a", "h")
    index.leave("a", "nowhere")
    index.leave("nobody", "g")
    index.leave("a", "g")
    index.leave("a", "g")
    assert [member.id for member in index.members(Groups(("g",)))] == ["b", "d"]


def test_a_connection_that_is_unknown_joins_nothing(index: LocalIndex[Member]) -> None:
    index.join("nobody", "new")
    assert index.statistics() == {"connections": 4, "groups": 2, "users": 2}


@pytest.mark.statement(149)
def test_everything_about_a_connection_goes_with_it(index: LocalIndex[Member]) -> None:
    b = index.connections["b"]
    index.remove(b)
    index.remove(b)
    assert [member.id for member in index.members(Groups(("g", "h")))] == ["a", "d", "c"]
    assert [member.id for member in index.members(Users(("ada",)))] == ["a"]
    index.join("b", "g")
    for name in "acd":
        index.remove(index.connections[name])
    assert index.statistics() == {"connections": 0, "groups": 0, "users": 0}
    assert index._groups_of == {}


@pytest.mark.parametrize(("before", "after"), [("ada", "eve"), ("ada", None), (None, "eve")])
def test_a_member_that_is_renamed_is_found_under_its_new_user_id_only(before: str | None, after: str | None) -> None:
    index: LocalIndex[Member] = LocalIndex()
    index.add(Member("a", before))
    index.join("a", "g")
    renamed = Member("a", after)
    index.rename(renamed, before)
    assert [member.id for member in index.members(Users(("ada",)))] == []
    assert list(index.members(Users(("eve",)))) == ([renamed] if after else [])
    assert [member.id for member in index.members(Groups(("g",)))] == ["a"]


def test_a_member_that_is_unknown_is_not_renamed(index: LocalIndex[Member]) -> None:
    index.rename(Member("x", "eve"), "ada")
    assert list(index.members(Users(("eve",)))) == []
    assert index.statistics() == {"connections": 4, "groups": 2, "users": 2}
