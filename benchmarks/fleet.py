"""The servers that live through a run: each is started once, and only one is awake at a time."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from benchmarks.peers import Peer
from benchmarks.process import running
from benchmarks.rows.measuring import Bench
from benchmarks.settings import Settings


class Fleet:
    """Servers on one core. A process that is stopped (SIGSTOP) takes nothing of it, not even for a timer."""

    def __init__(self, core: int, settings: Settings) -> None:
        self._core = core
        self._settings = settings
        self._living: dict[str, tuple[AsyncExitStack, Bench]] = {}

    @asynccontextmanager
    async def turn(self, peer: Peer) -> AsyncIterator[Bench]:
        """A peer's server, awake alone. After an error it is ended, so that the next turn has a new one.

        Raises:
            LoadError: it does not start.
        """
        bench = await self._bench(peer)
        bench.server.resume()
        try:
            yield bench
        except BaseException:
            await self.end(peer)
            raise
        bench.server.suspend()

    async def end(self, peer: Peer) -> None:
        """Stop a peer's server for good, if there is one."""
        if living := self._living.pop(peer.key, None):
            await living[0].aclose()

    async def end_all(self) -> None:
        while self._living:
            _, (stack, _) = self._living.popitem()
            await stack.aclose()

    async def _bench(self, peer: Peer) -> Bench:
        if peer.key not in self._living:
            stack = AsyncExitStack()
            server = await stack.enter_async_context(running(peer, self._core))
            self._living[peer.key] = stack, Bench(server, self._settings)
        return self._living[peer.key][1]
