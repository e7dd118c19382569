"""The newest of a key, for a client that stops reading: on every transport, in both codecs, through the whole app."""

import pytest

from hubline import Client, Hub, HubApp
from hubline.testing import connect
from hubline.testing.channels import TransportName
from hubline.testing.harness import ProtocolName


class Board(Hub[Client]):
    async def join(self) -> None:
        await self.groups.add(self.context.connection_id, "board")


WAYS: list[tuple[TransportName, ProtocolName]] = [
    ("websocket", "json"),
    ("websocket", "messagepack"),
    ("sse", "json"),
    ("long_polling", "json"),
    ("long_polling", "messagepack"),
]


@pytest.mark.parametrize(("transport", "protocol"), WAYS)
async def test_who_stops_reading_gets_the_newest_of_a_key_and_everything_else(
    transport: TransportName, protocol: ProtocolName
) -> None:
    app = HubApp({"/board": Board})
    async with connect(app, "/board", transport=transport, protocol=protocol) as slow, connect(app, "/board") as quick:
        for client in (slow, quick):
            await client.invoke("Join")
        slow.stop_reading()
        board = app.context(Board).clients
        for number in range(300):
            await board.latest("cursor").group("board").send("Moved", number, "x" * 5000)
            if number % 30 == 0:
                await board.group("board").send("Said", number)
            assert (await quick.expect("Moved"))[0] == number, "who reads gets every one"
        slow.resume_reading()
        assert [(await slow.expect("Said"))[0] for _ in range(10)] == [*range(0, 300, 30)]
        moved = [(await slow.expect("Moved"))[0]]
        while moved[-1] < 299:
            moved.append((await slow.expect("Moved"))[0])
        assert moved == sorted(moved)
        assert len(moved) < 10, "1.5 MB do not wait for anybody"
        assert app.statistics()["transports"].dropped_messages > 280
