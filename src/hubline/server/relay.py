"""The link of one hub to its backplane: publishes messages to other servers, and receives those for this server.

As in the original with Redis (spec §9.3 to 9.7), all messages except those to single connections of this server go
through the backplane, also for connections of this server. So all servers see one order on a channel.
"""

import asyncio
import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.envelope import (
    ADD,
    REMOVE,
    Acknowledgement,
    CompletionEnvelope,
    GroupCommand,
    InvocationEnvelope,
    read,
)
from hubline.backplanes.subscriptions import Handler, Subscriptions
from hubline.errors import BackplaneError, ConnectionClosed
from hubline.server.client_results import DISCONNECTED, ClientResults, disconnected, does_not_exist
from hubline.server.groups import Left, LocalIndex
from hubline.server.members import Member
from hubline.server.publications import Publications
from hubline.server.recipients import All, Connections, Groups, Recipients, Users
from hubline.wire.codec import Codec
from hubline.wire.messages import Completion, Invocation
from hubline.wire.packet import SerializedMessage

logger = logging.getLogger("hubline.backplane")

SILENCE = 60.0
"""Seconds between two lines of the log about clients that another server has nothing for. Ours."""

ACKNOWLEDGED_WITHIN = 30.0
"""Seconds that another server has to acknowledge a group command. Source: the original's, which adds up to 5."""

FORWARDED_FOR = 3600.0
"""Seconds that a client has to answer a call of another server. Ours: much longer than callers wait."""

CHECKED_EVERY = 1.0
"""Seconds between two looks for calls to clients of other servers whose time is over. Ours: as for those here."""

Put = Callable[[Recipients, SerializedMessage], bool]


