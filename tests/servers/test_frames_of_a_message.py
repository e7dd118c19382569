"""How many Python functions a message goes through, in and out, on the accelerated path.

Counted are the library's own and the user's method, from the bytes of the socket to those that are written. The event
loop's are left out: uvloop has none. What stands here is a bound, so that a detour on the way of every message is seen.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import pytest

import hubline
from hubline import Hub, HubApp
from hubline.servers.channel import Channel
from hubline.servers.parser import Parsers
from hubline.testing import settle
from tests.client_frames import TEXT, frame

LIBRARY = str(Path(hubline.__file__).parent)


class Socket(asyncio.Transport):
    """Notes what is written. Everything leaves at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.write = self.written.append  # type: ignore[assignment,method-assign]

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...


class Peer:
    """One connection of an application on a frame channel."""

    def __init__(self) -> None:
        self.socket = Socket()
        self.channel = Channel(Parsers(), lambda error: None)

    async def connect(self, app: HubApp) -> "asyncio.Task[None]":
        scope = {
            "type": "websocket",
            "path": "/",
            "headers": [],
            "query_string": b"",
            "extensions": {"hubline.frames": {"channel": self.channel}},
        }
        task = asyncio.create_task(app(scope, _never, _nowhere))
        await settle()
        self.channel.open(self.socket, b"")
        await self.exchange(b'{"protocol":"json","version":1}\x1e')
        return task

    def say(self, payload: bytes) -> None:
        data = frame(TEXT, payload)
        self.channel.get_buffer(-1)[: len(data)] = data
        self.channel.buffer_updated(len(data))

    async def exchange(self, payload: bytes) -> bytes:
        self.say(payload)
        await settle()
        written = b"".join(self.socket.written)
        self.socket.written.clear()
        return written

    async def functions(self, payload: bytes) -> list[str]:
        """The names of all that were entered for this message."""
        found: list[str] = []

        def note(entered: FrameType, event: str, argument: Any) -> None:
            file = entered.f_code.co_filename
            if event == "call" and (file.startswith(LIBRARY) or entered.f_locals.get("self").__class__ in HUBS):
                found.append(f"{Path(file).stem}.{entered.f_code.co_name}")

        sys.setprofile(note)
        try:
            self.say(payload)
            for _ in range(3):
                await asyncio.sleep(0)
        finally:
            sys.setprofile(None)
        assert self.socket.written
        self.socket.written.clear()
        return found


async def _never() -> Any:
    return {"type": "websocket.connect"}


async def _nowhere(message: Any) -> None: ...


class ChatClient(Protocol):
    async def receive_message(self, text: str) -> None: ...


class Typed(Hub[ChatClient]):
    async def echo(self, text: str) -> str:
        return text

    async def tell_all(self, text: str) -> None:
        await self.clients.all.receive_message(text)

    async def tell_me(self, text: str) -> None:
        await self.clients.caller.receive_message(text)


class ByName(Hub):
    async def tell_all(self, text: str) -> None:
        await self.clients.all.receive_message(text)  # type: ignore[attr-defined]

    async def say_all(self, text: str) -> None:
        await self.clients.all.send("ReceiveMessage", text)


HUBS = (Typed, ByName)


@asynccontextmanager
async def connected(hub: type[Hub[Any]]) -> AsyncIterator[Peer]:
    app, peer = HubApp({"/": hub}), Peer()
    async with app.lifespan():
        task = await peer.connect(app)
        yield peer
        peer.channel.connection_lost(None)
        await asyncio.wait([task])


def call(target: str, number: str = "") -> bytes:
    identifier = f'"invocationId":"{number}",' if number else ""
    return f'{{"type":1,{identifier}"target":"{target}","arguments":["hello"]}}\x1e'.encode()


@pytest.mark.parametrize(
    ("hub", "target", "answered", "at_most"),
    [
        (Typed, "Echo", True, 29),
        (Typed, "TellAll", False, 35),
        (Typed, "TellAll", True, 37),
        (Typed, "TellMe", False, 36),
        (ByName, "TellAll", False, 35),
        (ByName, "SayAll", False, 35),
    ],
)
async def test_a_message_goes_through_so_many_functions(
    hub: type[Hub[Any]], target: str, answered: bool, at_most: int
) -> None:
    async with connected(hub) as peer:
        message = call(target, "1" if answered else "")
        for _ in range(3):  # what is made once is made
            said = await peer.exchange(message)
        assert said.count(b"\x1e") == (2 if answered and target != "Echo" else 1)
        functions = await peer.functions(message)
        assert len(functions) <= at_most, "\n".join(functions)
        assert functions[0] == "channel.get_buffer"
