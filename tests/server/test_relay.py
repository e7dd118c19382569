"""A hub on several servers: what it says to the backplane, when it listens, and what happens when that fails."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubline import BackplaneError, ConfigurationError, ConnectionClosed, Hub, HubApp, HubError, HubOptions, HubRoute
from hubline.backplanes import BackplaneLink, BackplaneListener, MemoryBackplane
from hubline.backplanes.envelope import (
    ADD,
    REMOVE,
    Acknowledgement,
    Channels,
    CompletionEnvelope,
    GroupCommand,
    InvocationEnvelope,
    read,
)
from hubline.connection import ConnectionScope
from hubline.errors import SendTooLarge
from hubline.server.hub import HubContext
from hubline.testing import InMemoryClient, ManualClock, connect, settle
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Invocation
from hubline.wire.msgpack import MessagePackCodec
from tests.valkey import until

RECORDED = json.loads((Path(__file__).parent.parent / "vectors" / "transcript-redis.json").read_text("utf-8"))
NAMES = Channels("ReferenceHub")


class ReferenceHub(Hub):
    async def double_me(self, number: int) -> int:
        answer: int = await self.clients.caller.invoke("Double", number, result_type=int)
        return answer


class Spy:
    """A memory backplane that notes what is done with it, and fails or delays on demand."""

    def __init__(self, *, local_first: bool = False) -> None:
        self.local_first = local_first
        self.inner = MemoryBackplane()
        self.log: list[tuple[str, str]] = []
        self.payloads: list[tuple[str, bytes]] = []
        self.fails: set[str] = set()
        self.receivers: int | None = 0

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        self._check("connect")
        return SpyLink(self, await self.inner.connect(listener))

    def _check(self, verb: str) -> None:
        if verb in self.fails:
            raise BackplaneError("the backplane is gone")

    def take(self) -> list[tuple[str, str]]:
        taken, self.log = self.log, []
        return taken


class SpyLink:
    def __init__(self, spy: Spy, inner: BackplaneLink) -> None:
        self.spy, self.inner = spy, inner

    async def publish(self, channels: Sequence[str], payload: bytes) -> int | None:
        self.spy._check("publish")
        self.spy.log += [("PUBLISH", channel) for channel in channels]
        self.spy.payloads += [(channel, payload) for channel in channels]
        return await self.inner.publish(channels, payload)

    async def subscribe(self, channels: Sequence[str]) -> None:
        self.spy._check("subscribe")
        self.spy.log += [("SUBSCRIBE", channel) for channel in channels]
        await self.inner.subscribe(channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        self.spy._check("unsubscribe")
        self.spy.log += [("UNSUBSCRIBE", channel) for channel in channels]
        await self.inner.unsubscribe(channels)

    def renew(self) -> None:
        self.inner.renew()

    async def close(self) -> None:
        await self.inner.close()


class Fleet:
    """Apps on one backplane."""

    def __init__(self, count: int = 2, *, local_first: bool = False, **options: Any) -> None:
        self.spy, self.clock = Spy(local_first=local_first), ManualClock()
        self.apps = [
            HubApp(
                {"/hub": HubRoute(ReferenceHub, name="ReferenceHub", options=HubOptions(**options))},
                backplane=self.spy,
                user_id=lambda scope: scope.query.get("user"),
                clock=self.clock,
            )
            for _ in range(count)
        ]

    def hub(self, number: int) -> HubContext[Any]:
        return self.apps[number].context(ReferenceHub)

    @asynccontextmanager
    async def connect(self, number: int, user: str = "", **more: Any) -> AsyncIterator[InMemoryClient]:
        """A client that the others can reach."""
        async with connect(self.apps[number], "/hub", query={"user": user} if user else {}, **more) as client:
            await client.fence()
            yield client

    async def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.clock.advance(1.0)
            await settle()

    def counts(self, number: int) -> dict[str, int]:
        (counts,) = self.apps[number].statistics()["hubs"].values()
        return dict(counts)


@asynccontextmanager
async def fleet(count: int = 2, **options: Any) -> AsyncIterator[Fleet]:
    made = Fleet(count, **options)
    yield made
    for app in made.apps:
        async with app.lifespan():
            pass
    assert made.spy.inner._channels == {}


async def never(number: int) -> int:
    """A client that does not answer."""
    await asyncio.Event().wait()
    return number


def id_of(client: InMemoryClient) -> str:
    assert client.connection_id is not None
    return client.connection_id


# As the original says it


def kinds(payloads: list[tuple[str, bytes]], ids: dict[str, str]) -> list[Any]:
    """What was published, with names for connections, and without what differs from run to run."""
    found: list[Any] = []
    names = {value: name for name, value in ids.items()}

    def named(text: str) -> str:
        for value, name in names.items():
            text = text.replace(value, name)
        return text

    for channel, payload in payloads:
        if ":internal:ack" in channel:
            read(Acknowledgement, payload)
            found.append("ack")
        elif ":internal:return" in channel:
            answer = read(CompletionEnvelope, payload)
            message = JsonCodec().decode(answer.packet[:-1]) if answer.codec == "json" else None
            found.append(("answer", answer.codec, getattr(message, "error", None)))
        elif channel.endswith(":internal:groups"):
            command = read(GroupCommand, payload)
            found.append((command.action, command.group, named(command.connection_id)))
        else:
            envelope = read(InvocationEnvelope, payload)
            packets = {} if envelope.invocation_id else {k: v.hex() for k, v in envelope.packets.items()}
            asks = (len(envelope.invocation_id), bool(envelope.return_channel)) if envelope.invocation_id else None
            found.append((named(channel), [named(each) for each in envelope.excluded], packets, asks))
    return found


@pytest.mark.statement(188, 190, 193, 194, 195)
async def test_what_is_published_is_what_the_original_publishes() -> None:
    """But for `Clients(A, B)`: the original publishes for a connection of its own, which we write to."""
    async with fleet() as servers:
        async with (
            servers.connect(0, "alice") as a,
            servers.connect(1) as b,
            servers.connect(1, protocol="messagepack") as c,
        ):
            hub = servers.hub(0)
            for client in (b, c):
                client.on("Double", lambda number: 2 * number)
            a_id, b_id, c_id = map(id_of, (a, b, c))
            await hub.clients.all.send("ReceiveMessage", "alice", "hi")
            await hub.clients.all_except([a_id]).send("ReceiveMessage", "others", "hi")
            await hub.clients.all_except([b_id]).send("ReceiveMessage", "allexcept", "hi")
            await hub.clients.client(b_id).send("ReceiveMessage", "client", "hi")
            await hub.clients.clients([a_id, b_id]).send("ReceiveMessage", "clients", "hi")
            await servers.hub(1).clients.user("alice").send("ReceiveMessage", "user", "hi")
            await hub.groups.add(a_id, "g")
            await servers.hub(1).groups.add(b_id, "g")
            await hub.clients.group("g").send("ReceiveMessage", "g", "hi")
            await hub.clients.group_except("g", [a_id]).send("ReceiveMessage", "g", "hi")
            await hub.clients.groups(["g", "h"]).send("ReceiveMessage", "groups", "hi")
            await hub.groups.add(b_id, "k")
            assert await hub.clients.client(b_id).invoke("Double", 21) == 42
            assert await hub.clients.client(c_id).invoke("Double", 21) == 42
            with pytest.raises(ConnectionClosed, match=r"^Connection 'nobody' does not exist\.$"):
                await hub.clients.client("nobody").invoke("Double", 21)
            b.on("Never", never)
            asking = asyncio.create_task(hub.clients.client(b_id).invoke("Never", 21))
            await settle()
            b.drop()
            with pytest.raises(ConnectionClosed, match=f"^Connection '{b_id}' disconnected\\.$"):
                await asking
        to_itself = ("A: Clients(A, B)", NAMES.connection(RECORDED["connections"]["A"]))
        theirs = [
            (entry["published"], bytes.fromhex(entry["hex"]))
            for entry in RECORDED["traffic"]
            if "hex" in entry and (entry["step"], entry["published"]) != to_itself
        ]
        ours = kinds(servers.spy.payloads, {"A": a_id, "B": b_id, "C": c_id})
        assert ours == kinds(theirs, RECORDED["connections"])


@pytest.mark.statement(193)
async def test_channels_are_heard_from_the_first_member_on_and_until_the_last_has_left() -> None:
    async with fleet(1) as servers:
        spy, hub = servers.spy, servers.hub(0)
        async with servers.connect(0, "ada") as one:
            first = spy.take()
            async with servers.connect(0, "ada") as two:
                second = spy.take()
                for client in (one, two):
                    await hub.groups.add(id_of(client), "g")
                    await hub.groups.add(id_of(client), "g")
                joined = spy.take()
                await hub.groups.remove(id_of(one), "g")
                await hub.groups.remove(id_of(one), "g")
                await settle()
                assert spy.take() == []
            await settle()
            left = spy.take()
        await settle()
        alone = [NAMES.all, NAMES.group_commands, NAMES.connection_commands, NAMES.connection(id_of(one))]
        alone.append(NAMES.user("ada"))
        assert sorted(first) == sorted(("SUBSCRIBE", channel) for channel in alone)
        assert second == [("SUBSCRIBE", NAMES.connection(id_of(two)))]
        assert joined == [("SUBSCRIBE", NAMES.group("g"))]
        assert sorted(left) == [("UNSUBSCRIBE", NAMES.connection(id_of(two))), ("UNSUBSCRIBE", NAMES.group("g"))]
        assert sorted(spy.take()) == sorted(("UNSUBSCRIBE", channel) for channel in alone)


@pytest.mark.statement(192)
async def test_joining_from_elsewhere_returns_after_the_acknowledgement_or_fails_after_30_seconds() -> None:
    async with fleet() as servers, servers.connect(1) as far:
        hub = servers.hub(0)
        await hub.groups.add(id_of(far), "g")
        assert [name for name, channel in servers.spy.take() if channel == NAMES.group("g")] == ["SUBSCRIBE"]
        unknown = [asyncio.create_task(change("nobody", "g")) for change in (hub.groups.add, hub.groups.remove)]
        await servers.pass_time(29)
        assert not any(task.done() for task in unknown)
        await servers.pass_time(1)
        for task in unknown:
            with pytest.raises(BackplaneError, match="no server has acknowledged within 30 s"):
                await task


# Results


@pytest.mark.statement(194)
async def test_a_question_to_a_connection_of_this_server_does_not_leave_it() -> None:
    async with fleet(1) as servers, servers.connect(0) as ada:
        servers.spy.take()
        ada.on("Double", lambda number: 2 * number)
        assert await ada.invoke("DoubleMe", 4) == 8
        assert servers.spy.take() == []


async def test_a_question_to_another_server_has_a_time_limit() -> None:
    async with fleet(client_result_timeout=5) as servers, servers.connect(1) as far:
        far.on("Never", never)
        asking = asyncio.create_task(servers.hub(0).clients.client(id_of(far)).invoke("Never", 1))
        await settle()
        await servers.pass_time(5)
        with pytest.raises(HubError, match=r"^Invocation canceled by the server\.$"):
            await asking
        assert servers.counts(0)["awaited_results"] == 0
        assert servers.counts(1)["awaited_results"] == 1, "a server of another kind may still wait"
        await servers.pass_time(3600)
        assert servers.counts(1)["awaited_results"] == 0


# What fails


@pytest.mark.statement(191)
async def test_a_connection_of_this_server_is_reached_while_publishing_fails() -> None:
    async with fleet(1) as servers, servers.connect(0, "ada") as ada:
        servers.spy.fails = {"publish"}
        hub = servers.hub(0)
        await hub.clients.client(id_of(ada)).send("Hello")
        await ada.expect("Hello")
        for clients in (hub.clients.all, hub.clients.user("ada"), hub.clients.group("g"), hub.clients.client("far")):
            with pytest.raises(BackplaneError, match="the backplane is gone"):
                await clients.send("Hello")
        await ada.expect_nothing()


async def test_local_first_reaches_the_clients_here_before_it_is_published_and_once() -> None:
    async with fleet(local_first=True) as servers, servers.connect(0, "ada") as ada, servers.connect(1, "ada") as far:
        hub = servers.hub(0)
        for client in (ada, far):
            await servers.hub(0 if client is ada else 1).groups.add(id_of(client), "g")
        for clients in (hub.clients.all, hub.clients.group("g"), hub.clients.user("ada"), hub.clients.groups(["g"])):
            await clients.send("Hello")
            for client in (ada, far):
                await client.expect("Hello")
        await hub.clients.all_except([id_of(ada)]).send("Others")
        await far.expect("Others")
        await ada.expect_nothing()
        await far.expect_nothing()
        assert {read(InvocationEnvelope, payload).origin is None for _, payload in servers.spy.payloads} == {False}
        servers.spy.fails = {"publish"}
        with pytest.raises(BackplaneError):
            await hub.clients.all.send("Hello")
        await ada.expect("Hello")
        await far.expect_nothing()


@pytest.mark.statement(197)
@pytest.mark.parametrize("verb", ["connect", "subscribe"])
async def test_a_client_is_refused_while_its_channels_cannot_be_heard(verb: str) -> None:
    async with fleet(1) as servers:
        servers.spy.fails = {verb}
        async with connect(servers.apps[0], "/hub") as ada:
            assert (await ada.closed()).code == 1011
        assert set(servers.counts(0).values()) == {0}
        servers.spy.fails = set()
        async with servers.connect(0) as ada:
            await servers.hub(0).clients.all.send("Hello")
            await ada.expect("Hello")


async def test_a_group_that_cannot_be_heard_is_not_joined() -> None:
    async with fleet(1) as servers, servers.connect(0) as ada:
        servers.spy.fails = {"subscribe"}
        with pytest.raises(BackplaneError, match="cannot subscribe to the backplane"):
            await servers.hub(0).groups.add(id_of(ada), "g")
        assert servers.counts(0)["groups"] == 0


# What crosses


async def test_a_connection_that_ends_as_it_is_joined_from_elsewhere_leaves_nothing_behind() -> None:
    async with fleet(1) as servers, servers.connect(0) as ada:
        link = await servers.spy.inner.connect(_Nobody())
        relay = fanout_of(servers)._relay
        command = GroupCommand(1, "elsewhere", ADD, "g", id_of(ada))
        await link.publish([NAMES.group_commands], command.encode())
        await link.publish([NAMES.group_commands], GroupCommand(2, "elsewhere", REMOVE, "g", id_of(ada)).encode())
        await settle()
        assert NAMES.group("g") not in servers.spy.inner._channels
        await link.publish([NAMES.group_commands], command.encode())
        relay.disconnected(member := relay._index.connections[id_of(ada)], relay._index.remove(member))
        await settle()
        assert NAMES.group("g") not in servers.spy.inner._channels


async def test_a_user_who_connects_as_another_connection_changes_its_user_is_heard() -> None:
    async with fleet(1) as servers, servers.connect(0, "ada") as first:
        fanout = fanout_of(servers)
        member = fanout._index.connections[id_of(first)]
        member.context = member.context.renewed(_scope_of(member, "bob"))
        fanout.rename(member, "ada")
        second = _Member("second", "ada")
        await fanout.connected(second)  # before anything else runs
        await settle()
        assert servers.spy.inner._channels.keys() >= {NAMES.user("ada"), NAMES.user("bob")}
        assert fanout._subscriptions.hears(NAMES.user("ada"))
        assert NAMES.user("ada") in fanout._subscriptions._handlers
        await fanout.disconnected(second)


async def test_the_channel_of_a_new_user_is_subscribed_to_as_soon_as_that_is_possible() -> None:
    async with fleet(1) as servers, servers.connect(0, "ada") as ada:
        fanout, spy = fanout_of(servers), servers.spy
        member = fanout._index.connections[id_of(ada)]
        spy.fails = {"subscribe"}
        member.context = member.context.renewed(_scope_of(member, "bob"))
        fanout.rename(member, "ada")
        await settle()
        spy.fails = set()

        async def heard() -> bool:
            return NAMES.user("bob") in spy.inner._channels

        await until(heard)
        await servers.hub(0).clients.user("bob").send("Hello")
        await ada.expect("Hello")


async def test_what_no_codec_or_limit_allows_is_an_error_of_the_sender() -> None:
    async with fleet(maximum_send_message_size=1000) as servers, servers.connect(1) as far:
        hub = servers.hub(0)
        with pytest.raises(OverflowError):
            await hub.clients.all.send("Number", 2**70)
        with pytest.raises(SendTooLarge):
            await hub.clients.all.send("Text", "x" * 1000)
        await far.expect_nothing()
        assert servers.spy.payloads == []


# Other kinds of servers


async def test_clients_whose_codec_another_server_does_not_speak_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async with fleet(1) as servers, servers.connect(0) as ada, servers.connect(0, protocol="messagepack") as bob:
        other = await servers.spy.inner.connect(_Nobody())
        packets = {"json": JsonCodec().encode(Invocation(target="Hello", arguments=()))}
        await other.publish([NAMES.all], InvocationEnvelope((), packets).encode())
        await other.publish([NAMES.all], InvocationEnvelope((), packets).encode())
        for _ in range(2):
            await ada.expect("Hello")
        await bob.expect_nothing()
        assert caplog.text.count("has no form for 1 of 2 connections: it has json") == 1
        await servers.clock.advance(60)
        await other.publish([NAMES.all], InvocationEnvelope((), packets).encode())
        await ada.expect("Hello")
        assert caplog.text.count("has no form for 1 of 2 connections: it has json") == 2
        question = InvocationEnvelope((), packets, "id", "back").encode()
        heard = _Nobody()
        asker = await servers.spy.inner.connect(heard)
        await asker.subscribe(["back"])
        await asker.publish([NAMES.connection(id_of(bob))], question)
        await settle()
        (answer,) = heard.payloads
        assert b"the question has no form for the codec 'messagepack'" in answer
        await asker.close()


async def test_what_another_server_says_wrongly_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async with fleet(1) as servers, servers.connect(0) as ada:
        other = await servers.spy.inner.connect(_Nobody())
        await other.publish([NAMES.all], b"\x90")
        await other.publish([NAMES.group_commands], b"nonsense")
        assert caplog.text.count("a message of another server was dropped") == 2
        await servers.hub(0).clients.all.send("Hello")
        await ada.expect("Hello")


def test_two_hubs_on_a_backplane_have_two_names() -> None:
    class Other(Hub):
        pass

    routes = {"/a": HubRoute(ReferenceHub, name="Same"), "/b": HubRoute(Other, name="Same")}
    with pytest.raises(ConfigurationError, match="two hubs have the name 'Same'"):
        HubApp(routes, backplane=MemoryBackplane())


async def test_the_key_of_a_message_travels() -> None:
    async with fleet() as servers, servers.connect(1) as far:
        await servers.hub(0).clients.latest("cursor").all.send("Moved", 1)
        await far.expect("Moved")
        envelope = read(InvocationEnvelope, servers.spy.payloads[0][1])
        assert (envelope.key, envelope.invocation_id, envelope.return_channel) == ("cursor", None, None)
        assert set(envelope.packets) == {JsonCodec.name, MessagePackCodec.name}


def fanout_of(servers: Fleet) -> Any:
    return servers.hub(0).groups._keeper  # type: ignore[attr-defined]


def _scope_of(member: Any, user: str) -> ConnectionScope:
    scope: ConnectionScope = member.context.scope.renewed(None, user)
    return scope


class _Context:
    def _release(self) -> None: ...


class _Member:
    """As much of a connection as its index and its relay need."""

    context = _Context()

    def __init__(self, id: str, user_id: str) -> None:
        self.id, self.user_id = id, user_id


class _Nobody:
    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def received(self, channel: str, payload: bytes) -> bool:
        self.payloads.append(payload)
        return False

    def interrupted(self, since: Any, until: Any) -> None:
        raise AssertionError("nothing is lost in memory")
