"""The setting `nodes`: every mistake is found when it is made."""

from typing import Any

import pytest

from hubline import ConfigurationError, Nodes
from tests.nodes.fleet import SECRET

RIGHT: list[dict[str, Any]] = [
    {"listen": "unix:/run/a.sock"},
    {"listen": "tcp://0.0.0.0:7000", "advertise": "tcp://10.0.0.1:7000"},
    {"public_url": "https://a.example.com/live"},
    {"listen": "tcp://10.0.0.1:7000", "public_url": "http://10.0.0.1:8000", "maximum_requests": 5},
    {"secret": [SECRET, SECRET + "!"], "listen": "unix:/a"},
]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"secret": "short", "listen": "unix:/a"}, "Nodes.secret must be a text of at least 32 characters"),
    ({"secret": [], "listen": "unix:/a"}, "Nodes.secret"),
    ({"secret": [SECRET, 5], "listen": "unix:/a"}, "Nodes.secret"),
    ({"secret": SECRET.encode(), "listen": "unix:/a"}, "Nodes.secret"),
    ({}, "needs `listen`, or `public_url`"),
    ({"listen": "/run/a.sock"}, "Nodes.listen: write"),
    ({"listen": "unix:/a", "advertise": "a"}, "Nodes.advertise: write"),
    ({"advertise": "tcp://10.0.0.1:1", "public_url": "https://a.example"}, "needs `listen`"),
    ({"listen": "tcp://0.0.0.0:7000"}, "must name this node"),
    ({"listen": "tcp://[::]:7000"}, "must name this node"),
    ({"public_url": "a.example.com"}, "Nodes.public_url must be"),
    ({"public_url": "https://a.example.com/?x=1"}, "Nodes.public_url must be"),
    ({"public_url": 5}, "Nodes.public_url must be"),
    *[({"listen": "unix:/a", "maximum_requests": wrong}, "Nodes.maximum_requests") for wrong in (0, "5", True, None)],
]


@pytest.mark.parametrize("given", RIGHT)
def test_what_is_right(given: dict[str, Any]) -> None:
    assert Nodes(**{"secret": SECRET} | given).secrets[0] == SECRET


@pytest.mark.parametrize(("given", "problem"), WRONG)
def test_what_is_wrong_is_named(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Nodes(**{"secret": SECRET} | given)
    assert problem in str(caught.value)


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Nodes(secret="hunter2", listen="unix:/a")
    assert "hunter2" not in str(caught.value)
    assert SECRET not in repr(Nodes(secret=SECRET, listen="unix:/a"))
