"""Floods of negotiations: places are few for one address, many for all, and free again after a while."""

import asyncio

import httpx

from tests.abuse.target import Target, elsewhere

ADDRESS_LIMIT, LIMIT = 100, 1_000


async def flood(target: Target, client: httpx.AsyncClient, number: int) -> list[httpx.Response]:
    url = f"{target.url}/hub/negotiate?negotiateVersion=1"
    return await asyncio.gather(*[client.post(url) for _ in range(number)])


async def test_one_address_gets_a_hundred_places_and_others_notice_nothing(target: Target) -> None:
    async with elsewhere(2) as attacker:
        answers = await flood(target, attacker, 3 * ADDRESS_LIMIT)
        refused = [answer for answer in answers if answer.status_code != 200]
        assert 0 < len(refused) <= 2 * ADDRESS_LIMIT  # fewer where the machine is so slow that the first have expired
        assert (await target.figures()).waiting <= ADDRESS_LIMIT
        assert {(answer.status_code, answer.headers["retry-after"]) for answer in refused} == {(429, "5")}
        assert await target.token()
        await target.until(lambda figures: figures.waiting == 0)
        assert [answer.status_code for answer in await flood(target, attacker, 1)] == [200]


async def test_many_addresses_get_a_thousand_places_together(target: Target) -> None:
    statuses: list[int] = []
    for number in range(2, 2 + LIMIT // ADDRESS_LIMIT):
        async with elsewhere(number) as attacker:
            statuses += [answer.status_code for answer in await flood(target, attacker, ADDRESS_LIMIT)]
    refused = await target.http.post("/hub/negotiate?negotiateVersion=1")
    if refused.status_code == 503:  # unless the machine is so slow that the first have expired
        assert refused.headers["retry-after"] == "5"
    assert statuses.count(200) + statuses.count(503) == LIMIT
    assert (await target.figures()).waiting <= LIMIT
    await target.until(lambda figures: figures.waiting == 0)
    assert await target.token()
