"""What ASP.NET Core answered, asked again: `tests/vectors/transcripts-*.json`, recorded from version 10.0.12."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hubline.connection import ConnectionScope, Identity, Transport, TransportConnection
from hubline.testing import settle
from hubline.transports.options import TransportOptions
from hubline.transports.server_sent_events import OPENING
from hubline.wire.event_stream import event
from hubline.wire.packet import Packet
from tests.transports.conftest import Sites
from tests.transports.driver import Request, Site

VECTORS = Path(__file__).parent.parent / "vectors"
OPTIONS = {
    "/hub": TransportOptions(),
    "/hub-auth": TransportOptions(),
    "/hub-nows": TransportOptions(transports=frozenset(Transport) - {Transport.WEB_SOCKETS}),
    "/hub-lp": TransportOptions(transports=frozenset({Transport.LONG_POLLING})),
}
ELSEWHERE = {"preflight", "negotiate redirect", "negotiate with stateful reconnect"}
"""CORS belongs to the app, a redirect to its own route, stateful reconnect is not there yet."""
CORS = {"access-control-allow-credentials", "access-control-allow-origin", "vary"}


def transcripts(name: str) -> list[Any]:
    found = json.loads((VECTORS / f"transcripts-{name}.json").read_text(encoding="utf-8"))
    return list(found["transcripts"])


def with_ids_masked(text: str) -> str:
    return re.sub(r'"(connectionId|connectionToken)":"[A-Za-z0-9_-]{22}"', r'"\1":"…"', text)


async def only_users(scope: ConnectionScope) -> int | None:
    return 401 if scope.path.startswith("/hub-auth") else None


HTTP = [each for each in transcripts("http") if each["name"] not in ELSEWHERE]


async def nobody(scope: ConnectionScope) -> Identity | None:
    return None


async def ask(sites: Sites, asked: Any) -> Request:
    path, _, query = asked["path"].partition("?")
    hub = path.removesuffix("/negotiate")
    site: Site = sites(options=OPTIONS[hub], authenticate=nobody, authorize=only_users)
    if re.fullmatch(r"id=[A-Za-z0-9_-]{22}", query):
        query = f"id={await site.token()}"
    app = site.endpoint.negotiate if path.endswith("/negotiate") else site.endpoint.connect
    body = asked.get("body", "").encode()
    return await Request(app, asked["method"], query, asked["headers"], body, path=path).answered()


@pytest.mark.parametrize(
    "entry", [each for each in transcripts("http") if each["name"] not in ELSEWHERE], ids=lambda each: str(each["name"])
)
async def test_http_answers_are_those_of_the_original(sites: Sites, entry: Any) -> None:
    expected = entry["response"]
    answer = await ask(sites, entry["request"])
    headers = answer.headers
    if "content-length" not in expected["headers"]:
        del headers["content-length"]  # the original sends some short texts chunked
    assert answer.status == expected["status"]
    assert headers == {name: value for name, value in expected["headers"].items() if name not in CORS}
    assert with_ids_masked(answer.body.decode()) == with_ids_masked(expected["body"])


def test_events_are_those_of_the_original_byte_for_byte() -> None:
    exchanged = transcripts("sse")[0]["exchanged"]
    pieces = [each["body"] for each in exchanged if each.get("on") == "GET" and "body" in each]
    payloads = [piece for piece in pieces if piece not in (":\r\n", "data: ", "\r\n")]
    assert len(payloads) == 5
    assert OPENING + b"".join(event(payload.encode()) for payload in payloads) == "".join(pieces).encode()


@pytest.mark.parametrize("entry", transcripts("long-polling"), ids=lambda each: str(each["protocol"]))
async def test_polls_and_posts_are_answered_as_by_the_original(sites: Sites, entry: Any) -> None:
    """The application writes what the original's hub wrote; statuses, headers and bodies must come out the same."""
    steps = [each for each in entry["exchanged"] if each["on"] in ("poll", "POST")]
    del steps[-1]  # the poll after DELETE, which reached the original before the deletion did
    answers = [content(each) for each in steps if each["on"] == "poll"][1:]

    async def serve(connection: TransportConnection) -> None:
        for answer in answers:
            await connection.receive()
            connection.write(Packet(answer))
        await connection.receive()

    site: Site = sites(serve)
    token = await site.token()
    for step in steps:
        if step["from"] == "client":
            posted = site.post(token, content(step))
            await settle()
            continue
        answer = await (posted if step["on"] == "POST" else site.get(token)).answered()
        assert (answer.status, answer.headers, answer.body) == (step["status"], step["headers"], content(step))


def content(step: Any) -> bytes:
    return bytes.fromhex(step["hex"]) if "hex" in step else step.get("text", step.get("body", "")).encode()
