"""Settings of an app that cannot be meant: each is named, with what came and the right form, before anything starts."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

from hubline import (
    ConfigurationError,
    ConnectionRoute,
    Hub,
    HubApp,
    HubFilter,
    HubOptions,
    HubRoute,
    Nodes,
    TransportOptions,
)
from hubline.app_settings import AppSettings
from hubline.testing import ManualClock


class Chat(Hub):
    async def say(self) -> None: ...


class Broken(Hub):
    async def stars(self, *args: int) -> None: ...


class Counting(HubFilter): ...


async def raw(connection: Any) -> None: ...


async def user_id(scope: Any) -> str | None:
    return None


NO_NUMBERS: list[Any] = ["1", True, None, math.nan, math.inf, -1, [1]]
NO_FLAGS: list[Any] = ["no", 0, None]
NO_TEXTS: list[Any] = [5, b"x", ["x"]]
NO_FUNCTIONS: list[Any] = ["name", 5]

WRONG: dict[str, list[Any]] = {
    "routes": [Chat, None, [("/chat", Chat)], "/chat"],
    "options": [TransportOptions(), HubOptions, {"detailed_errors": True}],
    "transport": [HubOptions(), TransportOptions, {}],
    "authenticate": NO_FUNCTIONS,
    "user_id": [*NO_FUNCTIONS, user_id],
    "policies": [["admin"], {"admin": True}, {5: len}, len],
    "filters": [None, Counting(), [Counting], [len], "x"],
    "backplane": ["redis://", type("Link", (), {"connect": len})],
    "nodes": ["unix:/run/a.sock", Nodes, {"listen": "unix:/run/a.sock"}],
    "allowed_origins": [None, "https://a.example", [5], {"https://a.example": True}],
    "allowed_headers": [None, "x-csrf", [b"x-csrf"]],
    "trusted_proxies": [None, "10.0.0.0/8", [10]],
    "drain_timeout": [*NO_NUMBERS],
    "drain_on_signals": NO_FLAGS,
    "on_drain": NO_FUNCTIONS,
    "readiness_path": [*NO_TEXTS, "readyz", "", "/ready?", True],
    "blocking_warning": [0, *(each for each in NO_NUMBERS if each is not None)],
    "telemetry": [True, "otlp"],
    "clock": [ManualClock, 5],
}


def settings(given: Mapping[str, Any]) -> HubApp:
    return HubApp(**({"routes": {"/chat": Chat}} | dict(given)))


def test_every_setting_is_looked_at() -> None:
    hints = get_type_hints(AppSettings.__init__)
    assert set(WRONG) == set(hints) - {"return"} == set(HubApp.__init__.__kwdefaults__ or ()) | {"routes"}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named(name: str) -> None:
    for value in WRONG[name]:
        with pytest.raises(ConfigurationError) as caught:
            settings({name: value})
        (problem,) = caught.value.problems
        assert name in problem
        assert "must" in problem


def test_what_may_be_left_out_and_edges() -> None:
    none = dict.fromkeys(
        ("options", "transport", "authenticate", "user_id", "policies", "backplane", "nodes", "on_drain")
    )
    settings({**none, "readiness_path": None, "blocking_warning": None, "telemetry": None, "clock": None})
    settings({"readiness_path": "/ready/"})
    settings({"drain_timeout": 0, "filters": (Counting(),), "policies": {}, "allowed_origins": {"https://a.example"}})


def test_mistakes_in_settings_and_hubs_are_told_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        HubApp({"/broken": Broken, 5: Chat}, drain_timeout=-1, options=5, allowed_origins=["x"])  # type: ignore[dict-item,arg-type]
    starts = [
        "HubApp.options must be a HubOptions or None, got 5",
        "allowed_origins: 'x' is no origin",
        "HubApp.drain_timeout must be a number, 0 or greater, got -1",
        "/broken: Broken.stars: ",
        "the path 5 must be a text",
    ]
    assert len(caught.value.problems) == len(starts)
    for problem, start in zip(caught.value.problems, starts, strict=True):
        assert problem.startswith(start)


@pytest.mark.parametrize(
    ("route", "setting"),
    [
        (HubRoute(5), "HubRoute.hub"),  # type: ignore[arg-type]
        (5, "HubRoute.hub"),
        (None, "HubRoute.hub"),
        (HubRoute(Chat, options=TransportOptions()), "HubRoute.options"),  # type: ignore[arg-type]
        (HubRoute(Chat, transport=HubOptions()), "HubRoute.transport"),  # type: ignore[arg-type]
        (HubRoute(Chat, filters=Counting()), "HubRoute.filters"),  # type: ignore[arg-type]
        (HubRoute(Chat, filters=(Counting,)), "HubRoute.filters"),  # type: ignore[arg-type]
        (HubRoute(Chat, name=b"chat"), "HubRoute.name"),  # type: ignore[arg-type]
        (ConnectionRoute("serve"), "ConnectionRoute.serve"),  # type: ignore[arg-type]
        (ConnectionRoute(raw, transport=HubOptions()), "ConnectionRoute.transport"),  # type: ignore[arg-type]
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_of_a_route_are_told_with_its_path(route: Any, setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HubApp({"/chat": route})
    (problem,) = caught.value.problems
    assert problem.startswith(f"/chat: {setting} must be ")


def wrong_values(hint: Any, default: Any) -> list[Any]:
    """Values that a setting with this type hint cannot have."""
    kinds = get_args(hint) or (hint,)
    wrong: list[Any] = [object(), ["x"], "none of the choices"]
    if bool in kinds:
        wrong += [0, 1, None]
    elif int in kinds or float in kinds:
        wrong += [-1, True, math.nan, math.inf, -math.inf, *([1.5] if int in kinds else [])]
        wrong += [] if type(None) in kinds else [None]
    elif default is not None:
        wrong += [None, 5, ()]
    return wrong


@pytest.mark.parametrize("kind", [HubOptions, TransportOptions])
def test_every_option_is_looked_at(kind: type[Any]) -> None:
    """What is added later, too: by its type hint and its default."""
    hints = get_type_hints(kind)
    for each in fields(kind):
        for value in wrong_values(hints[each.name], each.default):
            if each.name == "on_authentication_refresh":
                given = {each.name: value, "authentication_refresh": True}
            else:
                given = {each.name: value}
            with pytest.raises(ConfigurationError) as caught:
                kind(**given)
            assert any(
                problem.startswith(f"{kind.__name__}.{each.name} must be ") for problem in caught.value.problems
            ), (each.name, value)
