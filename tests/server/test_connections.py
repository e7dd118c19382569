"""Questions about the connections of a hub, and commands to them: on one server, and what servers say to each other.

`tests/rest/test_fleet.py` asks them over every backplane.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from hubline import BackplaneError, GroupMember, Hub, HubApp, HubRoute
from hubline.backplanes import MemoryBackplane
from hubline.backplanes.envelope import Channels, ConnectionCommand, ConnectionReport, Selection, read
from hubline.server.connections import HubConnections
from hubline.testing import InMemoryClient, connect, settle
from hubline.testing.backplane import Heard

NAMES = Channels("Rooms")


class Rooms(Hub):
    async def join(self, groups: list[str]) -> None:
        for group in groups:
            await self.groups.add(self.context.connection_id, group)

    async def members(self, group: str) -> tuple[int, list[GroupMember]]:
        return await self.groups.count(group), await self.groups.members(group)


def rooms(backplane: MemoryBackplane | None = None) -> tuple[HubApp, HubConnections]:
    route = HubRoute(Rooms, name="Rooms")
    app = HubApp({"/rooms": route}, user_id=lambda scope: scope.query.get("user"), backplane=backplane)
    return app, app._hubs[Rooms].fanout.connections


@asynccontextmanager
async def clients(app: HubApp, **users: str) -> AsyncIterator[dict[str, InMemoryClient]]:
    """Clients by name; each is in the groups of its letter."""
    async with AsyncExitStack() as stack:
        made = {}
        for name, user in users.items():
            made[name] = await stack.enter_async_context(connect(app, "/rooms", query={"user": user}))
            await made[name].invoke("Join", ["all", f"of {name}"])
        yield made


@pytest.mark.parametrize("backplane", [None, MemoryBackplane()], ids=["alone", "backplane"])
async def test_who_is_selected(backplane: MemoryBackplane | None) -> None:
    app, connections = rooms(backplane)
    async with clients(app, a="ada", b="ada", c="bob") as there:
        ids = {name: str(client.connection_id) for name, client in there.items()}
        for which, wanted in {
            Selection(): "abc",
            Selection(excluded=(ids["b"], "nobody")): "ac",
            Selection(ids["a"]): "a",
            Selection(ids["a"], user_id="bob"): "",
            Selection(ids["a"], group="of a"): "a",
            Selection(ids["a"], group="of b"): "",
            Selection(ids["a"], excluded=(ids["a"],)): "",
            Selection("nobody"): "",
            Selection(user_id="ada"): "ab",
            Selection(user_id="Ada"): "",
            Selection(group="all"): "abc",
            Selection(group="of c"): "c",
            Selection(group="nothing"): "",
            Selection(user_id="ada", group="all"): "ab",
            Selection(user_id="bob", group="of a"): "",
            Selection(user_id="ada", group="all", excluded=(ids["a"],)): "b",
        }.items():
            found = await connections.listed(which, limit=10)
            listed = "".join(sorted(name for name in ids if ids[name] in dict(found.listed)))
            assert (listed, found.count, await connections.exist(which)) == (wanted, len(wanted), bool(wanted))
        order = sorted(ids.values())
        assert [each for each, _ in (await connections.listed(Selection(), limit=2)).listed] == order[:2]
        assert [each for each, _ in (await connections.listed(Selection(), after=order[0], limit=2)).listed] == order[
            1:
        ]


@pytest.mark.parametrize("backplane", [None, MemoryBackplane()], ids=["alone", "backplane"])
async def test_a_hub_lists_and_counts_the_members_of_a_group(backplane: MemoryBackplane | None) -> None:
    app, _ = rooms(backplane)
    other, _ = (app, None) if backplane is None else rooms(backplane)
    async with clients(app, a="ada", b="bob") as here, clients(other, c="ada") as there:
        ids = {name: str(client.connection_id) for name, client in (here | there).items()}
        users = {ids["a"]: "ada", ids["b"]: "bob", ids["c"]: "ada"}
        assert await here["a"].invoke("Members", "all") == [3, [[each, users[each]] for each in sorted(users)]]
        assert await there["c"].invoke("Members", "of b") == [1, [[ids["b"], "bob"]]]
        assert await there["c"].invoke("Members", "nothing") == [0, []]
        groups = app.context(Rooms).groups
        order = sorted(users)
        assert await groups.members("all", after=order[0], limit=1) == [GroupMember(order[1], users[order[1]])]
        assert await groups.members("all", limit=-1) == []
        await groups.remove(ids["a"], "all")
        assert await groups.count("all") == 2


async def test_groups_are_joined_and_left() -> None:
    app, connections = rooms()
    async with clients(app, a="ada", b="ada", c="bob"):
        ada = Selection(user_id="ada")
        assert await connections.join(ada, "new") == 2
        assert (await connections.listed(Selection(group="new"), limit=9)).count == 2
        assert await connections.leave(Selection(user_id="bob"), "new") == 1
        assert await connections.leave(ada, "new") == 2
        assert not await connections.exist(Selection(group="new"))
        assert await connections.leave_all(ada) == 2
        assert (await connections.listed(Selection(group="all"), limit=9)).count == 1
        assert app.statistics()["hubs"]["Rooms"]["groups"] == 2


async def test_other_tasks_have_turns_while_many_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubline.server.connections.STRIDE", 1)
    app, connections = rooms()
    async with clients(app, a="", b="", c="") as there:
        closing = asyncio.ensure_future(connections.close(Selection(), "enough"))
        turns = 0
        while not closing.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await closing, turns > 3) == (3, True)
        assert [(await each.closed()).error for each in there.values()] == ["enough"] * 3
        await settle()
        assert not await connections.exist(Selection())


async def test_what_servers_say_to_each_other() -> None:
    backplane = MemoryBackplane()
    app, _ = rooms(backplane)
    heard = Heard()
    link = await backplane.connect(heard)
    await link.subscribe([NAMES.connection_reports("other"), NAMES.connection_commands])
    async with clients(app, a="ada") as there:
        for command, report in (
            (
                ConnectionCommand(7, "other", Selection(user_id="ada"), 1, limit=5),
                ConnectionReport(7, 1, (("?", "ada"),)),
            ),
            (ConnectionCommand(8, "other", Selection(user_id="eve"), 2, "reason"), ConnectionReport(8, 0)),
            (ConnectionCommand(9, "other", Selection(), 99), ConnectionReport(9, 0, failure="a server does not know")),
        ):
            await link.publish([NAMES.connection_commands], command.encode())
            (_, asked), (channel, payload) = await heard.take(2)
            assert (asked, channel) == (command.encode(), NAMES.connection_reports("other"))
            found = read(ConnectionReport, payload)
            assert (found.number, found.count) == (report.number, report.count)
            assert [user for _, user in found.listed] == [user for _, user in report.listed]
            assert found.failure.startswith(report.failure)
        assert await there["a"].invoke("Join", []) is None
    await link.close()


async def test_reports_that_nobody_waits_for_and_nonsense_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    backplane = MemoryBackplane()
    app, connections = rooms(backplane)
    link = await backplane.connect(Heard())
    async with clients(app, a="ada"):
        assert await connections.exist(Selection())
        server = app._subscriptions.server  # type: ignore[union-attr]
        await link.publish([NAMES.connection_reports(server)], ConnectionReport(1, 5).encode())
        with caplog.at_level(logging.WARNING):
            for channel in (NAMES.connection_reports(server), NAMES.connection_commands):
                await link.publish([channel], b"\x90")
        assert [each.message.split(":")[0] for each in caplog.records] == ["channel Rooms"] * 2
        assert (await connections.listed(Selection(), limit=5)).count == 1
    await link.close()


async def test_a_question_while_the_backplane_is_away_is_an_error() -> None:
    backplane = MemoryBackplane()
    app, connections = rooms(backplane)
    async with clients(app, a="ada"):
        await app._subscriptions._link.close()  # type: ignore[union-attr]
        with pytest.raises(BackplaneError):
            await connections.exist(Selection())
        assert connections._questions == {}
