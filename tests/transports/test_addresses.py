from collections.abc import Sequence

import pytest

from hubline.errors import ConfigurationError
from hubline.transports.addresses import MAXIMUM_HOPS, Addresses

PRIVATE = ("10.0.0.0/8", "127.0.0.1", "fd00::/8")


def address_of(trusted: Sequence[str], client: tuple[str, int] | None, *forwarded: str) -> str | None:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    return Addresses(trusted).of({"client": client, "headers": [(b"host", b"a"), *headers, (b"accept", b"*/*")]})


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        # a stranger is not believed
        ("192.0.2.1", ["198.51.100.9"], "192.0.2.1"),
        ("192.0.2.1", [], "192.0.2.1"),
        # a proxy of ours is, and is the client when it has nothing to say
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.9"], "198.51.100.9"),
        ("127.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("127.0.0.2", ["198.51.100.9"], "127.0.0.2"),
        # what the client itself wrote stands further left
        ("10.1.2.3", ["203.0.113.5, 198.51.100.9"], "198.51.100.9"),
        ("10.1.2.3", ["10.6.6.6, 198.51.100.9"], "198.51.100.9"),
        ("10.1.2.3", ["203.0.113.5", "198.51.100.9"], "198.51.100.9"),
        # a chain of proxies
        ("10.1.2.3", ["203.0.113.5, 198.51.100.9, 10.9.9.9,10.8.8.8"], "198.51.100.9"),
        ("10.1.2.3", ["203.0.113.5, 198.51.100.9", "10.9.9.9", "10.8.8.8"], "198.51.100.9"),
        ("10.1.2.3", ["10.7.7.7, 10.9.9.9"], "10.7.7.7"),
        # ports, brackets, IPv6, IPv4 within IPv6
        ("10.1.2.3", ["198.51.100.9:4711"], "198.51.100.9"),
        ("10.1.2.3", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.1.2.3", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.1.2.3", ["2001:DB8:0::1"], "2001:db8::1"),
        ("10.1.2.3", ["::ffff:198.51.100.9"], "198.51.100.9"),
        ("::ffff:10.1.2.3", ["198.51.100.9"], "198.51.100.9"),
        ("fd00::1", ["198.51.100.9, fd00::2"], "198.51.100.9"),
        # what is no address ends the reading at the last good one
        ("10.1.2.3", ["unknown"], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.9, unknown, 10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", ["198.51.100.9, \xff\x00, 10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", ["198.51.100.9, 300.1.1.1"], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.9, 010.1.1.1"], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.9,"], "10.1.2.3"),
        # not a client that has an address
        ("testclient", ["198.51.100.9"], "testclient"),
    ],
)
def test_whose_word_counts(client: str, forwarded: list[str], address: str) -> None:
    assert address_of(PRIVATE, (client, 1), *forwarded) == address


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert address_of((), ("127.0.0.1", 1), "198.51.100.9") == "127.0.0.1"
    assert address_of((), None, "198.51.100.9") is None


@pytest.mark.parametrize("client", [None, ("", 0)])
def test_a_unix_socket_is_believed_when_it_is_listed(client: tuple[str, int] | None) -> None:
    assert address_of(("unix",), client, "203.0.113.5, 198.51.100.9") == "198.51.100.9"
    assert address_of(("unix", "10.0.0.0/8"), client, "198.51.100.9, 10.1.2.3") == "198.51.100.9"
    assert address_of(("unix",), client) is None
    assert address_of(("10.0.0.0/8",), client, "198.51.100.9") is None


def test_only_so_many_hops_are_looked_at() -> None:
    hops = [f"10.0.0.{number}" for number in range(1, 100)]
    last = f"10.0.0.{100 - MAXIMUM_HOPS}"
    assert address_of(PRIVATE, ("127.0.0.1", 1), ",".join(["198.51.100.9", *hops])) == last
    assert address_of(PRIVATE, ("127.0.0.1", 1), *hops) == last
    near = ["198.51.100.9", *hops[: MAXIMUM_HOPS - 1]]
    assert address_of(PRIVATE, ("127.0.0.1", 1), ",".join(near)) == "198.51.100.9"


def test_what_is_no_network_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Addresses(["10.0.0.0/8", "10.0.0.1/8", "*", "proxy.example", "unix"])
    assert [problem.split(" is no")[0] for problem in caught.value.problems] == [
        "trusted_proxies: '10.0.0.1/8'",
        "trusted_proxies: '*'",
        "trusted_proxies: 'proxy.example'",
    ]
    assert caught.value.problems[0].endswith(
        "(10.0.0.1/8 has host bits set): write an address, a network as `10.0.0.0/8`, or `unix`"
    )