class Relay:
    """Made again together with the index and the results of its fan-out."""

    def __init__(
        self,
        hub: str,
        subscriptions: Subscriptions,
        index: LocalIndex[Member],
        results: ClientResults,
        *,
        codecs: Sequence[Codec],
        clock: Clock,
        tasks: TaskOwner,
        put: Put,
        largest: int,
    ) -> None:
        self._subscriptions, self._index, self._results, self._put = subscriptions, index, results, put
        self._publications = Publications(hub, codecs, largest=largest)
        self._codecs, self._channels = self._publications.codecs, self._publications.channels
        self._clock, self._tasks = clock, tasks
        self._silent_until = 0.0
        self._commands = itertools.count(1)
        self._awaited: dict[int, asyncio.Future[None]] = {}
        """Group commands that no server has acknowledged."""
        self._asked: set[str] = set()
        """Clients of other servers that have been asked."""
        self._expiring: asyncio.Task[None] | None = None
        self.commanded: Handler = lambda payload: False
        """Takes what servers ask about connections: set by `server/connections.py`."""

    # What this server publishes

    async def send(self, recipients: Recipients, message: SerializedMessage) -> Recipients | None:
        """Publish for the recipients. Returns those to which the caller must deliver itself, or `None`.

        Nobody checks whether there is anybody.
        """
        away, here, origin = recipients, None, None
        within = self._subscriptions.transaction()
        if within is not None:
            await within.send(self._publications.addressed(recipients), self._publications.payload(message, recipients))
            return None
        if isinstance(recipients, Connections):
            local = [each for each in recipients.ids if each in self._index.connections]
            if local:
                here = type(recipients)(tuple(local))
                away = Connections(tuple(each for each in recipients.ids if each not in self._index.connections))
        elif self._subscriptions.local_first:
            self._put(recipients, message)
            origin = self._subscriptions.server
        addressed = self._publications.addressed(away)
        if addressed:
            await self._subscriptions.publish(addressed, self._publications.payload(message, away, origin=origin))
        return here

    async def question(self, connection_id: str, message: SerializedMessage) -> None:
        """Ask the server of a connection to call the client. The result fails when its time is over.

        Raises:
            ConnectionClosed: no server has it.
        """
        call = message.message
        assert isinstance(call, Invocation)
        back = self._channels.results(self._subscriptions.server)
        if not self._subscriptions.hears(back):
            await self._subscriptions.subscribe({back: self._heard_result})
        asked = Connections((connection_id,))
        payload = self._publications.payload(message, asked, invocation_id=call.invocation_id, return_channel=back)
        if await self._subscriptions.publish(self._publications.addressed(asked), payload) == 0:
            raise does_not_exist(connection_id)
        self._asked.add(connection_id)
        if self._expiring is None or self._expiring.done():
            self._expiring = self._tasks.start(self._expire())

    async def _expire(self) -> None:
        """Fail calls to clients of other servers that have waited too long. One timer for all costs the least."""
        while self._asked:
            await self._clock.sleep(CHECKED_EVERY)
            now = self._clock.now()
            self._asked = {each for each in self._asked if self._results.expire(each, now)}

    # Groups

    async def joined(self, connection_id: str, group: str, *, here: bool) -> None:
        """Subscribe to the group if the connection is on this server (`here`). Otherwise its server must add it."""
        if not here:
            await self._command(ADD, connection_id, group)
            return
        try:
            await self._hear_group(group)
        except BackplaneError:
            self.let_go(group, last=self._index.leave(connection_id, group))
            raise

    async def left(self, connection_id: str, group: str, *, last: bool) -> None:
        if connection_id in self._index.connections:
            self.let_go(group, last=last)
        else:
            await self._command(REMOVE, connection_id, group)

    async def _command(self, action: int, connection_id: str, group: str) -> None:
        """Send a command to the server of the connection, and wait until it acknowledges."""
        server, number = self._subscriptions.server, next(self._commands)
        await self._subscriptions.subscribe({self._channels.acknowledgements(server): self._heard_acknowledgement})
        done = self._awaited[number] = asyncio.get_running_loop().create_future()
        command = GroupCommand(number, server, action, group, connection_id)
        try:
            await self._subscriptions.publish([self._channels.group_commands], command.encode())
            if not await self._done(done, ACKNOWLEDGED_WITHIN):
                text = f"no server has acknowledged within {ACKNOWLEDGED_WITHIN:g} s that it has"
                raise BackplaneError(f"{text} the connection '{connection_id}', for the group {group!r}")
        finally:
            del self._awaited[number]

    async def _hear_group(self, group: str) -> None:
        await self._subscriptions.subscribe({self._channels.group(group): functools.partial(self._heard_group, group)})

    def let_go(self, group: str, *, last: bool) -> None:
        """Unsubscribe from a group that has lost its last member here."""
        if last:
            self._subscriptions.unsubscribe([self._channels.group(group)])

    async def _done(self, future: "asyncio.Future[Any]", seconds: float) -> bool:
        """Whether it is done within this number of seconds of the application's clock."""
        return await self._tasks.done_before(future, self._clock.sleep(seconds))

    # The life of a connection

    async def connected(self, member: Member) -> None:
        """Subscribe to the channels of the connection. Raises BackplaneError if that fails."""
        channels = self._channels
        handlers: dict[str, Handler] = {
            channels.all: self._heard_all,
            channels.group_commands: self._heard_command,
            channels.connection_commands: self.commanded,
            channels.connection(member.id): functools.partial(self._heard_connection, member.id),
        }
        if member.user_id is not None:
            handlers[channels.user(member.user_id)] = functools.partial(self._heard_user, member.user_id)
        await self._subscriptions.admit(handlers)

    def renamed(self, member: Member, gone: str | None) -> None:
        """Its user id has changed. It was the last connection of the user `gone` here."""
        if gone is not None:  # now: another connection of this user, which comes in the next moment, subscribes again
            self._subscriptions.unsubscribe([self._channels.user(gone)])
        user = member.user_id
        if user is not None:  # as often as it takes: nobody else would try again
            handlers = {self._channels.user(user): functools.partial(self._heard_user, user)}
            trying = self._subscriptions.surely(
                handlers, lambda: member.user_id == user and member.id in self._index.connections
            )
            self._tasks.start(trying)

    def disconnected(self, member: Member, left: Left) -> None:
        channels = self._channels
        gone = [channels.connection(member.id), *map(channels.group, left.groups)]
        if left.user is not None:
            gone.append(channels.user(left.user))
        if not self._index.connections:
            gone += [channels.all, channels.group_commands, channels.connection_commands]
        self._subscriptions.unsubscribe(gone)

    # What this server receives

    def _heard_all(self, payload: bytes) -> bool:
        envelope = read(InvocationEnvelope, payload)
        return self._deliver(All(envelope.excluded), envelope)

    def _heard_group(self, group: str, payload: bytes) -> bool:
        envelope = read(InvocationEnvelope, payload)
        return self._deliver(Groups((group,), envelope.excluded), envelope)

    def _heard_user(self, user: str, payload: bytes) -> bool:
        return self._deliver(Users((user,)), read(InvocationEnvelope, payload))

    def _heard_connection(self, connection_id: str, payload: bytes) -> bool:
        envelope = read(InvocationEnvelope, payload)
        if envelope.invocation_id is None or envelope.return_channel is None:
            return self._deliver(Connections((connection_id,)), envelope)
        self._ask(connection_id, envelope.invocation_id, envelope.return_channel, envelope.packets)
        return False

    def _deliver(self, recipients: Recipients, envelope: InvocationEnvelope) -> bool:
        if envelope.origin == self._subscriptions.server:
            return False
        packets = envelope.packets
        if not packets.keys() >= self._codecs.keys():  # from a server that does not have all of our codecs
            members = list(self._index.members(recipients))
            reached = [member.id for member in members if member.codec.name in packets]
            if len(reached) < len(members):
                self._left_out(len(members) - len(reached), len(members), packets)
            recipients = Connections(tuple(reached))
        return self._put(recipients, SerializedMessage(None, key=envelope.key, packets=packets))

    def _left_out(self, missed: int, members: int, codecs: Iterable[str]) -> None:
        """Say it, but not with each message: another server may lack a codec for days."""
        now = self._clock.now()
        if now < self._silent_until:
            return
        self._silent_until = now + SILENCE
        text = "a message of another server has no form for %d of %d connections: it has %s; told once in %g s"
        logger.error(text, missed, members, ", ".join(codecs), SILENCE)

    def _ask(self, connection_id: str, invocation_id: str, return_channel: str, packets: Any) -> None:
        """Call a client of this server for another server."""
        member = self._index.connections.get(connection_id)
        codec = next(iter(self._codecs.values())) if member is None else member.codec
        question = ForwardedQuestion(self, connection_id, invocation_id, return_channel, codec)
        if member is None or member.context.aborted.requested:
            question.fail(disconnected(connection_id))
        elif codec.name not in packets:
            question.fail(BackplaneError(f"the question has no form for the codec {codec.name!r}"))
        else:
            self._results.register(invocation_id, question)
            member.stir()
            member.broadcast(packets[codec.name])

    def give_back(self, return_channel: str, codec: Codec, completion: Completion) -> None:
        """Send a client's answer to the server that asked."""
        payload = CompletionEnvelope(codec.name, codec.encode(completion)).encode()
        self._tasks.start(self._subscriptions.publish([return_channel], payload))

    def deadline(self) -> float:
        return self._clock.now() + FORWARDED_FOR

    def _heard_result(self, payload: bytes) -> bool:
        envelope = read(CompletionEnvelope, payload)
        codec = self._codecs[envelope.codec]
        for part in codec.splitter(None).feed(envelope.packet):
            message = codec.decode(part)
            if isinstance(message, Completion):
                self._results.complete(None, message, codec)
        return False

    def _heard_command(self, payload: bytes) -> bool:
        command = read(GroupCommand, payload)
        if command.connection_id not in self._index.connections:
            return False
        if command.action == ADD:
            self._index.join(command.connection_id, command.group)
        elif command.action == REMOVE:
            self.let_go(command.group, last=self._index.leave(command.connection_id, command.group))
        self._tasks.start(self._obey(command))
        return False

    async def _obey(self, command: GroupCommand) -> None:
        """Acknowledge when the group's channel is subscribed."""
        if command.action == ADD and command.group in self._index.groups_of(command.connection_id):  # it may have left
            await self.joined(command.connection_id, command.group, here=True)
        payload = Acknowledgement(command.number).encode()
        await self._subscriptions.publish([self._channels.acknowledgements(command.server)], payload)

    def _heard_acknowledgement(self, payload: bytes) -> bool:
        done = self._awaited.get(read(Acknowledgement, payload).number)
        if done is not None and not done.done():
            done.set_result(None)
        return False


class ForwardedQuestion:
    """A call of another server to a client of this server. Its answer is sent back without being decoded."""

    __slots__ = ("_codec", "_invocation_id", "_relay", "_return_channel", "connection_id", "deadline")

    def __init__(self, relay: Relay, connection_id: str, invocation_id: str, return_channel: str, codec: Codec) -> None:
        self._relay, self._invocation_id, self._return_channel = relay, invocation_id, return_channel
        self._codec, self.connection_id, self.deadline = codec, connection_id, relay.deadline()

    def complete(self, message: Completion, codec: Codec) -> None:
        self._relay.give_back(self._return_channel, codec, message)

    def fail(self, error: Exception) -> None:
        text = DISCONNECTED if isinstance(error, ConnectionClosed) else str(error)
        completion = Completion(invocation_id=self._invocation_id, error=text)
        self._relay.give_back(self._return_channel, self._codec, completion)
