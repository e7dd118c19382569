"""Several servers behind one backplane, measured as one."""

from collections.abc import Awaitable, Callable

from benchmarks.broker import Broker
from benchmarks.machine import Usage, usage
from benchmarks.process import Server


class Joined(Server):
    """Several servers of a peer that share a Redis. The CPU of all of them and of Redis is counted.

    They are not stopped between their turns: after a stop, a server does not receive from its backplane for a moment.
    Nothing is published meanwhile, so they are idle.
    """

    def __init__(self, first: Server, broker: Broker, more: Callable[[], Awaitable[Server]]) -> None:
        super().__init__(first.peer, first.port, first.process)
        self.members = [first]
        self.broker = broker
        self._more = more

    async def at_least(self, count: int) -> list[Server]:
        """The first `count` of them. Missing ones are started.

        Raises:
            LoadError: one does not start.
        """
        while len(self.members) < count:
            member = await self._more()
            self.members.append(member)
            self.pids += member.pids
        return self.members[:count]

    def usage(self) -> Usage:
        return usage(self.pids + self.broker.pids)

    def suspend(self) -> None:
        """Does nothing: they are idle."""

    def resume(self) -> None:
        """Does nothing: they were not stopped."""
