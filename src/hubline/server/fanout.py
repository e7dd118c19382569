"""Fan-out: sends a hub's messages to connections of this server and, with a backplane, of other servers.

Every call to a client passes `send` or `ask`, where filters see it and a backplane gets it. No other module uses the
index of connections.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, TypeAlias

from hubline._bursts import let_others_within_a_burst
from hubline._clock import Clock
from hubline._tasks import TaskOwner, ends_its_task
from hubline.backplanes.subscriptions import Subscriptions
from hubline.errors import InvocationError, SendTooLarge
from hubline.server.client_results import ClientResults, counted_ids, disconnected, does_not_exist, unique_id
from hubline.server.clients import Send
from hubline.server.connections import HubConnections
from hubline.server.groups import LocalIndex
from hubline.server.hub_groups import HubGroups
from hubline.server.members import Member
from hubline.server.options import HubOptions
from hubline.server.recipients import EVERYBODY, Connections, Recipients
from hubline.server.relay import Relay
from hubline.server.send_filters import OutgoingFilters, SendFilter
from hubline.server.yielding import STRIDE, STRIDE_OF_MANY, every
from hubline.wire.codec import Codec
from hubline.wire.messages import Completion, Invocation
from hubline.wire.packet import Packet, SerializedMessage

LARGE = 65_536
"""Bytes, or a sixteenth of the limit: a message that is smaller in one codec is within the limit in all. Ours."""

ASKED = 8
"""For each message, how many connections above the high-water mark are asked whether a turn of the loop would help.

