"""A worker that hangs is replaced; a parent that is killed leaves nothing behind."""

import asyncio
import fcntl
import os
import selectors
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hubline.workers.children import Child
from hubline.workers.directory import PREFIX, Stay, sweep
from hubline.workers.supervisor import Supervisor
from tests.cli.running import hubline
from tests.cli.test_workers import HUBS, LIMIT, children, ended, on_each_worker

SLEEPING = """
    async def block(self) -> None:
        import time
        time.sleep(3600)
"""

RUN = ("run", "served:app", "--port=0", "--workers=2")
HASTY = (*RUN, "--worker-timeout=8")
"""Long enough for a worker that is only busy, as those beside the one that hangs are."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "served.py").write_text(HUBS.replace("class Chat(Hub):", "class Chat(Hub):" + SLEEPING))
    return tmp_path


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory for temporary files: a name that is short enough for sockets."""
    made = tempfile.mkdtemp()
    monkeypatch.setenv("TMPDIR", made)
    monkeypatch.setattr(tempfile, "tempdir", made)
    yield Path(made)
    shutil.rmtree(made)


def names(directory: Path, pattern: str = "*") -> list[str]:
    return [str(each.relative_to(directory)) for each in directory.glob(pattern)]


async def test_a_worker_that_blocks_its_event_loop_is_replaced_and_says_where_it_was(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, *HASTY))
        url = await running.url()
        (pid, blocked), (_, other) = (await on_each_worker(stack, url, 2)).items()
        blocked.send({"type": 1, "target": "Block", "arguments": []})
        await running.until("has not answered for 8 s and is replaced")
        await running.until("in block")
        await running.until("has ended with signal 9 and is started again")
        assert pid not in await on_each_worker(stack, url, 2)
        assert await other.call("Pid") != pid


async def test_a_worker_and_a_hub_that_were_stopped_are_replaced(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, *HASTY))
        url = await running.url()
        clients = await on_each_worker(stack, url, 2)
        [hub] = set(children(running)) - set(clients)
        stopped = next(iter(clients))
        for pid in (hub, stopped):
            os.kill(pid, signal.SIGSTOP)
        for _ in range(2):
            await running.until("has ended with signal 9 and is started again")
        assert not {hub, stopped} & {*children(running), *await on_each_worker(stack, url, 2)}


def test_who_said_something_while_the_parent_was_stopped_is_not_taken_for_hanging() -> None:
    supervisor = Supervisor(lambda parent: None, [lambda parent: None], drain_timeout=1, hang_timeout=30)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    child = Child("a child", os.getpid(), reading, ready=True, heard=time.monotonic() - 100)
    supervisor._workers[0].child = child
    os.write(writing, b"!")
    supervisor._end_hung()
    assert child.given_up is None
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_who_hung_and_ends_by_itself_does_not_end_the_parent() -> None:
    """Its pipe was closed, and the system has not yet said that it ended."""
    supervisor = Supervisor(lambda parent: None, [lambda parent: None], drain_timeout=1, hang_timeout=30)
    reading, writing = os.pipe()
    os.close(writing)
    os.set_blocking(reading, False)
    child = Child("a child", os.getpid(), reading, ready=True, heard=time.monotonic() - 100)
    supervisor._workers[0].child = child
    supervisor._selector.register(reading, selectors.EVENT_READ, child)
    supervisor._look(child)
    assert child.ended
    supervisor._end_hung()
    assert child.given_up is None
    os.close(reading)


@pytest.mark.parametrize("hub_too", [False, True])
async def test_a_parent_that_is_killed_leaves_no_process_and_no_directory(
    directory: Path, sockets: Path, hub_too: bool
) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, *RUN))
        clients = await on_each_worker(stack, await running.url(), 2)
        every = children(running)
        assert len(names(sockets, f"{PREFIX}*")) == 1
        running.process.kill()
        if hub_too:
            [hub] = set(every) - set(clients)
            os.kill(hub, signal.SIGKILL)
        for client in clients.values():
            assert (await client.read())["type"] == 7
            client.close()
        await ended(every)
        assert names(sockets) == []


async def test_what_killed_processes_left_is_removed_at_the_next_start(directory: Path, sockets: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, *RUN))
        await running.url()
        every = [running.process.pid, *children(running)]
        for pid in every:
            os.kill(pid, signal.SIGKILL)
        await ended(every[1:])
        [left] = names(sockets)
        again = await stack.enter_async_context(hubline(directory, *RUN))
        await again.url()
        assert len(names(sockets)) == 1
        assert left not in names(sockets)


def test_a_directory_in_use_stays_and_others_are_left_alone(sockets: Path) -> None:
    used, unused, strange = Stay.new(), Stay.new(), sockets / "hubline-strange"
    strange.mkdir()
    os.close(unused._lock)
    sweep()
    assert sorted(names(sockets)) == sorted([Path(used.path).name, strange.name])
    used.leave()
    assert names(sockets) == [strange.name]


def test_nothing_in_the_directory_looks_old_or_unlocked_to_who_cleans_up(sockets: Path) -> None:
    stay = Stay.new()
    database = Path(stay.path) / "runs-0.sqlite"
    database.touch()
    for each in (database, Path(stay.path)):
        os.utime(each, (0, 0))
    stay.touch()
    assert all(each.stat().st_mtime > 0 < each.stat().st_atime for each in (database, Path(stay.path)))
    cleaner = os.open(stay.path, os.O_RDONLY)  # as systemd-tmpfiles does: it spares what is in a locked directory
    with pytest.raises(BlockingIOError):
        fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(cleaner)
    stay.leave()


async def test_a_limit_that_a_busy_worker_would_miss_is_refused(directory: Path) -> None:
    async with hubline(directory, "run", "served:app", "--workers=2", "--worker-timeout=1") as running:
        assert await running.end() == 1
        assert "--worker-timeout is at least 3 seconds, or 0" in " ".join("".join(running.log).split())


def test_a_child_says_first_that_it_is_ready_and_then_that_it_lives() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    child = Child("a child", 0, reading)
    assert not child.look()
    assert not child.ready
    os.write(writing, b"!")
    assert child.look()
    heard = child.heard
    os.write(writing, b"!!")
    assert not child.look()
    assert child.heard >= heard > 0
    os.close(writing)
    assert not child.look()
    assert child.ended
    os.close(reading)
