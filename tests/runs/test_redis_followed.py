"""A viewer on another server than its run's gets every item, whatever happens there while it comes and goes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from tests.runs.fleet import Fleet, fleet, say, text
from tests.valkey import LIMIT, Valkey, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


class Held:
    """Calls of a function of a server that wait until they are let go."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.begun, self._go = asyncio.Event(), asyncio.Event()

    async def __call__(self, *arguments: Any) -> Any:
        found = await self._function(*arguments)
        self.begun.set()
        await self._go.wait()
        return found

    def let_go(self) -> None:
        self._go.set()


@asynccontextmanager
async def running(server: Valkey) -> AsyncIterator[tuple[Fleet, str, "asyncio.Queue[str | None]"]]:
    """Two servers; the first has a run that says what is put into the queue."""
    words: asyncio.Queue[str | None] = asyncio.Queue()
    async with fleet(server) as servers:
        run = await servers.runs[0].start(say, words)
        words.put_nowait("one ")
        yield servers, run.id, words
        words.put_nowait(None)


async def to_the_end_after(held: Held, viewing: "asyncio.Task[list[Any]]", words: "asyncio.Queue[str | None]") -> str:
    """What a viewer has whose opening was held, and that saw more said afterwards."""
    held.let_go()
    for word in ("two ", "three", None):
        words.put_nowait(word)
    async with asyncio.timeout(LIMIT):
        return text(await viewing)


async def items_of(servers: Fleet, run_id: str) -> list[dict[str, Any]]:
    return [item async for item in servers.runs[1].attach(run_id)]


@pytest.mark.rule("R30", "R32")
async def test_a_server_that_returns_goes_on_for_those_who_attach_at_that_moment(server: Valkey) -> None:
    """Its lease had lapsed while Redis stood still: viewers who came meanwhile are waiting for Redis."""
    async with running(server) as (servers, run_id, words):
        await servers.runs[1].room_runs("none")
        held = servers.logs[1]._tapes._load = Held(servers.logs[1]._load)
        viewing = asyncio.create_task(items_of(servers, run_id))
        await held.begun.wait()
        servers.runs[1]._elsewhere.told_anew()
        await asyncio.sleep(0)
        assert await to_the_end_after(held, viewing, words) == "one two three"


@pytest.mark.rule("R5")
async def test_one_that_leaves_does_not_take_the_run_away_from_one_that_is_about_to_view_it(server: Valkey) -> None:
    """As a response over plain HTTP, which finds the run before it begins to send."""
    async with running(server) as (servers, run_id, words):
        second = servers.runs[1]
        response = await second.respond(run_id)
        async with aclosing(second.attach(run_id)) as items:
            assert (await anext(items))["text"] == "one "

        async def forgotten() -> bool:
            return run_id not in second._elsewhere._followed

        await servers.until(forgotten)
        sent = asyncio.create_task(_read(response))
        for word in ("two ", "three", None):
            words.put_nowait(word)
        async with asyncio.timeout(LIMIT):
            found = await sent
        assert [part for part in ("one ", "two ", "three") if part not in found] == []


async def _read(response: Any) -> str:
    """The body of a streamed response."""
    found = bytearray()
    done = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        found.extend(message.get("body", b""))

    await response({"type": "http", "method": "GET", "headers": [], "asgi": {"spec_version": "2.4"}}, receive, send)
    return found.decode()
