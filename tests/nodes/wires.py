"""Two ends of a link in one process, without sockets: what one writes, the other gets in the next turn."""

import asyncio

from hubline.nodes.handshake import AcceptorHandshake, DialerHandshake
from hubline.nodes.link import Link
from hubline.nodes.stream import Stream
from hubline.nodes.tokens import Secrets
from hubline.testing import ManualClock, settle

SECRET = "a secret of the nodes in the tests"
ADDRESS = "unix:/run/hubline/a.sock"


class Wire(asyncio.Transport):
    """One direction of a connection. While it is `held`, nothing arrives."""

    def __init__(self, protocol: Link) -> None:
        super().__init__()
        self.protocol = protocol
        self.peer: Wire | None = None
        self.held = False
        self.closed = False
        self.written: list[bytes] = []
        """Every write, for tests that look at them."""
        self._waiting: list[bytes] = []

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._waiting))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self._waiting.append(bytes(data))
        if not self.held:
            asyncio.get_running_loop().call_soon(self._deliver)

    def release(self) -> None:
        self.held = False
        self._deliver()

    def close(self) -> None:
        asyncio.get_running_loop().call_soon(self.abort)

    def abort(self) -> None:
        """Both ends see that the connection is lost."""
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)
            if self.peer is not None:
                self.peer.abort()

    def _deliver(self) -> None:
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            if self.peer is not None and not self.closed:
                self.peer.protocol.data_received(data)


class Pair:
    """A link, seen from both ends. `opened` are the streams that have come to the acceptor."""

    def __init__(
        self, *, dialers: Secrets | None = None, acceptors: Secrets | None = None, dialed: str = ADDRESS
    ) -> None:
        self.clock = ManualClock()
        self.opened: list[tuple[Stream, bytes]] = []
        self.over: list[Link] = []
        now, over = self.clock.now, self.over.append
        secrets = Secrets([SECRET])
        self.dialer = Link("a", DialerHandshake(dialers or secrets, dialed), now=now, over=over)
        self.acceptor = Link(
            "b",
            AcceptorHandshake(acceptors or secrets, ADDRESS),
            now=now,
            over=over,
            opened=lambda stream, opening: self.opened.append((stream, opening)),
        )
        self.out, self.back = Wire(self.dialer), Wire(self.acceptor)
        self.out.peer, self.back.peer = self.back, self.out

    async def connect(self) -> "Pair":
        self.acceptor.connection_made(self.back)
        self.dialer.connection_made(self.out)
        await settle()
        return self

    async def stream(self) -> tuple[Stream, Stream]:
        """A new stream, from both ends."""
        own = self.dialer.open(b"opening")
        await settle()
        stream, opening = self.opened[-1]
        assert opening == b"opening"
        return own, stream

    def end(self) -> None:
        self.dialer.abort()
        self.acceptor.abort()
