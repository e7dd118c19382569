"""What `hubline.client` offers on top of calls by name, against the contract: typed calls, runs, and scripts."""

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, Literal, Protocol

import pytest

from hubline import ConfigurationError, ConnectionClosed, InvocationError
from hubline.client import ConnectionState, HubConnection, sync
from tests.interop.cutting_proxy import CuttingProxy
from tests.interop.running import contract_server

Codec = Literal["json", "messagepack"]
both_codecs = pytest.mark.parametrize("codec", ["json", "messagepack"])


class Contract(Protocol):
    async def add(self, a: int, b: int) -> int: ...
    async def ask_client(self, connection_id: str, value: int) -> int: ...
    async def sum(self, numbers: AsyncIterator[int]) -> int: ...
    def count(self, n: int, delay: int) -> AsyncIterator[int]: ...


class BlockingContract(Protocol):
    def add(self, a: int, b: int) -> int: ...
    def sum(self, numbers: Iterator[int]) -> int: ...
    def count(self, n: int, delay: int) -> Iterator[int]: ...


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    with contract_server("accelerated") as found:
        yield found


@both_codecs
async def test_typed_calls_and_handlers(ours: str, codec: Codec) -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(4):
            yield number

    async with HubConnection(ours + "/hub", codec=codec) as hub:

        @hub.handler
        async def double(value: int) -> int:
            return 2 * value

        server = hub.typed(Contract)
        assert await server.add(1, b=2) == 3
        assert await server.sum(numbers()) == 6
        assert [n async for n in server.count(3, 0)] == [0, 1, 2]
        assert await server.ask_client(str(hub.connection_id), 21) == 42


@both_codecs
async def test_a_run_over_a_line_that_is_cut_at_any_byte(ours: str, codec: Codec) -> None:
    """Every item comes once and in order, snapshots too: the log is cut off in between, and parts are replaced."""
    proxy = CuttingProxy(ours, seed=3, shortest=100, longest=5_000, settled=None, half_open=False)
    proxy.most = 15
    async with HubConnection(ours + "/hub-runs", codec=codec) as straight, proxy.running() as address:
        run_id = await straight.invoke("StartParts", 150, 2, result_type=str)
        hub = HubConnection(address + "/hub-runs", codec=codec, retry=lambda retry: 0.0)
        while hub.state is not ConnectionState.CONNECTED:
            with suppress(ConnectionClosed):
                await hub.start()
        run = hub.run(run_id)
        items = [item async for item in run]
        await hub.stop()
        whole = await straight.run(run_id).wait()
    found = run.content
    assert found.parts == whole.parts
    assert found.text == "".join(f"t{number} " for number in range(150))
    assert (found.state, found.ended, items[-1]["kind"]) == ("completed", True, "end")
    positions = [item["position"] for item in items if item["kind"] not in ("live", "snapshot")]
    assert len(positions) == len(set(positions))
    assert proxy.cuts > 1


async def test_the_calls_for_a_run(ours: str) -> None:
    async with HubConnection(ours + "/hub-runs") as hub:
        run = hub.run(await hub.invoke("StartAsking", 600_000, result_type=str))
        async for item in run:
            if item["kind"] == "ask":
                with pytest.raises(InvocationError):
                    await run.answer(item["askId"], "no bool")
                await run.answer(item["askId"], True)
        assert run.content.text == "yes by nobody"
        assert (await run.info()).state == "completed"
        steered = hub.run(await hub.invoke("StartSteered", 1, result_type=str))
        steer_id = await steered.steer("left")
        assert [each["steerId"] for each in (await steered.wait()).steered] == [steer_id]
        endless = await hub.invoke("StartCount", 1_000_000, 5, None, "a room", result_type=str)
        watched = hub.watch_runs("a room")
        assert [each.id for each in await anext(watched)] == [endless]
        assert (await hub.run(endless).stop()).state == "stopped"
        while (await anext(watched))[0].state != "stopped":
            pass
        await watched.aclose()
        with pytest.raises(InvocationError, match="The run does not exist"):
            await hub.run("nothing").wait()


