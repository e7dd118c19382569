"""The contract server's types are the original's: every answer here was asked from ASP.NET Core 10 on 2026-11-28."""

from typing import Any

import pytest

from hubline import InvocationError
from hubline.testing import connect
from hubline.testing.harness import ProtocolName
from tests.interop.contract_server import hub_app

PROTOCOLS: list[ProtocolName] = ["json", "messagepack"]
NOBODY = {"name": None, "age": 0, "tags": None}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("target", "arguments", "expected"),
    [
        ("EchoText", [None], None),
        ("EchoBytes", [None], None),
        ("EchoMap", [None], None),
        ("EchoPerson", [None], None),
        ("EchoPerson", [{}], NOBODY),
        ("EchoPerson", [{"Age": 1}], {**NOBODY, "age": 1}),
        ("EchoPerson", [{"name": None, "age": 1, "tags": [None, "a"]}], {"name": None, "age": 1, "tags": [None, "a"]}),
        ("Add", [2**31 - 1, 1], -(2**31)),
        ("Add", [-(2**31), 0], -(2**31)),
        ("EchoMap", [{"a": 2**31 - 1}], {"a": 2**31 - 1}),
        ("SendMessage", [None, None], None),
    ],
)
async def test_what_the_original_takes(
    target: str, arguments: list[Any], expected: Any, protocol: ProtocolName
) -> None:
    async with connect(hub_app({}), "/hub", protocol=protocol) as client:
        found = await client.invoke(target, *arguments)
        if isinstance(found, dict) and protocol == "messagepack" and target == "EchoPerson":
            found = {name.lower(): value for name, value in found.items()}
        assert found == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("Add", [1, 2**31]),
        ("Add", [1, -(2**31) - 1]),
        ("Add", [1, 1.5]),
        ("Add", [1.0, 2]),
        ("Add", [None, 2]),
        ("Slow", [0.5]),
        ("EchoMap", [{"a": 2**31}]),
        ("EchoMap", [{"a": 1.5}]),
        ("EchoMap", [{"a": None}]),
        ("EchoPerson", [{"age": None}]),
        ("EchoPerson", [{"age": 2**31}]),
        ("EchoText", [1]),
        ("EchoDate", [None]),
    ],
)
async def test_what_the_original_refuses_as_a_failure_to_bind(
    target: str, arguments: list[Any], protocol: ProtocolName
) -> None:
    async with connect(hub_app({}), "/hub", protocol=protocol) as client:
        with pytest.raises(InvocationError, match=f"Failed to invoke '{target}' due to an error on the server"):
            await client.invoke(target, *arguments)
