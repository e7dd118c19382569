"""Every operation of the API, on one server, with clients of every transport and codec."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from hubline import HubError, HubFilter, HubOptions, OutgoingMessage, TransportOptions
from hubline.testing import InMemoryClient, ManualClock, connect, running
from hubline.testing.harness import ProtocolName
from tests.rest.publisher import HOST, VERSION, Publisher, path, publisher, token_for
from tests.rest.site import site

NOBODY = path("connections", "nobody")
NAMES = ["g", "a/b", "50% off", "a+b c", "ключ/🙂", "%2F", ":send", "x" * 1024]
"""Groups and users may have these names."""


class Present:
    """The publisher, and the clients of ada (twice), bob, and a stranger."""

    def __init__(self, app: Any, rest: Publisher, clients: dict[str, InMemoryClient]) -> None:
        self.app, self.rest, self.clients = app, rest, clients

    def id(self, name: str) -> str:
        return str(self.clients[name].connection_id)

    async def got(self, names: str = "abcd") -> str:
        """Who of these has got a message, in the order of their names; each message once."""
        found = ""
        for name in names:
            client = self.clients[name]
            await client.fence()
            while await _has(client):
                found += name
        return found


async def _has(client: InMemoryClient) -> bool:
    try:
        await client.expect_nothing()
    except AssertionError:
        await client.expect("Told")
        return True
    return False


@pytest.fixture
async def present() -> AsyncIterator[Present]:
    async with all_present() as found:
        yield found


@asynccontextmanager
async def all_present(**settings: Any) -> AsyncIterator[Present]:
    users: dict[str, tuple[str, ProtocolName]] = {
        "a": ("ada", "json"),
        "b": ("ada", "messagepack"),
        "c": ("bob", "json"),
        "d": ("", "messagepack"),
    }
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(site(**settings)))
        clients = {
            name: await stack.enter_async_context(
                connect(app, "/chat", protocol=protocol, query={"user": user} if user else {})
            )
            for name, (user, protocol) in users.items()
        }
        for name in "ac":
            await clients[name].invoke("Join", "g")
        await clients["d"].invoke("Ready")
        await clients["b"].invoke("Ready")
        yield Present(app, await stack.enter_async_context(publisher(app)), clients)


@pytest.mark.parametrize(
    ("below", "excluded", "reached"),
    [
        ("", "", "abcd"),
        ("", "bd", "ac"),
        (path("groups", "g"), "", "ac"),
        (path("groups", "g"), "a", "c"),
        (path("groups", "nobody"), "", ""),
        (path("users", "ada"), "", "ab"),
        (path("users", "Ada"), "", ""),
        (NOBODY, "", ""),
    ],
)
async def test_a_message_reaches_whom_the_address_names(
    present: Present, below: str, excluded: str, reached: str
) -> None:
    query = [("excluded", present.id(name)) for name in excluded]
    assert await present.rest.send(below, "Told", "it", query=query) == 202
    assert await present.got() == reached


async def test_a_message_to_one_connection(present: Present) -> None:
    assert await present.rest.send(path("connections", present.id("b")), "Told", 1, None, {"a": [2.5, "x"]}) == 202
    assert await present.clients["b"].expect("Told") == [1, None, {"a": [2.5, "x"]}]
    assert await present.got() == ""


async def test_a_request_does_not_wait_for_a_client_that_does_not_read() -> None:
    """Where a hub's own call would wait: twice as much as is queued before that."""
    options = TransportOptions(outbox_capacity=100_000)
    async with asyncio.timeout(30), all_present(transport=options, clock=ManualClock()) as present:
        present.clients["a"].stop_reading()
        for number in range(12):
            assert await present.rest.send(path("connections", present.id("a")), "Told", number, "x" * 15_000) == 202
        assert await present.rest.send(path("connections", present.id("b")), "Told") == 202
        assert await present.got("bcd") == "b"


async def test_a_message_in_messagepack_and_one_without_arguments(present: Present) -> None:
    body = msgspec.msgpack.encode({"target": "Told", "arguments": ["it"], "more": 1})
    headers = {"content-type": "application/x-msgpack"}
    assert (await present.rest.request("POST", "/:send", content=body, headers=headers)).status_code == 202
    assert await present.clients["a"].expect("Told") == ["it"]
    for body in (b'{"target":"Bare"}', b'{"target":"Bare","arguments":null}'):
        assert (await present.rest.request("POST", "/:send", content=body)).status_code == 202
        assert await present.clients["a"].expect("Bare") == []


async def test_ten_thousand_excluded_connections(present: Present) -> None:
    """Servers refuse an address of this length, and httpx does not send it; so this is a call of the application."""
    query = [("excluded", f"somebody-{number}") for number in range(10_000)] + [("excluded", present.id("a"))]
    url = f"{HOST}/api/hubs/chat/:send"
    headers = [(b"host", b"service.test"), (b"authorization", f"Bearer {token_for(url)}".encode())]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": url.removeprefix(HOST),
        "headers": headers,
    }
    scope["query_string"] = urlencode([*query, ("api-version", VERSION)]).encode()
    answered = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"target":"Told"}'}

    async def send(event: Any) -> None:
        answered.append(event.get("status"))

    await present.app(scope, receive, send)
    assert answered[0] == 202
    assert await present.got() == "bcd"


