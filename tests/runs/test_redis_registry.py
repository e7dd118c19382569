"""The registry in Redis, where what it holds of a run is behind the log."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from hubline import HubError
from hubline.runs import RunLimits
from tests.runs.fleet import Words, fleet, say, to_the_end, until_in
from tests.valkey import Valkey, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@pytest.mark.rule("R33", "R10")
@pytest.mark.parametrize("policy", ["reject", "queue"])
async def test_whoever_has_seen_an_end_finds_the_room_free(server: Valkey, policy: Any) -> None:
    """Although the server of the ended run has not removed it from the room yet."""
    async with fleet(server, limits=RunLimits(waiting=0)) as servers:
        first, second = servers.runs
        registry, seen = servers.logs[0].registry, asyncio.Event()
        leave = registry.leave

        async def leave_later(name: str, run_id: str) -> None:
            await seen.wait()
            await leave(name, run_id)

        registry.leave = leave_later
        words = Words()
        one = await first.start(say, words, room="r")
        with pytest.raises(HubError, match=r"The room is busy|0 runs wait"):
            await second.start(say, Words(), room="r", on_busy=policy)
        words.put_nowait(None)
        assert (await to_the_end(second, one.id))[-1]["state"] == "completed"
        two = await second.start(say, Words(), room="r", on_busy=policy)
        seen.set()
        await until_in(servers, two.id, "running")
