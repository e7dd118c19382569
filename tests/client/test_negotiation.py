"""Negotiation: addresses, redirections, and what is no answer."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from hubline import ConfigurationError, NegotiationError
from hubline.client.negotiation import REDIRECTS, Offer, Place, http_address, negotiate
from tests.client.scripted import NEGOTIATED


async def place(answer: Any, url: str = "http://h/hub", status: int = 200) -> Place:
    return (await offer(answer, url, status)).place


async def offer(answer: Any, url: str = "http://h/hub", status: int = 200, *, stateful: bool = False) -> Offer:
    async def post(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        asked.append(url)
        return status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    asked.clear()
    return await negotiate(post, url, {}, None, stateful=stateful)


asked: list[str] = []


@pytest.mark.parametrize(
    ("url", "negotiated", "connected"),
    [
        ("http://h/hub", "http://h/hub/negotiate?negotiateVersion=1", "http://h/hub?id=secret"),
        ("http://h/hub/?a=b", "http://h/hub/negotiate?a=b&negotiateVersion=1", "http://h/hub/?a=b&id=secret"),
        ("http://h", "http://h/negotiate?negotiateVersion=1", "http://h?id=secret"),
        (
            "http://h/x?NegotiateVersion=0",
            "http://h/x/negotiate?NegotiateVersion=0",
            "http://h/x?NegotiateVersion=0&id=secret",
        ),
    ],
)
async def test_addresses(url: str, negotiated: str, connected: str) -> None:
    assert await place(NEGOTIATED, url) == Place(connected, {}, "id")
    assert asked == [negotiated]


async def test_version_0_has_the_id_for_a_token() -> None:
    found = await place({**NEGOTIATED, "negotiateVersion": 0, "connectionToken": None} | {"connectionToken": ""})
    assert found.url == "http://h/hub?id=id"


@pytest.mark.statement(25)
async def test_what_it_does_not_know_is_ignored() -> None:
    assert (await place({**NEGOTIATED, "unknown": [1]})).connection_id == "id"


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        ({"error": "go away"}, 200, "go away"),
        (b"<html>", 200, "Invalid negotiation response received."),
        ({"negotiateVersion": 1}, 200, "Invalid negotiation response received."),
        (b"", 404, "Unexpected status code returned from negotiate '404': there is no hub"),
        (b"", 302, "Unexpected status code returned from negotiate '302': the server is elsewhere"),
        (b"", 403, "'403': who asks may not use this hub"),
        (b"", 418, "'418': the server does not want this request"),
        (b"", 502, "'502': the server has failed"),
        ({"ProtocolVersion": "1.5"}, 200, "ASP.NET SignalR Server"),
        ({"url": "ftp://x"}, 200, "redirects to 'ftp://x'"),
        ({"url": "http://[::1"}, 200, r"redirects to 'http://\[::1'"),
        ({"url": "http://h:99999/hub"}, 200, "redirects to 'http://h:99999/hub'"),
        ({"url": "http://h/hub"}, 200, "Negotiate redirection limit exceeded."),
        ({**NEGOTIATED, "useStatefulReconnect": True}, 200, "Client didn't negotiate Stateful Reconnect"),
    ],
)
@pytest.mark.statement(23, 24)
async def test_no_connection(answer: Any, status: int, text: str) -> None:
    with pytest.raises(NegotiationError, match=text) as found:
        await place(answer, status=status)
    assert found.value.status == status
    assert len(asked) in (1, REDIRECTS + 1)


@pytest.mark.parametrize(("token", "hint"), [(None, "there is none"), ("old", "is not valid, or has expired")])
async def test_a_refused_token_is_told_with_the_address_and_without_its_secrets(token: str | None, hint: str) -> None:
    async def post(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        return 401, b""

    with pytest.raises(NegotiationError, match=hint) as found:
        await negotiate(post, "http://ada:secret@h:1/hub?key=secret", {}, token)
    assert str(found.value).endswith(" (http://h:1/hub)")


async def test_a_stateful_reconnect_is_asked_for() -> None:
    found = await offer({**NEGOTIATED, "useStatefulReconnect": True}, stateful=True)
    assert found.stateful
    assert asked == ["http://h/hub/negotiate?negotiateVersion=1&useStatefulReconnect=true"]
    assert not (await offer(NEGOTIATED, stateful=True)).stateful


def test_schemes() -> None:
    assert http_address("wss://h:1/hub?a#b") == "https://h:1/hub?a"
    assert http_address("ws://h/hub") == "http://h/hub"
    for url in ("h/hub", "ftp://h/hub", "http:///hub", "", "http://[h", "http://h:port/hub"):
        with pytest.raises(ConfigurationError):
            http_address(url)
