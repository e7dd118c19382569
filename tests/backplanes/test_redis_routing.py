"""Requests on their way to the node that has their slot: in order while it moves, and refused when nobody takes it."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest
from redis.exceptions import AskError, MovedError, ResponseError

from hubline._clock import MonotonicClock
from hubline._tasks import TaskOwner
from hubline.backplanes import redis_routing
from hubline.backplanes.lines import Broker
from hubline.backplanes.redis_connections import Connections, Node
from hubline.backplanes.redis_lines import NodeLines
from hubline.backplanes.redis_pipelines import Request
from hubline.backplanes.redis_routing import REDIRECTIONS, Router
from hubline.backplanes.redis_slots import Slots
from hubline.errors import BackplaneError
from tests.valkey import until

A, B = Node("10.0.0.1", 1), Node("10.0.0.1", 2)


class Wire:
    """A connection to one node: what was written, and the answers that the test gives."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, ...]] = []
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.ended = False

    async def disconnect(self, nowait: bool = False) -> None:
        self.ended = True

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[Any]:
        return [tuple(command) for command in commands]

    async def send_packed_command(self, command: list[Any], check_health: bool = True) -> None:
        self.written += command

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None) -> Any:
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Wires:
    def __init__(self) -> None:
        self.wires: dict[Node, Wire] = {}

    def broker(self, node: Node) -> Broker:
        return Broker()

    async def open(self, node: Node) -> Wire:
        self.wires[node] = Wire()
        return self.wires[node]


class Map:
    """What is known of the slots: slot 1 is at one node, all others at another."""

    is_cluster = True
    nodes: tuple[Node, ...] = (A, B)

    def __init__(self) -> None:
        self.one = A
        self.on_change: list[Any] = []
        self.content: list[Any] = []
        self.asked = 0

    def owner(self, slot: int) -> Node:
        return self.one if slot == 1 else A

    def ask_again(self) -> None:
        self.asked += 1

    def moved(self, slot: int, node: Node) -> None:
        self.one = node

    def change(self) -> None:
        for changed in self.on_change:
            changed()


class Say(Request):
    def __init__(self, slot: int, text: str, said: list[str]) -> None:
        super().__init__(slot)
        self.text, self.said = text, said

    def commands(self) -> Iterable[Sequence[Any]]:
        return [(self.text,)]

    def answered(self, found: Any, error: ResponseError | None) -> bool:
        self.said.append(f"{self.text} {error or found}")
        return True

    def fail(self, error: Exception | None) -> None:
        self.said.append(f"{self.text} lost")

    def refuse(self, error: BackplaneError) -> None:
        self.said.append(f"{self.text} refused: {error}")


class Routed:
    """A router to two nodes."""

    def __init__(self) -> None:
        self.wires, self.map, self.said = Wires(), Map(), list[str]()
        self.router = Router("test", cast("Connections", self.wires), cast("Slots", self.map), MonotonicClock())

    def send(self, *texts: str, slot: int = 1) -> None:
        for text in texts:
            self.router.send(Say(slot, text, self.said))

    async def answer(self, node: Node, *answers: Any) -> None:
        for answer in answers:
            self.wires.wires[node].answers.put_nowait(answer)
        await steps()

    def written(self, node: Node) -> str:
        return " ".join(word for (word,) in self.wires.wires[node].written)


async def steps() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@pytest.fixture
async def routed() -> Any:
    made = Routed()
    await made.router.start()
    await steps()
    yield made
    await made.router.close()


async def test_what_a_node_sends_back_leaves_for_the_other_before_what_was_asked_since(routed: Routed) -> None:
    routed.send("one", "two", "three")
    await steps()
    await routed.answer(A, MovedError("1 10.0.0.1:2"))
    routed.send("four")
    routed.send("other", slot=0)
    await steps()
    routed.map.change()
    await steps()
    assert routed.written(B) == "", "the old node has not answered everything"
    assert routed.written(A) == "one two three other", "other slots do not wait"
    await routed.answer(A, MovedError("1 10.0.0.1:2"), MovedError("1 10.0.0.1:2"), 0)
    assert routed.written(B) == "one two three four"
    await routed.answer(B, 1, 2, 3, 4)
    assert routed.said == ["other 0", "one 1", "two 2", "three 3", "four 4"]
    assert all(content() for content in routed.map.content)


async def test_when_the_slots_are_known_first_what_is_asked_since_waits_too(routed: Routed) -> None:
    routed.send("one")
    await steps()
    routed.map.one = B
    routed.map.change()
    routed.send("two")
    await steps()
    assert not all(content() for content in routed.map.content)
    routed.map.change()
    await routed.answer(A, MovedError("1 10.0.0.1:2"))
    routed.map.change()
    await steps()
    assert routed.written(B) == "one two"


