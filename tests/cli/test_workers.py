"""`hubline run --workers` as processes of their own: one server to everybody who looks."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.running import Running, hubline
from tests.servers.raw_client import CLOSE, RawWebSocket

HUBS = """
import asyncio, os
from hubline import Hub, HubApp

class Chat(Hub):
    async def pid(self) -> int:
        return os.getpid()
    async def tell(self, text: str) -> None:
        await self.clients.all.send("Told", text)
    async def tell_group(self, group: str, text: str) -> None:
        await self.clients.group(group).send("Told", text)
    async def join(self, group: str) -> None:
        await self.groups.add(self.context.connection_id, group)
    async def my_id(self) -> str:
        return self.context.connection_id
    async def seen(self) -> list[int]:
        found = app.statistics()
        return [found["transports"].connections, *(each["pid"] for each in found["workers"])]
    async def ask(self, connection_id: str) -> int:
        return await self.clients.client(connection_id).invoke("Number", result_type=int)

app = HubApp({"/chat": Chat}, drain_timeout=2)

async def broken(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "does not start"})
"""

PATIENT = HUBS.replace("drain_timeout=2", "drain_timeout=60")
"""For clients that all leave when they are asked to: on a busy machine none is cut off before."""

LIMIT = 100.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "served.py").write_text(HUBS)
    return tmp_path


class Closed(Exception):
    """The server has closed the socket before it answered."""


class AskedToReconnect(Exception):
    """The server leaves, politely."""


class Client:
    """A hub connection over a raw WebSocket, without negotiation."""

    def __init__(self, socket: RawWebSocket) -> None:
        self._socket = socket
        self.waiting: list[dict[str, Any]] = []

    @classmethod
    async def open(cls, url: str) -> "Client":
        self = cls(await RawWebSocket.open(url, "/chat"))
        assert self._socket.status == 101
        self.send({"protocol": "json", "version": 1})
        assert await self.read() == {}
        return self

    def send(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message).encode() + b"\x1e")

    async def read(self) -> dict[str, Any]:
        """The next message that is no ping; `close` stands for the end of the socket."""
        while not self.waiting:
            opcode, payload = await self._socket.frame()
            if opcode == CLOSE:
                return {"close": True}
            found = [json.loads(each) for each in payload.decode().split("\x1e") if each]
            self.waiting = [each for each in found if each.get("type") != 6]
        return self.waiting.pop(0)

    async def call(self, target: str, *arguments: Any) -> Any:
        self.send({"type": 1, "invocationId": "1", "target": target, "arguments": arguments})
        others = []
        while (message := await self.read()).get("type") != 3 or message["invocationId"] != "1":
            if message == {"type": 7, "allowReconnect": True}:
                raise AskedToReconnect
            if message == {"close": True}:
                raise Closed
            others.append(message)
        self.waiting = others + self.waiting
        assert "error" not in message, message
        return message.get("result")

    async def hear(self) -> list[Any]:
        message = await self.read()
        assert (message["type"], message["target"]) == (1, "Told")
        arguments: list[Any] = message["arguments"]
        return arguments

    def close(self) -> None:
        self._socket.close()


async def on_each_worker(stack: AsyncExitStack, url: str, workers: int) -> dict[int, Client]:
    """One client for each worker, by the worker's process. While the hub is away a worker refuses clients."""
    found: dict[int, Client] = {}
    while len(found) < workers:
        client = await Client.open(url)
        stack.callback(client.close)
        with suppress(Closed):
            found.setdefault(await client.call("Pid"), client)
    return found


async def ended(pids: Iterable[int]) -> None:
    """Wait until these processes have ended, children of this one or not."""
    for pid in pids:
        with suppress(ProcessLookupError):
            descriptor, readable = os.pidfd_open(pid), asyncio.Event()
            asyncio.get_running_loop().add_reader(descriptor, readable.set)
            await readable.wait()
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)


def children(running: Running) -> list[int]:
    path = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    return [int(each) for each in path.read_text().split()]


