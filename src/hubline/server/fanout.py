"""Fan-out: the one port between a hub and the connections it speaks to, here and, with a backplane, on other servers.

Every call to a client passes `send` or `ask`. There filters see it, and there a backplane gets it. Nothing reaches
behind it.
"""

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from typing import Any

from hubline._bursts import let_others_within_a_burst
from hubline._clock import Clock
from hubline._tasks import TaskOwner, ends_its_task
from hubline.backplanes.subscriptions import Subscriptions
from hubline.errors import InvocationError, SendTooLarge
from hubline.server.client_results import ClientResults, counted_ids, disconnected, does_not_exist, unique_id
from hubline.server.clients import Send
from hubline.server.groups import LocalIndex
from hubline.server.members import Member
from hubline.server.options import HubOptions
from hubline.server.recipients import EVERYBODY, Connections, Recipients
from hubline.server.relay import Relay
from hubline.server.send_filters import OutgoingFilters, SendFilter
from hubline.server.turns import STRIDE, STRIDE_OF_MANY, every
from hubline.wire.codec import Codec
from hubline.wire.messages import Completion, Invocation
from hubline.wire.packet import Packet, SerializedMessage

LARGE = 65_536
"""Bytes of a message, or a sixteenth of the limit: what is smaller in one codec is within the limit in all. Ours."""

