"""The conformance suite for run registries: keys of requests, rooms and runs of starters of several servers."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from hubline import HubError
from hubline.runs import RunRegistry

ROOM = "room"
ACCOUNTS = (("a", "b}:k"), ("a}:b", "k"), ("a{b}", "k"), ("a%7Bb%7D", "k"), ("a", "k"), ("a:k", ""), ("", "a:k"))


class RunRegistrySuite:
    """The tests that every `hubline.runs.RunRegistry` must pass.

    Subclass it as `TestMyRegistry` and override `registries`. The tests are `async def`, for pytest-asyncio in its mode
    `auto`.
    """

    def registries(self, count: int) -> AbstractAsyncContextManager[Sequence[RunRegistry]]:
        """Yield the registries of `count` servers that share an empty storage. They are used while the block runs."""
        raise NotImplementedError("override `registries`")

    async def test_a_key_is_taken_once_on_whichever_server(self) -> None:
        async with self.registries(2) as (one, other):
            taken = await one.take_key("ada", "k", "run-1", "request")
            assert (taken.run_id, taken.request, taken.made) == ("run-1", "request", False)
            assert await one.confirm_key("ada", "k", "run-1", "request")
            found = await other.take_key("ada", "k", "run-2", "another")
            assert (found.run_id, found.request, found.made) == ("run-1", "request", True)
            assert not await other.confirm_key("ada", "k", "run-2", "another")

    async def test_of_many_that_take_a_key_at_once_one_has_it(self) -> None:
        async with self.registries(3) as servers:
            taken = await asyncio.gather(
                *(servers[number % 3].take_key("ada", "k", f"run-{number}", "request") for number in range(30))
            )
            assert len({each.run_id for each in taken}) == 1

    async def test_a_key_is_given_back_by_the_run_that_has_it(self) -> None:
        async with self.registries(2) as (one, other):
            await one.take_key("ada", "k", "run-1", "request")
            await other.free_key("ada", "k", "run-2")
            assert (await other.take_key("ada", "k", "run-2", "request")).run_id == "run-1"
            await one.free_key("ada", "k", "run-1")
            assert (await other.take_key("ada", "k", "run-2", "request")).run_id == "run-2"

    async def test_no_key_is_taken_for_that_of_another_account(self) -> None:
        async with self.registries(1) as (registry,):
            for number, (account, key) in enumerate(ACCOUNTS):
                assert (await registry.take_key(account, key, f"run-{number}", "request")).run_id == f"run-{number}"

    async def test_runs_of_a_starter_are_counted_together(self) -> None:
        async with self.registries(2) as (one, other):
            assert await one.admit("ada", "run-1", 2)
            assert await other.admit("ada", "run-2", 2)
            assert not await one.admit("ada", "run-3", 2)
            assert not await other.admit("ada", "run-3", 2)
            assert await other.admit("ada", "run-3", 3)
            await one.dismiss("ada", "run-2")
            await one.dismiss("ada", "run-2")
            assert await other.admit("ada", "run-4", 3)
            assert not await one.admit("ada", "run-5", 3)

    async def test_admitting_a_run_again_changes_nothing(self) -> None:
        async with self.registries(2) as (one, other):
            assert [await each.admit("ada", "run-1", 1) for each in (one, other, one)] == [True, True, True]
            await other.dismiss("ada", "another")
            assert not await one.admit("ada", "run-2", 1)
            await other.dismiss("ada", "run-1")
            assert await one.admit("ada", "run-2", 1)

    async def test_of_many_that_are_admitted_at_once_there_are_as_many_as_may_be(self) -> None:
        async with self.registries(3) as servers:
            admitted = await asyncio.gather(
                *(servers[number % 3].admit("ada", f"run-{number}", 7) for number in range(30))
            )
            assert admitted.count(True) == 7

    async def test_each_starter_is_counted_alone(self) -> None:
        async with self.registries(1) as (registry,):
            for number, account in enumerate(dict(ACCOUNTS)):
                assert await registry.admit(account, f"run-{number}", 1)
                assert not await registry.admit(account, "another", 1)

    async def test_whoever_comes_into_a_busy_room_waits_and_has_its_turn_in_order(self) -> None:
        async with self.registries(2) as (one, other):
            await one.enter(ROOM, "run-1", "queue", 9)
            await other.enter(ROOM, "run-2", "queue", 9)
            state = await one.enter(ROOM, "run-3", "queue", 9)
            assert list(state) == [("run-1", "active"), ("run-2", "waiting"), ("run-3", "waiting")]
            assert await other.room(ROOM) == state
            await one.leave(ROOM, "run-1")
            assert list(await other.room(ROOM)) == [("run-2", "active"), ("run-3", "waiting")]
            await other.leave(ROOM, "run-2")
            await one.leave(ROOM, "run-3")
            assert list(await one.room(ROOM)) == []

    async def test_entering_again_changes_nothing(self) -> None:
        async with self.registries(1) as (registry,):
            first = await registry.enter(ROOM, "run-1", "reject", 0)
            assert await registry.enter(ROOM, "run-1", "reject", 0) == first
            await registry.leave(ROOM, "another")
            assert await registry.room(ROOM) == first

    async def test_a_busy_room_refuses_and_so_many_wait(self) -> None:
        async with self.registries(2) as (one, other):
            await one.enter(ROOM, "run-1", "concurrent", 1)
            await other.enter(ROOM, "run-2", "concurrent", 1)
            await self.refused(other.enter(ROOM, "run-3", "reject", 1))
            await other.enter(ROOM, "run-4", "queue", 1)
            await self.refused(one.enter(ROOM, "run-5", "queue", 1))
            assert [standing for _, standing in await one.room(ROOM)] == ["active", "active", "waiting"]
            assert list(await one.enter("another", "run-6", "reject", 1)) == [("run-6", "active")]

    async def test_the_latest_replaces_those_that_wait_and_an_interruption_all(self) -> None:
        async with self.registries(2) as (one, other):
            await one.enter(ROOM, "run-1", "queue", 9)
            await one.enter(ROOM, "run-2", "queue", 9)
            state = await other.enter(ROOM, "run-3", "latest", 9)
            assert list(state) == [("run-1", "active"), ("run-2", "given up"), ("run-3", "waiting")]
            await one.leave(ROOM, "run-2")
            state = await other.enter(ROOM, "run-4", "interrupt", 9)
            assert list(state) == [("run-1", "stopping"), ("run-3", "given up"), ("run-4", "waiting")]
            await other.leave(ROOM, "run-3")
            await one.leave(ROOM, "run-1")
            assert list(await one.room(ROOM)) == [("run-4", "active")]

    async def test_whoever_comes_back_is_in_front_of_all_that_wait(self) -> None:
        async with self.registries(2) as (one, other):
            await one.enter(ROOM, "run-1", "queue", 9)
            await other.enter(ROOM, "run-2", "queue", 9)
            await one.enter(ROOM, "run-3", "queue", 9)
            await one.leave(ROOM, "run-1")
            state = await one.come_back(ROOM, "run-1")
            assert list(state) == [("run-2", "active"), ("run-1", "waiting"), ("run-3", "waiting")]
            assert list(await other.come_back("another", "run-4")) == [("run-4", "active")]

    async def test_what_another_server_has_taken_over_is_not_left_by_the_former(self) -> None:
        async with self.registries(2) as (one, other):
            await one.enter(ROOM, "run-1", "queue", 9)
            assert list(await other.take_over(ROOM, "run-1")) == [("run-1", "active")]
            await one.leave(ROOM, "run-1")
            assert list(await one.room(ROOM)) == [("run-1", "active")]
            await other.leave(ROOM, "run-1")
            assert list(await other.take_over(ROOM, "run-1")) == []

    async def test_of_many_that_enter_at_once_one_is_active(self) -> None:
        async with self.registries(3) as servers:
            await asyncio.gather(
                *(servers[number % 3].enter(ROOM, f"run-{number}", "queue", 99) for number in range(30))
            )
            state = await servers[0].room(ROOM)
            assert [standing for _, standing in state] == ["active", *["waiting"] * 29]
            assert len({run_id for run_id, _ in state}) == 30

    async def refused(self, attempt: Any) -> None:
        try:
            await attempt
        except HubError:
            return
        raise AssertionError("the room took one more")