Ours: if clients read, the first one says yes; and if thousands do not read, asking all of them would take too long.
"""

Joins: TypeAlias = "Callable[[FanOut, str, str], Awaitable[None]]"


class FanOut:
    """Sends to recipients, keeps groups, asks clients for results: for one hub, known by its name.

    With `subscriptions` to a backplane it reaches the connections of other servers too.
    """

    def __init__(
        self,
        hub: str,
        options: HubOptions,
        clock: Clock,
        *,
        codecs: Sequence[Codec],
        tasks: TaskOwner,
        filters: Sequence[SendFilter] = (),
        subscriptions: Subscriptions | None = None,
    ) -> None:
        self.hub = hub
        """The hub's name, by which other servers know it."""
        self.joins: Joins | None = None
        """Called for each new connection, with its user, to put it into groups. May raise BackplaneError."""
        self.groups = HubGroups(self)
        self._options, self._clock, self.codecs, self._tasks = options, clock, tuple(codecs), tasks
        self._large = min(LARGE, options.maximum_send_message_size // 16)
        self._turn, self._turn_of_many = every(STRIDE), every(STRIDE_OF_MANY)
        """Whether other tasks get a turn after this send or change of a group."""
        self._filters = OutgoingFilters(hub, tuple(filters), clock) if filters else None
        self._subscriptions = subscriptions
        self.send: Send = self._send if filters or subscriptions is not None else self._deliver
        """Queue a message for all recipients. It is no error if there are none.

        Waits for a client only if a single connection is addressed and is behind, so one slow client never delays a
        broadcast. Other tasks get a turn of the event loop if no recipient has room, if much is queued that was not
        offered to a client yet, if the send fails, and now and then in any case.

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: an argument cannot be encoded.
            SendTooLarge: the message is larger than `HubOptions.maximum_send_message_size`. Nothing is sent.
            BackplaneError: other servers cannot be reached.
        """
        self.begin_anew()

    leaving = False
    """Whether every connection is ended, also a new one, as soon as its handshake is answered."""

    def begin_anew(self) -> None:
        """Forget every connection, because their event loop does not run any more. They are not ended."""
        self._index: LocalIndex[Member] = LocalIndex()
        self._results = ClientResults(counted_ids() if self._subscriptions is None else unique_id)
        self._relay: Relay | None = None
        if self._subscriptions is not None:
            self._relay = Relay(
                self.hub,
                self._subscriptions,
                self._index,
                self._results,
                codecs=self.codecs,
                clock=self._clock,
                tasks=self._tasks,
                put=self._put,
                largest=self._options.maximum_send_message_size,
            )
        self.connections = HubConnections(
            self.hub, self._index, self._relay, self._subscriptions, clock=self._clock, tasks=self._tasks
        )
        """What code outside of hubs may ask about connections, and do with them, on all servers."""

    # Sending

    async def _send(self, recipients: Recipients, message: SerializedMessage) -> None:
        """Send through the filters and the backplane, if there are any."""
        onward = self._deliver if self._relay is None else self._publish
        task = asyncio.current_task()
        try:
            if self._filters is None:
                await onward(recipients, message)
            elif not await self._filters.send(recipients, message, onward) and next(self._turn):
                await let_others_within_a_burst()
        except BaseException as error:
            if not ends_its_task(error, task):
                await let_others_within_a_burst()
            raise

    async def _publish(self, recipients: Recipients, message: SerializedMessage) -> None:
        """Publish to other servers, and send to connections of this server that do not get it from the backplane."""
        assert self._relay is not None
        here = await self._relay.send(recipients, message)
        if here is not None:
            await self._deliver(here, message)
        elif next(self._turn_of_many):
            await let_others_within_a_burst()

    async def _deliver(self, recipients: Recipients, message: SerializedMessage) -> None:
        """Send to the connections of this server."""
        behind: Member | None = None
        try:
            if type(recipients) is Connections and len(recipients.ids) == 1:
                connection = self._index.connections.get(recipients.ids[0])
                if connection is not None and not _put_one(connection, message):
                    behind = connection
                others = behind is None and (next(self._turn) or connection is None)
            else:
                others = self._put(recipients, message) or next(self._turn_of_many)
        except BaseException:  # nothing was awaited: the encoder raised, because of a user's value
            await let_others_within_a_burst()
            raise
        if behind is not None:
            await behind.drain()
        elif others:
            await let_others_within_a_burst()

    def _put(self, recipients: Recipients, message: SerializedMessage) -> bool:
        """Put a message into every outbox here, without a task, an await or a copy. Each codec encodes it once.

        True if other tasks should get a turn: no recipient had room, or a client above the high-water mark will be
        offered queued messages in the next turn.
        """
        if message.key is not None:
            return self._put_latest(recipients, message)
        codec, room, unoffered, asks = None, False, False, ASKED
        everybody = recipients is EVERYBODY
        for connection in self._index.connections.values() if everybody else self._index.members(recipients):
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

    def _put_latest(self, recipients: Recipients, message: SerializedMessage) -> bool:
        """The same for a message with a key. True if no recipient had room."""
        self._check_size(recipients, message)
        return not any([_replace_one(connection, message) for connection in self._index.members(recipients)])

    def _check_size(self, recipients: Recipients, message: SerializedMessage) -> None:
        """Check a large message in every codec before any recipient gets it."""
        limit = self._options.maximum_send_message_size
        for codec in {connection.codec for connection in self._index.members(recipients)}:
            size = len(message.packet_for(codec))
            if size > limit:
                raise SendTooLarge(size, limit=limit)

    # Asking clients for results

    async def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        """Call one client and wait for its answer. Raises as `Client.invoke`."""
        connection = self._index.connections.get(connection_id)
        if connection is None and self._relay is None:
            await let_others_within_a_burst()
            raise does_not_exist(connection_id)
        if connection is not None and connection.context.aborted.requested:
            await let_others_within_a_burst()
            raise disconnected(connection_id)
        seconds = self._options.client_result_timeout if timeout is None else timeout
        invocation_id, pending = self._results.expect(connection_id, result_type, self._clock.now() + seconds)
        call = SerializedMessage(Invocation(invocation_id=invocation_id, target=target, arguments=arguments))
        task = asyncio.current_task()
        try:
            if self._filters is None:
                await self._question(Connections((connection_id,)), call)
            elif not await self._filters.send(Connections((connection_id,)), call, self._question):
                raise InvocationError(target, "a filter held the call back, so there is no answer")
            return await pending.future
        except BaseException as error:
            if not ends_its_task(error, task):
                await let_others_within_a_burst()
            raise
        finally:
            self._results.forget(invocation_id)

    async def _question(self, recipients: Recipients, message: SerializedMessage) -> None:
        """Send the call to the client, on this server or another."""
        assert type(recipients) is Connections
        connection = self._index.connections.get(recipients.ids[0])
        if connection is not None:
            connection.stir()  # its heartbeat checks the deadline
            _put_one(connection, message)
        elif self._relay is not None:
            await self._relay.question(recipients.ids[0], message)

    def answered(self, member: Member, message: Completion) -> None:
        """A client has answered. An answer that nobody waits for is ignored.

        Raises:
            RemoteProtocolError: another connection was asked.
        """
        self._results.complete(member.id, message, member.codec)

    def expire(self, connection_id: str, now: float) -> bool:
        """Fail calls to this connection that have waited too long. Returns whether other calls still wait."""
        return self._results.expire(connection_id, now)

    # Groups

    async def join(self, connection_id: str, group: str) -> None:
        """Put a connection of any server into a group. Idempotent. An unknown connection is ignored.

        Raises:
            BackplaneError: no server has the connection; only with a backplane.
        """
        here = self._index.join(connection_id, group)
        if self._relay is not None:
            await self._relay.joined(connection_id, group, here=here)
        if next(self._turn):
            await let_others_within_a_burst()

    async def leave(self, connection_id: str, group: str) -> None:
        """Take a connection out of a group. Idempotent. Raises as `join` does."""
        last = self._index.leave(connection_id, group)
        if self._relay is not None:
            await self._relay.left(connection_id, group, last=last)
        if next(self._turn):
            await let_others_within_a_burst()

    # The life of a connection

    async def connected(self, member: Member) -> None:
        """Register a connection, so that it can be addressed. When it ends, `disconnected` must be called.

        Raises:
            BackplaneError: other servers cannot reach it, so it must be refused.
        """
        self._index.add(member)
        if self._relay is not None:
            await self._relay.connected(member)
        if self.joins is not None and member.user_id:
            await self.joins(self, member.id, member.user_id)

    def rename(self, member: Member, before: str | None) -> None:
        """The member's user id was `before` and has changed. This server knows it at once, other servers soon."""
        last = self._index.rename(member, before)
        if self._relay is not None:
            self._relay.renamed(member, before if last else None)

    def ending(self, member: Member) -> None:
        """It can no longer answer calls. It stays a member of its groups until `disconnected`."""
        self._results.disconnected(member.id)

    async def disconnected(self, member: Member) -> None:
        """Remove it from its groups and from the index. A second call does nothing."""
        left = self._index.remove(member)
        member.context._release()
        if self._relay is not None:
            self._relay.disconnected(member, left)

    @property
    def members(self) -> Collection[Member]:
        """The connections of this server."""
        return self._index.connections.values()

    def close_all(self) -> None:
        """End every connection, and invite the clients to reconnect; those too that join from now on."""
        self.leaving = True
        for connection in list(self._index.connections.values()):
            connection.close(allow_reconnect=True)

    def statistics(self) -> dict[str, int]:
        """Counts of this server: connections, groups, users, awaited answers, and bytes kept for reconnects."""
        return {
            **self._index.statistics(),
            "awaited_results": len(self._results),
            "unacknowledged_bytes": sum(member.unacknowledged for member in self._index.connections.values()),
        }


def _put_one(connection: Member, message: SerializedMessage) -> bool:
    if message.key is not None:
        return _replace_one(connection, message)
    return connection.broadcast(message.packet_for(connection.codec))


def _replace_one(connection: Member, message: SerializedMessage) -> bool:
    packet = message.packet_for(connection.codec)
    assert isinstance(packet, Packet)
    return connection.replace(packet)
