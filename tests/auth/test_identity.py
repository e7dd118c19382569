from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser, UnauthenticatedUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection

from hubline import ConnectionScope, Hub, HubApp, Identity, InvocationError, authorize
from hubline.auth.identity import application_user
from hubline.testing import connect
from hubline.testing.channels import TransportName


class Member(BaseUser):
    def __init__(self, number: int | None, name: str) -> None:
        self.number, self.name = number, name

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def display_name(self) -> str:
        return self.name

    @property
    def identity(self) -> Any:
        return self.number


class Nameless(BaseUser):
    """Implements no more of Starlette's class than it must."""

    @property
    def is_authenticated(self) -> bool:
        return True


class OnlyNamed(Nameless):
    @property
    def display_name(self) -> str:
        return "Ada"


class Guest:
    """Not Starlette's, and with a method where a property is meant."""

    def is_authenticated(self) -> bool:
        return False


def scope(**values: Any) -> ConnectionScope:
    return ConnectionScope({"type": "http", "path": "/", "headers": [], **values})


async def test_an_authenticated_user_of_the_application_is_the_identity() -> None:
    found = await application_user(scope(user=Member(7, "Ada"), auth=AuthCredentials(["authenticated", "admin"])))
    assert found == Identity(
        "7", {"name": "Ada", "scopes": ("authenticated", "admin")}, roles=frozenset({"authenticated", "admin"})
    )


@pytest.mark.parametrize("user", [SimpleUser("Ada"), Member(None, "Ada"), OnlyNamed()])
async def test_a_user_without_an_id_goes_by_the_name(user: BaseUser) -> None:
    assert await application_user(scope(user=user)) == Identity("Ada", {"name": "Ada", "scopes": ()})


async def test_a_user_without_either_is_somebody_all_the_same() -> None:
    assert await application_user(scope(user=Nameless())) == Identity(None, {"name": None, "scopes": ()})


@pytest.mark.parametrize(
    "values", [{}, {"user": None}, {"user": UnauthenticatedUser()}, {"user": object()}, {"user": Guest()}]
)
async def test_everybody_else_is_a_stranger(values: dict[str, Any]) -> None:
    assert await application_user(scope(**values)) is None


@authorize
class Members(Hub):
    async def who(self) -> str | None:
        return self.context.user_id

    @authorize(roles="admin")
    async def tidy(self) -> str:
        return "tidied"

    async def count(self) -> AsyncIterator[int]:
        yield 1


class FromHeader(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        name = conn.headers.get("x-user")
        return (AuthCredentials(["admin"] if name == "root" else []), SimpleUser(name)) if name else None


@pytest.mark.parametrize("transport", get_args(TransportName))
async def test_starlettes_middleware_says_who_it_is_on_every_transport(transport: TransportName) -> None:
    hubs = HubApp({"/members": Members})
    app = FastAPI(lifespan=hubs.lifespan)
    app.add_middleware(AuthenticationMiddleware, backend=FromHeader())
    app.add_middleware(SessionMiddleware, secret_key="not a secret")
    app.mount("/live", hubs)
    async with connect(app, "/live/members", transport=transport, headers={"x-user": "root"}) as root:
        assert await root.invoke("Who") == "root"
        assert await root.invoke("Tidy") == "tidied"
    async with connect(app, "/live/members", transport=transport, headers={"x-user": "ada"}) as ada:
        assert [number async for number in ada.stream("Count")] == [1]
        with pytest.raises(InvocationError, match="because user is unauthorized"):
            await ada.invoke("Tidy")


async def test_an_authenticate_of_its_own_wins_over_the_middleware() -> None:
    hubs = HubApp({"/members": Members}, authenticate=lambda scope: Identity("from the function"))
    app = AuthenticationMiddleware(hubs, backend=FromHeader())
    async with connect(app, "/members", headers={"x-user": "ada"}) as client:
        assert await client.invoke("Who") == "from the function"


async def test_the_user_id_can_come_from_elsewhere_than_the_identity() -> None:
    class Named(Hub):
        async def who(self) -> tuple[str | None, str | None]:
            identity = self.context.identity
            return self.context.user_id, identity.user_id if identity else None

        async def tell(self, user: str) -> None:
            await self.clients.user(user).send("Told")

    app = HubApp(
        {"/named": Named},
        authenticate=lambda scope: Identity("7", {"email": "ada@example.org"}),
        user_id=lambda scope: scope.identity.claims["email"] if scope.identity else None,
    )
    async with connect(app, "/named") as ada:
        assert await ada.invoke("Who") == ["ada@example.org", "7"]
        await ada.invoke("Tell", "7")
        await ada.expect_nothing()
        await ada.invoke("Tell", "ada@example.org")
        assert await ada.expect("Told") == []
