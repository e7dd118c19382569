"""A hub with the API beside it, as an application has them."""

from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import Hub, HubApp, HubRoute
from hubline.rest import RestApi
from tests.rest.publisher import KEY

NAME = "Rest.Chat"
"""The hub's name on a backplane."""


class Chat(Hub):
    async def ready(self) -> str:
        """Answers when the connection can be addressed: its id."""
        return self.context.connection_id

    async def join(self, group: str) -> None:
        await self.groups.add(self.context.connection_id, group)


def site(app: HubApp | None = None, settings: dict[str, Any] | None = None, **of_app: Any) -> Starlette:
    """Users are named in the query, as `?user=ada`."""
    app = app or hub_app(**of_app)
    api = RestApi(app, {"chat": Chat}, **({"access_keys": [KEY]} | (settings or {})))
    return Starlette(routes=[Mount("/api", api), Mount("/", app)], lifespan=app.lifespan)


def hub_app(**settings: Any) -> HubApp:
    route = HubRoute(Chat, name=NAME)
    return HubApp({"/chat": route}, user_id=lambda scope: scope.query.get("user"), **settings)
