"""The hub of `aspnet_core_before.cs` in Python."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from hubline import Hub, HubApp, HubError, PolicyContext, authorize, hub_method
from hubline.auth.jwt import JwtBearer

KEY = "reference-peer-signing-key-0123456789abcdef"  # yours is a secret


@dataclass
class Person:
    name: str
    age: int
    tags: list[str] | None = None


class ReferenceClient(Protocol):
    async def receive_message(self, user: str, message: str) -> None: ...

    async def double(self, value: int) -> int: ...


class ReferenceHub(Hub[ReferenceClient]):
    async def add(self, a: int, b: int) -> int:
        return a + b

    async def echo_person(self, person: Person) -> Person:
        return person

    async def user_id(self) -> str | None:
        return self.context.user_id

    async def throw_hub(self, message: str) -> None:
        raise HubError(message)

    @hub_method(name="renamed")
    async def original(self) -> str:
        return "renamed"

    @authorize(policy="PremiumUser")
    async def needs_premium(self) -> str:
        return "premium"

    async def join(self, group: str) -> None:
        await self.groups.add(self.context.connection_id, group)

    async def send_message(self, user: str, message: str) -> None:
        await self.clients.all.receive_message(user, message)

    async def to_others_in_group(self, group: str, message: str) -> None:
        await self.clients.others_in_group(group).receive_message(group, message)

    async def ask_client(self, id: str, value: int) -> int:
        return await self.clients.client(id).double(value)

    async def count(self, n: int, delay_ms: int) -> AsyncIterator[int]:
        for i in range(n):
            await asyncio.sleep(delay_ms / 1000)  # a cancellation arrives here
            yield i

    async def sum(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    async def on_connected(self) -> None:
        if "welcome" in self.context.scope.query:
            await self.clients.caller.receive_message("System", "Welcome to the chat!")


def is_premium(context: PolicyContext) -> bool:
    return context.identity.claims.get("tier") == "premium"


app = HubApp(
    {"/hub": ReferenceHub},
    authenticate=JwtBearer(KEY, algorithms=["HS256"]),
    policies={"PremiumUser": is_premium},
)