async def test_clients_of_all_workers_are_one_hub(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        first, second = (await on_each_worker(stack, await running.url(), 2)).values()
        await first.call("Tell", "to all")
        assert [await each.hear() for each in (first, second)] == [["to all"]] * 2
        await second.call("Join", "g")
        await first.call("TellGroup", "g", "to a group")
        assert await second.hear() == ["to a group"]
        first.send({"type": 1, "invocationId": "2", "target": "Ask", "arguments": [await second.call("MyId")]})
        asked = await second.read()
        second.send({"type": 3, "invocationId": asked["invocationId"], "result": 42})
        assert (await first.read())["result"] == 42
        running.process.send_signal(signal.SIGTERM)
        assert [(await each.read())["type"] for each in (first, second)] == [7, 7]
        assert await running.end() == 0
        assert "Traceback" not in "".join(running.log)


async def test_connections_are_spread_over_the_workers(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        url = await running.url()
        counts: Counter[int] = Counter()
        for _ in range(40):
            client = await Client.open(url)
            counts[await client.call("Pid")] += 1
            client.close()
        assert len(counts) == 2
        assert min(counts.values()) >= 5


async def test_a_worker_that_is_killed_is_replaced_and_the_others_do_not_notice(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        url = await running.url()
        (pid, lost), (_, left) = (await on_each_worker(stack, url, 2)).items()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(asyncio.IncompleteReadError):
            await lost.read()
        await running.until("has ended with signal 9 and is started again")
        replaced = await on_each_worker(stack, url, 2)
        assert pid not in replaced
        await next(iter(replaced.values())).call("Tell", "on")
        assert await left.hear() == ["on"]


async def test_a_hub_that_is_killed_is_replaced_and_messages_pass_again(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        url = await running.url()
        clients = await on_each_worker(stack, url, 2)
        [hub] = set(children(running)) - set(clients)
        os.kill(hub, signal.SIGKILL)
        for _ in clients:
            await running.until("messages of other servers may have been lost")
        first, second = clients.values()
        await first.call("Tell", "again")
        assert [await each.hear() for each in (first, second)] == [["again"]] * 2


async def test_sighup_replaces_every_worker_and_no_client_is_refused(directory: Path) -> None:
    (directory / "served.py").write_text(PATIENT)
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        url = await running.url()
        before = await on_each_worker(stack, url, 2)
        stopped = asyncio.Event()

        async def come_and_go() -> int:
            count = 0
            while not stopped.is_set():
                client = await Client.open(url)
                with suppress(AskedToReconnect):
                    await client.call("Pid")
                client.close()
                count += 1
            return count

        visits = asyncio.ensure_future(come_and_go())
        running.process.send_signal(signal.SIGHUP)
        for client in before.values():
            assert await client.read() == {"type": 7, "allowReconnect": True}
            client.close()
        for _ in before:
            await running.until("was replaced")
        stopped.set()
        assert await visits > 0
        after = await on_each_worker(stack, url, 2)
        assert not set(before) & set(after)


async def test_the_workers_end_with_their_parent(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        clients = await on_each_worker(stack, await running.url(), 2)
        running.process.kill()
        for client in clients.values():
            assert (await client.read())["type"] == 7
            client.close()
        await ended(clients)


async def test_a_second_signal_ends_all_at_once(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        arguments = ("run", "served:app", "--port=0", "--workers=2", "--drain-timeout=100")
        running = await stack.enter_async_context(hubline(directory, *arguments))
        clients = await on_each_worker(stack, await running.url(), 2)
        running.process.send_signal(signal.SIGINT)
        for client in clients.values():
            assert (await client.read())["type"] == 7
        running.process.send_signal(signal.SIGINT)
        await ended(clients)
        await running.end()


@pytest.mark.parametrize(
    ("target", "told", "status"),
    [("served:broken", "does not start", 3), ("served:nothing", "has no attribute 'nothing'", 1)],
)
async def test_an_application_that_does_not_start_is_told_once(
    directory: Path, target: str, told: str, status: int
) -> None:
    async with asyncio.timeout(LIMIT):
        async with hubline(directory, "run", target, "--port=0", "--workers=3") as running:
            assert await running.end() == status
            assert "".join(running.log).count(told) == 1


async def test_a_port_in_use_is_told(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        port = (await running.url()).rpartition(":")[2]
        async with hubline(directory, "run", "served:app", f"--port={port}", "--workers=2") as second:
            assert await second.end() == 1
            assert "cannot listen on" in "".join(second.log)


async def test_workers_share_a_unix_socket(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        arguments = ("run", "served:app", "--uds=hub.sock", "--workers=2")
        running = await stack.enter_async_context(hubline(directory, *arguments))
        assert await running.url() == "unix:hub.sock"
        reader, writer = await asyncio.open_unix_connection(directory / "hub.sock")
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_reload_and_workers_exclude_each_other(directory: Path) -> None:
    async with hubline(directory, "run", "served:app", "--reload", "--workers=2") as running:
        assert await running.end() == 1
        assert "--reload and --workers exclude each other" in "".join(running.log)


async def test_an_application_that_no_longer_starts_leaves_the_old_workers_in_place(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        url = await running.url()
        before = await on_each_worker(stack, url, 2)
        (directory / "served.py").write_text("app = 1")
        running.process.send_signal(signal.SIGHUP)
        await running.until("could not be replaced")
        assert [await client.call("Pid") for client in before.values()] == list(before)
        (directory / "served.py").write_text(HUBS)
        running.process.send_signal(signal.SIGHUP)
        for client in before.values():  # whoever says so takes no more connections
            assert await client.read() == {"type": 7, "allowReconnect": True}
            client.close()
        assert not set(before) & set(await on_each_worker(stack, url, 2))


async def test_requests_of_one_connection_may_come_to_any_worker(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        url = await running.url()
        limits = httpx.Limits(max_keepalive_connections=0)  # so that each request has a connection of its own
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, limits=limits, timeout=LIMIT))
        token = (await http.post("/chat/negotiate?negotiateVersion=1")).json()["connectionToken"]
        address = f"/chat?id={token}"
        assert (await http.get(address)).status_code == 200
        pids = set()
        for message in ({"protocol": "json", "version": 1}, *[{"type": 1, "invocationId": "1", "target": "Pid"}] * 20):
            if "target" in message:
                message["arguments"] = []
            sent = await http.post(address, content=json.dumps(message) + "\x1e")
            assert sent.status_code == 200
            answer: dict[str, Any] = {}
            while "result" not in answer and ("target" in message or not answer):
                polled = await http.get(address)
                assert polled.status_code == 200
                for each in filter(None, polled.text.split("\x1e")):
                    answer = json.loads(each) or {"type": "handshake"}
            pids.add(answer.get("result"))
        assert len(pids - {None}) == 1
        assert (await http.delete(address)).status_code == 202


async def test_each_worker_has_the_statistics_of_all(directory: Path) -> None:
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        url = await running.url()
        clients = await on_each_worker(stack, url, 2)
        opened = len(clients)
        while True:  # they tell each other once a second
            counted = [await client.call("Seen") for client in clients.values()]
            if all(set(pids) == set(clients) and connections >= opened for connections, *pids in counted):
                break
        os.kill(min(clients), signal.SIGKILL)
        left = clients[max(clients)]
        while min(clients) in (seen := await left.call("Seen")) or len(seen) < 3:
            pass
