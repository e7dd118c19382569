"""What counts as an ordinary opening handshake, what the application sees of it, and the answer."""

import pytest
from websockets.http11 import Request
from websockets.server import ServerProtocol

from hubline.servers.upgrade import HEADERS, SIZE, Upgrade

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""RFC 6455 §1.3."""


def request(*headers: bytes, line: bytes = b"GET /hub?id=a%20b HTTP/1.1", key: bytes = KEY) -> bytes:
    """What a client sends: these headers behind those that every upgrade has."""
    usual = (b"Host: x", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13")
    return b"\r\n".join([line, *usual, b"Sec-WebSocket-Key: " + key, *headers, b"", b""])


def replaced(old: bytes, new: bytes) -> bytes:
    assert request().count(old) == 1
    return request().replace(old, new)


NODE = request(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", b"User-Agent: node")
DOTNET = (
    b"GET /hub HTTP/1.1\r\nHost: localhost:5000\r\nX-SignalR-User-Agent: Microsoft SignalR/10.0 (10.0.0; Linux)\r\n"
    b"X-Requested-With: XMLHttpRequest\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
FIREFOX = (
    b"GET /hub HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nOrigin: http://x\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: "
    + KEY
    + b"\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nCookie: a=b; c=d\r\n\r\n"
)


@pytest.mark.parametrize(
    "data",
    [
        NODE,
        DOTNET,
        FIREFOX,
        request().lower().replace(b"get ", b"GET ").replace(b"http/1.1", b"HTTP/1.1").replace(KEY.lower(), KEY),
        request(b"X:no space", b"X-Empty:", b"X-Padded: \t a \t", b"X-Raw: \xff\xe9"),
        request(b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-For: 5.6.7.8"),
        request(b"Sec-WebSocket-Protocol: a, b,c"),
        request(*[b"X-%d: a" % number for number in range(HEADERS - 5)]),
        request(b"X: " + b"a" * (SIZE - len(request(b"X: ")))),
    ],
)
def test_what_clients_send_is_seen_as_uvicorns_own_protocol_sees_it(data: bytes) -> None:
    upgrade = Upgrade.read(data)
    assert upgrade is not None
    conn = ServerProtocol()
    conn.receive_data(data)
    [theirs] = conn.events_received()
    assert isinstance(theirs, Request)
    assert conn.accept(theirs).status_code == 101
    raw = [(name.encode().lower(), value.encode("latin-1")) for name, value in theirs.headers.raw_items()]
    assert upgrade.headers == raw
    assert upgrade.path + (b"?" + upgrade.query if upgrade.query else b"") == theirs.path.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        request()[:-2],
        request() + b"\x81\x80",
        request().replace(b"\r\n", b"\n"),
        request(line=b"POST /hub HTTP/1.1"),
        request(line=b"GET /hub HTTP/1.0"),
        request(line=b"GET http://x/hub HTTP/1.1"),
        request(line=b"GET * HTTP/1.1"),
        request(line=b"GET /a b HTTP/1.1"),
        request(line=b"GET /\xc3\xa4 HTTP/1.1"),
        request(b" folded"),
        request(b"no colon"),
        request(b"X : a"),
        request(b"X: \x00"),
        request(b"X: a\rY: b"),
        request(b": a"),
        request(b"Content-Length: 0"),
        request(b"Transfer-Encoding: chunked"),
        request(b"Upgrade: websocket"),
        request(b"Connection: Upgrade"),
        request(b"Sec-WebSocket-Version: 13"),
        request(b"Sec-WebSocket-Key: " + KEY),
        request(b"Origin: http://x", b"Origin: http://x"),
        request(b"Sec-WebSocket-Protocol: a", b"Sec-WebSocket-Protocol: b"),
        request(b"Sec-WebSocket-Protocol: a b"),
        request(b"Sec-WebSocket-Protocol: ,"),
        request(key=KEY[:-3]),
        request(key=KEY[:-1] + b"A"),
        request(key=b"!" + KEY[1:]),
        replaced(b"Upgrade: websocket", b"Upgrade: h2c"),
        replaced(b"Connection: Upgrade", b"Connection: close"),
        replaced(b"Version: 13", b"Version: 8"),
        replaced(b"Version: 13", b"Other: 13"),
        request(*[b"X-%d: a" % number for number in range(HEADERS - 4)]),
        request(b"X: " + b"a" * (SIZE + 1 - len(request(b"X: ")))),
    ],
)
def test_anything_else_is_left_alone(data: bytes) -> None:
    assert Upgrade.read(data) is None


def test_the_scope_has_the_path_decoded_below_the_root_path() -> None:
    upgrade = Upgrade.read(request(b"Sec-WebSocket-Protocol: a, b", line=b"GET /h%C3%BCb?x=%20&y HTTP/1.1"))
    assert upgrade is not None
    assert upgrade.scope("/below") == {
        "type": "websocket",
        "http_version": "1.1",
        "root_path": "/below",
        "path": "/below/hüb",
        "raw_path": b"/below/h%C3%BCb",
        "query_string": b"x=%20&y",
        "headers": upgrade.headers,
        "subprotocols": ["a", "b"],
    }


def test_the_answer_has_the_key_of_the_question_and_the_headers_given() -> None:
    upgrade = Upgrade.read(request())
    assert upgrade is not None
    assert upgrade.accepted([(b"date", b"now"), (b"set-cookie", b"a=b")]) == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\ndate: now\r\nset-cookie: a=b\r\n\r\n"
    )


@pytest.mark.parametrize("header", [(b"a", b"b\r\nc: d"), (b"a", b"b\n"), (b"a\r", b"b")])
def test_a_header_cannot_smuggle_in_another(header: tuple[bytes, bytes]) -> None:
    upgrade = Upgrade.read(request())
    assert upgrade is not None
    with pytest.raises(ValueError, match="has a line break in it"):
        upgrade.accepted([header])
