"""Connection tokens that name a node: nobody without the secret can read, make or change one."""

import string
from itertools import pairwise

import pytest

from hubline.nodes.tokens import ID, LONGEST, Secrets

OLD, NEW, OTHER = (
    "the old secret of all the nodes..",
    "the new secret of all the nodes..",
    "a secret of somebody else........",
)
ADDRESS = "unix:/run/hubline/a.sock"
URL_SAFE = set(string.ascii_letters + string.digits + "-_")


def test_a_token_names_its_node_to_who_has_the_secret() -> None:
    token = Secrets([NEW]).token(ADDRESS)
    assert Secrets([NEW]).address(token) == ADDRESS
    assert Secrets([OTHER]).address(token) is None


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:7000", "unix:/" + "x" * 90, ""])
def test_addresses_of_any_length_fit(address: str) -> None:
    secrets = Secrets([NEW])
    assert secrets.address(secrets.token(address)) == (address or None)


def test_no_two_tokens_are_alike_and_none_shows_the_address() -> None:
    secrets = Secrets([NEW])
    tokens = {secrets.token(ADDRESS) for _ in range(1000)}
    assert len(tokens) == 1000
    for position in range(len(next(iter(tokens)))):
        assert len({token[position] for token in tokens}) > 1 or position == len(next(iter(tokens))) - 1
    assert all(set(token) <= URL_SAFE for token in tokens)


def test_a_changed_or_shortened_token_is_nobodys() -> None:
    secrets = Secrets([NEW])
    token = secrets.token(ADDRESS)
    for position, character in enumerate(token):
        changed = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        assert secrets.address(changed) is None
    for length in range(len(token)):
        assert secrets.address(token[:length]) is None
    assert secrets.address(token + "A") is None


def test_parts_of_two_tokens_do_not_make_one() -> None:
    secrets = Secrets([NEW])
    one, other = secrets.token(ADDRESS), secrets.token(ADDRESS)
    cut = ID * 8 // 6
    assert secrets.address(one[:cut] + other[cut:]) is None


@pytest.mark.parametrize("text", ["", "x", "ä" * 40, "%00", "a b", "=" * 80, "A" * 22, "A" * (LONGEST + 1), "+/" * 40])
def test_what_is_no_token_is_nobodys(text: str) -> None:
    assert Secrets([NEW]).address(text) is None


def test_a_secret_is_changed_step_by_step_without_losing_a_connection() -> None:
    steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]
    for before, after in pairwise(steps):
        for one, other in ((before, after), (after, before)):
            assert Secrets(one).address(Secrets(other).token(ADDRESS)) == (
                ADDRESS if one[:1] == other[:1] or other[0] in one else None
            )
    assert Secrets([NEW]).address(Secrets([OLD]).token(ADDRESS)) is None
