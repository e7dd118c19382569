"""The C# hub of the migration guide and its Python twin answer one client alike: the same calls, put to both."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from hubline import InvocationError
from hubline.auth.jwt import make_token
from hubline.client import HubConnection
from tests.docs.pages import served
from tests.examples.test_migrations import LIMIT, MIGRATIONS, Load, load
from tests.interop.running import reference_server

__all__ = ["load"]
KEY = "reference-peer-signing-key-0123456789abcdef"
METHOD = re.compile(r"^    (?:\[.*\] )?public (?:async )?[\w<>?]+ (\w+)\(", re.MULTILINE)


@pytest.fixture(params=["hubline", pytest.param("dotnet", marks=pytest.mark.refpeer)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def hub(kind: str, load: Load) -> AsyncIterator[str]:
    """The address of the hub, in C# or in Python."""
    if kind == "hubline":
        async with served(load("aspnet_core_after").app) as address:
            yield f"{address}/hub"
    else:
        server = reference_server()
        address = await asyncio.to_thread(server.__enter__)
        try:
            yield f"{address}/hub"
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


async def numbers() -> AsyncIterator[int]:
    for number in (1, 2, 3):
        yield number


async def refused(call: Any) -> str:
    with pytest.raises(InvocationError) as error:
        await call
    return error.value.message


async def test_the_hub_and_its_twin(kind: str, load: Load) -> None:
    heard: asyncio.Queue[list[str]] = asyncio.Queue()
    tokens = [make_token(KEY, "ada", claims={"tier": "premium"}), make_token(KEY, "bob")]
    called = set[str]()

    def invoke(caller: HubConnection, method: str, *arguments: Any) -> Any:
        called.add(method)
        return caller.invoke(method, *arguments)

    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        address = await stack.enter_async_context(hub(kind, load))
        ada = HubConnection(f"{address}?welcome=1", token=tokens[0])
        bob = HubConnection(address, token=tokens[1])
        ada.on("ReceiveMessage", lambda *message: heard.put_nowait(["ada", *message]))
        bob.on("ReceiveMessage", lambda *message: heard.put_nowait(["bob", *message]))
        bob.on("Double", lambda value: 2 * value)
        for each in (ada, bob):
            await stack.enter_async_context(each)
        assert await invoke(ada, "Add", 1, 2) == 3
        person = {"name": "Ada", "age": 36, "tags": None}
        assert await invoke(ada, "EchoPerson", person) == person
        assert [await invoke(each, "UserId") for each in (ada, bob)] == ["ada", "bob"]
        assert await invoke(ada, "renamed") == "renamed"
        unexpected = "An unexpected error occurred invoking 'ThrowHub' on the server. HubException: no"
        assert await refused(invoke(ada, "ThrowHub", "no")) == unexpected
        assert await invoke(ada, "NeedsPremium") == "premium"
        unauthorized = "Failed to invoke 'NeedsPremium' because user is unauthorized"
        assert await refused(invoke(bob, "NeedsPremium")) == unauthorized
        assert await invoke(ada, "AskClient", bob.connection_id, 21) == 42
        called.add("Count")
        assert [number async for number in ada.stream("Count", 3, 1)] == [0, 1, 2]
        assert await invoke(ada, "Sum", numbers()) == 6
        await invoke(ada, "Join", "kitchen")
        await invoke(bob, "Join", "kitchen")
        await invoke(ada, "ToOthersInGroup", "kitchen", "tea?")
        await invoke(bob, "SendMessage", "Bob", "with milk")
        got = [await heard.get() for _ in range(4)]
    assert [message for message in got if message[0] == "bob"] == [
        ["bob", "kitchen", "tea?"],
        ["bob", "Bob", "with milk"],
    ]
    assert ["ada", "Bob", "with milk"] in got
    assert ["ada", "System", "Welcome to the chat!"] in got
    source = (MIGRATIONS / "aspnet_core_before.cs").read_text("utf-8")
    methods = {"renamed" if name == "Original" else name for name in METHOD.findall(source)}
    assert called == methods


def test_the_twin_has_no_other_methods(load: Load) -> None:
    [description] = load("aspnet_core_after").app.describe()
    source = (MIGRATIONS / "aspnet_core_before.cs").read_text("utf-8")
    names = {"renamed" if name == "Original" else name for name in METHOD.findall(source)}
    assert {method.name for method in description.methods} == names
