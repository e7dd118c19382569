"""Two users who guess at each other's ids; secrets that no error may tell."""

import asyncio
from urllib.parse import urlencode

import pytest

from tests.abuse.server import SECRET
from tests.abuse.target import Target, upgrade
from tests.integration.driver import (
    EVENTS,
    POLLING,
    WAYS,
    WEB_SOCKETS,
    Connector,
    Way,
    call,
    cancel,
    done,
    item,
    stream,
)
from tests.integration.wire_form import encode

LINES = [Way(WEB_SOCKETS, "json")]


async def knock(target: Target, path: str, **query: str) -> dict[str, int]:
    """What everything is answered that can be asked of a connection by its id."""
    events, content = {"accept": "text/event-stream"}, encode("json", call("1", "Echo", "x"))
    asked = {
        "poll": target.http.get(path, params=query),
        "events": target.http.get(path, params=query, headers=events),
        "post": target.http.post(path, params=query, content=content),
        "delete": target.http.delete(path, params=query),
        "refresh": target.http.post(f"{path}/refresh", params=query),
    }
    found = {what: (await answer).status_code for what, answer in asked.items()}
    async with target.socket(upgrade(f"{path}?{urlencode(query)}")) as peer:
        found["upgrade"] = int((await peer.receive_until(b"\r\n\r\n")).split()[1])
    return found


async def test_a_public_id_opens_nothing(target: Target, connect: Connector) -> None:
    peer = await connect()
    for guess in (peer.id, peer.token[:-1], peer.token.swapcase(), "*", "%00", "\0", "a" * 22, f"{peer.token},"):
        assert set((await knock(target, "/hub", id=guess)).values()) == {404}, guess
    nameless = {"poll": 400, "events": 400, "post": 400, "delete": 400, "refresh": 404}
    assert await knock(target, "/hub", id="") == nameless | {"upgrade": 101}  # to a connection of one's own
    assert await peer.result("Echo", "untouched") == "untouched"


async def test_a_token_of_another_path_opens_nothing(target: Target, connect: Connector) -> None:
    peer = await connect()
    for path in ("/own", "/patient", "/calm"):
        assert set((await knock(target, path, id=peer.token)).values()) == {404}, path
    assert await peer.result("Echo", "untouched") == "untouched"


@pytest.mark.parametrize(("path", "user"), [("/hub", "eve"), ("/own", "eve"), ("/own", "")])
async def test_the_token_alone_opens_nothing_to_another_user(
    target: Target, connect: Connector, path: str, user: str
) -> None:
    peer = await connect(path, query="user=ada")
    expected = {
        WEB_SOCKETS: {"poll": 400, "events": 400, "post": 405, "delete": 400, "upgrade": 409},
        EVENTS: {"poll": 400, "events": 409, "post": 403, "delete": 400, "upgrade": 400},
        POLLING: {"poll": 403, "events": 400, "post": 403, "delete": 403, "upgrade": 400},
    }[peer.way.transport]
    assert await knock(target, path, user=user, id=peer.token) == expected | {"refresh": 404}
    assert await peer.result("Echo", "untouched") == "untouched"


@pytest.mark.parametrize("way", LINES, ids=str)
async def test_a_client_answers_no_question_that_was_put_to_another(target: Target, connect: Connector) -> None:
    asked, asking, guessing = await connect(), await connect(), await connect()
    await asking.send(call("1", "Ask", asked.id))
    question = await asked.receive()
    assert question["target"] == "Answer"
    await guessing.send(done(question["invocationId"], result="from the wrong one"))
    assert [message["type"] for message in await guessing.rest()] == [7]
    await asked.send(done(question["invocationId"], result="from the right one"))
    assert await asking.receive() == done("1", result="from the right one")


@pytest.mark.parametrize("way", LINES, ids=str)
async def test_ids_of_streams_and_calls_are_ones_own(target: Target, connect: Connector) -> None:
    ada, eve = await connect(query="user=ada"), await connect(query="user=eve")
    await ada.send(call("1", "Total", streams=("s",)), item("s", 1))
    await eve.send(item("s", 100), done("s"), cancel("1"), done("1", result=0))
    assert await eve.result("Echo", "x") == "x"
    await ada.send(item("s", 2), done("s"))
    assert await ada.receive() == done("1", result=3)


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_no_error_tells_a_secret(target: Target, connect: Connector) -> None:
    peer = await connect()
    sent = [
        call("1", "Throw"),
        call("2", "Refuse"),
        call("3", "Unwritable"),
        stream("4", "BrokenStream"),
        call("5", "Guarded"),
        call("6", "Number", SECRET),
        call("7", "Number"),
        call("8", "NoSuchMethod"),
        stream("9", "Throw"),
        call("10", "BrokenStream"),
        call("11", "Total", streams=("s",)),
        item("s", "no number"),
        done("s", error="said by the client"),
    ]
    await peer.send(*sent)
    answers: dict[str, str] = {}
    async with asyncio.timeout(60):
        while len(answers) < 11:
            message = await peer.receive()
            if message["type"] == 3:
                answers[message["invocationId"]] = str(message.get("error"))
    await peer.write(encode(peer.way.codec, {"type": 1, "target": "Echo", "arguments": [], "headers": {"a": 1}}))
    said = str(answers) + str(await peer.rest())
    for secret in (SECRET, "Traceback", "RuntimeError", "site-packages", ".py"):
        assert secret not in said, said
    assert "HubException: said on purpose" in said


async def test_no_refused_connection_tells_a_secret(target: Target, connect: Connector) -> None:
    peer = await connect(query="refuse=1")
    assert str(await peer.rest()) == str([{"type": 7, "error": "Connection closed with an error."}])
    for path in ("/hub/negotiate", "/hub?id=x", "/hub?negotiateVersion=x", "/none"):
        for method in ("GET", "POST", "DELETE", "PUT", "HACK"):
            answer = await target.http.request(method, path)
            assert answer.status_code < 500
            assert "Traceback" not in answer.text
