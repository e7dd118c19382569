"""What a parameter asks for: `Depends` in every form, and what FastAPI users may ask for in vain."""
# ruff: noqa: B008 — as FastAPI's users write it

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import fastapi
import pytest
from starlette.requests import HTTPConnection

from hubline import (
    ConfigurationError,
    ConnectionScope,
    Depends,
    Hub,
    HubApp,
    HubCallerContext,
    Identity,
    InvocationError,
    hidden,
)
from hubline.server.parameters import depends_of, misuse
from hubline.testing import connect


def current_user() -> dict[str, Any]:
    return {"name": "nobody", "admin": False}


class Settings:
    """A class that is its own factory."""

    name = "settings"


MARK = Depends(current_user)


@pytest.mark.parametrize(
    ("annotation", "default", "found"),
    [
        (Annotated[dict[str, Any], "note", MARK], None, MARK),
        (dict, MARK, MARK),
        (Annotated[dict[str, Any], fastapi.Depends(current_user)], None, MARK),
        (dict, fastapi.Depends(current_user, use_cache=False), Depends(current_user, use_cache=False)),
        (dict, fastapi.Security(current_user), MARK),
        (Annotated[Settings, Depends()], None, Depends(Settings)),
        (Settings, fastapi.Depends(), Depends(Settings)),
        (Annotated[dict[str, Any], "note"], 5, None),
        (dict, None, None),
        (Any, Settings, None),
    ],
)
def test_depends_is_found_in_every_form(annotation: Any, default: Any, found: Depends | None) -> None:
    assert depends_of(annotation, default) == found


class Alias:
    """What `type Name = …` makes, from Python 3.12 on."""

    __value__ = Annotated[dict[str, Any], MARK]


def test_depends_is_found_behind_an_alias() -> None:
    assert depends_of(Alias()) == MARK


class Chat(Hub):
    async def ours_as_default(self, text: str, user: dict[str, Any] = MARK) -> list[Any]:  # type: ignore[assignment]
        return [text, user]

    async def fastapis_as_default(self, text: str, user: dict[str, Any] = fastapi.Depends(current_user)) -> list[Any]:
        return [text, user]

    async def fastapis_annotated(
        self, user: Annotated[dict[str, Any], fastapi.Depends(current_user)], text: str
    ) -> list[Any]:
        return [text, user]

    async def by_keyword(self, text: str, *, user: dict[str, Any] = fastapi.Depends(current_user)) -> list[Any]:
        return [text, user]

    async def own_class(self, text: str, user: Settings = fastapi.Depends()) -> list[Any]:
        return [text, {"name": user.name}]


@pytest.mark.parametrize("protocol", ["json", "messagepack"])
@pytest.mark.parametrize("target", ["OursAsDefault", "FastapisAsDefault", "FastapisAnnotated", "ByKeyword", "OwnClass"])
async def test_the_caller_never_supplies_what_is_injected(target: str, protocol: Any) -> None:
    async with connect(HubApp({"/chat": Chat}), "/chat", protocol=protocol) as client:
        text, user = await client.invoke(target, "hi")
        assert (text, user["name"]) == ("hi", "settings" if target == "OwnClass" else "nobody")
        for arguments in (["hi", {"name": "eve", "admin": True}], [{"name": "eve", "admin": True}, "hi"]):
            with pytest.raises(InvocationError, match=r"Failed to invoke|Invocation provides"):
                await client.invoke(target, *arguments)


