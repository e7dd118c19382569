"""Official clients at a managed service: the answer to negotiate sends them there, and a publisher reaches them.

The negotiating application and the publisher are those of the guide, word for word; the service is our stand-in.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.deployment.test_nginx import driving
from tests.docs.pages import blocks, served
from tests.interop.dotnet_program import compiled, output_of
from tests.interop.managed_service import StandIn
from tests.interop.test_javascript import install
from tests.valkey import until

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "managed-service.md"
ENDPOINT, KEY = "https://x.service.signalr.net", "at-least-32-bytes-from-your-secret-store"
"""As the guide has them."""


class Managed:
    """A service, the application that sends clients to it, and its publisher."""

    def __init__(self, stand_in: StandIn, service: Any, application: str) -> None:
        self.stand_in, self.service, self.hub = stand_in, service, f"{application}/chat"

    async def status(self, method: str, *names: str, **query: str) -> int:
        return int((await self.service.request(method, *names, **query)).status_code)

    async def publish(self, *names: str, text: str) -> None:
        await self.service.send(*names, target="Told", arguments=[text])

    async def invoked(self, connection_id: str) -> Any:
        body = {"target": "Double", "arguments": [21]}
        return (await self.service.request("POST", "connections", connection_id, ":invoke", body=body)).json()

    async def members(self, group: str) -> dict[str, str]:
        """The ids of its connections, by user."""
        found = (await self.service.request("GET", "groups", group, "connections")).json()
        return {each["userId"]: each["connectionId"] for each in found["value"]}


@pytest.fixture
async def managed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Managed]:
    source = {block.attributes["file"]: block.text for block in blocks(GUIDE) if "file" in block.attributes}
    stand_in = StandIn(KEY)

    def made(name: str, endpoint: str) -> ModuleType:
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        assert name == "service" or ENDPOINT in source[f"{name}.py"]
        exec(compile(source[f"{name}.py"].replace(ENDPOINT, endpoint), f"{name}.py", "exec"), module.__dict__)
        return module

    async with served(stand_in.app) as endpoint:
        made("service", endpoint)
        negotiate = made("negotiate", endpoint)
        async with served(negotiate.app) as application, negotiate.service.client:
            yield Managed(stand_in, negotiate.service, application)


@pytest.mark.interop
async def test_official_javascript_client_on_every_transport(managed: Managed) -> None:
    install()
    async with driving("service-check.mjs", managed.hub, seconds=100) as client:
        users = await client.answer()
        assert {await managed.stand_in.users.get() for _ in users} == set(users)
        await managed.publish(text="all")
        for number, user in enumerate(users):
            await managed.publish("users", user, text=f"for {user}")
            assert await managed.status("HEAD", "users", user) == 200
            assert await managed.status("PUT", "users", user, "groups", f"{number % 2}/2") == 200
        members = await managed.members("0/2") | await managed.members("1/2")
        assert set(members) == set(users)
        for user, connection in members.items():
            assert await managed.status("HEAD", "connections", connection) == 200
            assert await managed.invoked(connection) == {"result": 42}
            await managed.publish("connections", connection, text=f"only {user}")
        await managed.publish("groups", "0/2", text="even")
        await managed.publish(text="end")
        told = await client.answer("until end")
        wanted = [["all", f"for {user}", f"only {user}", *["even"][number % 2 :]] for number, user in enumerate(users)]
        assert told == wanted
        assert await managed.status("DELETE", "connections", members[users[0]], reason="first") == 200
        assert await managed.status("POST", ":closeConnections", reason="maintenance") == 204
        closed = await client.answer("closed")
        assert [each.partition("on close: ")[2] for each in closed] == ["first"] + ["maintenance"] * (len(users) - 1)

        async def has_left() -> bool:  # the client may know its end before the service has removed it
            return await managed.status("HEAD", "users", users[0]) == 404

        await until(has_left)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(Path(__file__).parent / "dotnet" / "Service.cs", tmp_path_factory.mktemp("dotnet"))


@pytest.mark.refpeer
@pytest.mark.mcs
@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_official_dotnet_client(managed: Managed, program: Path, codec: str) -> None:
    user = f"Ada/{codec}"
    async with running_client(program, managed.hub, user, codec) as client:
        assert await managed.stand_in.users.get() == user
        assert await managed.status("PUT", "users", user, "groups", "g") == 200
        connection = (await managed.members("g"))[user]
        await managed.publish(text="all")
        await managed.publish("groups", "g", text="group")
        await managed.publish("users", user, text="user")
        await managed.publish("connections", connection, text="one")
        assert await managed.invoked(connection) == {"result": 42}
        assert await managed.status("POST", "users", user, ":closeConnections", reason="that is all") == 204
        *told, closed = (await client).splitlines()
        assert told == ["told all", "told group", "told user", "told one"]
        assert closed.startswith("closed")
        assert "that is all" in closed


@asynccontextmanager
async def running_client(program: Path, *arguments: str) -> AsyncIterator["asyncio.Future[str]"]:
    async with asyncio.TaskGroup() as tasks:
        yield tasks.create_task(asyncio.to_thread(output_of, program, *arguments, seconds=100))


async def test_the_service_takes_only_tokens_for_its_own_client_address(managed: Managed) -> None:
    service = managed.service
    there = f"{service.endpoint}/client/?hub=chat"
    tokens = {
        service.token(there, nameid="ada"): 200,
        service.token(f"{service.endpoint}/client/?hub=news", nameid="ada"): 401,
        service.token(f"{service.endpoint}/api/hubs/chat/:send", nameid="ada"): 401,
        service.token(there, nameid="ada", exp=1): 401,
        "not a token": 401,
    }
    async with httpx.AsyncClient(timeout=60) as client:
        for token, status in tokens.items():
            url = f"{service.endpoint}/client/negotiate?hub=chat&negotiateVersion=1"
            found = await client.post(url, headers={"Authorization": f"Bearer {token}"})
            assert found.status_code == status