ASKED = 8
"""Of those above the high-water mark, how many are asked for each message whether a turn of the loop is of use. Ours:
in a burst to all who read the first says so, and thousands who do not read must not be asked each time."""


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
        self.groups = HubGroups(self)
        self._options, self._clock, self._codecs, self._tasks = options, clock, tuple(codecs), tasks
        self._large = min(LARGE, options.maximum_send_message_size // 16)
        self._turn, self._turn_of_many = every(STRIDE), every(STRIDE_OF_MANY)
        """Whether others have a turn after this send or change of a group."""
        self._filters = OutgoingFilters(hub, tuple(filters), clock) if filters else None
        self._subscriptions = subscriptions
        self.send: Send = self._send if filters or subscriptions is not None else self._deliver
        """Queue a message for everybody addressed; nobody addressed is no error.

        Waits for a client only when a single connection is addressed that is behind: one slow client never delays a
        broadcast. Others have a turn of the loop when nobody has room for the message, when much is queued for one of
        many that it was not offered yet, when it fails, and now and then anyway.

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: an argument has no form on the wire.
            SendTooLarge: the message is larger than `HubOptions.maximum_send_message_size`; nobody has got it.
            BackplaneError: other servers cannot be reached.
        """
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget every connection without touching it: their event loop does not run any more."""
        self._index: LocalIndex[Member] = LocalIndex()
        self._results = ClientResults(counted_ids() if self._subscriptions is None else unique_id)
        self._relay: Relay | None = None
        if self._subscriptions is not None:
            self._relay = Relay(
                self.hub,
                self._subscriptions,
                self._index,
                self._results,
                codecs=self._codecs,
                clock=self._clock,
                tasks=self._tasks,
                put=self._put,
                largest=self._options.maximum_send_message_size,
            )

    # Sending

    async def _send(self, recipients: Recipients, message: SerializedMessage) -> None:
        """Through filters and a backplane, where there are any."""
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
        """To other servers, and to those of ours that are not reached through them."""
        assert self._relay is not None
        here = await self._relay.send(recipients, message)
        if here is not None:
            await self._deliver(here, message)
        elif next(self._turn_of_many):
            await let_others_within_a_burst()

    async def _deliver(self, recipients: Recipients, message: SerializedMessage) -> None:
        """To the connections of this server."""
        behind: Member | None = None
        try:
            if type(recipients) is Connections and len(recipients.ids) == 1:
                connection = self._index.connections.get(recipients.ids[0])
                if connection is not None and not _put_one(connection, message):
                    behind = connection
                others = behind is None and (next(self._turn) or connection is None)
            else:
                others = self._put(recipients, message) or next(self._turn_of_many)
        except BaseException:  # nothing was awaited: it is what an encoder raises about a user's value
            await let_others_within_a_burst()
            raise
        if behind is not None:
            await behind.drain()
        elif others:
            await let_others_within_a_burst()

    def _put(self, recipients: Recipients, message: SerializedMessage) -> bool:
        """Into every outbox here: no task, no await, no copy; each codec encodes once.

        True when others should have a turn: nobody had room for the message, or somebody above the high-water mark is
        offered what waits as soon as the loop turns.
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
        """The same for a message with a key. True when nobody had room."""
        self._check_size(recipients, message)
        return not any([_replace_one(connection, message) for connection in self._index.members(recipients)])

    def _check_size(self, recipients: Recipients, message: SerializedMessage) -> None:
        """Before anybody gets a large message: whether all may have it, in whatever codec."""
        limit = self._options.maximum_send_message_size
        for codec in {connection.codec for connection in self._index.members(recipients)}:
            size = len(message.packet_for(codec))
            if size > limit:
                raise SendTooLarge(size, limit=limit)

    # Asking clients for results

    async def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Any:
        """Ask one client and wait for its answer; `Client.invoke` says what is raised."""
        connection = self._index.connections.get(connection_id)
        elsewhere = self._relay if connection is None else None
        if connection is None and elsewhere is None:
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
            return await (pending.future if elsewhere is None else elsewhere.answer(pending.future, seconds))
        except BaseException as error:
            if not ends_its_task(error, task):
                await let_others_within_a_burst()
            raise
        finally:
            self._results.forget(invocation_id)

    async def _question(self, recipients: Recipients, message: SerializedMessage) -> None:
        """Put a question to the one that is asked, here or elsewhere."""
        assert type(recipients) is Connections
        connection = self._index.connections.get(recipients.ids[0])
        if connection is not None:
            connection.stir()  # its heartbeat keeps the deadline
            _put_one(connection, message)
        elif self._relay is not None:
            await self._relay.question(recipients.ids[0], message)

    def answered(self, member: Member, message: Completion) -> None:
        """A client has answered a question; one that nobody waits for is ignored.

        Raises:
            RemoteProtocolError: it was asked of another connection.
        """
        self._results.complete(member.id, message, member.codec)

    def expire(self, connection_id: str, now: float) -> bool:
        """Fail what has waited too long for this connection; whether something still waits."""
        return self._results.expire(connection_id, now)

    # Groups

    async def join(self, connection_id: str, group: str) -> None:
        """Put a connection into a group, wherever it is. Idempotent; one that is unknown is ignored.

        Raises:
            BackplaneError: with a backplane, that no server has the connection.
        """
        here = self._index.join(connection_id, group)
        if self._relay is not None:
            await self._relay.joined(connection_id, group, here=here)
        if next(self._turn):
            await let_others_within_a_burst()

    async def leave(self, connection_id: str, group: str) -> None:
        """Take a connection out of a group. Idempotent, and raises as `join` does."""
        last = self._index.leave(connection_id, group)
        if self._relay is not None:
            await self._relay.left(connection_id, group, last=last)
        if next(self._turn):
            await let_others_within_a_burst()

    # The life of a connection

    async def connected(self, member: Member) -> None:
        """It can be addressed when this returns. However it ends, `disconnected` is to be called.

        Raises:
            BackplaneError: other servers could not reach it, so it is to be refused.
        """
        self._index.add(member)
        if self._relay is not None:
            await self._relay.connected(member)

    def rename(self, member: Member, before: str | None) -> None:
        """The member's user id was `before`, and is another now. At once here, and soon for other servers."""
        last = self._index.rename(member, before)
        if self._relay is not None:
            self._tasks.start(self._relay.renamed(member, before if last else None))

    def ending(self, member: Member) -> None:
        """It can no longer answer; it is still a member of its groups until `disconnected`."""
        self._results.disconnected(member.id)

    async def disconnected(self, member: Member) -> None:
        """It is in no group any more, and nobody can address it. Again does nothing."""
        left = self._index.remove(member)
        member.context._release()
        if self._relay is not None:
            self._relay.disconnected(member, left)

    @property
    def members(self) -> Collection[Member]:
        """The connections of this server."""
        return self._index.connections.values()

    def close_all(self) -> None:
        """Have every connection end, each client invited to come back."""
        for connection in list(self._index.connections.values()):
            connection.close(allow_reconnect=True)

    def statistics(self) -> dict[str, int]:
        """Of this server: connections, groups and users, answers that are waited for, and bytes for reconnects."""
        return {
            **self._index.statistics(),
            "awaited_results": len(self._results),
            "unacknowledged_bytes": sum(member.unacknowledged for member in self._index.connections.values()),
        }


class HubGroups:
    """A hub's groups, as hubs and code outside of them see them: `GroupManager`."""

    __slots__ = ("_fanout",)

    def __init__(self, fanout: FanOut) -> None:
        self._fanout = fanout

    def add(self, connection_id: str, name: str) -> Coroutine[Any, Any, None]:
        return self._fanout.join(connection_id, name)

    def remove(self, connection_id: str, name: str) -> Coroutine[Any, Any, None]:
        return self._fanout.leave(connection_id, name)


def _put_one(connection: Member, message: SerializedMessage) -> bool:
    if message.key is not None:
        return _replace_one(connection, message)
    return connection.broadcast(message.packet_for(connection.codec))


def _replace_one(connection: Member, message: SerializedMessage) -> bool:
    packet = message.packet_for(connection.codec)
    assert isinstance(packet, Packet)
    return connection.replace(packet)
