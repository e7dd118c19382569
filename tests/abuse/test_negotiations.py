"""Floods of negotiations: places are few for one address, many for all, and free again after a while."""

import asyncio
from collections import Counter

import pytest

from tests.abuse.target import Target, request

pytestmark = pytest.mark.usefixtures("nobody_waits")

ADDRESS_LIMIT, LIMIT = 100, 1_000
NEGOTIATION = request("POST", "/hub/negotiate?negotiateVersion=1", "Connection: close")
RETRY = b"\r\nretry-after: 5\r\n"


async def flood(target: Target, address: str, number: int) -> list[bytes]:
    """What many negotiations at once are answered, each on a connection of its own."""

    async def negotiate() -> bytes:
        async with target.socket(address=address) as peer:
            return await peer.exchange(NEGOTIATION)

    return await asyncio.gather(*[negotiate() for _ in range(number)])


def counted(answers: list[bytes]) -> Counter[int]:
    """How many had each status."""
    return Counter(int(answer.removeprefix(b"HTTP/1.1 ")[:3]) for answer in answers)


async def test_one_address_gets_a_hundred_places_and_others_notice_nothing(target: Target) -> None:
    async with target.time_stops():
        answers = await flood(target, "127.0.0.2", 3 * ADDRESS_LIMIT)
        assert counted(answers) == {200: ADDRESS_LIMIT, 429: 2 * ADDRESS_LIMIT}
        assert sum(RETRY in answer for answer in answers) == 2 * ADDRESS_LIMIT
        assert (await target.figures()).waiting == ADDRESS_LIMIT
        assert await target.token()
    await target.until(lambda figures: figures.waiting == 0)
    assert counted(await flood(target, "127.0.0.2", 1)) == {200: 1}


async def test_many_addresses_get_a_thousand_places_together(target: Target) -> None:
    async with target.time_stops():
        answers: list[bytes] = []
        for number in range(2, 2 + LIMIT // ADDRESS_LIMIT):
            answers += await flood(target, f"127.0.0.{number}", ADDRESS_LIMIT)
        assert counted(answers) == {200: LIMIT}
        assert (await target.figures()).waiting == LIMIT
        refused = await target.http.post("/hub/negotiate?negotiateVersion=1")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    await target.until(lambda figures: figures.waiting == 0)
    assert await target.token()
