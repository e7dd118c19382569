from typing import Any, Generic, Protocol, TypeVar

import pytest

from hubline import Client, Hub
from hubline.server.hub import client_protocol
from tests.server.bench import bench

T = TypeVar("T")


class ChatClient(Protocol):
    async def receive(self) -> None: ...


class Typed(Hub[ChatClient]): ...


class Derived(Typed): ...


class Plain(Hub): ...


class Open(Hub[T], Generic[T]): ...


class Closed(Open[ChatClient]): ...


class Mixin(Generic[T]): ...


class Mixed(Mixin[int], Hub[ChatClient]): ...


@pytest.mark.parametrize(
    ("hub", "protocol"),
    [
        (Typed, ChatClient),
        (Derived, ChatClient),
        (Plain, Client),
        (Open, Client),
        (Closed, ChatClient),
        (Mixed, ChatClient),
        (Hub, Client),
    ],
)
def test_the_protocol_of_the_clients_is_found_along_the_bases(hub: type[Hub[Any]], protocol: type) -> None:
    assert client_protocol(hub) is protocol


async def test_what_hub_code_sees_of_its_connection() -> None:
    seen: list[Any] = []

    class Looking(Hub):
        async def look(self) -> None:
            context = self.context
            seen.append((context.connection_id, context.user_id, context.identity and context.identity.user_id))
            seen.append((context.scope.path, context.scope.query, context.aborted.requested))
            context.items["n"] = context.items.get("n", 0) + 1
            seen.append(context.items["n"])

    async with bench(Looking) as hub:
        ada, nobody = await hub.connect("ada", query="welcome=1"), await hub.connect()
        await ada.result("Look")
        await ada.result("Look")
        await nobody.result("Look")
    assert seen[:3] == [("c1", "ada", "ada"), ("/hub", {"welcome": "1"}, False), 1]
    assert seen[5:7] == [2, ("c2", None, None)]
