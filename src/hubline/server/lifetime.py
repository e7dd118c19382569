"""The connections of one hub on this server, and how messages reach them.

Everything that is sent to clients goes through `HubLifetime.send`, which is where a backplane will take part.
"""

from typing import Any

from hubline._clock import Clock
from hubline.errors import ConnectionClosed
from hubline.server.binding import Readers
from hubline.server.connection import HubConnectionContext
from hubline.server.groups import LocalIndex
from hubline.server.invocations import ClientResults
from hubline.server.options import HubOptions
from hubline.server.recipients import Connections, Recipients
from hubline.wire.messages import Invocation
from hubline.wire.packet import SerializedMessage


class HubLifetime:
    """Sends to recipients, keeps groups, asks clients for results. Local: one server."""

    def __init__(self, options: HubOptions, clock: Clock) -> None:
        self._options, self._clock, self._readers = options, clock, Readers()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget every connection without touching it: their event loop does not run any more."""
        self.index: LocalIndex[HubConnectionContext] = LocalIndex()
        self.results = ClientResults()

    async def send(self, recipients: Recipients, message: Invocation) -> None:
        """Queue a message for everybody addressed; nobody addressed is no error.

        Waits only when a single connection is addressed that is behind: one slow client never delays a broadcast.

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: an argument has no form on the wire.
        """
        if type(recipients) is Connections and len(recipients.ids) == 1:
            connection = self.index.connections.get(recipients.ids[0])
            if connection is not None and not connection.send(message):
                await connection.drain()
            return
        self.deliver(recipients, SerializedMessage(message))

    def deliver(self, recipients: Recipients, message: SerializedMessage) -> None:
        """The fan-out: no task, no await, no copy; each codec encodes once."""
        codec = None
        for connection in self.index.members(recipients):
            if connection.codec is not codec:
                codec = connection.codec
                packet = message.packet_for(codec)
            connection.write(packet)

    async def invoke(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        """Ask one client and wait for its answer; `Client.invoke` says what is raised."""
        connection = self.index.connections.get(connection_id)
        if connection is None:
            raise ConnectionClosed(f"Connection '{connection_id}' does not exist.")
        if connection.context.aborted.requested:
            raise ConnectionClosed(f"Connection '{connection_id}' disconnected.")
        deadline = self._clock.now() + (self._options.client_result_timeout if timeout is None else timeout)
        read = self._readers.reader(connection.codec, result_type)
        invocation_id, pending = self.results.expect(connection_id, read, deadline)
        connection.stir()  # its heartbeat keeps the deadline
        try:
            connection.send(Invocation(invocation_id=invocation_id, target=target, arguments=arguments))
            return await pending.future
        finally:
            self.results.forget(invocation_id)

    async def add(self, connection_id: str, name: str) -> None:
        self.index.join(connection_id, name)

    async def remove(self, connection_id: str, name: str) -> None:
        self.index.leave(connection_id, name)

    def connected(self, connection: HubConnectionContext) -> None:
        self.index.add(connection)

    def ending(self, connection: HubConnectionContext) -> None:
        """It can no longer answer; it is still a member of its groups until `disconnected`."""
        self.results.disconnected(connection.id)

    def disconnected(self, connection: HubConnectionContext) -> None:
        self.index.remove(connection)
        connection.context._release()
