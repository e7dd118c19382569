"""Every limit at its default, through the whole application: exactly the limit passes, one more has the documented
effect and nothing else. A bystander is connected the whole time, on an address of its own, and notices nothing.

The table in `docs/guides/limits.md` names these tests and those of single modules.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from hubline import ConnectionRoute, Hub, HubApp, InvocationError, SendTooLarge, TransportConnection, TransportOptions
from hubline.testing import InMemoryClient, ManualClock, connect, connect_raw, running, settle
from hubline.testing.asgi import ASGIApp
from hubline.testing.harness import ProtocolName
from hubline.wire.codec import Codec
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Invocation
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.packet import Packet

CODECS: dict[ProtocolName, Codec] = {"json": JsonCodec(), "messagepack": MessagePackCodec()}
ELSEWHERE = "198.51.100.1"
CLOSED = "Connection closed with an error."


@dataclass
class World:
    """An application with default limits, its time, and what its hub and its raw connections have in their hands."""

    clock: ManualClock = field(default_factory=ManualClock)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    raw: list[TransportConnection] = field(default_factory=list)
    app: ASGIApp = field(init=False)
    bystander: InMemoryClient = field(init=False)

    def connect(self, **more: Any) -> Any:
        return connect(self.app, "/hub", **more)

    async def serve(self, connection: TransportConnection) -> None:
        """Hold a raw connection without reading it, until the gate opens; read it then."""
        self.raw.append(connection)
        await self.gate.wait()
        while True:
            await connection.receive()


class Everything(Hub):
    def __init__(self, world: World) -> None:
        self.world = world

    async def echo(self, value: Any) -> Any:
        return value

    async def wait(self) -> None:
        await self.world.gate.wait()

    async def endless(self) -> AsyncIterator[int]:
        await self.world.gate.wait()
        yield 1

    async def swallow(self, items: AsyncIterator[int]) -> int:
        await self.world.gate.wait()
        return len([item async for item in items])

    async def tell_me(self, size: int) -> str:
        try:
            await self.clients.caller.send("Line", "x" * size)
        except SendTooLarge as error:
            return f"{error.size} bytes, {error.limit} are allowed"
        return "sent"

    async def ask_me(self) -> Any:
        return await self.clients.caller.invoke("Answer")


@asynccontextmanager
async def world(**transport: Any) -> AsyncIterator[World]:
    """A world whose bystander is asked before and after."""
    made = World()
    hubs = HubApp(
        {"/hub": lambda: Everything(made), "/raw": ConnectionRoute(made.serve)},
        transport=TransportOptions(**transport),
        clock=made.clock,
    )
    async with running(hubs, clock=made.clock) as made.app, made.connect(address=ELSEWHERE) as made.bystander:
        assert await made.bystander.invoke("Echo", "hello") == "hello"
        yield made
        assert await made.bystander.invoke("Echo", "still here") == "still here"
        await made.bystander.expect_nothing()
        made.gate.set()


def call_of(size: int, codec: Codec) -> bytes:
    """A call of `Echo`, framed, of so many bytes."""

    def encoded(length: int) -> bytes:
        return codec.encode(Invocation(invocation_id="x", target="Echo", arguments=("a" * length,)))

    return encoded(size - (len(encoded(30_000)) - 30_000))


async def is_read(client: InMemoryClient) -> bool:
    """Whether the server reads on: it then answers the call of a method that it does not have, at once."""
    await settle()
    answer = asyncio.ensure_future(client.invoke("NoSuch"))
    await settle()
    answer.cancel()
    results: list[object] = await asyncio.gather(answer, return_exceptions=True)
    return isinstance(results[0], InvocationError)


# Messages


@pytest.mark.parametrize("protocol", ["json", "messagepack"])
async def test_a_message_of_32_kib_passes_and_one_byte_more_closes_the_connection(protocol: ProtocolName) -> None:
    codec = CODECS[protocol]
    exact, too_large = call_of(32_768, codec), call_of(32_769, codec)
    assert (len(exact), len(too_large)) == (32_768, 32_769)
    async with world() as scene, scene.connect(protocol=protocol) as ada:
        await ada.send_bytes(exact, binary=protocol == "messagepack")
        await ada.fence()
        await ada.send_bytes(too_large, binary=protocol == "messagepack")
        closed = await ada.closed()
    assert (closed.error, closed.allow_reconnect) == (CLOSED, True)


@pytest.mark.parametrize(
    ("protocol", "fine", "too_deep"),
    [
        ("json", b"[[" * 31 + b"]]" * 31, b"[[" * 32 + b"]]" * 32),
        ("json", None, b"[" * 10_000 + b"]" * 10_000),
        ("messagepack", b"\x91" * 500 + b"\x90", b"\x91" * 10_000 + b"\x90"),
        ("messagepack", None, b"\x91" * 30_000 + b"\x90"),
    ],
)
async def test_nesting_too_deep_is_an_error_of_that_connection_only(
    protocol: ProtocolName, fine: bytes | None, too_deep: bytes
) -> None:
    def message(value: bytes) -> bytes:
        if protocol == "json":
            return b'{"type":1,"invocationId":"x","target":"Echo","arguments":[' + value + b"]}\x1e"
        body = b"\x96\x01\x80\xa1x\xa4Echo\x91" + value + b"\x90"
        return bytes([len(body) & 0x7F | 0x80, len(body) >> 7 & 0x7F | 0x80, len(body) >> 14]) + body

    async with world() as scene, scene.connect(protocol=protocol) as ada:
        if fine is not None:
            await ada.send_bytes(message(fine), binary=protocol == "messagepack")
            await ada.fence()
        await ada.send_bytes(message(too_deep), binary=protocol == "messagepack")
        closed = await ada.closed()
    assert (closed.error, closed.allow_reconnect) == (CLOSED, True)


# Times


async def test_a_handshake_may_take_just_under_15_seconds() -> None:
    async with world() as scene, connect_raw(scene.app, "/hub") as slow, connect_raw(scene.app, "/hub") as silent:
        await scene.clock.advance(14)
        await slow.send_bytes(b'{"protocol":"json","version":1}\x1e')
        assert await slow.receive_bytes() == b"{}\x1e"
        await scene.clock.advance(1)
        assert await silent.receive_bytes() == b'{"error":"Handshake was canceled."}\x1e'
        await silent.closed()
        await slow.send_bytes(b'{"type":1,"invocationId":"1","target":"Echo","arguments":[1]}\x1e')
        assert await slow.receive_bytes() == b'{"type":3,"invocationId":"1","result":1}\x1e'


async def test_a_client_that_has_pinged_may_be_silent_for_just_under_30_seconds() -> None:
    async with world() as scene, scene.connect() as ada, scene.connect() as never_pinged:
        await ada.ping()
        await scene.clock.advance(29)
        assert await ada.invoke("Echo", 1) == 1
        await scene.clock.advance(30)
        closed = await ada.closed()
        assert await never_pinged.invoke("Echo", 1) == 1
    assert (closed.error, closed.allow_reconnect) == (CLOSED, True)


async def test_a_question_to_a_client_waits_30_seconds() -> None:
    async with world() as scene, scene.connect() as ada:
        never = asyncio.Event()
        ada.on("Answer", never.wait)
        asking = asyncio.ensure_future(ada.invoke("AskMe"))
        await scene.clock.advance(29)
        assert not asking.done()
        await scene.clock.advance(1)
        with pytest.raises(InvocationError, match="Invocation canceled by the server"):
            await asking
        assert await ada.invoke("Echo", 1) == 1


async def test_one_write_may_take_just_under_10_seconds() -> None:
    async with world() as scene, scene.connect() as slow, scene.connect() as stuck:
        for client in (slow, stuck):
            client.stop_reading()
            await client.send("Echo", 0)
            await client.send_bytes(b'{"type":1,"invocationId":"x","target":"Echo","arguments":[1]}\x1e')
        await scene.clock.advance(9)
        slow.resume_reading()
        await scene.clock.advance(3)
        stuck.resume_reading()
        assert (await stuck.closed()).message is None
        assert await slow.invoke("Echo", 1) == 1


# Calls and streams of one connection


async def test_one_call_runs_32_wait_and_one_more_stops_the_reading() -> None:
    async with world() as scene, scene.connect() as ada:
        calls = [asyncio.ensure_future(ada.invoke("Wait")) for _ in range(33)]
        assert await is_read(ada)
        calls.append(asyncio.ensure_future(ada.invoke("Wait")))
        assert not await is_read(ada)
        scene.gate.set()
        assert await asyncio.gather(*calls) == [None] * 34
        assert await ada.invoke("Echo", 1) == 1


async def test_100_streams_run_and_the_next_fails_alone() -> None:
    async with world() as scene, scene.connect() as ada:
        streams = [ada.stream("Endless") for _ in range(100)]
        firsts = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await settle()
        with pytest.raises(InvocationError, match="A connection may have 100 streams at once"):
            await anext(ada.stream("Endless"))
        assert await ada.invoke("Echo", 1) == 1
        scene.gate.set()
        assert await asyncio.gather(*firsts) == [1] * 100
        for stream in streams:
            await stream.aclose()


async def test_ten_items_of_an_upload_wait_and_one_more_stops_the_reading() -> None:
    async with world() as scene, scene.connect() as ada:
        upload = b'{"type":1,"invocationId":"x","target":"Swallow","arguments":[],"streamIds":["u"]}\x1e'
        item = b'{"type":2,"invocationId":"u","item":1}\x1e'
        await ada.send_bytes(upload + item * 10)
        assert await is_read(ada)
        await ada.send_bytes(item)
        assert not await is_read(ada)
        scene.gate.set()
        assert await ada.invoke("Echo", 1) == 1


async def test_64_kib_of_posts_wait_and_the_next_post_is_held() -> None:
    async with world() as scene, connect_raw(scene.app, "/raw", transport="long_polling") as ada:
        await ada.send_bytes(b"x" * 65_536)
        held = asyncio.ensure_future(ada.send_bytes(b"y"))
        await settle()
        assert not held.done()
        scene.gate.set()
        await held


# The outbox


async def test_a_message_to_a_client_may_have_16_mib_and_one_byte_more_fails_the_call() -> None:
    most = 16 * 1_048_576
    async with world() as scene, scene.connect() as ada:
        room = most - len(CODECS["json"].encode(Invocation(target="Line", arguments=("",))))
        assert await ada.invoke("TellMe", room) == "sent"
        assert await ada.invoke("TellMe", room + 1) == f"{most + 1} bytes, {most} are allowed"
        (line,) = await ada.expect("Line")
        assert len(line) == room
        await ada.expect_nothing()


async def test_an_outbox_holds_1_mib_and_one_byte_more_closes_the_connection() -> None:
    async with world() as scene, connect_raw(scene.app, "/raw") as ada:
        ada.stop_reading()
        await settle()
        (connection,) = scene.raw
        for _ in range(16):
            connection.write(Packet(b"x" * 65_536))
        await settle()
        assert not connection.lost
        connection.write(Packet(b"x"))
        assert connection.lost
        scene.gate.set()


async def test_an_outbox_holds_10000_messages_and_one_more_closes_the_connection() -> None:
    async with world() as scene, connect_raw(scene.app, "/raw") as ada:
        ada.stop_reading()
        await settle()
        (connection,) = scene.raw
        connection.write(Packet(b"under way"))
        await settle()
        for _ in range(10_000):
            connection.write(Packet(b"x"))
        await settle()
        assert not connection.lost
        connection.write(Packet(b"x"))
        assert connection.lost
        scene.gate.set()


async def test_with_drop_oldest_an_outbox_of_1_mib_forgets_its_oldest_message() -> None:
    async with world(outbox_policy="drop_oldest") as scene, connect_raw(scene.app, "/raw") as ada:
        ada.stop_reading()
        await settle()
        (connection,) = scene.raw
        for number in range(17):
            connection.write(Packet(bytes([65 + number]) * 65_536))
            await settle()
        ada.resume_reading()
        received = [await ada.receive_bytes() for _ in range(16)]
        assert b"".join(each[:1] for each in received) == b"ACDEFGHIJKLMNOPQ", "A is under way"
        scene.gate.set()


async def test_with_latest_a_newer_message_takes_the_place_of_its_key_and_others_meet_the_limit() -> None:
    async with world(outbox_policy="latest") as scene, connect_raw(scene.app, "/raw") as ada:
        ada.stop_reading()
        await settle()
        (connection,) = scene.raw
        for number in range(100):
            connection.write(Packet(bytes([number]) * 65_536, key="position"))
        for _ in range(15):
            connection.write(Packet(b"x" * 65_536))
        await settle()
        assert not connection.lost
        connection.write(Packet(b"x"))
        assert connection.lost
        scene.gate.set()