@pytest.mark.parametrize(
    ("below", "excluded", "closed"),
    [
        ("", "", "abcd"),
        ("", "ad", "bc"),
        (path("groups", "g"), "", "ac"),
        (path("groups", "g"), "c", "a"),
        (path("users", "ada"), "b", "a"),
        (path("users", "nobody"), "", ""),
    ],
)
async def test_connections_are_closed_with_the_reason_and_an_invitation(
    present: Present, below: str, excluded: str, closed: str
) -> None:
    query = [("excluded", present.id(name)) for name in excluded]
    assert (await present.rest.status("POST", f"{below}/:closeConnections", ("reason", "Ende. Aus."), *query)) == (
        204,
        "",
    )
    for name, client in present.clients.items():
        if name in closed:
            found = await client.closed()
            assert (found.error, found.allow_reconnect) == ("Ende. Aus.", True)
        else:
            await client.expect_nothing()


async def test_one_connection_is_closed_once(present: Present) -> None:
    below = path("connections", present.id("c"))
    assert await present.rest.status("DELETE", below, ("reason", "out")) == (200, "")
    assert (await present.clients["c"].closed()).error == "out"
    assert await present.rest.status("HEAD", below) == (404, "Warning.Connection.NotExisted")
    assert await present.rest.status("DELETE", below) == (404, "Warning.Connection.NotExisted")
    assert await present.rest.status("HEAD", path("users", "bob")) == (404, "Warning.User.NotExisted")


@pytest.mark.parametrize("group", NAMES)
async def test_groups_of_any_name(present: Present, group: str) -> None:
    rest, member = present.rest, path("groups", group, "connections", present.id("d"))
    there = path("groups", group)
    if group != "g":
        assert await rest.status("HEAD", there) == (404, "Warning.Group.NotExisted")
    for _ in range(2):
        assert await rest.status("PUT", member) == (200, "")
    assert await rest.status("HEAD", there) == (200, "")
    await rest.send(there, "Told", query=[("excluded", present.id("a")), ("excluded", present.id("c"))])
    assert await present.got() == "d"
    for _ in range(2):
        assert await rest.status("DELETE", member) == (200, "")
    await rest.send(there, "Told", query=[("excluded", present.id("a")), ("excluded", present.id("c"))])
    assert await present.got() == ""


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_connection_that_is_not_there_has_no_groups(present: Present, method: str) -> None:
    below = path("groups", "g", "connections", "nobody")
    assert await present.rest.status(method, below) == (404, "Error.Connection.NotExisted")


async def test_all_groups_of_a_connection(present: Present) -> None:
    await present.rest.status("PUT", path("groups", "h", "connections", present.id("a")))
    assert await present.rest.status("DELETE", path("connections", present.id("a"), "groups")) == (200, "")
    assert await present.rest.status("DELETE", path("connections", "nobody", "groups")) == (200, "")
    assert await present.rest.status("HEAD", path("groups", "h")) == (404, "Warning.Group.NotExisted")
    await present.rest.send(path("groups", "g"), "Told")
    assert await present.got() == "c"


async def test_groups_of_a_user_are_those_of_the_connections_that_are_there(present: Present) -> None:
    rest, ada = present.rest, path("users", "ada", "groups", "a/b")
    assert await rest.status("HEAD", ada) == (404, "Info.User.NotInGroup")
    assert await rest.status("PUT", ada, ("ttl", "60")) == (200, "")
    assert await rest.status("HEAD", ada) == (200, "")
    assert await rest.status("HEAD", path("users", "bob", "groups", "a/b")) == (404, "Info.User.NotInGroup")
    await rest.send(path("groups", "a/b"), "Told")
    assert await present.got() == "ab"
    assert await rest.status("PUT", path("users", "eve", "groups", "g")) == (404, "Warning.User.NotExisted")
    assert await rest.status("DELETE", ada) == (204, "")
    assert await rest.status("HEAD", path("groups", "a/b")) == (404, "Warning.Group.NotExisted")
    assert await rest.status("DELETE", path("users", "ada", "groups")) == (204, "")
    assert await rest.status("DELETE", path("users", "eve", "groups")) == (204, "")
    await rest.send(path("groups", "g"), "Told")
    assert await present.got() == "c"


