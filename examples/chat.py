"""A chat: every message goes to all clients, and premium users may ask an assistant that answers word by word."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from fastapi import FastAPI

from hubline import ConnectionScope, Hub, HubApp, Identity, PolicyContext, authorize


class ChatClient(Protocol):
    """What the server may call on clients."""

    async def receive_message(self, user: str, message: str) -> None: ...


class ChatHub(Hub[ChatClient]):
    """One object per call, so no state in fields."""

    async def on_connected(self) -> None:
        await self.clients.caller.receive_message("System", "Welcome to the chat!")

    async def send_message(self, user: str, message: str) -> None:
        await self.clients.all.receive_message(user, message)

    @authorize(policy="PremiumUser")
    async def ask(self, prompt: str) -> AsyncIterator[str]:
        async for word in answer(prompt):
            yield word


async def answer(prompt: str) -> AsyncIterator[str]:
    """A placeholder for a language model."""
    for word in f"You asked: {prompt}".split():
        await asyncio.sleep(0)
        yield word


def authenticate(scope: ConnectionScope) -> Identity | None:
    """A placeholder for the check of a token: `?access_token=premium-ada` is Ada, a premium user."""
    tier, _, name = scope.query.get("access_token", "").partition("-")
    return Identity(name, {"tier": tier}) if name else None


def is_premium(context: PolicyContext) -> bool:
    return context.identity.claims.get("tier") == "premium"


hubs = HubApp({"/chatHub": ChatHub}, authenticate=authenticate, policies={"PremiumUser": is_premium})
app = FastAPI(lifespan=hubs.lifespan)
app.mount("/", hubs)
