"""POSTs that are sent one after another, and tokens that are renewed."""

import asyncio

import pytest

from hubline import ConnectionClosed
from hubline.client.requests import ROOM, Posts, Requests
from hubline.testing import settle
from tests.client.scripted_http import ScriptedHttp


async def test_what_is_written_while_a_post_is_on_its_way_goes_together() -> None:
    http = ScriptedHttp()
    posts = Posts(Requests(http.opening()), lambda: None)
    http.gate.clear()
    for data in (b"a", b"b", b"c"):
        await posts.write(data)
    await settle()
    assert http.said("POST") == [b"abc"]
    await posts.write(b"d")
    http.gate.set()
    await settle()
    assert b"".join(http.said("POST")) == b"abcd"
    assert len(http.said("POST")) == 2
    await posts.finish()


async def test_writers_wait_while_much_is_on_its_way() -> None:
    http = ScriptedHttp()
    posts = Posts(Requests(http.opening()), lambda: None)
    http.gate.clear()
    await posts.write(b"x" * ROOM)
    waiting = asyncio.create_task(posts.write(b"y"))
    left = asyncio.create_task(posts.write(b"z"))
    await settle()
    assert not waiting.done()
    left.cancel()
    http.gate.set()
    await waiting
    await settle()
    assert b"".join(http.said("POST"))[ROOM:] == b"yz", "whoever has left has written all the same"
    await posts.finish()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((404, b""), "the server answered a POST with status 404"),
        (ConnectionClosed("cannot reach it"), "cannot reach it"),
        (TimeoutError(), "did not answer a POST within 100 s"),
    ],
)
async def test_a_post_that_fails_is_the_end(answer: tuple[int, bytes] | BaseException, text: str) -> None:
    http = ScriptedHttp()
    ended = asyncio.Event()
    posts = Posts(Requests(http.opening()), ended.set)
    http.gate.clear()
    http.answers["POST"].append(answer)
    await posts.write(b"x" * ROOM)
    waiting = asyncio.create_task(posts.write(b"y"))
    await settle()
    http.gate.set()
    with pytest.raises(ConnectionClosed, match=text):
        await waiting
    assert ended.is_set()
    assert len(http.said("POST")) == 1, "nothing follows what may be lost"
    with pytest.raises(ConnectionClosed, match=text):
        await posts.write(b"z")


@pytest.mark.statement(209)
async def test_a_401_renews_the_token_once() -> None:
    http = ScriptedHttp()

    async def renew() -> str:
        return "new"

    requests = Requests(http.opening(renew))
    http.answers["POST"].extend([(401, b""), (200, b"done")])
    assert await requests.request("POST", b"x") == (200, b"done")
    http.answers["POST"].extend([(401, b""), (401, b"")])
    assert (await requests.request("POST", b"y"))[0] == 401
    assert [token for _, _, token in http.asked] == ["Bearer old", *["Bearer new"] * 3]
    http.answers["POST"].append((401, b""))
    assert (await Requests(http.opening()).request("POST", b"z"))[0] == 401
