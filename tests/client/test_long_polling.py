"""Long polling, on a scripted HTTP library."""

import asyncio

import pytest

from hubline import ConnectionClosed, NegotiationError
from hubline.client.carrier import Carrier
from hubline.client.long_polling import open_polling
from hubline.testing import settle
from tests.client.scripted_http import Answer, ScriptedHttp, received


async def opened(http: ScriptedHttp) -> Carrier:
    http.answers["GET"].append((200, b""))
    return await open_polling(http.opening(binary=True))


async def test_polls_posts_and_the_delete() -> None:
    http = ScriptedHttp()
    carrier = await opened(http)
    http.answers["GET"].extend([(200, b""), TimeoutError(), (200, b"one"), (200, b"two")])
    assert [await received(carrier), await received(carrier)] == [b"one", b"two"]
    assert len(http.said("GET")) == 5, "an empty answer, and one that never came, are followed by another poll"
    assert http.largest == 1_000 + 1_048_576
    reading = asyncio.create_task(received(carrier))
    await carrier.write(b"last")
    await settle()
    reading.cancel()
    await carrier.close()
    assert http.said("POST") == [b"last"]
    assert [method for method, _, _ in http.asked].index("DELETE") == len(http.asked) - 1
    with pytest.raises(ConnectionClosed, match="closed by this client"):
        await carrier.write(b"x")


@pytest.mark.parametrize(
    ("answer", "text", "deleted"),
    [
        ((204, b""), "the server closed the connection", False),
        ((404, b""), "answered a poll with status 404", False),
        ((500, b""), "answered a poll with status 500", True),
        (ConnectionClosed("the line broke"), "the line broke", True),
    ],
)
async def test_ends(answer: Answer, text: str, deleted: bool) -> None:
    http = ScriptedHttp()
    carrier = await opened(http)
    http.answers["GET"].append(answer)
    with pytest.raises(ConnectionClosed, match=text):
        await received(carrier)
    http.answers["DELETE"].append((404, b""))
    await carrier.close()
    assert bool(http.said("DELETE")) is deleted


async def test_a_post_that_fails_ends_the_reading() -> None:
    http = ScriptedHttp()
    carrier = await opened(http)
    http.answers["POST"].append((404, b""))
    reading = asyncio.create_task(received(carrier))
    await carrier.write(b"x")
    with pytest.raises(ConnectionClosed, match="POST with status 404"):
        await reading
    http.answers["DELETE"].append(ConnectionClosed("nobody there"))
    await carrier.close()


async def test_a_refused_first_poll() -> None:
    http = ScriptedHttp()
    http.answers["GET"].append((403, b""))
    with pytest.raises(NegotiationError, match="refused long polling with status 403") as found:
        await open_polling(http.opening())
    assert found.value.status == 403
    http.answers["GET"].append(TimeoutError())
    with pytest.raises(ConnectionClosed, match="did not answer the first poll"):
        await open_polling(http.opening())
