"""Requests that reach another node than that of their connection."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from hubline import (
    Client,
    ConnectionScope,
    Hub,
    HubApp,
    HubOptions,
    Identity,
    Nodes,
    TransportOptions,
    authorize,
)
from hubline.nodes import node as node_module
from hubline.nodes.node import MOST_STRANGERS, REDIRECTED, Node
from hubline.nodes.tokens import Secrets
from hubline.testing import ManualClock, connect, running, settle
from hubline.testing.asgi import RefusedError
from hubline.testing.channels import TransportName
from hubline.testing.harness import ProtocolName
from hubline.transports.elsewhere import Handover
from tests.nodes.fleet import SECRET, NegotiatedAtTheFirst, RoundRobin, fleet_of
from tests.transports.driver import Request, Socket

WAYS: list[tuple[TransportName, ProtocolName]] = [
    ("websocket", "json"),
    ("websocket", "messagepack"),
    ("sse", "json"),
    ("long_polling", "json"),
    ("long_polling", "messagepack"),
]
HANDSHAKE = '{"protocol":"json","version":1}\x1e'


@dataclass
class Seen:
    """What the hub knows of the request that has opened its connection."""

    path: str
    query: str
    address: str | None
    user: str | None
    tenant: str | None


class Chat(Hub[Client]):
    async def echo(self, text: str) -> str:
        return text

    async def count(self, number: int) -> AsyncIterator[int]:
        for each in range(number):
            yield each

    async def shout(self, words: AsyncIterator[str]) -> AsyncIterator[str]:
        async for word in words:
            yield word.upper()

    async def ask(self, value: int) -> int:
        found = await self.clients.client(self.context.connection_id).invoke("Double", value)
        return int(found)

    async def seen(self) -> Seen:
        scope = self.context.scope
        tenant = scope.path_params.get("tenant")
        return Seen(scope.path, scope.query.get("q", ""), scope.address, self.context.user_id, tenant)

    async def fail(self) -> None:
        raise RuntimeError("on purpose")

    async def join(self) -> None:
        await self.groups.add(self.context.connection_id, "slow")

    async def to_slow(self, size: int) -> None:
        await self.clients.group("slow").send("Text", "x" * size)


def chat(nodes: Nodes | None) -> HubApp:
    options = HubOptions(maximum_receive_message_size=1_000_000, maximum_parallel_invocations=2)
    return HubApp({"/hub": Chat}, nodes=nodes, options=options)


@pytest.fixture
async def apps(tmp_path: Path) -> AsyncIterator[list[HubApp]]:
    async with fleet_of(chat, tmp_path, 3) as made:
        yield made


async def forwarded(apps: list[HubApp]) -> int:
    return sum(app.statistics()["nodes"]["forwarded"] for app in apps)


@pytest.mark.parametrize(("transport", "protocol"), WAYS)
async def test_any_node_takes_any_request(apps: list[HubApp], transport: TransportName, protocol: ProtocolName) -> None:
    async with connect(RoundRobin(apps), "/hub", transport=transport, protocol=protocol) as client:
        client.on("Double", lambda value: value * 2)
        assert await client.invoke("Echo", "x" * 200_000) == "x" * 200_000
        assert [item async for item in client.stream("Count", 200)] == list(range(200))
        assert await client.invoke("Ask", 21) == 42

        async def words() -> AsyncIterator[str]:
            for number in range(50):
                yield f"word {number}"

        assert [item async for item in client.stream("Shout", words())] == [f"WORD {n}" for n in range(50)]
        with pytest.raises(Exception, match="unexpected error occurred invoking 'Fail'"):
            await client.invoke("Fail")
    assert await forwarded(apps) >= 1
    await until(lambda: [app.statistics()["transports"].connections for app in apps] == [0, 0, 0])


async def test_a_token_without_nodes_stays_as_it_was() -> None:
    answer = await Request(chat(None), "POST", "negotiateVersion=1", path="/hub/negotiate").answered()
    assert len(json.loads(answer.body)["connectionToken"]) == 22


@pytest.mark.parametrize("version", ["0", "1"])
async def test_the_public_id_finds_nothing_but_in_version_0(apps: list[HubApp], version: str) -> None:
    """In version 0, for clients of 2018, the id is also the token."""
    answer = await Request(apps[0], "POST", f"negotiateVersion={version}", path="/hub/negotiate").answered()
    found = json.loads(answer.body)
    poll = await Request(apps[1], "GET", f"id={found['connectionId']}", path="/hub").answered()
    assert poll.status == (404 if version == "1" else 200)
    token = found.get("connectionToken", found["connectionId"])
    assert (await Request(apps[2], "DELETE", f"id={token}", path="/hub").answered()).status in (202, 400)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_who_is_nowhere_is_not_found(apps: list[HubApp], tmp_path: Path, method: str) -> None:
    """A forged token, one of another secret, of a node that is not there, and of a connection that has ended."""
    answer = await Request(apps[0], "POST", "negotiateVersion=1", path="/hub/negotiate").answered()
    right = json.loads(answer.body)["connectionToken"]
    secrets, others = Secrets([SECRET]), Secrets(["a secret of the nodes of another fleet"])
    tokens = {
        "unknown": "A" * 22,
        "forged": right[:-1] + ("A" if right[-1] != "A" else "B"),
        "of another secret": others.token(f"unix:{tmp_path}/0.sock"),
        "of a node that is not there": secrets.token(f"unix:{tmp_path}/9.sock"),
        "of no connection": secrets.token(f"unix:{tmp_path}/0.sock"),
        "of no connection of ours": secrets.token(f"unix:{tmp_path}/1.sock"),
    }
    for what, token in tokens.items():
        found = await Request(apps[1], method, f"id={token}", path="/hub").answered()
        assert (found.status, found.body) == (404, b"No Connection with that ID"), what
    socket = await Socket(apps[1], f"id={tokens['of a node that is not there']}").ended()
    assert socket.sent[0]["status"] == 404


async def test_a_request_is_forwarded_only_once(apps: list[HubApp]) -> None:
    """A token that names the first node, whose connection is not there, is not sent round."""
    token = Secrets([SECRET]).token(str(node_of(apps[0]).address))
    assert (await Request(apps[1], "GET", f"id={token}", path="/hub").answered()).status == 404
    assert [app.statistics()["nodes"]["forwarded"] for app in apps] == [0, 1, 0]
    assert [app.statistics()["nodes"]["carried"] for app in apps] == [1, 0, 0]


def cut(app: HubApp) -> None:
    """Every link of a node is lost."""
    for link in list(node_of(app)._links):
        link.abort()


async def until(holds: Callable[[], bool]) -> None:
    """Return when something holds that sockets bring about."""
    async with asyncio.timeout(30):
        while True:
            if holds():
                return
            await asyncio.sleep(0.001)


def node_of(app: HubApp) -> Node:
    node = app._node
    assert node is not None
    return node


# What crosses


async def test_the_other_node_sees_the_request_as_it_came(tmp_path: Path) -> None:
    def mounted(app: HubApp) -> Starlette:
        return Starlette(routes=[Mount("/{tenant}/live", app)])

    async with fleet_of(chat, tmp_path) as apps:
        outer = NegotiatedAtTheFirst([mounted(app) for app in apps])
        for transport, _ in WAYS[::2]:
            async with connect(
                outer, "/acme/live/hub", transport=transport, query={"q": "ä&="}, address="192.0.2.7"
            ) as c:
                expected = Seen("/acme/live/hub", "ä&=", "192.0.2.7", None, "acme")
                assert await c.invoke("Seen", result_type=Seen) == expected
        assert await forwarded(apps) >= 3


class ByHeader(AuthenticationBackend):
    """A middleware of the application in front of the hubs: sessions, for instance."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.headers.get("x-user")
        return None if name is None else (AuthCredentials(["member"]), SimpleUser(name))


