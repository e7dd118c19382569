"""Several servers are one hub on every transport: on one Redis, beside ASP.NET Core too; on PostgreSQL; as workers."""

import asyncio
import functools
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from hubline.backplanes.envelope import GroupCommand, InvocationEnvelope, read
from hubline.backplanes.redis_partitions import Partitions
from tests import postgres
from tests.integration.driver import WAYS, Connector, Peer, call, done, received
from tests.interop.running import UNHURRIED, contract_server, reference_server, running
from tests.interop.test_dotnet import assert_all_pass_in_the_end
from tests.interop.test_javascript import assert_all_passed, install, results_against
from tests.valkey import Valkey, until, valkey
from tests.valkey_cluster import ask, valkey_cluster

pytestmark = pytest.mark.timeout(300)

PYTHON, DOTNET = "python", "dotnet"
ALONE, SHARDED, CLUSTER, POSTGRES, WORKERS = "alone", "sharded", "cluster", "postgres", "workers"
"""One server of Redis; the same with sharded pub/sub; a cluster of three with sharded pub/sub. PostgreSQL, and the hub
between the workers of one machine, whose channels nobody can look into."""
ON_REDIS = (ALONE, SHARDED, CLUSTER)
USERS = {"a": "ada", "b": "bob", "c": "ada", "d": "eve", "e": "bob"}
GROUPS = {"a": "g", "b": "g", "c": "gh", "d": "h", "e": ""}
"""Each client's groups, each a letter. `a` and `b` are on the first server, `c`, `d` on the second, `e` on the last."""

SELECTORS: list[tuple[str, list[Any], str, str]] = [
    # what is called, with which arguments before the text, the label that arrives, and at whom
    ("SendMessage", ["said"], "said", "abcde"),
    ("ToOthers", [], "others", "bcde"),
    ("ToCaller", [], "caller", "a"),
    ("ToAllExcept", [["b", "d"]], "allexcept", "ace"),
    ("ToClient", ["c"], "client", "c"),
    ("ToClient", ["nobody"], "client", ""),
    ("ToClients", [["a", "c", "e", "nobody"]], "clients", "ace"),
    ("ToGroup", ["g"], "g", "abc"),
    ("ToGroups", [["g", "h"]], "groups", "abccd"),
    ("ToGroupExcept", ["g", ["b"]], "g", "ac"),
    ("ToOthersInGroup", ["g"], "g", "bc"),
    ("ToUser", ["ada"], "user", "ac"),
    ("ToUsers", [["bob", "eve", "nobody"]], "users", "bde"),
]
ENDS = [
    *[("ToAllExcept", [[]]), ("ToGroup", ["g"]), ("ToGroup", ["h"])],
    *[("ToUser", [user]) for user in ("ada", "bob", "eve")],
    *[("ToClient", [name]) for name in "abcde"],
]
"""One message behind, on every channel that the one before can have taken: between channels there is no order."""


@dataclass
class Fleet:
    """Servers of these kinds, and what joins them. `nodes` are those of Redis: one, or those of a cluster."""

    kinds: tuple[str, ...]
    by: str
    nodes: list[Valkey] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    @property
    def redis(self) -> Valkey:
        return self.nodes[0]

    async def servers_on(self, channel: str) -> int:
        """How many hear a channel of the hub."""
        sharded = self.by != ALONE
        _, name = Partitions("p:", sharded=sharded).place(f"ReferenceHub:{channel}")
        counts = [await ask(node, f"PUBSUB {'SHARD' * sharded}NUMSUB", name) for node in self.nodes]
        return sum(int(count) for _, count in counts)


def kinds_of(*kinds: str, by: str = ALONE) -> Any:
    marks = [pytest.mark.refpeer] if DOTNET in kinds else []
    marks += [pytest.mark.valkey] if by in ON_REDIS else [pytest.mark.postgres] if by == POSTGRES else []
    name = "+".join(kinds) + f" {by}" * (by != ALONE)
    return pytest.param((kinds, by), id=name, marks=marks)


