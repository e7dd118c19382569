import asyncio

from hubline._tasks import TaskOwner
from hubline.testing.clock import ManualClock, settle


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()
    assert clock.now() == 0.0
    await clock.advance(2.5)
    assert clock.now() == 2.5


async def test_sleepers_wake_in_order_and_each_at_its_own_time() -> None:
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    owner = TaskOwner("test")
    for name, seconds in [("late", 3.0), ("first", 1.0), ("second", 1.0), ("never", 10.0)]:
        owner.start(sleeper(name, seconds))
    await clock.advance(5)
    assert woken == [("first", 1.0), ("second", 1.0), ("late", 3.0)]
    await owner.cancel()


async def test_a_sleeper_that_sleeps_again_is_woken_again() -> None:
    clock = ManualClock()
    beats: list[float] = []

    async def heartbeat() -> None:
        while True:
            await clock.sleep(1)
            beats.append(clock.now())

    owner = TaskOwner("test")
    owner.start(heartbeat())
    await clock.advance(3.5)
    assert beats == [1.0, 2.0, 3.0]
    await owner.cancel()


async def test_a_cancelled_sleeper_is_left_out() -> None:
    clock = ManualClock()
    owner = TaskOwner("test")
    owner.start(clock.sleep(1))
    await settle()
    await owner.cancel()
    await clock.advance(2)
    assert clock.now() == 2


async def test_sleeping_for_no_time_goes_on_without_moving_the_clock() -> None:
    clock = ManualClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert clock.now() == 0.0


async def test_settling_lets_a_chain_of_tasks_run_to_its_end() -> None:
    queues = [asyncio.Queue[int]() for _ in range(12)]
    reached: list[int] = []

    async def link(position: int) -> None:
        item = await queues[position].get()
        if position + 1 < len(queues):
            queues[position + 1].put_nowait(item)
        else:
            reached.append(item)

    owner = TaskOwner("test")
    for position in range(len(queues)):
        owner.start(link(position))
    queues[0].put_nowait(7)
    await settle()
    assert reached == [7]