async def test_one_key_that_has_gone_before_its_slot_is_asked_for_where_it_is(routed: Routed) -> None:
    routed.send("one", "two")
    await steps()
    await routed.answer(A, AskError("1 10.0.0.1:2"), 2)
    assert routed.written(B) == "ASKING one"
    await routed.answer(B, b"OK", 1)
    assert routed.said == ["two 2", "one 1"]
    routed.send("three")
    await steps()
    assert routed.written(A) == "one two three", "the slot is still there"
    await routed.answer(A, AskError("1 10.9.9.9:2"))
    assert "is not known yet" in routed.said[-1]


async def test_nodes_that_name_each_other_are_not_asked_for_ever(routed: Routed) -> None:
    routed.send("one")
    await steps()
    for number in range(REDIRECTIONS + 1):
        here, there = (A, B) if number % 2 == 0 else (B, A)
        await routed.answer(here, MovedError(f"1 10.0.0.1:{there.port}"))
        routed.map.change()
        await steps()
    assert routed.said == ["one refused: no node accepts slot 1: each names another one"]


async def test_what_no_node_takes_is_refused_in_the_end(routed: Routed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_routing, "PATIENCE", 0.01)
    routed.send("one")
    await steps()
    monkeypatch.setattr(routed.map, "ask_again", lambda: routed.send("two"))  # in the turn in which its time begins
    await routed.answer(A, MovedError("1 10.0.0.1:2"))

    async def refused() -> bool:
        return len(routed.said) == 2

    await until(refused)
    assert routed.said == [f"{text} refused: no node has accepted slot 1 within 0.01 s" for text in ("one", "two")]


async def test_a_closed_router_refuses_what_waits(routed: Routed) -> None:
    routed.send("one")
    await steps()
    await routed.answer(A, MovedError("1 10.0.0.1:2"))
    routed.send("two")
    await routed.router.close()
    assert routed.said == ["one refused: the link is closed", "two refused: the link is closed"]


async def test_what_is_under_way_to_a_node_that_is_left_may_still_be_answered(routed: Routed) -> None:
    routed.send("one", slot=0)
    await steps()
    wire = routed.wires.wires[B]
    routed.map.one = B
    routed.send("two")
    await steps()
    routed.map.one = A
    routed.map.nodes = (A,)
    routed.map.change()
    await steps()
    wire.answers.put_nowait(2)
    await steps()
    assert routed.said == ["two 2"]


@pytest.mark.parametrize("turns", range(4))
async def test_a_closed_router_has_no_connection_to_a_node_that_it_was_about_to_leave(
    routed: Routed, turns: int
) -> None:
    routed.send("one")
    await steps()
    routed.map.one, routed.map.nodes = B, (B,)
    routed.map.change()
    for _ in range(turns):
        await asyncio.sleep(0)
    await routed.router.close()
    assert [wire.ended for wire in routed.wires.wires.values()] == [True, True]


class Door:
    """A line that connects when it is told to."""

    def __init__(self, node: Node) -> None:
        self.node, self.opens = node, asyncio.Event()
        self.is_ready = self.is_closed = self.begun = False

    async def start(self) -> None:
        await self.opens.wait()
        self.is_ready = True

    def begin(self) -> None:
        self.begun = True

    def renew(self) -> None: ...

    async def leave(self) -> None:
        await self.close()

    async def close(self) -> None:
        self.is_closed = True


class Doors:
    def __init__(self) -> None:
        self.made: dict[Node, Door] = {}
        self.lines: NodeLines[Door] = NodeLines(self.make, TaskOwner("test"))

    def make(self, node: Node) -> Door:
        self.made[node] = made = Door(node)
        return made


async def test_who_gives_up_while_lines_are_opened_leaves_none_open() -> None:
    doors = Doors()
    starting = asyncio.ensure_future(doors.lines.start([A, B]))
    await steps()
    doors.made[A].opens.set()
    await steps()
    starting.cancel()
    await asyncio.wait([starting])
    assert [door.is_closed for door in doors.made.values()] == [True, True]


async def test_lines_that_are_closed_while_they_are_opened_stay_closed() -> None:
    doors = Doors()
    starting = asyncio.ensure_future(doors.lines.start([A, B]))
    await steps()
    doors.made[A].opens.set()
    await steps()
    await doors.lines.close()
    doors.made[B].opens.set()
    with pytest.raises(BackplaneError, match="the link is closed"):
        await starting
    doors.lines.keep([A, B])
    assert len(doors.made) == 2
    assert list(doors.lines) == []
    assert not any(door.begun for door in doors.made.values())
