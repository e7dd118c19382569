"""HTTP as no client of good will writes it."""

import pytest

from tests.abuse.target import HANDSHAKE, MIB, Target, request

GIB = 2**30
CLOSE = "Connection: close"


async def test_negotiate_answers_without_reading_what_is_announced(target: Target) -> None:
    async with target.socket(request("POST", "/hub/negotiate?negotiateVersion=1", f"Content-Length: {GIB}")) as peer:
        assert b'"connectionToken"' in await peer.receive_until(b"]}")


@pytest.mark.parametrize("length", ["-1", "abc", str(2**62), "1, 2", "9" * 4_000])
async def test_lengths_that_cannot_be(target: Target, length: str) -> None:
    async with target.socket(request("POST", "/hub/negotiate", f"Content-Length: {length}", body=b"x")) as peer:
        answer = await peer.receive()
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 200 ")), answer


async def test_a_post_larger_than_may_be_buffered_is_held_and_not_stored(target: Target) -> None:
    token = await target.token()
    assert (await target.http.get(f"/hub?id={token}")).status_code == 200
    before = await target.figures()
    size = 64 * MIB
    async with target.socket(request("POST", f"/hub?id={token}", f"Content-Length: {size}", body=HANDSHAKE)) as peer:
        sent = 0
        try:
            while sent < size:
                await peer.send(b"x" * MIB)
                sent += MIB
        except (TimeoutError, ConnectionError):
            pass  # held until the hub gave up on a message that is too large
        assert (await target.figures()).memory - before.memory < 8 * MIB
    await target.until(lambda figures: figures.connections == 1 and figures.unread == 0)


@pytest.mark.parametrize(
    "line",
    [
        "/hub/negotiate?" + "&".join(f"k{number}=v" for number in range(5_000)),
        "/hub/negotiate?id=a&id=b&id=c",
        "/hub/negotiate?%ff=%fe&%00=%00&negotiateVersion=%31",
        "/hub?id=" + "x" * 30_000,
        "/hub/%2e%2e/%2e%2e/etc/passwd",
        "/hub/%ff%fe",
        "/" + "a/" * 10_000,
        "//hub",
    ],
    ids=lambda line: line[:24],
)
async def test_paths_and_queries_of_any_kind_get_an_answer(target: Target, line: str) -> None:
    for method in ("POST", "GET", "DELETE", "PATCH"):
        async with target.socket(request(method, line, CLOSE)) as peer:
            answer = await peer.rest()
            assert answer.startswith(b"HTTP/1.1 ")
            assert answer[9:10] in (b"2", b"4"), answer[:200]


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-{number}: v" for number in range(2_000)],
        ["X-Large: " + "x" * 200_000],
        ["Authorization: Bearer " + "x" * 60_000],
        ["Origin: http://x", "Origin: http://evil.example"],
        ["Accept: " + "text/event-stream," * 3_000],
        ["Cookie: \xff\xfe\x80"],
    ],
    ids=["many", "large", "token", "origins", "accept", "bytes"],
)
async def test_headers_of_any_kind_get_an_answer(target: Target, headers: list[str]) -> None:
    async with target.socket() as peer:
        answer = await peer.exchange(request("POST", "/hub/negotiate", CLOSE, *headers))
        assert answer == b"" or answer[9:10] in (b"2", b"4"), answer[:200]


async def test_pipelined_requests_are_answered_in_order_or_refused(target: Target) -> None:
    async with target.socket() as peer:
        answer = await peer.exchange(request("POST", "/hub/negotiate?negotiateVersion=1") * 200)
        assert answer.count(b"HTTP/1.1 200 ") <= 200
        assert answer.startswith(b"HTTP/1.1 ")


async def test_chunks_without_an_end_are_given_up(target: Target) -> None:
    before = await target.figures()
    async with target.socket(request("POST", "/hub?id=x", "Transfer-Encoding: chunked")) as peer:
        try:
            for _ in range(200):
                await peer.send(b"1\r\nx\r\n" * 10_000)
        except ConnectionError:
            pass
    assert (await target.figures()).memory - before.memory < 8 * MIB