@authorize(roles=["member"])
class Members(Chat): ...


@pytest.mark.parametrize(("transport", "protocol"), WAYS)
async def test_the_user_is_decided_where_the_request_arrives(
    tmp_path: Path, transport: TransportName, protocol: ProtocolName
) -> None:
    def outer(app: HubApp) -> Starlette:
        return Starlette(
            routes=[Mount("/", app)], middleware=[Middleware(AuthenticationMiddleware, backend=ByHeader())]
        )

    async with fleet_of(lambda nodes: HubApp({"/hub": Members}, nodes=nodes), tmp_path) as apps:
        balanced = RoundRobin([outer(app) for app in apps])
        async with connect(
            balanced, "/hub", transport=transport, protocol=protocol, headers={"x-user": "ada"}
        ) as client:
            assert (await client.invoke("Seen", result_type=Seen)).user == "ada"
        with pytest.raises(RefusedError, match="401"):
            async with connect(balanced, "/hub", transport=transport, protocol=protocol):
                pass


async def test_another_user_is_refused_on_any_node(tmp_path: Path) -> None:
    def app(nodes: Nodes) -> HubApp:
        return HubApp({"/hub": Chat}, nodes=nodes, authenticate=lambda scope: Identity(scope.headers.get("x-user")))

    async with fleet_of(app, tmp_path) as apps:
        ada, eve = {"x-user": "ada"}, {"x-user": "eve"}
        answer = await Request(apps[0], "POST", "negotiateVersion=1", ada, path="/hub/negotiate").answered()
        token = json.loads(answer.body)["connectionToken"]
        assert (await Request(apps[0], "GET", f"id={token}", ada, path="/hub").answered()).status == 200
        assert (await Request(apps[1], "POST", f"id={token}", eve, path="/hub").answered()).status == 403
        assert (await Request(apps[1], "POST", f"id={token}", ada, path="/hub").answered()).status == 200
        assert (await Request(apps[1], "DELETE", f"id={token}", ada, path="/hub").answered()).status == 202