FLEETS = [
    kinds_of(PYTHON, PYTHON),
    kinds_of(PYTHON, PYTHON, PYTHON),
    kinds_of(DOTNET, PYTHON),
    kinds_of(PYTHON, DOTNET),
    kinds_of(PYTHON, DOTNET, PYTHON),
    kinds_of(PYTHON, PYTHON, by=CLUSTER),
    kinds_of(PYTHON, PYTHON, PYTHON, by=CLUSTER),
    kinds_of(PYTHON, PYTHON, PYTHON, by=POSTGRES),
    kinds_of(PYTHON, PYTHON, PYTHON, by=WORKERS),
]


@contextmanager
def fleet_of(kinds: tuple[str, ...], by: str, database: Callable[[], Path] | None = None) -> Iterator[Fleet]:
    """`database` returns the directory of a PostgreSQL."""
    start = {PYTHON: contract_server, DOTNET: reference_server}
    with ExitStack() as stack:
        made = Fleet(kinds, by)
        if by == WORKERS:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(running("tests.interop.worker_server", "--hub", directory))
            for number in range(len(kinds)):
                worker = running(
                    "tests.interop.worker_server", "--port", "0", WORKER=f"{number},{directory}", **UNHURRIED
                )
                made.urls.append(stack.enter_context(worker))
        elif by == POSTGRES:
            assert database is not None
            address = postgres.new_database(database())
            made.urls = [stack.enter_context(contract_server(POSTGRES=address, **UNHURRIED)) for _ in kinds]
        else:
            made.nodes = (
                stack.enter_context(valkey_cluster()).nodes if by == CLUSTER else [stack.enter_context(valkey())]
            )
            settings = (
                UNHURRIED | {"REDIS": f"{made.redis.address},p:"} | ({"REDIS_MODE": "sharded"} if by != ALONE else {})
            )
            made.urls = [stack.enter_context(start[kind](**settings)) for kind in kinds]
        yield made


@pytest.fixture(scope="module", params=FLEETS)
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    kinds, by = request.param
    with fleet_of(kinds, by, lambda: request.getfixturevalue("postgres_server")) as made:
        yield made


@asynccontextmanager
async def connected(fleet: Fleet, first_way: int = 0) -> AsyncIterator[dict[str, Peer]]:
    """Five clients, each another way, on the servers of the fleet."""
    ways = itertools.islice(itertools.cycle(WAYS), first_way, None)
    servers = [0, 0, 1, 1, len(fleet.urls) - 1]
    async with AsyncExitStack() as closing:
        peers = {}
        for (name, user), server, way in zip(USERS.items(), servers, ways, strict=False):
            connect = Connector(fleet.urls[server], way, closing)
            peers[name] = await connect(token=await connect.token(f"sub={user}"))
            assert await peers[name].is_alive()  # the answer to the handshake comes before its channels are heard
        yield peers


async def join_groups(peers: dict[str, Peer]) -> None:
    for name, groups in GROUPS.items():
        for group in groups:
            assert await peers[name].result("Join", group) is None


@pytest.mark.statement(190)
@pytest.mark.parametrize("first_way", range(len(WAYS)))
async def test_every_selector_reaches_the_clients_of_every_server(fleet: Fleet, first_way: int) -> None:
    async with connected(fleet, first_way) as peers:
        await join_groups(peers)
        ends = {name: 3 + len(GROUPS[name]) for name in peers}

        def named(argument: Any) -> Any:
            if isinstance(argument, list):
                return [named(each) for each in argument]
            return peers[argument].id if argument in peers else argument

        for target, arguments, label, whom in SELECTORS:
            await peers["a"].send(call(None, target, *named(arguments), "it"))
            for end, of in ENDS:
                await peers["a"].send(call(None, end, *named(of), "end"))
            found = [name * await heard(peer, label, ends[name]) for name, peer in peers.items()]
            assert "".join(found) == whom, (target, arguments)


async def heard(peer: Peer, label: str, ends: int) -> int:
    """How often it was told, until it has heard so many ends."""
    told = 0
    while ends:
        message = await peer.receive()
        if message["arguments"][1] == "end":
            ends -= 1
        else:
            assert message == received(label, "it")
            told += 1
    return told


