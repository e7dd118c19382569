from typing import Any

import pytest

from hubline.transports.responses import answer, no_room, plain, refused


async def sent(response: Any, scope: dict[str, Any]) -> list[Any]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        raise AssertionError("an answer does not read")

    await answer(response, scope, receive, send)
    return messages


async def test_text_has_no_charset() -> None:
    start, body = await sent(plain(404, "No Connection with that ID"), {"type": "http"})
    assert start["status"] == 404
    assert sorted(start["headers"]) == [(b"content-length", b"26"), (b"content-type", b"text/plain")]
    assert body["body"] == b"No Connection with that ID"


async def test_204_has_no_length() -> None:
    start, _ = await sent(plain(204), {"type": "http"})
    assert start["headers"] == [(b"content-type", b"text/plain")]


@pytest.mark.parametrize(
    ("status", "token_given", "headers"),
    [
        (401, False, {b"www-authenticate": b"Bearer"}),
        (401, True, {b"www-authenticate": b'Bearer error="invalid_token"'}),
        (403, True, {}),
    ],
)
def test_refusals_say_how_to_authenticate_only_when_that_would_help(
    status: int, token_given: bool, headers: dict[bytes, bytes]
) -> None:
    response = refused(status, token_given=token_given)
    assert response.status == status
    assert dict(response.headers) == {b"content-length": b"0"} | headers


def test_no_room_says_when_to_come_back() -> None:
    for status in (429, 503):
        assert (no_room(status).status, dict(no_room(status).headers)[b"retry-after"]) == (status, b"5")


async def test_a_refused_upgrade_is_answered_where_the_server_can_and_closed_where_not() -> None:
    able = {"type": "websocket", "extensions": {"websocket.http.response": {}}}
    start, body = await sent(plain(409), able)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 409)
    assert (body["type"], body["body"]) == ("websocket.http.response.body", b"")
    for unable in ({"type": "websocket"}, {"type": "websocket", "extensions": None}):
        assert await sent(plain(409), unable) == [{"type": "websocket.close", "code": 1000, "reason": ""}]