async def test_an_identity_that_is_no_plain_data_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def authenticate(scope: ConnectionScope) -> Identity:
        return Identity("ada", {"session": object()})

    async with fleet_of(lambda nodes: HubApp({"/hub": Chat}, nodes=nodes, authenticate=authenticate), tmp_path) as apps:
        answer = await Request(apps[0], "POST", "negotiateVersion=1", path="/hub/negotiate").answered()
        token = json.loads(answer.body)["connectionToken"]
        with caplog.at_level(logging.ERROR):
            assert (await Request(apps[1], "GET", f"id={token}", path="/hub").answered()).status == 500
        assert "claims of its identity must be plain data" in caplog.text


async def test_an_identity_is_refreshed_over_any_node(tmp_path: Path) -> None:
    def app(nodes: Nodes) -> HubApp:
        transport = TransportOptions(authentication_refresh=True)
        return HubApp(
            {"/hub": Chat},
            nodes=nodes,
            transport=transport,
            authenticate=lambda scope: Identity("ada", expires_at=float(scope.headers["x-until"])),
        )

    now, later = {"x-until": "4e9"}, {"x-until": "5e9"}
    async with fleet_of(app, tmp_path, 3) as apps, connect(NegotiatedAtTheFirst(apps), "/hub", headers=now) as client:
        token = client._channel._query["id"]
        (session,) = apps[1]._registry
        for node, until in ((apps[0], "5e9"), (apps[1], "6e9"), (apps[2], "7e9")):
            answer = await Request(node, "POST", f"id={token}", {"x-until": until}, path="/hub/refresh").answered()
            assert answer.status == 200
            assert session.scope.identity is not None
            assert session.scope.identity.expires_at == float(until)
        unknown = await Request(apps[1], "POST", "id=x", later, path="/hub/refresh").answered()
        assert json.loads(unknown.body) == {"error": "connection_not_found"}


# How it ends


async def test_a_client_that_leaves_is_gone_on_its_node(apps: list[HubApp]) -> None:
    for transport, _ in (WAYS[0], WAYS[2]):
        async with connect(NegotiatedAtTheFirst(apps), "/hub", transport=transport) as client:
            assert await client.invoke("Echo", "a") == "a"
            client.drop()
            await until(lambda: not apps[0].statistics()["transports"].connections)
    await until(lambda: [app.statistics()["nodes"]["forwarding"] for app in apps] == [0, 0, 0])


