"""What is asked of the server that owns a run, by another one on the same Valkey."""

from collections.abc import Iterator
from typing import Any

import pytest

from hubline import HubError
from hubline.runs import Caller, Run, Runs
from hubline.runs.redis_log import RedisRunLog
from tests.valkey import Valkey, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


async def asking(run: Run) -> None:
    await run.ask("What?", schema=Any)
    await run.inbox.take()


@pytest.mark.rule("R25", "R28", "R29")
@pytest.mark.parametrize("value", [float("nan"), 2**64, [[]] * 40_000, object()], ids=["NaN", "big", "long", "object"])
async def test_a_value_that_no_entry_can_hold_is_refused_before_it_is_sent_on(server: Valkey, value: Any) -> None:
    here, there = [Runs(log=RedisRunLog(server.url), merge=0, drain=0) for _ in range(2)]
    ada = Caller("ada")
    run_id = (await here.start(asking, inbox=True, starter="ada")).id
    async for item in there.attach(run_id, caller=ada):
        if item["kind"] == "ask":
            break
    with pytest.raises(HubError, match="message"):
        await there.steer(run_id, value, caller=ada)
    with pytest.raises(HubError, match="answer"):
        await there.answer(run_id, item["askId"], value, caller=ada)
    await there.answer(run_id, item["askId"], None, caller=ada)
    assert (await there.stop(run_id, caller=ada)).state == "stopped"
    await there.drain()
    await here.drain()