@pytest.mark.statement(192)
async def test_a_client_of_another_server_joins_a_group(fleet: Fleet) -> None:
    async with connected(fleet) as peers:
        for near, far in (("a", "c"), ("c", "a"), ("e", "b")):
            group = f"from {near}"
            assert await peers[near].result("JoinOther", peers[far].id, group) is None
            assert await peers[near].result("ToGroup", group, "in") is None
            assert await peers[far].receive() == received(group, "in")


@pytest.mark.statement(193)
async def test_channels_are_heard_from_the_first_member_on_until_the_last_has_left(fleet: Fleet) -> None:
    if fleet.by not in ON_REDIS:
        return  # no one can be asked who hears
    servers = fleet.servers_on
    async with connected(fleet) as peers:
        assert await servers("user:ada") == 2
        assert await servers(f"connection:{peers['a'].id}") == 1
        assert await servers("group:often") == 0
        for name, expected in (("a", 1), ("b", 1), ("c", 2), ("d", 2)):
            await peers[name].result("Join", "often")
            assert await servers("group:often") == expected
        for name, expected in (("a", 2), ("c", 2), ("b", 1)):
            await peers[name].result("Leave", "often")
            while await servers("group:often") != expected:  # a server says it when it comes to it
                await peers[name].result("Nothing")


@pytest.mark.statement(194)
@pytest.mark.parametrize("first_way", range(len(WAYS)))
async def test_a_client_of_another_server_answers(fleet: Fleet, first_way: int) -> None:
    async with connected(fleet, first_way) as peers:
        for near, far in (("a", "c"), ("c", "a"), ("b", "e")):
            await peers[near].send(call("ask", "AskClient", peers[far].id, 21))
            question = await peers[far].receive()
            assert (question["target"], question["arguments"]) == ("Double", [21])
            await peers[far].send(done(question["invocationId"], result=42))
            assert await peers[near].receive() == done("ask", result=42)


async def test_what_a_client_of_another_server_answers_wrongly_is_an_error(fleet: Fleet) -> None:
    async with connected(fleet) as peers:
        for answer in ({"result": "many"}, {"error": "will not"}):
            await peers["a"].send(call("ask", "AskClient", peers["c"].id, 21))
            question = await peers["c"].receive()
            await peers["c"].send(done(question["invocationId"], **answer))
            found = await peers["a"].receive()
            assert found["invocationId"] == "ask"
            assert "AskClient" in found["error"]


@pytest.mark.statement(195)
async def test_a_client_of_another_server_leaves_without_an_answer(fleet: Fleet) -> None:
    async with connected(fleet) as peers:
        for near, far in (("a", "d"), ("c", "b")):
            await peers[near].send(call("ask", "AskClient", peers[far].id, 21))
            assert (await peers[far].receive())["target"] == "Double"
            await peers[far].line.close()
            answer = await peers[near].receive()
            assert answer["invocationId"] == "ask"
            assert "AskClient" in answer["error"]


async def test_a_client_that_no_server_has_is_no_one_to_ask(fleet: Fleet) -> None:
    if fleet.by == POSTGRES:
        return  # which does not know who reads: the call fails when its time is over
    async with connected(fleet) as peers:
        for name in ("a", "c"):
            assert "AskClient" in (await peers[name].call("AskClient", "nobody", 21))["error"]


@pytest.mark.statement(188)
async def test_both_kinds_of_servers_publish_the_same_bytes(fleet: Fleet) -> None:
    if len(set(fleet.kinds[:2])) == 1:
        return  # nothing to compare: the vectors are in tests/backplanes/test_envelope.py
    said: list[dict[str, list[Any]]] = []
    for near, far in (("a", "c"), ("c", "a")):
        async with connected(fleet) as peers, Redis.from_url(fleet.redis.url) as redis, redis.pubsub() as spy:
            await spy.psubscribe("p:ReferenceHub:*")
            assert (await spy.get_message(timeout=30))["type"] == "psubscribe"
            me, other = peers[near], peers[far]
            await me.send(
                call(None, "SendMessage", "ada", "hi"),
                call(None, "ToGroup", "g", "hi"),
                call(None, "ToUser", "nobody", "hi"),
                call(None, "ToClient", other.id, "hi"),
                call(None, "ToGroupExcept", "g", [other.id], "hi"),
                call(None, "JoinOther", other.id, "k"),
                call(None, "AskClient", "nobody", 21),
                call(None, "ToGroup", "end", "hi"),
            )
            published: list[tuple[bytes, bytes]] = []
            while not published or not published[-1][0].endswith(b":group:end"):
                message = await spy.get_message(ignore_subscribe_messages=True, timeout=30)
                if message is not None:
                    published.append((message["channel"], message["data"]))
            said.append(comparable(published, other.id))
    assert said[0] == said[1]