async def test_a_client_that_does_not_read_fills_its_outbox_and_nothing_else(tmp_path: Path) -> None:
    def app(nodes: Nodes) -> HubApp:
        return HubApp(
            {"/hub": Chat}, nodes=nodes, transport=TransportOptions(outbox_capacity=300_000, close_timeout=0.05)
        )

    async with fleet_of(app, tmp_path) as apps:
        behind = NegotiatedAtTheFirst(apps)
        over = partial(connect, behind, "/hub", transport="sse")
        async with over() as slow, over() as fast:
            await slow.invoke("Join")
            slow.stop_reading()
            async with asyncio.timeout(30):
                while apps[0].statistics()["transports"].connections == 2:
                    await fast.invoke("ToSlow", 10_000)
            waiting = apps[1].statistics()["nodes"]["waiting_bytes"]
            assert waiting <= 65_536 + 70_000, "a window, and one write"
            assert await fast.invoke("Echo", "b") == "b"
            slow.resume_reading()
            await slow.closed()


async def test_a_lost_link_is_a_lost_connection(apps: list[HubApp]) -> None:
    behind = NegotiatedAtTheFirst(apps)
    async with connect(behind, "/hub", transport="sse") as client:
        assert await client.invoke("Echo", "a") == "a"
        cut(apps[0])
        assert (await client.closed()).message is None
    async with connect(behind, "/hub", transport="long_polling") as client:
        assert await client.invoke("Echo", "a") == "a"
        poll = Request(apps[1], "GET", f"id={client._channel._query['id']}", path="/hub")
        await until(lambda: apps[0].statistics()["nodes"]["carrying"] > 0)
        cut(apps[0])
        assert (await poll.answered()).status == 404
    assert await connected(apps)


async def connected(apps: list[HubApp]) -> bool:
    """Whether a client can connect over another node than its own: a new link is opened."""
    async with connect(NegotiatedAtTheFirst(apps), "/hub") as client:
        return bool(await client.invoke("Echo", "again") == "again")


async def test_a_node_that_is_gone_is_asked_again_a_second_later(tmp_path: Path) -> None:
    async with fleet_of(chat, tmp_path) as apps:
        assert await connected(apps)
    async with running(chat(Nodes(secret=SECRET, listen=f"unix:{tmp_path}/1.sock"))) as second:
        token = Secrets([SECRET]).token(f"unix:{tmp_path}/0.sock")
        assert (await Request(second, "GET", f"id={token}", path="/hub").answered()).status == 404


