"""The connections of a hub on all servers, for code outside of it: which there are, closing them, and their groups.

A question goes to every server that has connections of the hub, this one included, and each reports what it has found
or done. Servers of .NET do not hear these questions, so their connections are not found.
"""

import asyncio
import itertools
from dataclasses import dataclass, field
from heapq import nsmallest
from operator import itemgetter

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.envelope import Channels, ConnectionCommand, ConnectionReport, Selection, read
from hubline.backplanes.subscriptions import Subscriptions
from hubline.errors import BackplaneError
from hubline.server.groups import LocalIndex
from hubline.server.members import Member
from hubline.server.recipients import EVERYBODY, Connections, Groups, Users
from hubline.server.relay import Relay

FIND, CLOSE, JOIN, LEAVE, LEAVE_ALL = range(1, 6)
"""What is done with the connections of a `ConnectionCommand`."""

REPORTED_WITHIN = 5.0
"""Seconds in which all servers must report, if the backplane knows how many they are. Ours."""

REPORTED_USUALLY = 2.0
"""Seconds to wait for reports if it does not know. PostgreSQL and clusters of Redis do not. Ours."""

STRIDE = 200
"""Connections that are handled before other tasks get a turn of the event loop. Ours."""


_BY_ID = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Found:
    """Connections on all servers."""

    count: int
    listed: list[tuple[str, str | None]]
    """The first of them by id, each with the id of its user."""


@dataclass(slots=True)
class Question:
    """A command that servers report on."""

    one_is_enough: bool
    done: asyncio.Future[None]
    expected: int | None = None
    reports: list[ConnectionReport] = field(default_factory=list)

    def heard(self, report: ConnectionReport) -> None:
        self.reports.append(report)
        self.look()

    def look(self) -> None:
        """Find out whether it is answered."""
        answered = self.expected is not None and len(self.reports) >= self.expected
        if not self.done.done() and (answered or (self.one_is_enough and any(each.count for each in self.reports))):
            self.done.set_result(None)


