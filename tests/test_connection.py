from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubline.connection import ConnectionScope, Identity, network_of, query_pairs


def test_a_scope_shows_the_request() -> None:
    scope = ConnectionScope(
        {
            "path": "/chat",
            "query_string": b"a=1&b=&a=2&c=%C3%BC",
            "headers": [(b"X-One", b"1"), (b"x-one", b"2"), (b"Host", b"h")],
            "client": ["10.0.0.1", 4711],
        }
    )
    assert scope.path == "/chat"
    assert scope.query == {"a": "2", "b": "", "c": "ü"}
    assert scope.headers == {"x-one": "1, 2", "host": "h"}
    assert scope.client == ("10.0.0.1", 4711)
    assert scope.identity is None


@pytest.mark.parametrize(
    ("headers", "cookies"),
    [
        (["theme=dark; token=t1"], {"theme": "dark", "token": "t1"}),
        (["token=t1; theme=dark"], {"theme": "dark", "token": "t1"}),
        (["theme=dark", "token=t1"], {"theme": "dark", "token": "t1"}),
        (["token=a.b=="], {"token": "a.b=="}),
        (['a="1 2";b=;  c ; a=3'], {"a": "3", "b": "", "": "c"}),
        (["a=1,b=2"], {"a": "1,b=2"}),
        ([""], {}),
        ([], {}),
    ],
)
def test_cookies_are_found_by_name(headers: list[str], cookies: dict[str, str]) -> None:
    raw = {"path": "/", "headers": [(b"Cookie", each.encode()) for each in headers]}
    assert ConnectionScope(raw).cookies == cookies


def test_cookies_in_several_headers_are_one_list() -> None:
    raw = {"path": "/", "headers": [(b"cookie", b"a=1"), (b"accept", b"x"), (b"cookie", b"b=2; c=3")]}
    assert ConnectionScope(raw).headers == {"cookie": "a=1; b=2; c=3", "accept": "x"}


@given(st.text(alphabet="ab&=%2B+;é\xa0").map(lambda text: text.encode("latin-1")))
def test_a_query_is_read_as_the_standard_library_reads_it(query: bytes) -> None:
    assert query_pairs(query) == parse_qsl(query.decode("latin-1"), keep_blank_values=True)


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        (["text/event-stream"], True),
        (["text/html, Text/Event-Stream "], True),
        (["text/html", "text/event-stream"], True),
        (["text/event-stream;q=1"], False),
        (["*/*"], False),
        ([], False),
    ],
)
def test_events_are_wanted_when_their_media_type_is_named(accepted: list[str], wanted: bool) -> None:
    headers = [(name, value.encode()) for name, value in zip((b"accept", b"Accept"), accepted, strict=False)]
    assert ConnectionScope({"path": "/", "headers": headers}).wants_events is wanted


def test_a_scope_without_client_query_and_headers() -> None:
    scope = ConnectionScope({"path": "/"}, Identity("ada"))
    assert scope.client is None
    assert scope.query == {}
    assert scope.headers == {}
    assert scope.identity == Identity(user_id="ada", claims={}, expires_at=None)


def test_the_address_is_the_peers_unless_whoever_made_the_scope_knows_better() -> None:
    peer = {"path": "/", "client": ("10.0.0.1", 4711)}
    assert ConnectionScope(peer).address == "10.0.0.1"
    behind_a_proxy = ConnectionScope(peer, address="192.0.2.7")
    assert (behind_a_proxy.address, behind_a_proxy.client) == ("192.0.2.7", ("10.0.0.1", 4711))
    assert behind_a_proxy.network == "192.0.2.7"
    unknown = ConnectionScope({"path": "/"})
    assert (unknown.address, unknown.network) == (None, "unknown")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "testclient"),
        (None, "unknown"),
    ],
)
def test_what_limits_per_address_count_by(address: str | None, network: str) -> None:
    assert network_of(address) == network
