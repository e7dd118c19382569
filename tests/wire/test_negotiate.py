"""Negotiation: what is answered and what a client takes. Bytes are those of ASP.NET Core 10."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hubline.errors import ConnectionClosed
from hubline.wire.codec import TransferFormat
from hubline.wire.negotiate import (
    AvailableTransport,
    NegotiateResponse,
    choose_version,
    wants_stateful_reconnect,
)

TRANSCRIPTS = json.loads((Path(__file__).parent.parent / "vectors" / "transcripts-http.json").read_text("utf-8"))
ANSWERS = [
    scene
    for scene in TRANSCRIPTS["transcripts"]
    if "/negotiate" in scene["request"]["path"] and scene["response"]["status"] == 200
]


@pytest.mark.statement(11, 12, 16)
@pytest.mark.parametrize("scene", ANSWERS, ids=lambda scene: scene["name"])
def test_what_the_original_answered_is_written_with_the_same_bytes(scene: dict[str, Any]) -> None:
    body = scene["response"]["body"].encode()
    assert NegotiateResponse.parse(body).format() == body


@pytest.mark.statement(1, 2, 3, 4, 5)
@pytest.mark.parametrize("scene", ANSWERS, ids=lambda scene: scene["name"])
def test_the_version_is_chosen_as_by_the_original(scene: dict[str, Any]) -> None:
    asked = parse_qs(urlsplit(scene["request"]["path"]).query).get("negotiateVersion", [None])[0]
    answer = NegotiateResponse.parse(scene["response"]["body"].encode())
    if not answer.url:
        assert choose_version(asked) == (answer if answer.error else answer.negotiate_version)


def test_formats_stand_in_the_order_of_the_original() -> None:
    both = AvailableTransport.of("WebSockets", {TransferFormat.BINARY, TransferFormat.TEXT})
    assert both == AvailableTransport("WebSockets", ("Text", "Binary"))
    assert AvailableTransport.of("ServerSentEvents", [TransferFormat.TEXT]).transfer_formats == ("Text",)


def test_a_connection_with_everything() -> None:
    response = NegotiateResponse(
        use_stateful_reconnect=True,
        negotiate_version=1,
        connection_id="id",
        connection_token="token",
        available_transports=(AvailableTransport("LongPolling", ("Text",)),),
    )
    assert response.format() == (
        b'{"useStatefulReconnect":true,"negotiateVersion":1,"connectionId":"id","connectionToken":"token",'
        b'"availableTransports":[{"transport":"LongPolling","transferFormats":["Text"]}]}'
    )


@pytest.mark.statement(22)
def test_a_redirect() -> None:
    redirect = NegotiateResponse(url="https://a.example/hub", access_token="t")
    assert redirect.format() == b'{"url":"https://a.example/hub","accessToken":"t"}'
    assert NegotiateResponse.parse(redirect.format()) == redirect


@pytest.mark.statement(4, 7, 24)
def test_a_refusal_says_nothing_but_the_error() -> None:
    assert NegotiateResponse(error="no").format() == b'{"error":"no"}'
    assert NegotiateResponse.parse(b'{"error":"no"}').error == "no"


@pytest.mark.statement(3, 6)
@pytest.mark.parametrize(
    ("asked", "version"),
    [
        (None, 0),
        ("0", 0),
        ("1", 1),
        ("7", 1),
        (" 1", 1),
        ("1 ", 1),
        ("+1", 1),
        ("-0", 0),
        ("0000000000001", 1),
        pytest.param("0" * 10_000 + "1", 1, id="more zeros than int() takes digits"),
        ("2147483647", 1),
    ],
)
def test_versions_are_numbers_and_the_newest_is_one(asked: str | None, version: int) -> None:
    assert choose_version(asked) == version


@pytest.mark.statement(4)
@pytest.mark.parametrize("asked", ["", "abc", "1.0", "1,1", "2147483648", "-2147483649", "99999999999", "\u0661"])
def test_a_version_that_is_no_number_is_refused(asked: str) -> None:
    assert choose_version(asked) == NegotiateResponse(error="The client requested a non-integer protocol version.")


@pytest.mark.statement(5, 6)
def test_a_version_below_the_minimum_is_refused() -> None:
    text = "The client requested version '{}', but the server does not support this version."
    assert choose_version("-1") == NegotiateResponse(error=text.format(-1))
    assert choose_version(None, minimum=1) == NegotiateResponse(error=text.format(0))
    assert choose_version("1", minimum=1) == 1


@pytest.mark.statement(15, 17)
@pytest.mark.parametrize(
    ("asked", "wanted"),
    [("true", True), ("True", True), (" true", True), ("1", False), ("banana", False), ("", False), (None, False)],
)
def test_stateful_reconnect_is_wanted_only_in_so_many_letters(asked: str | None, wanted: bool) -> None:
    assert wants_stateful_reconnect(asked) is wanted


@pytest.mark.statement(25)
def test_a_client_skips_what_it_does_not_know() -> None:
    body = (
        b'{"negotiateVersion":0,"connectionId":"x","z":{},'
        b'"availableTransports":[{"transport":"New","transferFormats":["Smell"],"y":1}]}'
    )
    assert NegotiateResponse.parse(body).available_transports == (AvailableTransport("New", ("Smell",)),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"url":"\xff"}',
        b"[" * 100_000,
        b"{}",
        b'{"connectionId":"x"}',
        b'{"availableTransports":[]}',
        b'{"negotiateVersion":1,"connectionId":"x","availableTransports":[]}',
        b'{"negotiateVersion":1,"connectionId":"","connectionToken":"y","availableTransports":[]}',
        b'{"connectionId":"x","availableTransports":[5]}',
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
def test_a_client_refuses_what_it_cannot_begin_with(body: bytes) -> None:
    with pytest.raises(ConnectionClosed, match="Invalid negotiation response received"):
        NegotiateResponse.parse(body)


def test_a_client_knows_the_old_signalr() -> None:
    with pytest.raises(ConnectionClosed, match=r"ASP\.NET SignalR Server"):
        NegotiateResponse.parse(b'{"Url":"/signalr","ConnectionToken":"x","ProtocolVersion":"1.5"}')