def parameter(function: Callable[..., Any]) -> tuple[inspect.Parameter, Any]:
    (found,) = inspect.signature(function).parameters.values()
    return found, found.annotation


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x=fastapi.Query(1): x, "FastAPI's Query(…), which a call has not: read `self.context.scope.query`"),
        (lambda x=fastapi.Header(): x, "FastAPI's Header(…), which a call has not: read `self.context.scope.headers`"),
        (lambda x=fastapi.Body(): x, "FastAPI's Body(…), which a call has not: what a client sends needs no mark"),
        (lambda x=fastapi.Security(current_user, scopes=["a"]): x, "`Security(…)` with scopes"),
        (lambda x=fastapi.Depends(current_user, max_concurrency=2): x, "`max_concurrency`"),
        (lambda x=Depends: x, "Depends without parentheses: write `Depends(…)`"),
        (lambda x=fastapi.Depends: x, "Depends without parentheses: write `Depends(…)`"),
    ],
)
def test_what_a_mark_asks_for_in_vain(function: Callable[..., Any], text: str) -> None:
    found, annotation = parameter(function)
    assert text in str(misuse(found, annotation, in_method=True))
    assert text in str(misuse(found.replace(default=found.empty), Annotated[int, found.default], in_method=True))


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (fastapi.Request, "asks for a Request, which a call has not: `self.context.scope` has what it was opened with"),
        (HTTPConnection | None, "asks for a HTTPConnection"),
        (fastapi.BackgroundTasks, "asks for a BackgroundTasks"),
        (HubCallerContext, "is nothing that a client may send: `self.context` has it"),
        (ConnectionScope, "`self.context.scope` has it"),
        (Identity | None, "`self.context.identity` has it"),
        (Annotated[dict[str, Any], MARK] | None, "has its `Depends` inside of its type"),
        (list[Annotated[dict[str, Any], fastapi.Depends(current_user)]], "has its `Depends` inside of its type"),
        (Annotated[dict[str, Any], [MARK]], "has its `Depends` inside of a list or tuple"),
        (Annotated[dict[str, Any], MARK, fastapi.Depends(current_user)], "has two `Depends`"),
        (Annotated[Any, Depends()], "has a `Depends()` without a factory"),
        (Annotated[Settings | None, fastapi.Depends()], "has a `Depends()` without a factory"),
    ],
)
def test_what_a_type_asks_for_in_vain(annotation: Any, text: str) -> None:
    found = inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    assert text in str(misuse(found, annotation, in_method=True))


@pytest.mark.parametrize("default", [(MARK,), [fastapi.Depends(current_user)], {MARK}])
def test_a_depends_behind_a_stray_comma_or_bracket_is_a_mistake(default: Any) -> None:
    found = inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
    assert "has its `Depends` inside of a list or tuple" in str(misuse(found, dict[str, Any], in_method=True))


@pytest.mark.parametrize("annotation", [int, Annotated[int, "note"], list[str] | None, Any, "int"], ids=str)
def test_ordinary_parameters_are_left_alone(annotation: Any) -> None:
    found = inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
    assert misuse(found, annotation, in_method=True) is None


class Wrong(Hub):
    def __init__(self, user: Any = fastapi.Depends(current_user)) -> None: ...

    async def on_connected(self, user: Any = MARK) -> None: ...

    async def search(self, text: str, limit: int = fastapi.Query(10)) -> None: ...

    async def who(self, user: Identity) -> None: ...

    @hidden
    def helper(self, user: Any = MARK) -> None:
        """Nobody calls it but the hub itself, so what its parameters mean is the hub's own."""


def test_every_one_is_told_at_start_up_with_its_name() -> None:
    with pytest.raises(ConfigurationError) as caught:
        HubApp({"/wrong": Wrong})
    advice = "only methods that clients call are. A constructor is given its values by the function that makes the hub"
    assert list(caught.value.problems) == [
        f"/wrong: Wrong.__init__: 'user' is not injected here: {advice}",
        f"/wrong: Wrong.on_connected: 'user' is not injected here: {advice}",
        "/wrong: Wrong.search: 'limit' asks for FastAPI's Query(…), which a call has not: "
        "read `self.context.scope.query`",
        "/wrong: Wrong.who: 'user' is nothing that a client may send: `self.context.identity` has it",
    ]
