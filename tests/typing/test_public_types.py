"""What mypy makes of the public API: each case is a small module; comments in it say what mypy must report there."""

import re

import pytest
from mypy import api

PRELUDE = """\
from collections.abc import AsyncIterator
from typing import Annotated, Any, Protocol
from hubline import (
    Client, ConnectionScope, Depends, Hub, HubApp, HubError, HubOptions, HubRoute, Identity, PolicyContext, Transport,
    TransportOptions,
    all_of, allow_anonymous, any_of, authorize, filtered, hidden, hub_method,
)
from collections.abc import Awaitable, Callable
from hubline import Encoded, Groups, HubFilter, OutgoingMessage
from hubline.auth.jwt import JwtBearer
from hubline.backplanes import MemoryBackplane
from hubline.limits import Quotas, RateLimit, Tier, UsageStore
from hubline.testing import ManualClock, connect, running

SendNext = Callable[[OutgoingMessage], Awaitable[None]]

class ChatClient(Protocol):
    async def receive_message(self, user: str, message: str) -> None: ...
    async def double(self, number: int) -> int: ...

class NamedClient(Client, Protocol):
    async def receive_message(self, user: str, message: str) -> None: ...

class ChatHub(Hub[ChatClient]):
    async def send_message(self, user: str, message: str) -> None: ...
"""