@both_codecs
def test_scripts(ours: str, codec: Codec) -> None:
    """Calls block, streams are plain iterators, and handlers run in a thread where they may call the hub."""
    heard: list[Any] = []
    threads = set()
    with sync.HubConnection(ours + "/hub", codec=codec) as hub:

        @hub.handler
        def double(value: int) -> int:
            threads.add(threading.current_thread())
            return hub.invoke("Add", value, value, result_type=int)

        hub.on("ReceiveMessage", lambda *message: heard.append(message))
        assert hub.invoke("Add", 1, 2, result_type=int) == 3
        assert hub.invoke("AskClient", hub.connection_id, 21, result_type=int) == 42
        assert threading.current_thread() not in threads
        assert list(hub.stream("Count", 5, 0, result_type=int)) == [0, 1, 2, 3, 4]
        for item in hub.stream("Count", 1_000_000_000, 1):
            if item == 2:
                break
        assert hub.invoke("Sum", iter(range(4)), result_type=int) == 6
        server = hub.typed(BlockingContract)
        assert (server.add(1, 2), server.sum(n for n in (1, 2)), list(server.count(2, 0))) == (3, 3, [0, 1])
        with pytest.raises(InvocationError, match="why"):
            hub.invoke("ThrowHub", "why")
        hub.send("Join", "g")
        hub.invoke("ToGroup", "g", "hello")
        hub.invoke("Add", 1, 2)
    assert hub.state is ConnectionState.DISCONNECTED
    assert heard in ([], [("g", "hello")])
    assert not [each for each in threading.enumerate() if each.name == "hubline client"]
    with pytest.raises(RuntimeError, match="not been started"):
        hub.invoke("Add", 1, 2)
    with hub:
        assert hub.invoke("Add", 1, 2) == 3, "it can be started again"


def test_ctrl_c_in_a_script(ours: str) -> None:
    main = threading.main_thread()
    assert main.ident is not None
    with sync.HubConnection(ours + "/hub") as hub:
        interrupting = threading.Thread(target=signal.pthread_kill, args=(main.ident, signal.SIGINT))

        def interrupted() -> None:
            interrupting.start()
            hub.invoke("Slow", 10_000_000)

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        interrupting.join()
        assert hub.invoke("Add", 1, 2) == 3


def test_a_run_in_a_script(ours: str) -> None:
    with sync.HubConnection(ours + "/hub-runs") as hub:
        run = hub.run(hub.invoke("StartCount", 3, 1, None, None, result_type=str))
        assert [item["kind"] for item in run][-1] == "end"
        assert (run.content.text, run.info().state, run.wait().ended) == ("0 1 2 ", "completed", True)
        assert run.position == run.info().position
        assert next(hub.watch_runs("nowhere")) == ()
        endless = hub.run(hub.invoke("StartCount", 1_000_000, 5, None, None, result_type=str))
        assert endless.stop().id == endless.id


def test_who_waits_when_a_script_ends(ours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever: neither for an answer, nor for a stream, a run or the end."""
    hub = sync.HubConnection(ours + "/hub-runs")
    begun, begin = threading.Semaphore(0), hub._thread._begin
    hub.start()
    with pytest.raises(RuntimeError, match="can be started when it is disconnected"):
        hub.start()
    assert next(hub.states()) is ConnectionState.CONNECTED, "which did not harm it"
    endings: list[str] = []

    def begins(*call: Any) -> Any:
        future = begin(*call)
        begun.release()
        return future

    def wait(call: Any) -> None:
        try:
            endings.append(repr(call()))
        except ConnectionClosed as error:
            endings.append(type(error).__name__)

    run = hub.run(hub.invoke("StartCount", 1_000_000, 5, None, None, result_type=str))
    threads = [threading.Thread(target=wait, args=(each,)) for each in (run.wait, hub.closed)]
    monkeypatch.setattr(hub._thread, "_begin", begins)
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=60)
    with pytest.raises(TimeoutError):
        hub.closed(timeout=0.01)
    hub.stop()
    hub.stop()
    for thread in threads:
        thread.join(60)
    assert sorted(endings) in (["ConnectionClosed", "None"], ["ConnectionClosed", "ConnectionClosed"])


def test_what_a_script_cannot_have() -> None:
    async def handler() -> None: ...

    with pytest.raises(ConfigurationError, match="http belongs to an event loop"):
        sync.HubConnection("http://127.0.0.1/hub", http=object())  # type: ignore[arg-type]
    hub = sync.HubConnection("http://127.0.0.1:1/hub", token=lambda: hub.invoke("Token"))
    with pytest.raises(ConfigurationError, match="must be a plain function"):
        hub.on("Message", handler)
    with pytest.raises(ConnectionClosed, match="there is no token: there is no connection"):
        hub.start()
    assert not [each for each in threading.enumerate() if each.name == "hubline client"]


async def test_hubline_client_reads_lines_from_a_pipe(ours: str) -> None:
    lines = """
        Add 1 2
        EchoText "two words"
        # a comment
        stream Count 2 0
        on Double 42
        ToGroup g hello
        Join g
        send ToGroup g hello
        wait ReceiveMessage
        Nowhere
        quit
        Add 5 5
    """
    options = ("--codec", "messagepack", "--transport", "long_polling")
    command = (sys.executable, "-m", "hubline.cli.main", "client", ours + "/hub", *options)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate(lines.encode())
    assert out.decode().splitlines() == ["3", '"two words"', "0", "1", '< ReceiveMessage "g" "hello"']
    assert "Method does not exist." in errors.decode()
    assert process.returncode == 1, "a command has failed"
