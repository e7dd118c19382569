import asyncio

from hubline._tasks import TaskOwner
from hubline.testing import settle
from hubline.transports.asgi_writer import AsgiWriter
from hubline.transports.outbox import Outbox
from hubline.wire.packet import Packet


class Peer:
    """The far end of a writer: takes writes when it is let."""

    def __init__(self) -> None:
        self.tasks = TaskOwner("test")
        self.outbox = Outbox(
            capacity=10**6,
            messages=1000,
            policy="close",
            wake=self._wake,
            overflow=lambda _: None,
            burst=lambda: 1,
        )
        self.failures: list[Exception] = []
        self.failure: Exception | None = None
        self.writer = AsgiWriter(self.outbox, self._write, tasks=self.tasks, failed=self.failures.append)
        self.reads = asyncio.Event()
        self.got: list[bytes] = []

    def _wake(self) -> None:
        self.writer.wake()

    async def _write(self, payload: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.got.append(payload)
        await self.reads.wait()


async def test_an_idle_connection_has_no_writer() -> None:
    peer = Peer()
    assert len(peer.tasks) == 0
    peer.outbox.finish()
    await peer.writer.join()
    peer.writer.cancel()
    assert len(peer.tasks) == 0


async def test_what_gathers_during_a_write_becomes_the_next_one() -> None:
    peer = Peer()
    peer.outbox.put(Packet(b"a"))
    assert peer.got == [], "not before the loop turns"
    peer.outbox.put(Packet(b"b"))
    await settle()
    for payload in (b"c", b"d", b"e"):
        peer.outbox.put(Packet(payload))
        await settle()
    assert peer.got == [b"ab"]
    peer.reads.set()
    await settle()
    assert peer.got == [b"ab", b"cde"]
    assert len(peer.tasks) == 1
    peer.outbox.put(Packet(b"f"))
    peer.outbox.put(Packet(b"g"))
    await settle()
    assert peer.got == [b"ab", b"cde", b"fg"]
    peer.outbox.finish()
    await peer.writer.join()
    assert len(peer.tasks) == 0


async def test_joining_waits_for_what_is_queued() -> None:
    peer = Peer()
    peer.outbox.put(Packet(b"a"))
    await settle()
    peer.outbox.put(Packet(b"b"))
    peer.outbox.finish()
    joining = asyncio.ensure_future(peer.writer.join())
    await settle()
    assert not joining.done()
    peer.reads.set()
    await joining
    assert peer.got == [b"a", b"b"]


async def test_a_failing_write_ends_the_writer_and_is_told() -> None:
    peer = Peer()
    peer.failure = OSError("gone")
    peer.outbox.put(Packet(b"a"))
    await settle()
    assert peer.failures == [peer.failure]
    assert len(peer.tasks) == 0


async def test_a_cancelled_writer_is_no_failure() -> None:
    peer = Peer()
    peer.outbox.put(Packet(b"a"))
    await settle()
    peer.writer.cancel()
    await peer.writer.join()
    assert peer.failures == []