class HubConnections:
    """Made again together with the index and the relay of its fan-out.

    The async methods return how many connections were selected, and raise BackplaneError if a server did not report.
    """

    def __init__(
        self,
        hub: str,
        index: LocalIndex[Member],
        relay: Relay | None,
        subscriptions: Subscriptions | None,
        *,
        clock: Clock,
        tasks: TaskOwner,
    ) -> None:
        self._channels, self._index, self._relay, self._subscriptions = Channels(hub), index, relay, subscriptions
        self._clock, self._tasks = clock, tasks
        self._numbers = itertools.count(1)
        self._questions: dict[int, Question] = {}
        if relay is not None:
            relay.commanded = self._heard_command

    async def exist(self, which: Selection) -> bool:
        """Whether there is such a connection."""
        return (await self._everywhere(which, FIND, one_is_enough=True)).count > 0

    async def listed(self, which: Selection, *, after: str = "", limit: int) -> Found:
        """The first connections by id, behind the id `after`."""
        return await self._everywhere(which, FIND, after=after, limit=limit)

    async def close(self, which: Selection, reason: str) -> int:
        """Close them, with an invitation to reconnect."""
        return (await self._everywhere(which, CLOSE, reason)).count

    async def join(self, which: Selection, group: str) -> int:
        """Put them into a group. It returns when they get its messages."""
        return (await self._everywhere(which, JOIN, group)).count

    async def leave(self, which: Selection, group: str) -> int:
        """Take them out of a group."""
        return (await self._everywhere(which, LEAVE, group)).count

    async def leave_all(self, which: Selection) -> int:
        """Take them out of all their groups."""
        return (await self._everywhere(which, LEAVE_ALL)).count

    def groups_of(self, connection_id: str) -> list[str]:
        """The groups of a connection of this server."""
        return sorted(self._index.groups_of(connection_id))

    def group_sizes(self) -> dict[str, int]:
        """The groups, with the number of their connections on this server."""
        return self._index.sizes()

    async def _everywhere(
        self,
        which: Selection,
        action: int,
        text: str = "",
        *,
        after: str = "",
        limit: int = 0,
        one_is_enough: bool = False,
    ) -> Found:
        subscriptions = self._subscriptions
        server = "" if subscriptions is None else subscriptions.server
        command = ConnectionCommand(next(self._numbers), server, which, action, text, after, limit)
        if subscriptions is None:
            reports = [await self._obey(command)]
        else:
            one_is_enough = one_is_enough or which.connection_id is not None
            reports = await self._ask(subscriptions, command, one_is_enough)
        for report in reports:
            if report.failure:
                raise BackplaneError(report.failure)
        listed = nsmallest(limit, (each for report in reports for each in report.listed), key=_BY_ID)
        return Found(sum(report.count for report in reports), listed)

    async def _ask(
        self, subscriptions: Subscriptions, command: ConnectionCommand, one_is_enough: bool
    ) -> list[ConnectionReport]:
        await subscriptions.subscribe({self._channels.connection_reports(command.server): self._heard_report})
        question = Question(one_is_enough, asyncio.get_running_loop().create_future())
        self._questions[command.number] = question
        try:
            question.expected = await subscriptions.publish([self._channels.connection_commands], command.encode())
            question.look()
            limit = REPORTED_USUALLY if question.expected is None else REPORTED_WITHIN
            done = question.done.done() or await self._tasks.done_before(question.done, self._clock.sleep(limit))
            if not done and question.expected is not None:
                missing = question.expected - len(question.reports)
                raise BackplaneError(f"{missing} of {question.expected} servers have not reported within {limit:g} s")
        finally:
            del self._questions[command.number]
        return question.reports

    def _heard_report(self, payload: bytes) -> bool:
        report = read(ConnectionReport, payload)
        question = self._questions.get(report.number)
        if question is not None:
            question.heard(report)
        return False

    def _heard_command(self, payload: bytes) -> bool:
        self._tasks.start(self._answer(read(ConnectionCommand, payload)), name="hubline: command about connections")
        return False

    async def _answer(self, command: ConnectionCommand) -> None:
        assert self._subscriptions is not None
        try:
            report = await self._obey(command)
        except BackplaneError as error:
            report = ConnectionReport(command.number, 0, failure=str(error))
        await self._subscriptions.publish([self._channels.connection_reports(command.server)], report.encode())

    async def _obey(self, command: ConnectionCommand) -> ConnectionReport:
        """Do it with the connections of this server."""
        members = self._here(command.which)
        if command.action == FIND:
            found = ((each.id, each.user_id) for each in members if each.id > command.after)
            listed = tuple(nsmallest(command.limit, found, key=_BY_ID)) if command.limit else ()
            return ConnectionReport(command.number, len(members), listed)
        for number, member in enumerate(members, 1):
            await self._handle(member, command.action, command.text)
            if number % STRIDE == 0:
                await asyncio.sleep(0)
        return ConnectionReport(command.number, len(members))

    def _here(self, which: Selection) -> list[Member]:
        index, excluded = self._index, frozenset(which.excluded)
        if which.connection_id is not None:
            some = index.members(Connections((which.connection_id,)))
        elif which.group is not None:
            some = index.members(Groups((which.group,)))
        elif which.user_id is not None:
            some = index.members(Users((which.user_id,)))
        else:
            some = index.members(EVERYBODY)
        return [
            each
            for each in some
            if (which.user_id is None or each.user_id == which.user_id)
            and (which.group is None or which.group in index.groups_of(each.id))
            and each.id not in excluded
        ]

    async def _handle(self, member: Member, action: int, text: str) -> None:
        if action == CLOSE:
            member.close(error=text, allow_reconnect=True)
        elif action == JOIN:
            if self._index.join(member.id, text) and self._relay is not None:
                await self._relay.joined(member.id, text, here=True)
        elif action == LEAVE:
            self._leave(member, text)
        elif action == LEAVE_ALL:
            for group in tuple(self._index.groups_of(member.id)):
                self._leave(member, group)
        else:
            raise BackplaneError(f"a server does not know the action {action} of a command about connections")

    def _leave(self, member: Member, group: str) -> None:
        last = self._index.leave(member.id, group)
        if self._relay is not None:
            self._relay.let_go(group, last=last)
