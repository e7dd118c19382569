from collections.abc import Callable
from typing import Any

import pytest

from hubline.connection import ConnectionScope, Identity
from hubline.testing import settle
from hubline.transports.caps import Caps, Place, TooMany
from hubline.transports.options import TransportOptions
from tests.transports.conftest import Sites
from tests.transports.driver import Request, Site, Socket


def caps(**options: Any) -> Caps:
    return Caps(TransportOptions(**options))


def scope(user: str | None = None, address: str | None = None) -> ConnectionScope:
    return ConnectionScope({}, Identity(user) if user else None, address=address)


ADA_HOME, ADA_WORK, BOB_HOME = scope("ada", "192.0.2.1"), scope("ada", "192.0.2.2"), scope("bob", "192.0.2.1")


@pytest.mark.parametrize(
    ("option", "same", "other", "whose"),
    [
        ("connections_per_user", ADA_WORK, BOB_HOME, "the user 'ada'"),
        (
            "connections_per_address",
            BOB_HOME,
            ADA_WORK,
            "the address '192.0.2.1'",
        ),
    ],
)
def test_exactly_the_limit_passes_and_one_that_leaves_makes_room(
    option: str, same: ConnectionScope, other: ConnectionScope, whose: str
) -> None:
    made = caps(**{option: 2})
    places = [made.open(ADA_HOME), made.open(same)]
    for refused in (made.open, made.wait):
        with pytest.raises(TooMany) as caught:
            refused(same)
        assert str(caught.value) == f"{whose} is at the limit of 2 open connections"
        assert caught.value.status == 429
    made.open(other)
    made.leave(places[0])
    made.leave(places[0])
    made.open(same)
    with pytest.raises(TooMany):
        made.open(same)


def test_one_address_takes_as_much_of_the_waiting_room_as_is_said_and_no_more() -> None:
    made = caps(waiting_per_address=100)
    places = [made.wait(ADA_HOME) for _ in range(100)]
    with pytest.raises(TooMany, match="is at the limit of 100 waiting connections"):
        made.wait(BOB_HOME)
    made.wait(ADA_WORK)
    made.open(BOB_HOME)
    made.leave(places.pop())
    made.wait(BOB_HOME)


@pytest.mark.parametrize("take", [Caps.wait, Caps.open])
def test_an_ipv6_network_is_one_address_and_so_are_all_without_address(
    take: Callable[[Caps, ConnectionScope], Place],
) -> None:
    made = caps(connections_per_address=1, waiting_per_address=1)
    for one, other in [("2001:db8::1", "2001:db8::2"), (None, None)]:
        take(made, scope(address=one))
        with pytest.raises(TooMany):
            take(made, scope(address=other))
    take(made, scope(address="2001:db8:0:1::1"))


def test_strangers_are_no_user() -> None:
    made = caps(connections_per_user=1)
    for _ in range(10):
        made.open(scope())
        made.open(ConnectionScope({}, Identity(None)))


def test_a_refused_one_takes_nothing() -> None:
    made = caps(connections_per_user=1, connections_per_address=2)
    place = made.open(ADA_HOME)
    for _ in range(10):
        with pytest.raises(TooMany):
            made.open(ADA_HOME)
    made.open(BOB_HOME)
    made.leave(place)
    made.open(ADA_HOME)


def test_who_holds_nothing_is_not_remembered() -> None:
    made = caps(connections_per_user=5, connections_per_address=5, waiting_per_address=5)
    people = [scope(f"u{number}", f"10.0.{number // 256}.{number % 256}") for number in range(1000)]
    places = [take(each) for each in people for take in (made.open, made.wait)]
    assert len(made) == 3000
    for place in places:
        made.leave(place)
    assert len(made) == 0


def test_by_default_there_is_no_cap_and_nothing_is_counted() -> None:
    made = caps()
    assert (made.open(ADA_HOME), made.wait(ADA_HOME), len(made)) == ([], [], 0)


async def identify(scope: ConnectionScope) -> Identity | None:
    return Identity(scope.query["user"]) if "user" in scope.query else None


@pytest.mark.parametrize(
    ("options", "mine", "others"),
    [
        ({"connections_per_user": 1}, "&user=ada", "&user=bob"),
        ({"connections_per_address": 1}, "&user=ada", ""),
    ],
)
async def test_one_too_many_is_answered_429_on_every_way_in_and_no_other_connection_notices(
    sites: Sites, options: dict[str, Any], mine: str, others: str
) -> None:
    site: Site = sites(options=TransportOptions(**options), authenticate=identify)
    elsewhere = {"address": "198.51.100.1"}
    tokens = [await site.token(query=f"negotiateVersion=1{mine}") for _ in range(4)]
    first = site.socket(f"id={tokens[0]}{mine}")
    bystander = site.socket(others.removeprefix("&"), **elsewhere)
    await settle()

    refused: list[Request | Socket] = [
        site.negotiation(f"negotiateVersion=1{mine}"),
        site.socket(mine.removeprefix("&")),
        site.socket(f"id={tokens[1]}{mine}"),
        site.events(tokens[2] + mine),
        site.get(tokens[3] + mine),
    ]
    for request in refused:
        await (request.answered() if isinstance(request, Request) else request.ended())
        headers = dict(request.sent[0]["headers"])
        assert request.sent[0]["status"] == 429
        assert (headers[b"retry-after"], headers[b"content-type"]) == (b"5", b"text/plain")

    for socket in (first, bystander):
        socket.say("hello")
    await settle()
    assert first.messages == bystander.messages == ["hello"]
    first.leave()
    await settle()
    assert (await site.get(tokens[3] + mine).answered()).status == 200, "it still waited, and now there is room"
    bystander.leave()


async def test_one_laptop_does_not_fill_the_waiting_room(sites: Sites) -> None:
    site: Site = sites(options=TransportOptions(waiting_per_address=100))
    answers = [await site.negotiation().answered() for _ in range(101)]
    assert [answer.status for answer in answers] == [200] * 100 + [429]
    assert (await site.negotiation(address="192.0.2.2").answered()).status == 200
    socket = site.socket()
    await settle()
    assert socket.sent == [{"type": "websocket.accept"}], "what is opened at once does not wait"
    socket.leave()


async def test_a_whole_company_comes_back_at_once_from_one_address_and_everybody_is_let_in(sites: Sites) -> None:
    site: Site = sites()
    tokens = [await site.token() for _ in range(1_500)]
    sockets = [site.socket(f"id={token}") for token in tokens]
    await settle()
    assert [socket.sent for socket in sockets] == [[{"type": "websocket.accept"}]] * 1_500
    assert site.registry.statistics().refused == 0
    for socket in sockets:
        socket.leave()
