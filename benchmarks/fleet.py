"""The servers of a run: each is started once, and only one is awake at a time."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from benchmarks.broker import Broker
from benchmarks.joined import Joined
from benchmarks.peers import Peer
from benchmarks.process import Server, running
from benchmarks.rows.measuring import Bench
from benchmarks.settings import Settings


class Fleet:
    """Servers on one core. A process that is stopped (SIGSTOP) does not use it, not even for a timer."""

    def __init__(self, core: int, settings: Settings) -> None:
        self._core = core
        self._settings = settings
        self._living: dict[tuple[str, bool], tuple[AsyncExitStack, Bench]] = {}
        self._broker: Broker | None = None

    @asynccontextmanager
    async def turn(self, peer: Peer, *, backplane: bool = False) -> AsyncIterator[Bench]:
        """A peer's server, awake alone. After an error it is ended, so that the next turn has a new one.

        With a backplane it is the first of several, `Joined` through one Redis, which all peers share.

        Raises:
            LoadError: it does not start.
        """
        bench = await self._bench(peer, backplane)
        bench.server.resume()
        try:
            yield bench
        except BaseException:
            await self.end(peer, backplane=backplane)
            raise
        bench.server.suspend()

    async def end(self, peer: Peer, *, backplane: bool = False) -> None:
        """Stop a peer's server for good, if there is one."""
        if living := self._living.pop((peer.key, backplane), None):
            await living[0].aclose()

    async def end_all(self) -> None:
        """Stop every server, and Redis."""
        while self._living:
            _, (stack, _) = self._living.popitem()
            await stack.aclose()
        if self._broker is not None:
            broker, self._broker = self._broker, None
            await broker.close()

    async def _bench(self, peer: Peer, backplane: bool) -> Bench:
        key = peer.key, backplane
        if key not in self._living:
            stack = AsyncExitStack()
            make = self._joined if backplane else self._alone
            self._living[key] = stack, Bench(await make(peer, stack), self._settings)
        return self._living[key][1]

    async def _alone(self, peer: Peer, stack: AsyncExitStack) -> Server:
        return await stack.enter_async_context(running(peer, self._core))

    async def _joined(self, peer: Peer, stack: AsyncExitStack) -> Server:
        if self._broker is None:
            self._broker = Broker(self._core)
            await self._broker.start()
        broker = self._broker

        async def more() -> Server:
            return await stack.enter_async_context(running(peer, self._core, broker.address))

        return Joined(await more(), broker, more)