async def test_connections_of_a_group_page_by_page(present: Present) -> None:
    rest, group = present.rest, path("groups", "a/b")
    for name in "abcd":
        await rest.status("PUT", path("groups", "a/b", "connections", present.id(name)))
    users = {"a": "ada", "b": "ada", "c": "bob"}
    wanted = sorted(
        [{"connectionId": present.id(name)} | ({"userId": users[name]} if name in users else {}) for name in "abcd"],
        key=lambda each: each["connectionId"],
    )
    assert (await rest.request("GET", f"{group}/connections")).json() == {"value": wanted}
    assert (await rest.request("GET", f"{group}/connections", [("top", "2")])).json() == {"value": wanted[:2]}
    for query in ([], [("top", "4")], [("top", "9"), ("application", "")]):
        page, pages = await rest.request("GET", f"{group}/connections", [*query, ("maxPageSize", "3")]), []
        while True:
            pages.append(page.json()["value"])
            if "nextLink" not in page.json():
                break
            assert page.json()["nextLink"].startswith(f"{HOST}/api/hubs/chat/groups/a%2Fb/connections?")
            page = await rest.get(page.json()["nextLink"])
        assert pages == [wanted[:3], wanted[3:]]
    page = await rest.request("GET", f"{group}/connections", [("maxpagesize", "2"), ("top", "3")])
    assert (await rest.get(page.json()["nextLink"])).json() == {"value": wanted[2:3]}
    assert (await rest.request("GET", path("groups", "none", "connections"))).json() == {"value": []}


@pytest.mark.parametrize(
    "query",
    [("top", "0"), ("top", "-1"), ("top", "x"), ("top", "9" * 5000), ("maxpagesize", "201"), ("maxpagesize", "0")],
)
async def test_a_page_of_an_impossible_size(present: Present, query: tuple[str, str]) -> None:
    found = await present.rest.request("GET", path("groups", "g", "connections"), [query])
    assert (found.status_code, found.json()["target"]) == (400, query[0])


@pytest.mark.parametrize("name", ["a", "b"])
async def test_the_answer_of_a_client(present: Present, name: str) -> None:
    client = present.clients[name]
    client.on("Double", lambda number: {"twice": number * 2, "none": None})
    found = await present.rest.invoke(present.id(name), "Double", 21)
    assert (found.status_code, found.json()) == (200, {"result": {"twice": 42, "none": None}})
    client.on("Nothing", lambda: None)
    assert (await present.rest.invoke(present.id(name), "Nothing")).json() == {"result": None}


async def test_a_client_that_refuses_and_one_that_is_gone(present: Present) -> None:
    def refuse() -> None:
        raise HubError("not today")

    async def leave() -> None:
        present.clients["b"].drop()

    present.clients["a"].on("Refuse", refuse)
    found = await present.rest.invoke(present.id("a"), "Refuse")
    assert found.status_code == 400
    assert "not today" in found.json()["message"]
    present.clients["b"].on("Leave", leave)
    for _ in range(2):  # it leaves without an answer, and then is not there
        found = await present.rest.invoke(present.id("b"), "Leave")
        assert (found.status_code, found.headers["x-ms-error-code"]) == (404, "Error.Connection.NotExisted")


async def test_an_answer_that_json_cannot_carry(present: Present) -> None:
    present.clients["b"].on("Odd", lambda: msgspec.msgpack.Ext(5, b"x"))
    assert (await present.rest.invoke(present.id("b"), "Odd")).status_code == 400


async def test_a_message_that_one_codec_cannot_carry_reaches_nobody(present: Present) -> None:
    for below in ("", path("connections", present.id("a"))):
        assert await present.rest.send(below, "Told", 2**70) == 400
    assert (await present.rest.invoke(present.id("b"), "Told", 2**70)).status_code == 400
    assert await present.got() == ""


async def test_a_message_that_is_too_large_for_the_hub_reaches_nobody() -> None:
    async with all_present(options=HubOptions(maximum_send_message_size=500)) as present:
        assert await present.rest.send("", "Told", "x" * 500) == 413
        assert (await present.rest.invoke(present.id("a"), "Told", "x" * 500)).status_code == 413
        assert await present.got() == ""


async def test_filters_see_what_is_published_and_may_refuse_it() -> None:
    class Polite(HubFilter):
        async def send(self, message: OutgoingMessage, next: Any) -> None:
            if message.target == "Rude":
                raise HubError("not here")
            await next(message)

    async with all_present(filters=[Polite()]) as present:
        answered = await present.rest.request("POST", "/:send", json={"target": "Rude"})
        assert (answered.status_code, answered.json()["message"]) == (400, "not here")
        assert (await present.rest.invoke(present.id("a"), "Rude")).status_code == 400
        assert await present.rest.send("", "Told") == 202
        assert await present.got() == "abcd"


@pytest.mark.parametrize("group", [" ", "x" * 1025, "\u3000"])
@pytest.mark.parametrize(("method", "more"), [("HEAD", ()), ("POST", (":send",)), ("PUT", ("connections", "x"))])
async def test_names_that_no_group_has(present: Present, group: str, method: str, more: tuple[str, ...]) -> None:
    found = await present.rest.request(method, path("groups", group, *more), json={"target": "Told"})
    assert found.status_code == 400
