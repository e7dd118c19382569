"""Whole conversations of which every byte comes on its own: they take longer, and go as ever."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from tests import client_frames
from tests.abuse.target import HANDSHAKE, Bystander, Target
from tests.client_frames import BINARY, frame
from tests.integration.driver import Connector, Peer, Way, call, cancel, connector, done, item, stream
from tests.integration.lines import Line
from tests.integration.wire_form import Message
from tests.relays import Dial, relay

TEXT = "é 😀 \u2028"
SAID = [
    call("1", "Echo", TEXT),
    call("2", "Total", streams=("s",)),
    item("s", 1),
    item("s", 2),
    done("s"),
    stream("3", "Count", 2),
    cancel("unknown"),
    call(None, "Echo", "nobody waits"),
    call("4", "Echo", {"deep": [None, True, 1.5, [{}]]}),
]
HEARD = {
    "1": [done("1", result=TEXT)],
    "2": [done("2", result=3)],
    "3": [item("3", 0), item("3", 1), done("3")],
    "4": [done("4", result={"deep": [None, True, 1.5, [{}]]})],
}
PING, PONG = frame(client_frames.PING, b"p"), frame(client_frames.PONG, b"p", mask=None)


async def converse(peer: Peer) -> None:
    """Call, upload, stream and cancel, and hear the answer to each; who polls does so meanwhile."""
    heard: dict[str, list[Message]] = {}

    async def listen() -> None:
        for _ in range(sum(map(len, HEARD.values()))):
            while (message := await peer.receive())["type"] == 6:  # a ping, if it takes that long
                pass
            heard.setdefault(message["invocationId"], []).append(message)

    await asyncio.gather(listen(), peer.send(*SAID))
    assert heard == HEARD


def dribbling(target: Target, bystander: Bystander) -> AbstractAsyncContextManager[str]:
    """An address from where each byte is sent on to the server when it has read the one before."""

    async def carry(near: asyncio.StreamReader, near_writer: asyncio.StreamWriter, dial: Dial) -> None:
        far, far_writer = await dial(target.host, target.port)

        async def there() -> None:
            while data := await near.read(65_536):
                for byte in data:
                    far_writer.write(bytes([byte]))
                    await bystander.turn()
            far_writer.close()

        async def back() -> None:
            while data := await far.read(65_536):
                near_writer.write(data)
            near_writer.close()

        await asyncio.gather(there(), back())

    return relay(carry)


async def test_a_conversation_that_is_read_byte_by_byte(target: Target, a_bystander: Bystander, way: Way) -> None:
    async with target.time_stops(), dribbling(target, a_bystander) as url, connector(url, way) as connect:
        await converse(await connect("/patient"))


class Crumbs:
    """A line on which each byte is a payload of its own: a message of a WebSocket, or the body of a POST."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.receive, self.close = line.receive, line.close

    async def send(self, data: bytes, *, binary: bool = False) -> None:
        for byte in data:
            await self._line.send(bytes([byte]), binary=True)  # no text: half a character is none


async def test_a_conversation_in_payloads_of_one_byte(target: Target, connect: Connector) -> None:
    async with target.time_stops():
        peer = await connect("/patient", shake=False)
        peer.line = Crumbs(peer.line)
        await peer.shake_hands()
        await converse(peer)


def fragments(message: bytes, first: int) -> bytes:
    """One message of a WebSocket in frames of one byte, and a ping before the last."""
    *begun, last = [frame(0x00, bytes([byte])) for byte in message]
    begun[0] = bytes([first]) + begun[0][1:]
    return b"".join([*begun, PING, b"\x80" + last[1:]])


@pytest.mark.parametrize(
    ("protocol", "first", "said", "answer"),
    [
        (
            b"json",
            0x01,
            '{"type":1,"invocationId":"1","target":"Echo","arguments":["é 😀"]}\x1e'.encode(),
            frame(client_frames.TEXT, '{"type":3,"invocationId":"1","result":"é 😀"}\x1e'.encode(), mask=None),
        ),
        (
            b"messagepack",
            0x02,
            b"\x0e\x96\x01\x80\xa11\xa4Echo\x91\xa1x\x90",
            frame(BINARY, b"\x08\x95\x03\x80\xa11\x03\xa1x", mask=None),
        ),
    ],
    ids=["json", "messagepack"],
)
async def test_a_conversation_in_fragments_of_one_byte(
    target: Target, protocol: bytes, first: int, said: bytes, answer: bytes
) -> None:
    shaken = frame(0x80 | first, b"{}\x1e", mask=None)
    async with target.websocket(data=fragments(HANDSHAKE.replace(b"json", protocol), 0x01)) as peer:
        assert await peer.receive_until(shaken) == PONG + shaken
        for _ in range(20):
            await peer.send(fragments(said, first))
            assert await peer.receive_until(answer) == PONG + answer