CASES = {
    "selectors_give_the_client_protocol": """
class AnyHub(Hub[ChatClient]):
    async def call(self) -> None:
        reveal_type(self.clients.all)  # reveals: case.ChatClient
        reveal_type(self.clients.caller)  # reveals: case.ChatClient
        reveal_type(self.clients.group_except("g", ["id"]))  # reveals: case.ChatClient
        reveal_type(self.clients.users(["a", "b"]))  # reveals: case.ChatClient
        await self.clients.others.receive_message("Ada", "hi")
""",
    "a_wrong_call_of_a_client_is_an_error": """
class AnyHub(Hub[ChatClient]):
    async def call(self) -> None:
        await self.clients.all.receive_message("Ada")  # error: call-arg
        await self.clients.all.receive_message("Ada", 1)  # error: arg-type
        await self.clients.all.recieve_message("Ada", "hi")  # error: attr-defined
        await self.clients.all.send("ReceiveMessage")  # error: attr-defined
        await self.clients.client(7).receive_message("Ada", "hi")  # error: arg-type
""",
    "the_newest_of_a_key_has_the_same_types": """
class AnyHub(Hub[ChatClient]):
    async def call(self) -> None:
        reveal_type(self.clients.latest("cursor").group("g"))  # reveals: case.ChatClient
        reveal_type(self.clients.latest("cursor").caller)  # reveals: case.ChatClient
        await self.clients.latest("cursor").others.receive_message("Ada", "hi")
        self.clients.latest(key=7)  # error: arg-type
""",
    "what_is_encoded_once_keeps_its_type": """
class WatchClient(Protocol):
    async def moved(self, to: Encoded[list[int]]) -> None: ...

class AnyHub(Hub[WatchClient]):
    async def watch(self) -> AsyncIterator[Encoded[list[int]]]:
        yield Encoded([1])

    async def last(self) -> Encoded[str]:
        await self.clients.all.moved(Encoded([1]))
        await self.clients.all.moved(Encoded("x"))  # error: arg-type
        reveal_type(Encoded([1]).value)  # reveals: list[int]
        return Encoded("x")
""",
    "a_backplane_and_a_filter_of_what_goes_out": """
class Quiet(HubFilter):
    async def send(self, message: OutgoingMessage, next: SendNext) -> None:
        reveal_type(message.target)  # reveals: str
        if isinstance(message.recipients, Groups):
            await next(message)

HubApp({"/chat": ChatHub}, backplane=MemoryBackplane(), filters=[Quiet()])
HubApp({"/chat": ChatHub}, backplane=Quiet())  # error: arg-type
""",
    "client_results_are_typed": """
class AnyHub(Hub[ChatClient]):
    async def call(self) -> None:
        reveal_type(await self.clients.caller.double(21))  # reveals: int
        text: str = await self.clients.caller.double(21)  # error: assignment
""",
    "authorisation_keeps_the_type_of_what_it_stands_at": """
@allow_anonymous
@authorize(roles=("admin", "staff"))
class AnyHub(Hub[ChatClient]):
    @authorize(policy=any_of("A", all_of("B", "C")), roles="admin")
    async def ask(self, prompt: str) -> int:
        return 1

    @allow_anonymous
    @authorize
    async def tell(self, prompt: str) -> str:
        return ""

async def calls(hub: AnyHub) -> None:
    reveal_type(AnyHub)  # reveals: def () -> case.AnyHub
    reveal_type(await hub.ask("why?"))  # reveals: int
    reveal_type(await hub.tell("why?"))  # reveals: str
    await hub.ask(1)  # error: arg-type

any_of(7)  # error: arg-type
authorize(policy=lambda context: True)  # error: call-overload
""",
    "a_bearer_is_an_authenticate_and_a_user_id_is_plain": """
def user_id(scope: ConnectionScope) -> str | None:
    return scope.identity.claims["email"] if scope.identity else None

async def later(scope: ConnectionScope) -> str | None:
    return None

async def identify(scope: ConnectionScope) -> None:
    bearer = JwtBearer("secret", algorithms=["HS256"], audience=["a", "b"])
    reveal_type(await bearer(scope))  # reveals: hubline.connection.Identity | None
    HubApp({"/chat": ChatHub}, authenticate=bearer, user_id=user_id)
    HubApp({"/chat": ChatHub}, user_id=later)  # error: arg-type
    JwtBearer("secret")  # error: call-arg
""",
    "limits_keep_the_type_of_what_they_stand_at": """
@filtered(RateLimit("20/second", per="user"))
class AnyHub(Hub[ChatClient]):
    @filtered(RateLimit("5/minute", per="address", burst=2, close_after=10))
    async def ask(self, prompt: str) -> int:
        return len(prompt)

async def check(store: UsageStore) -> None:
    reveal_type(await AnyHub().ask("x"))  # reveals: int
    async with Quotas(store).question("ada", Tier("free", tokens_per_day=1)) as question:
        await question.spend("x")  # error: arg-type
    RateLimit("5/minute", per="planet")  # error: arg-type
    filtered(RateLimit)  # error: arg-type
""",
    "a_hub_without_protocol_calls_by_name": """
class AnyHub(Hub):
    async def call(self) -> None:
        reveal_type(self.clients.all)  # reveals: hubline.server.clients.Client
        await self.clients.all.send("ReceiveMessage", "Ada", 1)
        reveal_type(await self.clients.caller.invoke("Double", 21, timeout=5))  # reveals: Any
""",
    "a_protocol_that_derives_from_client_has_both": """
class AnyHub(Hub[NamedClient]):
    async def call(self) -> None:
        await self.clients.all.receive_message("Ada", "hi")
        await self.clients.all.send("receive-message", "Ada", "hi")
        await self.clients.all.receive_message(1, "hi")  # error: arg-type
""",
    "the_context_of_a_hub_is_typed": """
class AnyHub(Hub[ChatClient]):
    async def call(self) -> None:
        reveal_type(self.context.connection_id)  # reveals: str
        reveal_type(self.context.user_id)  # reveals: str | None
        reveal_type(self.context.identity)  # reveals: hubline.connection.Identity | None
        reveal_type(self.context.scope.query)  # reveals: dict[str, str]
        await self.groups.add(self.context.connection_id, "room")
        await self.groups.add("room")  # error: call-arg
""",
    "sending_from_outside_is_typed_by_the_hub": """
async def outside(hubs: HubApp) -> None:
    context = hubs.context(ChatHub)
    reveal_type(context.clients.group("room"))  # reveals: case.ChatClient
    await context.clients.all.receive_message("System", "hi")
    await context.clients.all.receive_message("System")  # error: call-arg
    context.clients.caller  # error: attr-defined
    hubs.context(str)  # error: arg-type
""",
    "options_are_typed": """
HubOptions(keep_alive_interval=10, maximum_receive_message_size=None, codecs=("json",))
HubOptions(keep_alive_interval="10")  # error: arg-type
HubOptions(keepalive=10)  # error: call-arg
TransportOptions(transports=frozenset({Transport.WEB_SOCKETS}), outbox_policy="latest")
TransportOptions(outbox_policy="newest")  # error: arg-type
""",
    "routes_take_classes_factories_and_settings": """
class ServiceHub(Hub[ChatClient]):
    def __init__(self, service: str) -> None: ...

HubApp({"/chat": ChatHub, "/service": lambda: ServiceHub("s"), "/other": HubRoute(ChatHub, options=HubOptions())})
HubApp({"/chat": "ChatHub"})  # error: dict-item
HubApp({"/chat": ChatHub}, policies={"Premium": lambda context: context.identity.user_id == "ada"})
""",
    "decorators_keep_signatures": """
class AnyHub(Hub[ChatClient]):
    @hub_method(name="renamed")
    @authorize(policy="PremiumUser")
    async def ask(self, prompt: str) -> AsyncIterator[str]:
        yield prompt

    @hidden
    def helper(self, number: int) -> str:
        return ""

    async def call(self) -> None:
        reveal_type(self.ask("x"))  # reveals: typing.AsyncIterator[str]
        reveal_type(self.helper(1))  # reveals: str
        self.helper("x")  # error: arg-type
""",
    "the_test_client_is_typed": """
async def test(hubs: HubApp) -> None:
    async with running(hubs) as app, connect(app, "/chat", transport="sse", protocol="json") as client:
        reveal_type(await client.invoke("Add", 1, 2, result_type=int))  # reveals: int
        reveal_type(await client.invoke("Add", 1, 2))  # reveals: Any
        reveal_type(await client.expect("ReceiveMessage"))  # reveals: list[Any]
        reveal_type(client.connection_id)  # reveals: str | None
    connect(hubs, "/chat", transport="websockets")  # error: arg-type
    HubApp({"/chat": ChatHub}, clock=ManualClock())
""",
    "typed_calls_of_the_client": """
from abc import ABC, abstractmethod
from collections.abc import Iterator
from hubline.client import HubConnection, sync

class Server(Protocol):
    async def add(self, first: int, second: int = 2) -> int: ...
    def ask(self, prompt: str) -> AsyncIterator[str]: ...

class Abstract(ABC):
    @abstractmethod
    def ask(self, prompt: str) -> Iterator[str]: ...

async def use(hub: HubConnection, script: sync.HubConnection) -> None:
    server = hub.typed(Server)
    reveal_type(server)  # reveals: case.Server
    reveal_type(await server.add(1))  # reveals: int
    await server.add("1")  # error: arg-type
    async for word in server.ask("to be"):
        reveal_type(word)  # reveals: str
    reveal_type(script.typed(Abstract).ask("to be"))  # reveals: typing.Iterator[str]
    reveal_type(await hub.invoke("Add", 1, result_type=int))  # reveals: int
    reveal_type(await hub.invoke("Add", 1, result_type=int | None))  # reveals: Any
    async for item in hub.run("id"):
        reveal_type(item)  # reveals: dict[str, Any]
    for number in script.stream("Count", result_type=int):
        reveal_type(number)  # reveals: int
    reveal_type(script.run("id").wait().text)  # reveals: str

    @hub.handler
    def double(value: int) -> int:
        return 2 * value

    reveal_type(double(2))  # reveals: int
    hub.handler(7)  # error: call-overload
    sync.HubConnection("http://here/hub", codec="xml")  # error: arg-type
""",
}