def comparable(published: list[tuple[bytes, bytes]], other: str) -> dict[str, list[Any]]:
    """What was said on each channel, with the same name for what each server chooses itself."""
    found: dict[str, list[Any]] = {}
    for channel, payload in published:
        name = channel.decode().replace(other, "OTHER")
        if ":internal:ack:" in name:
            name = name.partition(":ack:")[0] + ":ack"
            assert len(payload) >= 2
            what: Any = payload[:1]
        elif name.endswith(":internal:groups"):
            command = read(GroupCommand, payload)
            assert command.encode() == payload
            what = (command.action, command.group, command.connection_id == other)
        else:
            envelope = read(InvocationEnvelope, payload)
            assert envelope.encode() == payload
            question = (envelope.invocation_id or "").encode()
            assert len(question) in (0, 22)
            back = (envelope.return_channel or "").encode()
            what = payload.replace(other.encode(), b"OTHER" * 4 + b"..")
            what = what.replace(question, b"?" * 22) if question else what
            what = what[: -len(back)] if back else what
        found.setdefault(name, []).append(what)
    return found


# When Redis is away


@pytest.mark.valkey
@pytest.mark.statement(196)
@pytest.mark.parametrize("made_of", [*FLEETS[1:3], kinds_of(PYTHON, PYTHON, by=SHARDED)])
@pytest.mark.parametrize("outage", ["restart", "freeze"])
async def test_clients_of_all_servers_stay_while_redis_is_away(
    made_of: tuple[tuple[str, ...], str], outage: str
) -> None:
    with fleet_of(*made_of) as fleet:
        async with connected(fleet) as peers:
            ada, carol = peers["a"], peers["c"]
            await ada.send(call(None, "SendMessage", "all", "before"))
            assert await carol.receive() == await ada.receive() == received("all", "before")
            if outage == "restart":
                fleet.redis.stop()
            else:
                fleet.redis.freeze()
            for peer in (ada, carol):
                await peer.send(call(None, "ToClient", peer.id, "local"))
                while (await peer.receive())["arguments"][1] != "local":
                    pass
                assert await peer.is_alive()
            if outage == "restart":
                await asyncio.to_thread(fleet.redis.start)
            else:
                fleet.redis.thaw()
            for sender, others in ((ada, carol), (carol, ada)):
                await until(functools.partial(gets_through, sender, others, set()))


async def gets_through(sender: Peer, receiver: Peer, sent: set[str]) -> bool:
    """Whether one of the messages to all that were sent so far has reached another client; one more is sent."""
    text, fence = uuid4().hex, uuid4().hex
    sent.add(text)
    await sender.send(call(None, "SendMessage", "all", text))
    await receiver.send(call(None, "ToClient", receiver.id, fence))
    heard = set()
    while (found := (await receiver.receive())["arguments"][1]) != fence:
        heard.add(found)
    return bool(heard & sent)


# Microsoft's clients, whose messages to all, groups and users go through Redis


@pytest.mark.valkey
@pytest.mark.interop
@pytest.mark.parametrize("mode", ["aspnetcore", "sharded"])
def test_official_javascript_client_on_redis(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    install()
    monkeypatch.setenv("HUBLINE_BACKPLANE", "1")
    with valkey() as redis, contract_server(REDIS=redis.address, REDIS_MODE=mode, **UNHURRIED) as url:
        assert_all_passed(results_against(url, "fanout"), 136)


@pytest.mark.valkey
@pytest.mark.refpeer
def test_official_dotnet_client_on_redis() -> None:
    with valkey() as redis, contract_server(REDIS=redis.address, **UNHURRIED) as url:
        assert_all_pass_in_the_end(url, {"REFPEER_PARENT": tempfile.gettempdir()} | os.environ)
