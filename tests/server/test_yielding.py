"""Code that awaits something of ours again and again, and nothing else, leaves the loop to others now and then."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hubline import Cancellation, Hub
from hubline.server.clients import HubClients
from hubline.server.yielding import STRIDE, STRIDE_OF_MANY
from tests import loop_turns
from tests.server.bench import bench

ROUNDS = 20 * STRIDE


class Quiet(Hub):
    pass


async def turns_during(step: Callable[[], Awaitable[Any]]) -> int:
    return await loop_turns.turns_during(step, ROUNDS)


@pytest.mark.parametrize(
    ("whom", "stride"),
    [
        (lambda clients, _: clients.client("nobody"), 1),
        (lambda clients, _: clients.clients(["nobody", "neither"]), 1),
        (lambda clients, _: clients.group("empty"), 1),
        (lambda clients, _: clients.groups(["empty", "too"]), 1),
        (lambda clients, _: clients.group_except("empty", ["nobody"]), 1),
        (lambda clients, _: clients.user("nobody"), 1),
        (lambda clients, _: clients.users(["nobody", "neither"]), 1),
        (lambda clients, ids: clients.all_except(ids), 1),
        (lambda clients, ids: clients.client(ids[0]), STRIDE),
        (lambda clients, ids: clients.clients(ids), STRIDE_OF_MANY),
        (lambda clients, ids: clients.all, STRIDE_OF_MANY),
    ],
)
async def test_sends(whom: Callable[[Any, list[str]], Any], stride: int) -> None:
    async with bench(Quiet) as hub:
        ada, ben = await hub.connect(), await hub.connect()
        clients = HubClients[Any](hub.runtime.fanout, hub.runtime.interface)
        chosen = whom(clients, [ada.id, ben.id])
        turns = await turns_during(lambda: chosen.send("X"))
        assert turns >= ROUNDS // stride


async def test_sends_to_one_that_has_ended_and_to_a_group_of_which_all_have() -> None:
    ended, goes_on = asyncio.Event(), asyncio.Event()

    class Slow(Hub):
        async def on_disconnected(self, error: Exception | None) -> None:
            ended.set()
            await goes_on.wait()

    async with bench(Slow) as hub:
        ada = await hub.connect()
        clients = HubClients[Any](hub.runtime.fanout, hub.runtime.interface)
        ada.lose()
        await ended.wait()
        for chosen in (clients.client(ada.id), clients.all):
            assert await turns_during(lambda chosen=chosen: chosen.send("X")) >= ROUNDS  # type: ignore[misc]
        assert await turns_during(lambda: clients.client(ada.id).invoke("X")) >= ROUNDS
        goes_on.set()
        await ada.ended()


async def test_sends_to_many_of_whom_nobody_has_room() -> None:
    async with bench(Quiet) as hub:
        ada = await hub.connect()
        ada.transport.room.clear()
        clients = HubClients[Any](hub.runtime.fanout, hub.runtime.interface)
        assert await turns_during(lambda: clients.all.send("X")) >= ROUNDS


async def test_changes_of_groups() -> None:
    async with bench(Quiet) as hub:
        ada = await hub.connect()
        groups = hub.runtime.fanout.groups
        assert await turns_during(lambda: groups.add(ada.id, "g")) >= ROUNDS // STRIDE
        assert await turns_during(lambda: groups.remove(ada.id, "g")) >= ROUNDS // STRIDE


async def test_questions_that_fail_at_once() -> None:
    async with bench(Quiet) as hub:
        ada = await hub.connect()
        clients = HubClients[Any](hub.runtime.fanout, hub.runtime.interface)
        assert await turns_during(lambda: clients.client("nobody").invoke("X")) >= ROUNDS
        assert await turns_during(lambda: clients.client(ada.id).invoke("X", object())) >= ROUNDS


async def test_sends_of_what_has_no_form_on_the_wire_and_of_what_is_too_large() -> None:
    async with bench(Quiet, maximum_send_message_size=10_000) as hub:
        ada = await hub.connect()
        clients = HubClients[Any](hub.runtime.fanout, hub.runtime.interface)
        for whom, value in ((clients.client(ada.id), object()), (clients.all, object()), (clients.all, "x" * 10_000)):
            assert await turns_during(lambda whom=whom, value=value: whom.send("X", value)) >= ROUNDS  # type: ignore[misc]


async def test_questions_where_none_may_be_asked() -> None:
    turns: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    class Asking(Hub):
        async def on_connected(self) -> None:
            turns.set_result(await turns_during(lambda: self.clients.caller.invoke("X")))

    async with bench(Asking) as hub:
        await hub.connect()
        assert await turns >= ROUNDS


async def test_waiting_for_a_cancellation_that_was_requested() -> None:
    cancellation = Cancellation()
    cancellation.request()
    assert await turns_during(cancellation.wait) >= ROUNDS