_EXPECTED = re.compile(r"# (error|reveals): (.+)$")
_FOUND = re.compile(r':(\d+): (?:error|note): (?:Revealed type is "(?P<type>.*)"|.*\[(?P<code>[a-z-]+)\])$')


def expected(source: str) -> list[tuple[int, str]]:
    """Line and type, or error code, of each comment."""
    return [
        (number, match[2])
        for number, line in enumerate(source.splitlines(), 1)
        if (match := _EXPECTED.search(line)) is not None
    ]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One run of mypy over all cases, with a cache of its own: two processes must not share mypy's database."""
    directory = tmp_path_factory.mktemp("types")
    for name, source in CASES.items():
        (directory / f"{name}.py").write_text(PRELUDE + source)
    cache = tmp_path_factory.mktemp("mypy")
    output, errors, _ = api.run(["--strict", f"--cache-dir={cache}", "--no-error-summary", str(directory)])
    assert not errors
    return output


@pytest.mark.parametrize("name", CASES)
def test_types(name: str, output: str) -> None:
    lines = [line for line in output.splitlines() if f"/{name}.py:" in line]
    found = [
        (int(match[1]), (match["type"] or match["code"]).replace("builtins.", "").replace(f"{name}.", "case."))
        for line in lines
        if (match := _FOUND.search(line)) is not None
    ]
    assert found == expected(PRELUDE + CASES[name]), "\n".join(lines)
