"""Who comes in and what runs then: whole applications, in memory, over every transport and protocol."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, get_args

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection

from hubline import (
    ConfigurationError,
    ConnectionScope,
    Depends,
    Hub,
    HubApp,
    HubError,
    HubFilter,
    Identity,
    InvocationError,
    PolicyContext,
    all_of,
    allow_anonymous,
    any_of,
    authorize,
)
from hubline._tasks import TaskOwner
from hubline.auth.jwt import JwtBearer, make_token
from hubline.testing import InMemoryClient, RefusedError, connect, settle
from hubline.testing.asgi import Origin, Response
from hubline.testing.channels import TransportName
from hubline.testing.harness import ProtocolName

TRANSPORTS = get_args(TransportName)
EVERY_WAY: list[tuple[TransportName, ProtocolName]] = [
    ("websocket", "json"),
    ("websocket", "messagepack"),
    ("sse", "json"),
    ("long_polling", "json"),
    ("long_polling", "messagepack"),
]
SECRET = "a secret of 32 bytes or more, for tests"
UNAUTHORIZED = "Failed to invoke '{}' because user is unauthorized"
FAILED = "An unexpected error occurred invoking '{}' on the server."


def by_query(scope: ConnectionScope) -> Identity | None:
    """`?user=ada&role=admin`."""
    name, role = scope.query.get("user"), scope.query.get("role")
    return Identity(name, roles=frozenset([role] if role else [])) if name else None


def app_of(hub: type[Hub[Any]], **settings: Any) -> HubApp:
    return HubApp({"/hub": hub}, blocking_warning=None, **({"authenticate": by_query} | settings))


async def request(app: Any, method: str, path: str, query: str = "", **headers: str) -> Response:
    tasks = TaskOwner("request")
    pairs = tuple((name, value) for name, _, value in (pair.partition("=") for pair in query.split("&")) if name)
    try:
        return await Origin(app, path, tasks, "", pairs, tuple(headers.items())).request(method)
    finally:
        await tasks.cancel()


async def refused_upgrade(app: Any, **settings: Any) -> int:
    with pytest.raises(RefusedError) as caught:
        async with connect(app, "/hub", negotiate=False, **settings):
            pass
    return caught.value.status


class Rooms(Hub):
    """Notes what has run."""

    ran: list[str]

    def __init__(self) -> None:
        self.ran.append("hub")

    async def on_connected(self) -> None:
        self.ran.append("connected")

    @authorize(policy="own_room")
    async def enter(self, room: str, seat: int = 1) -> str:
        self.ran.append("enter")
        return f"{room} {seat}"

    @authorize(policy="own_room")
    async def listen(self, room: str) -> AsyncIterator[str]:
        self.ran.append("listen")
        yield room

    @authorize(policy="own_room")
    async def tell(self, room: str, words: AsyncIterator[str]) -> str:
        self.ran.append("tell")
        return " ".join([word async for word in words])

    @authorize(policy="own_room")
    async def read(self, room: str, database: Annotated[str, Depends(lambda: Rooms.ran.append("database"))]) -> None:
        self.ran.append("read")

    async def echo(self, value: int) -> int:
        return value


Rooms.ran = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    Rooms.ran.clear()


def own_room(context: PolicyContext) -> bool:
    Rooms.ran.append(f"policy {context.method}")
    return bool(context.arguments["room"] == context.identity.user_id)


async def words(number: int) -> AsyncIterator[str]:
    for index in range(number):
        yield f"word {index}"


# Policies of methods


@pytest.mark.statement(115, 164)
@pytest.mark.parametrize(("transport", "protocol"), EVERY_WAY)
async def test_a_policy_sees_the_arguments_and_what_it_refuses_never_runs(
    transport: TransportName, protocol: ProtocolName
) -> None:
    app = app_of(Rooms, policies={"own_room": own_room})
    async with connect(app, "/hub", transport=transport, protocol=protocol, query="user=ada") as ada:
        assert await ada.invoke("Enter", "ada") == "ada 1"
        assert [item async for item in ada.stream("Listen", "ada")] == ["ada"]
        assert await ada.invoke("Tell", "ada", words(2)) == "word 0 word 1"
        Rooms.ran.clear()
        for method, arguments in (("Enter", ("bob", 2)), ("Tell", ("bob", words(30))), ("Read", ("bob",))):
            with pytest.raises(InvocationError) as caught:
                await ada.invoke(method, *arguments)
            assert caught.value.message == UNAUTHORIZED.format(method)
        with pytest.raises(InvocationError) as caught:
            [item async for item in ada.stream("Listen", "bob")]
        assert caught.value.message == UNAUTHORIZED.format("Listen")
        assert Rooms.ran == [f"policy {method}" for method in ("Enter", "Tell", "Read", "Listen")]
        assert await ada.invoke("Echo", 1) == 1  # what is uploaded to a refused call does not stop the reading


async def test_items_of_a_call_that_waits_for_its_policy_do_not_pile_up() -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(context: PolicyContext) -> bool:
        asked.set()
        await answer.wait()
        return False

    async def outcome(client: InMemoryClient, *arguments: Any) -> str:
        try:
            return str(await client.invoke(*arguments))
        except InvocationError as error:
            return error.message

    app = app_of(Rooms, policies={"own_room": slow})
    async with connect(app, "/hub", query="user=ada") as ada, asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(outcome(ada, "Tell", "ada", words(100)))
        await asked.wait()
        await settle()
        echoing = tasks.create_task(outcome(ada, "Echo", 1))
        await settle()
        assert not echoing.done()  # behind the eleventh item, which nobody takes, the connection is not read
        answer.set()
        assert await telling == UNAUTHORIZED.format("Tell")
        assert await echoing == "1"
    assert "tell" not in Rooms.ran


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("user=ada", ""),
        ("user=ada&role=staff", "Staff"),
        ("user=ada&role=admin", "Staff Admin"),
        ("user=root", "Combined"),
    ],
)
async def test_roles_and_combined_policies(query: str, allowed: str) -> None:
    class Offices(Hub):
        @authorize(roles=("staff", "admin"))
        async def staff(self) -> None: ...

        @authorize(roles="admin")
        @authorize(roles=("staff", "admin"))
        async def admin(self) -> None: ...

        @authorize(policy=any_of("never", all_of("named", "root")))
        async def combined(self) -> None: ...

    policies = {
        "never": lambda context: False,
        "named": lambda context: context.identity.user_id is not None,
        "root": lambda context: context.identity.user_id == "root",
    }
    async with connect(app_of(Offices, policies=policies), "/hub", query=query) as client:
        for method in ("Staff", "Admin", "Combined"):
            if method in allowed.split():
                await client.invoke(method)
            else:
                with pytest.raises(InvocationError, match="because user is unauthorized"):
                    await client.invoke(method)


@pytest.mark.parametrize(
    ("error", "text", "logged"),
    [
        (RuntimeError("secret detail"), FAILED.format("Enter"), True),
        (HubError("This room is full."), f"{FAILED.format('Enter')} HubException: This room is full.", False),
    ],
)
async def test_a_policy_that_raises_refuses(
    error: Exception, text: str, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(context: PolicyContext) -> bool:
        raise error

    async with connect(app_of(Rooms, policies={"own_room": broken}), "/hub", query="user=ada") as ada:
        with pytest.raises(InvocationError) as caught:
            await ada.invoke("Enter", "ada")
        assert caught.value.message == text
        assert "enter" not in Rooms.ran
        assert ("secret detail" in caplog.text) is logged


# Entering a hub


@authorize(policy="member")
class Members(Rooms):
    @allow_anonymous
    async def enter(self, room: str, seat: int = 1) -> str:
        return "entered"


class Noting(HubFilter):
    async def invoke(self, call: Any, next: Any) -> Any:
        Rooms.ran.append("filter")
        return await next(call)

    async def connected(self, hub: Hub[Any], next: Any) -> None:
        Rooms.ran.append("filter")
        await next()


VERBS: list[tuple[str, str, Mapping[str, str]]] = [
    ("POST", "/hub/negotiate", {}),
    ("GET", "/hub", {}),
    ("GET", "/hub", {"accept": "text/event-stream"}),
    ("POST", "/hub", {}),
    ("DELETE", "/hub", {}),
    ("PUT", "/hub", {}),
]


@pytest.mark.statement(18)
async def test_nothing_of_a_hub_runs_for_whom_it_is_closed() -> None:
    app = app_of(
        Members,
        filters=[Noting()],
        policies={"member": lambda context: context.identity.user_id == "ada", "own_room": own_room},
    )
    Rooms.ran.clear()  # the class is looked at once, at start-up
    for query, status in (("", 401), ("user=eve", 403)):
        for method, path, headers in VERBS:
            answer = await request(app, method, path, f"id=x&{query}", **headers)
            assert (answer.status, answer.body) == (status, b""), (method, path)
            assert ("www-authenticate" in answer.headers) is (status == 401)
        assert await refused_upgrade(app, query=query) == status
    assert Rooms.ran == []
    for transport in TRANSPORTS:
        async with connect(app, "/hub", transport=transport, query="user=ada") as ada:
            assert await ada.invoke("Enter", "anybody's") == "entered"


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("secret detail"), 500), (HubError("closed on Sundays"), 403)]
)
async def test_a_policy_that_raises_lets_nobody_into_the_hub(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(context: PolicyContext) -> bool:
        raise error

    app = app_of(Members, policies={"member": broken, "own_room": own_room})
    for method, path, headers in VERBS:
        answer = await request(app, method, path, "user=ada", **headers)
        assert (answer.status, answer.body) == (status, b"")
    assert await refused_upgrade(app, query="user=ada") == status
    assert ("secret detail" in caplog.text) is (status == 500)


@pytest.mark.parametrize("part", ["authenticate", "user_id"])
async def test_an_authentication_that_raises_lets_nobody_in(part: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(scope: ConnectionScope) -> Any:
        raise LookupError("the database is away")

    app = app_of(Rooms, policies={"own_room": own_room}, **{part: broken})
    answer = await request(app, "POST", "/hub/negotiate", "user=ada")
    assert (answer.status, answer.body) == (500, b"")
    assert await refused_upgrade(app) == 500
    assert "the database is away" in caplog.text


async def test_a_stranger_is_asked_who_he_is_before_any_policy_that_would_admit_him() -> None:
    app = app_of(Members, policies={"member": lambda context: True, "own_room": own_room})
    assert (await request(app, "POST", "/hub/negotiate")).status == 401


async def test_an_open_hub_below_a_guarded_one_lets_strangers_in() -> None:
    @allow_anonymous
    class Lobby(Members):
        @authorize
        async def who(self) -> str | None:
            return self.context.user_id

    app = app_of(Lobby, policies={"own_room": own_room})
    async with connect(app, "/hub") as stranger, connect(app, "/hub", query="user=ada") as ada:
        assert await stranger.invoke("Echo", 1) == 1
        assert await ada.invoke("Who") == "ada"
        with pytest.raises(InvocationError, match="because user is unauthorized"):
            await stranger.invoke("Who")


def test_every_policy_that_does_not_exist_is_told_at_start_up() -> None:
    @authorize(policy=any_of("A", "B"))
    class Mistaken(Hub):
        @authorize(policy=all_of("B", "C"))
        async def ask(self) -> None: ...

    with pytest.raises(ConfigurationError) as caught:
        app_of(Mistaken, policies={"A": lambda context: True})
    assert [problem.rpartition(" ")[2] for problem in caught.value.problems] == ["'B'", "'B'", "'C'"]


def test_a_user_id_that_would_have_to_be_awaited_is_a_mistake_among_the_others() -> None:
    async def later(scope: ConnectionScope) -> str | None:
        return None

    with pytest.raises(ConfigurationError) as caught:
        app_of(Members, user_id=later, policies={"own_room": own_room})
    assert [problem.split()[0] for problem in caught.value.problems] == ["user_id", "/hub:"]


# The challenge


@authorize
class Guarded(Hub):
    async def who(self) -> str | None:
        return self.context.user_id


@pytest.mark.parametrize(
    ("query", "headers", "challenge"),
    [
        ("", {}, "Bearer"),
        ("", {"authorization": "Bearer nonsense"}, 'Bearer error="invalid_token"'),
        ("", {"authorization": "Bearer a.b.c"}, 'Bearer error="invalid_token"'),
        ("", {"authorization": "Bearer"}, "Bearer"),
        ("", {"authorization": "Basic YTpi"}, "Bearer"),
        ("access_token=nonsense", {}, 'Bearer error="invalid_token"'),
        ("access_token=", {}, "Bearer"),
    ],
)
async def test_the_challenge_is_that_of_the_original(query: str, headers: dict[str, str], challenge: str) -> None:
    """Asked of ASP.NET Core 10.0.12; it also says why, when a token has expired or its signature is wrong."""
    app = app_of(Guarded, authenticate=JwtBearer(SECRET, algorithms=["HS256"]))
    answer = await request(app, "POST", "/hub/negotiate", query, **headers)
    assert (answer.status, answer.headers["www-authenticate"], answer.body) == (401, challenge, b"")


@pytest.mark.statement(185)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_token_in_the_query_does_not_negotiate_nor_poll(transport: TransportName) -> None:
    app = app_of(Guarded, authenticate=JwtBearer(SECRET, algorithms=["HS256"]))
    token = make_token(SECRET, "ada")
    with pytest.raises(RefusedError) as caught:
        async with connect(app, "/hub", transport=transport, query=f"access_token={token}"):
            pass
    assert caught.value.status == 401
    async with connect(app, "/hub", transport=transport, headers={"authorization": f"Bearer {token}"}) as ada:
        assert await ada.invoke("Who") == "ada"
    async with connect(app, "/hub", negotiate=False, query=f"access_token={token}") as ada:
        assert await ada.invoke("Who") == "ada"


@pytest.mark.statement(185)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_token_in_the_query_of_every_request_counts_where_the_app_says_so(transport: TransportName) -> None:
    bearer = JwtBearer(SECRET, algorithms=["HS256"], query_token_everywhere=True)
    app = app_of(Guarded, authenticate=bearer)
    async with connect(app, "/hub", transport=transport, query=f"access_token={make_token(SECRET, 'ada')}") as ada:
        assert await ada.invoke("Who") == "ada"
    with pytest.raises(RefusedError):
        async with connect(app, "/hub", transport=transport, query="access_token=nonsense"):
            pass


async def test_an_invalid_token_makes_a_stranger_on_an_open_hub() -> None:
    class Open(Guarded): ...

    app = app_of(allow_anonymous(Open), authenticate=JwtBearer(SECRET, algorithms=["HS256"]))
    for token in ("nonsense", make_token(SECRET, "ada", expires_in=-60), make_token(SECRET[::-1], "ada")):
        async with connect(app, "/hub", headers={"authorization": f"Bearer {token}"}) as stranger:
            assert await stranger.invoke("Who") is None


# The application's own users


class FromSession(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        name = conn.session.get("name")
        return (AuthCredentials(["member"]), SimpleUser(name)) if name else None


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_session_of_the_application_is_enough(transport: TransportName) -> None:
    @authorize(roles="member")
    class Club(Guarded): ...

    hubs = HubApp({"/club": Club})
    app = FastAPI(lifespan=hubs.lifespan)
    app.add_middleware(AuthenticationMiddleware, backend=FromSession())
    app.add_middleware(SessionMiddleware, secret_key=SECRET)

    @app.post("/sign-in/{name}")
    async def sign_in(name: str, request: Request) -> None:
        request.session["name"] = name

    app.mount("/live", hubs)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as http:
        assert (await http.post("/live/club/negotiate")).status_code == 401
        await http.post("/sign-in/ada")
        cookie = f"session={http.cookies['session']}"
    async with connect(app, "/live/club", transport=transport, headers={"cookie": cookie}) as ada:
        assert await ada.invoke("Who") == "ada"
    with pytest.raises(RefusedError) as caught:
        async with connect(app, "/live/club", transport=transport, headers={"cookie": cookie[:-2]}):
            pass
    assert caught.value.status == 401
