"""A peer that leaves while it is being admitted: whoever was waiting goes on, and nothing of the connection is left."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from hubline import ConnectionScope, Hub, HubApp, Identity, PolicyContext, authorize
from tests.client_frames import TEXT, frame
from tests.servers.paths import PATHS, Peer, served

HANDSHAKE = frame(TEXT, b'{"protocol":"json","version":1}\x1e')

both_paths = pytest.mark.parametrize("path", PATHS)


class Doors:
    """Everything that is asked before a connection is served; the one named `closed` waits until it is opened."""

    def __init__(self, closed: str) -> None:
        self._closed = closed
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def pass_through(self, name: str) -> None:
        if name == self._closed:
            self.reached.set()
            await self.opened.wait()


def app_behind(doors: Doors) -> HubApp:
    @authorize(policy="welcome")
    class Inside(Hub):
        async def on_connected(self) -> None:
            await doors.pass_through("on_connected")

    async def authenticate(scope: ConnectionScope) -> Identity:
        await doors.pass_through("authenticate")
        return Identity("ada")

    async def welcome(context: PolicyContext) -> bool:
        await doors.pass_through("policy")
        return True

    return HubApp({"/": Inside}, authenticate=authenticate, policies={"welcome": welcome})


def connections(app: HubApp) -> int:
    return int(app.statistics()["transports"].connections)


ENDS: dict[str, Callable[[Peer], None]] = {
    "close": lambda peer: peer.writer.close(),
    "half-close": lambda peer: peer.writer.write_eof(),
    "reset": Peer.reset,
}


@both_paths
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("door", ["authenticate", "policy", "on_connected"])
async def test_a_peer_leaves_at_the_door(path: str, end: str, door: str, caplog: pytest.LogCaptureFixture) -> None:
    doors = Doors(door)
    app = app_behind(doors)
    async with served(app, ws=PATHS[path]) as url:
        peer = await Peer.ask(url)
        if door == "on_connected":
            await peer.answered()
            peer.say(HANDSHAKE)
        await doors.reached.wait()
        protocol = PATHS[path].last
        ENDS[end](peer)
        await protocol.gone.wait()
        doors.opened.set()
        while protocol.tasks:
            await asyncio.wait(set(protocol.tasks))
        assert protocol not in protocol.connections
        assert connections(app) == 0
        peer.writer.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@both_paths
@pytest.mark.parametrize("door", ["authenticate", "policy"])
async def test_the_server_ends_while_a_peer_is_at_the_door(
    path: str, door: str, caplog: pytest.LogCaptureFixture
) -> None:
    doors = Doors(door)
    app = app_behind(doors)
    async with served(app, ws=PATHS[path]) as url:
        peer = await Peer.ask(url)
        await doors.reached.wait()
        protocol = PATHS[path].last
        protocol.shutdown()
        assert (await peer.hear_all()).startswith(b"HTTP/1.1 500 ")
        doors.opened.set()
        while protocol.tasks:
            await asyncio.wait(set(protocol.tasks))
        assert connections(app) == 0
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