async def test_a_node_that_accepts_and_says_nothing_leaves_no_link_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "CONNECT", 0.1)
    taken: list[asyncio.BaseTransport] = []

    class Silent(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken.append(transport)

    silent = await asyncio.get_running_loop().create_unix_server(Silent, tmp_path / "silent")
    made = Node(Nodes(secret=SECRET, listen=f"unix:{tmp_path / 'a'}"), ManualClock())
    assert await made._link(f"unix:{tmp_path / 'silent'}") is None
    await settle()
    assert made.statistics()["links"] == 0
    await made.close()
    silent.close()
    for each in taken:
        each.close()
    await settle()


async def test_no_more_requests_than_a_link_may_have(tmp_path: Path) -> None:
    async with fleet_of(chat, tmp_path, maximum_requests=1) as apps:
        answer = await Request(apps[0], "POST", "negotiateVersion=1", path="/hub/negotiate").answered()
        query = f"id={json.loads(answer.body)['connectionToken']}"
        assert (await Request(apps[1], "GET", query, path="/hub").answered()).status == 200
        poll = Request(apps[1], "GET", query, path="/hub")
        await until(lambda: apps[0].statistics()["nodes"]["carrying"] > 0)
        refused = await Request(apps[1], "POST", query, body=HANDSHAKE.encode(), path="/hub").answered()
        assert refused.status == 503
        await Request(apps[0], "POST", query, body=HANDSHAKE.encode(), path="/hub").answered()
        assert (await poll.answered()).body == b"{}\x1e"
        assert apps[1].statistics()["nodes"]["refused"] == 1
        assert await connected(apps)


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_a_node_that_drains_asks_clients_of_others_to_come_back(
    apps: list[HubApp], transport: TransportName
) -> None:
    async with connect(NegotiatedAtTheFirst(apps), "/hub", transport=transport) as client:
        assert await client.invoke("Echo", "a") == "a"
        async with asyncio.timeout(30):
            await apps[1].drain()
            closed = await client.closed()
        assert closed.message is not None
        assert closed.allow_reconnect


async def test_a_node_that_drains_answers_polls_and_the_next_goes_elsewhere(apps: list[HubApp]) -> None:
    answer = await Request(apps[0], "POST", "negotiateVersion=1", path="/hub/negotiate").answered()
    query = f"id={json.loads(answer.body)['connectionToken']}"
    assert (await Request(apps[1], "GET", query, path="/hub").answered()).status == 200
    await Request(apps[1], "POST", query, body=HANDSHAKE.encode(), path="/hub").answered()
    assert (await Request(apps[1], "GET", query, path="/hub").answered()).body == b"{}\x1e"
    poll = Request(apps[1], "GET", query, path="/hub")
    await settle()
    await until(lambda: apps[0].statistics()["nodes"]["carrying"] > 0)
    async with asyncio.timeout(30):
        await apps[1].drain()
    assert (poll.status, poll.body) == (200, b"")
    following = Request(apps[2], "GET", query, path="/hub")
    call = b'{"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}\x1e'
    await Request(apps[2], "POST", query, body=call, path="/hub").answered()
    assert (await following.answered()).body == b'{"type":3,"invocationId":"1","result":"a"}\x1e'
    await Request(apps[0], "DELETE", query, path="/hub").answered()


# Where a connection lives


async def test_a_websocket_is_served_where_it_arrives(apps: list[HubApp]) -> None:
    """The node that has negotiated hands the connection over, and has nothing to do with it any more."""
    async with connect(NegotiatedAtTheFirst(apps), "/hub") as client:
        assert [app.statistics()["transports"].connections for app in apps] == [0, 1, 0]
        assert [app.statistics()["transports"].waiting for app in apps] == [0, 0, 0]
        assert apps[1].statistics()["nodes"]["handed_over"] == 1
        async with asyncio.timeout(30):
            await apps[0].drain()
        assert await client.invoke("Echo", "a") == "a"
        assert node_of(apps[0])._moved == {}, "nobody will ask for it"


async def test_there_must_be_room_where_a_websocket_arrives(tmp_path: Path) -> None:
    def app(nodes: Nodes) -> HubApp:
        return HubApp({"/hub": Chat}, nodes=nodes, transport=TransportOptions(connections_per_address=1))

    async with fleet_of(app, tmp_path) as apps, connect(NegotiatedAtTheFirst(apps), "/hub"):
        with pytest.raises(RefusedError, match="429"):
            async with connect(NegotiatedAtTheFirst(apps), "/hub"):
                pass
        async with connect(apps[0], "/hub") as elsewhere:
            assert await elsewhere.invoke("Echo", "a") == "a"


async def test_a_token_opens_one_websocket_only(apps: list[HubApp]) -> None:
    answer = await Request(apps[0], "POST", "negotiateVersion=1", path="/hub/negotiate").answered()
    query = f"id={json.loads(answer.body)['connectionToken']}"
    first = Socket(apps[1], query)
    await until(lambda: apps[1].statistics()["transports"].connections == 1)
    for node, status in ((apps[0], 404), (apps[1], 409), (apps[2], 404)):
        second = await Socket(node, query).ended()
        assert second.sent[0]["status"] == status
    first.leave()
    await first.ended()


async def test_a_connection_that_was_taken_over_and_not_opened_expires(tmp_path: Path) -> None:
    clock = ManualClock()
    async with fleet_of(lambda nodes: HubApp({"/hub": Chat}, nodes=nodes, clock=clock), tmp_path) as apps:
        answer = await Request(apps[0], "POST", "negotiateVersion=1", path="/hub/negotiate").answered()
        token = json.loads(answer.body)["connectionToken"]
        endpoint, over = node_of(apps[1])._endpoints["/hub"], list[object]()
        scope = ConnectionScope({"type": "websocket", "path": "/hub"})
        endpoint.take_over(scope, Handover(token, "id", False, True), over.append)
        assert apps[1].statistics()["transports"].waiting == 1
        await clock.advance(17)
        assert apps[1].statistics()["transports"].waiting == 0
        assert len(over) == 1


# Stateful reconnect


@pytest.mark.parametrize("lost", ["socket", "link", "node"])
async def test_a_connection_goes_on_over_any_node(tmp_path: Path, lost: str) -> None:
    """Negotiated by the first node, opened at the second, then reached over the third and over the first."""

    def app(nodes: Nodes) -> HubApp:
        return HubApp({"/hub": Chat}, nodes=nodes, transport=TransportOptions(stateful_reconnect=True))

    async with fleet_of(app, tmp_path, 3) as apps:
        query = "negotiateVersion=1&useStatefulReconnect=true"
        answer = await Request(apps[0], "POST", query, path="/hub/negotiate").answered()
        token = json.loads(answer.body)["connectionToken"]
        first = Socket(apps[1], f"id={token}")
        first.say('{"protocol":"json","version":2}\x1e')
        await said(first, "{}")
        first.leave(1006)
        await first.ended()
        second = Socket(apps[2], f"id={token}")
        await said(second, '{"type":9,"sequenceId":1}')
        second.say('{"type":9,"sequenceId":1}\x1e{"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}\x1e')
        await said(second, '{"type":3,"invocationId":"1","result":"a"}')
        if lost == "socket":
            second.leave(1006)
        elif lost == "link":
            cut(apps[2])
        else:
            async with asyncio.timeout(30):
                await apps[2].drain()
        await second.ended()
        third = Socket(apps[0], f"id={token}")
        await said(third, '{"type":3,"invocationId":"1","result":"a"}')
        third.say('{"type":9,"sequenceId":2}\x1e{"type":1,"invocationId":"2","target":"Echo","arguments":["b"]}\x1e')
        await said(third, '{"type":3,"invocationId":"2","result":"b"}')
        assert apps[1].statistics()["transports"].connections == 1
        third.say('{"type":7}\x1e')
        await third.ended()
        await until(lambda: not node_of(apps[0])._moved)


async def said(socket: Socket, message: str) -> None:
    await until(lambda: message in "".join(map(str, socket.messages)).split("\x1e"))


# Pointing clients to their node


async def test_negotiate_points_the_client_to_its_node_and_only_once(tmp_path: Path) -> None:
    nodes = Nodes(secret=SECRET, public_url="https://a.example.com/base/")
    app = chat(nodes)
    query = "negotiateVersion=1&tenant=a%26b&useStatefulReconnect=true"
    answer = await Request(app, "POST", query, path="/hub/negotiate").answered()
    assert json.loads(answer.body) == {"url": f"https://a.example.com/base/hub?tenant=a%26b&{REDIRECTED}=1"}
    again = await Request(app, "POST", f"negotiateVersion=1&{REDIRECTED}=1", path="/hub/negotiate").answered()
    assert len(json.loads(again.body)["connectionToken"]) == 22, "without `listen` a token names nobody"
    here = chat(Nodes(secret=SECRET, public_url="https://a.example.com"))
    async with connect(here, "/hub", query={"tenant": "x"}, transport="sse") as client:
        assert await client.invoke("Echo", "a") == "a"


async def test_who_was_pointed_to_a_node_and_comes_to_another_is_served(tmp_path: Path) -> None:
    async with fleet_of(chat, tmp_path, 2, public_url="http://testserver") as apps:
        for transport, protocol in WAYS:
            async with connect(RoundRobin(apps), "/hub", transport=transport, protocol=protocol) as client:
                assert await client.invoke("Echo", "a") == "a"


# What only a mistake, or very many connections, bring about


async def test_nodes_whose_hubs_differ(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncExitStack() as stack:
        one = chat(Nodes(secret=SECRET, listen=f"unix:{tmp_path}/0.sock"))
        other = HubApp({"/new": Chat}, nodes=Nodes(secret=SECRET, listen=f"unix:{tmp_path}/1.sock"))
        for app in (one, other):
            await stack.enter_async_context(running(app))
        token = node_of(one).new_token()
        assert (await Request(other, "GET", f"id={token}", path="/new").answered()).status == 404
        assert "a request for '/new', which this app does not have" in caplog.text


async def test_the_oldest_of_many_that_were_handed_over_are_forgotten(
    apps: list[HubApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubline.nodes.node.MOST_MOVED", 2)
    moved = node_of(apps[0])._moved
    moved.update(dict.fromkeys(("oldest", "older", "newer", "newest"), "unix:/x.sock"))
    token = node_of(apps[0]).new_token()
    assert (await Request(apps[1], "GET", f"id={token}", path="/hub").answered()).status == 404
    assert list(moved) == ["newer", "newest"]


async def test_a_token_that_two_nodes_pass_to_each_other_is_nobodys(apps: list[HubApp]) -> None:
    token = node_of(apps[0]).new_token()
    node_of(apps[0])._moved[token] = str(node_of(apps[1]).address)
    node_of(apps[1])._moved[token] = str(node_of(apps[0]).address)
    socket = await Socket(apps[2], f"id={token}").ended()
    assert socket.sent[0]["status"] == 404
    assert apps[2].statistics()["nodes"]["forwarded"] == 2


async def test_strangers_on_the_link_are_few_and_do_not_keep_nodes_out(tmp_path: Path) -> None:
    async with fleet_of(chat, tmp_path) as apps:
        strangers = [await asyncio.open_unix_connection(f"{tmp_path}/0.sock") for _ in range(MOST_STRANGERS + 6)]
        said = [await reader.read(1) for reader, _ in strangers]
        assert (said.count(b""), said[MOST_STRANGERS:]) == (6, [b""] * 6), "the others are greeted"
        assert apps[0].statistics()["nodes"]["links"] == MOST_STRANGERS
        for _, writer in strangers:
            writer.transport.abort()
        await until(lambda: not apps[0].statistics()["nodes"]["links"])
        assert await connected(apps)


# The life of a node


async def test_a_node_listens_without_a_lifespan_and_twice_one_after_the_other(tmp_path: Path) -> None:
    listen = f"unix:{tmp_path}/0.sock"
    app = chat(Nodes(secret=SECRET, listen=listen))
    await Request(app, "GET", "id=x", path="/hub").answered()
    await until(lambda: modes(tmp_path) != [])
    for _ in range(2):
        async with running(app):
            assert modes(tmp_path) == [0o600]
        assert modes(tmp_path) == []


def modes(directory: Path) -> list[int]:
    return [path.stat().st_mode & 0o777 for path in directory.iterdir()]


async def test_nodes_over_tcp(tmp_path: Path) -> None:
    first, second = (chat(Nodes(secret=SECRET, listen="tcp://127.0.0.1:0")) for _ in range(2))
    async with running(first), running(second):
        assert await connected([first, second])
        assert node_of(first).address != node_of(second).address


async def test_an_address_that_is_taken_is_told_at_start_up() -> None:
    async with running(first := chat(Nodes(secret=SECRET, listen="tcp://127.0.0.1:0"))):
        taken = chat(Nodes(secret=SECRET, listen=str(node_of(first).address)))
        with pytest.raises(RuntimeError):
            async with running(taken):
                pass


async def test_nodes_of_another_secret_do_not_talk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stranger = Nodes(secret="the secret of quite another fleet..", listen=f"unix:{tmp_path}/1.sock")
    async with running(chat(Nodes(secret=SECRET, listen=f"unix:{tmp_path}/0.sock"))), running(second := chat(stranger)):
        token = Secrets(["the secret of quite another fleet.."]).token(f"unix:{tmp_path}/0.sock")
        with caplog.at_level(logging.WARNING):
            assert (await Request(second, "GET", f"id={token}", path="/hub").answered()).status == 404
        assert "does not know the secret" in caplog.text
