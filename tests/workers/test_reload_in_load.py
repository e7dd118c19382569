"""Four workers are replaced one after the other while clients call, speak to all and come and go."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from tests.cli.running import LIMIT, hubline
from tests.cli.test_workers import PATIENT, AskedToReconnect, Client, children, on_each_worker

WORKERS, CLIENTS = 4, 12


class Busy:
    """A client that calls without a pause, and connects again when it is asked to."""

    def __init__(self, url: str) -> None:
        self.url, self.answered, self.moved = url, 0, 0

    async def run(self, stopped: asyncio.Event) -> None:
        while not stopped.is_set():
            client = await Client.open(self.url)  # fails if it is refused
            try:
                while not stopped.is_set():
                    await client.call("Pid")
                    await client.call("Tell", "something")
                    client.waiting.clear()  # what all were told
                    self.answered += 2
            except AskedToReconnect:
                self.moved += 1
            finally:
                client.close()


async def test_no_call_fails_and_no_client_is_refused_while_four_workers_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(PATIENT)
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            hubline(tmp_path, "run", "served:app", "--port=0", f"--workers={WORKERS}")
        )
        url, stopped = await running.url(), asyncio.Event()
        before = children(running)
        everybody = [Busy(url) for _ in range(CLIENTS)]
        running.process.send_signal(signal.SIGHUP)
        async with asyncio.TaskGroup() as group:
            for each in everybody:
                group.create_task(each.run(stopped))
            for _ in range(WORKERS):
                await running.until("was replaced")
            stopped.set()
        assert all(each.answered for each in everybody)
        assert any(each.moved for each in everybody)
        replaced = await on_each_worker(stack, url, WORKERS)
        assert not set(before) & set(replaced)
        first, *others = replaced.values()
        await first.call("Tell", "on")
        assert [await other.hear() for other in others] == [["on"]] * (WORKERS - 1)
        for client in replaced.values():
            client.close()
        running.process.send_signal(signal.SIGTERM)
        assert await running.end() == 0
        assert "Traceback" not in "".join(running.log)
