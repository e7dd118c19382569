"""Premium: every signed-in user may chat, and only premium users may ask the assistant, which costs money.

Serve it, make yourself a token, and connect with it:

    export HUBLINE_TOKEN_KEY=$(openssl rand -hex 32)
    hubline run --app-dir examples premium:app
    hubline token --sub ada --claim tier=premium
"""

import os
from collections.abc import AsyncIterator
from typing import Protocol

from hubline import Hub, HubApp, PolicyContext, authorize
from hubline.auth.jwt import JwtBearer


class ChatClient(Protocol):
    """What the server may call on clients."""

    async def receive_message(self, user: str, message: str) -> None: ...


@authorize
class ChatHub(Hub[ChatClient]):
    """Without a token a connection is refused with 401, before any code of the hub runs."""

    async def send_message(self, message: str) -> None:
        await self.clients.all.receive_message(self.context.user_id or "?", message)

    @authorize(policy="PremiumUser")
    async def ask(self, prompt: str) -> AsyncIterator[str]:
        """Does not begin for other users, because a model costs money."""
        for word in f"{prompt} That is a good question.".split():
            yield word


def is_premium(context: PolicyContext) -> bool:
    return context.identity.claims.get("tier") == "premium"


app = HubApp(
    {"/chat": ChatHub},
    authenticate=JwtBearer(os.environ["HUBLINE_TOKEN_KEY"], algorithms=["HS256"]),
    policies={"PremiumUser": is_premium},
)
