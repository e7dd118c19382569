"""The connections of one hub on this server, and how messages reach them.

Everything that is sent to clients goes through `HubLifetime.send`, which is where a backplane will take part.
"""

from typing import Any

from hubline._bursts import let_others_within_a_burst
from hubline._clock import Clock
from hubline.errors import FAILURES, ConnectionClosed, SendTooLarge
from hubline.server.binding import Readers
from hubline.server.groups import LocalIndex
from hubline.server.invocations import ClientResults
from hubline.server.options import HubOptions
from hubline.server.ports import HubConnection
from hubline.server.recipients import Connections, Recipients
from hubline.server.turns import STRIDE, STRIDE_OF_MANY, every
from hubline.wire.messages import Invocation
from hubline.wire.packet import SerializedMessage

LARGE = 65_536
"""Bytes of a message, or a sixteenth of the limit: what is smaller in one codec is within the limit in all. Ours."""

ASKED = 8
"""Of those above the high-water mark, how many are asked for each message whether a turn of the loop is of use. Ours:
in a burst to all who read the first says so, and thousands who do not read must not be asked each time."""


class HubLifetime:
    """Sends to recipients, keeps groups, asks clients for results. Local: one server."""

    def __init__(self, options: HubOptions, clock: Clock) -> None:
        self._options, self._clock, self._readers = options, clock, Readers()
        self._large = min(LARGE, options.maximum_send_message_size // 16)
        self._turn, self._turn_of_many = every(STRIDE), every(STRIDE_OF_MANY)
        """Whether others have a turn after this send or change of a group."""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget every connection without touching it: their event loop does not run any more."""
        self.index: LocalIndex[HubConnection] = LocalIndex()
        self.results = ClientResults()

    async def send(self, recipients: Recipients, message: Invocation) -> None:
        """Queue a message for everybody addressed; nobody addressed is no error.

        Waits for a client only when a single connection is addressed that is behind: one slow client never delays a
        broadcast. Others have a turn of the loop when nobody has room for the message, when much is queued for one of
        many that it was not offered yet, when it fails, and now and then anyway.

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: an argument has no form on the wire.
            SendTooLarge: the message is larger than `HubOptions.maximum_send_message_size`; nobody has got it.
        """
        try:
            if type(recipients) is Connections and len(recipients.ids) == 1:
                connection = self.index.connections.get(recipients.ids[0])
                if connection is not None and not connection.send(message):
                    await connection.drain()
                    return
                others = next(self._turn) or connection is None
            else:
                others = self.deliver(recipients, SerializedMessage(message)) or next(self._turn_of_many)
        except FAILURES:  # whatever an encoder raises about a user's value
            await let_others_within_a_burst()
            raise
        if others:
            await let_others_within_a_burst()

    def deliver(self, recipients: Recipients, message: SerializedMessage) -> bool:
        """The fan-out: no task, no await, no copy; each codec encodes once.

        True when others should have a turn: nobody had room for the message, or somebody above the high-water mark is
        offered what waits as soon as the loop turns.
        """
        codec, room, unoffered, asks = None, False, False, ASKED
        for connection in self.index.members(recipients):
            if connection.codec is not codec:
                codec = connection.codec
                packet = message.packet_for(codec)
                if len(packet) > self._large:
                    self._check_size(recipients, message)
            if connection.broadcast(packet):
                room = True
            elif asks:
                unoffered = connection.unoffered
                asks = 0 if unoffered else asks - 1
        return unoffered or not room

    def _check_size(self, recipients: Recipients, message: SerializedMessage) -> None:
        """Before anybody gets a large message: whether all may have it, in whatever codec."""
        limit = self._options.maximum_send_message_size
        for codec in {connection.codec for connection in self.index.members(recipients)}:
            size = len(message.packet_for(codec))
            if size > limit:
                raise SendTooLarge(size, limit=limit)

    async def invoke(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        """Ask one client and wait for its answer; `Client.invoke` says what is raised."""
        connection = self.index.connections.get(connection_id)
        if connection is None:
            await let_others_within_a_burst()
            raise ConnectionClosed(f"Connection '{connection_id}' does not exist.")
        if connection.context.aborted.requested:
            await let_others_within_a_burst()
            raise ConnectionClosed(f"Connection '{connection_id}' disconnected.")
        deadline = self._clock.now() + (self._options.client_result_timeout if timeout is None else timeout)
        read = self._readers.reader(connection.codec, result_type)
        invocation_id, pending = self.results.expect(connection_id, read, deadline)
        connection.stir()  # its heartbeat keeps the deadline
        try:
            connection.send(Invocation(invocation_id=invocation_id, target=target, arguments=arguments))
            return await pending.future
        except FAILURES:
            await let_others_within_a_burst()
            raise
        finally:
            self.results.forget(invocation_id)

    async def add(self, connection_id: str, name: str) -> None:
        self.index.join(connection_id, name)
        if next(self._turn):
            await let_others_within_a_burst()

    async def remove(self, connection_id: str, name: str) -> None:
        self.index.leave(connection_id, name)
        if next(self._turn):
            await let_others_within_a_burst()

    def connected(self, connection: HubConnection) -> None:
        self.index.add(connection)

    def ending(self, connection: HubConnection) -> None:
        """It can no longer answer; it is still a member of its groups until `disconnected`."""
        self.results.disconnected(connection.id)

    def disconnected(self, connection: HubConnection) -> None:
        self.index.remove(connection)
        connection.context._release()
