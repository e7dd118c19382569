"""Subscriptions that are made again: a Redis that answers slowly is waited for, however many there are."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest
import redis.asyncio
import redis.exceptions

from hubline.backplanes import redis_connections, redis_listening
from hubline.backplanes.lines import LONGEST_PAUSE, PATIENCE, Broker
from hubline.backplanes.redis_connections import HOME, Connections, Node
from hubline.backplanes.redis_hearing import Hearing
from hubline.testing import ManualClock, settle
from hubline.testing.backplane import Heard

LIMIT = 60.0


class Slow:
    """A connection to a Redis that takes `pace` seconds for each channel."""

    most = 1000
    """Answers that may be unread: as Redis, which closes a connection that does not take its answers."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.pace = clock, 0.0
        self.answers: deque[list[Any]] = deque()
        self.sent = asyncio.Event()
        self.lost = asyncio.Event()

    async def disconnect(self, nowait: bool = False) -> None: ...

    def pack_commands(self, commands: Iterable[Sequence[Any]]) -> list[Any]:
        return [tuple(command) for command in commands]

    async def send_packed_command(self, command: list[Any], check_health: bool = True) -> None:
        for verb, *names in command:
            self.answers += [[verb.lower().encode(), name, 1] for name in names]
        if len(self.answers) > self.most:
            raise OSError("closed by Redis")
        self.sent.set()

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None) -> Any:
        while not self.answers:
            if self.lost.is_set():
                raise OSError("lost")
            self.sent.clear()
            await self.sent.wait()
        self.clock._now += self.pace
        return self.answers.popleft()

    def lose(self) -> None:
        self.lost.set()
        self.sent.set()


class Redis:
    """Gives out such connections."""

    def __init__(self) -> None:
        self.clock, self.pace = ManualClock(), 0.0
        self.opened: list[Slow] = []
        self.seeds, self.host = [HOME], ""

    def broker(self, node: Node) -> Broker:
        return Broker()

    async def ask(self, node: Node, *commands: Any) -> list[Any]:
        return [[b"mode", b"standalone"]]

    async def open(self, node: Node = HOME) -> Slow:
        self.opened.append(made := Slow(self.clock))
        made.pace = self.pace
        return made


async def restored(server: Redis, heard: Heard) -> Hearing:
    """One whose connection was lost, with forty channels."""
    made = Hearing(cast("Connections", server), heard, "", server.clock)
    await made.start()
    for number in range(40):
        await made.subscribe([f"channel {number}"])
    server.pace = PATIENCE / 20
    server.opened[0].lose()
    await settle()
    await server.clock.advance(LONGEST_PAUSE)
    await settle()
    return made


async def test_a_redis_that_goes_on_answering_is_waited_for_however_many_channels_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_listening, "CHANNELS_OF_A_COMMAND", 10)  # half of its patience, and four of them
    server, heard = Redis(), Heard()
    made = await restored(server, heard)
    assert len(server.opened) == 2
    assert made.lines.all_ready
    assert len(heard.gaps) == 1
    await made.close()


async def test_answers_are_read_before_there_are_so_many_that_redis_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_listening, "CHANNELS_OF_A_COMMAND", 4)
    monkeypatch.setattr(redis_listening, "UNCONFIRMED", 3, raising=False)
    monkeypatch.setattr(Slow, "most", 12)
    server, heard = Redis(), Heard()
    server.pace = 0.0
    made = await restored(server, heard)
    assert len(server.opened) == 2
    assert made.lines.all_ready
    assert len(heard.gaps) == 1
    await made.close()


async def test_a_redis_that_does_not_answer_one_command_in_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_listening, "CHANNELS_OF_A_COMMAND", 40)  # twice its patience
    server, heard = Redis(), Heard()
    made = await restored(server, heard)
    assert not made.lines.all_ready
    assert heard.gaps == []
    server.pace = 0.0
    await server.clock.advance(LONGEST_PAUSE)
    await settle()
    assert made.lines.all_ready
    assert len(heard.gaps) == 1
    await made.close()


async def test_a_server_that_says_nothing_is_given_up_also_where_the_client_has_no_time_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_connections, "PATIENCE", 0.05)
    taken: list[asyncio.BaseTransport] = []

    class Mute(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken.append(transport)

    mute = await asyncio.get_running_loop().create_server(Mute, "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    client = redis.asyncio.Redis(port=port, socket_timeout=None, socket_connect_timeout=None)
    opening = asyncio.ensure_future(Connections(client).open())
    await asyncio.wait([opening], timeout=LIMIT)
    assert opening.done()
    with pytest.raises(redis.exceptions.RedisError):
        opening.result()
    mute.close()
    for each in taken:
        each.close()
    await settle()
