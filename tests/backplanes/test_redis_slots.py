"""Which node has which slot: what a cluster answers, whom to believe, and when it is asked again."""

from typing import Any, cast

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from hubline.backplanes.redis_connections import HOME, Connections, Node
from hubline.backplanes.redis_slots import TOLD, Slots
from hubline.errors import BackplaneError
from hubline.testing import ManualClock, settle

A, B, C = (Node("10.0.0.1", port) for port in (1, 2, 3))
CLUSTER = [b"server", b"redis", b"mode", b"cluster"]


def part(first: int, last: int, *nodes: Node | tuple[bytes | None, int]) -> list[Any]:
    """One element of CLUSTER SLOTS."""
    named = [(node.host.encode(), node.port) if isinstance(node, Node) else node for node in nodes]
    return [first, last, *([host, port, b"id", []] for host, port in named)]


class Asked:
    """Connections to nodes that answer as told, and which were asked."""

    host = "first"

    def __init__(self, slots: Any, hello: Any = CLUSTER) -> None:
        self.slots, self.hello = slots, hello
        self.seeds = [HOME]
        self.asked: list[Node] = []
        self.away: set[Node] = set()

    async def ask(self, node: Node, command: tuple[str, ...]) -> list[Any]:
        if node in self.away:
            raise OSError("away")
        if command == ("HELLO",):
            return [self.hello]
        self.asked.append(node)
        return [self.slots[node] if isinstance(self.slots, dict) else self.slots]


async def slots_of(asked: Asked, *, sharded: bool = True) -> tuple[Slots, ManualClock]:
    clock = ManualClock()
    slots = Slots(cast("Connections", asked), clock, sharded=sharded)
    await slots.start()
    return slots, clock


WHOLE = [part(0, 5460, A), part(5461, 10922, B), part(10923, 16383, C)]


async def test_each_slot_has_the_first_node_that_is_named() -> None:
    slots, _ = await slots_of(Asked([part(8192, 16383, B, C), part(0, 8191, A)]))
    assert [slots.owner(slot) for slot in (0, 8191, 8192, 16383)] == [A, A, B, B]
    assert slots.nodes == [A, B]
    assert slots.is_cluster
    await slots.close()


async def test_slots_that_nobody_has() -> None:
    slots, _ = await slots_of(Asked([part(100, 199, A), part(300, 16000, B)]))
    found = [slots.owner(slot) for slot in (0, 99, 100, 199, 200, 299, 300, 16000, 16001, 16383)]
    assert found == [None, None, A, A, None, None, B, B, None, None]
    await slots.close()
    slots, _ = await slots_of(Asked([]))
    assert slots.owner(0) is slots.owner(16383) is None
    await slots.close()


async def test_a_node_without_a_host_is_where_it_was_asked() -> None:
    slots, _ = await slots_of(Asked([part(0, 16383, (None, 7))]))
    assert slots.owner(0) == Node("first", 7)
    await slots.close()


@pytest.mark.parametrize("hello", [[b"mode", b"standalone"], ResponseError("unknown command"), [b"server"]])
async def test_a_server_alone_has_all_slots_and_is_not_asked_for_them(hello: Any) -> None:
    asked = Asked(None, hello)
    slots, _ = await slots_of(asked)
    assert (slots.nodes, slots.owner(1), slots.is_cluster, asked.asked) == ([HOME], HOME, False, [])
    assert slots.of("any key") == 0
    await slots.close()


async def test_who_may_not_ask_for_the_slots_has_one_node_if_that_will_do() -> None:
    refused = NoPermissionError("User u has no permissions to run the 'cluster|slots' command")
    slots, _ = await slots_of(Asked(refused), sharded=False)
    assert slots.nodes == [HOME]
    await slots.close()
    with pytest.raises(BackplaneError, match=r"lacks the right \+cluster\|slots"):
        await slots_of(Asked(refused))


async def test_a_node_that_is_away_is_passed_over() -> None:
    asked = Asked(WHOLE)
    slots, clock = await slots_of(asked)
    asked.away = {HOME, A}
    slots.ask_again()
    await pass_time(clock, 1)
    assert asked.asked[-1] in (B, C)
    await slots.close()
    asked.away = {HOME, A, B, C}
    with pytest.raises(BackplaneError, match="cannot be reached: away"):
        await slots_of(asked)


async def test_who_has_sent_a_request_elsewhere_is_believed_before_others_have_heard_of_it() -> None:
    asked = Asked(WHOLE)
    slots, clock = await slots_of(asked)
    assert not slots.changing
    slots.moved(0, B)
    assert (slots.owner(0), slots.owner(1)) == (B, A)
    assert slots.changing
    await pass_time(clock, 1)
    assert asked.asked[-1] == B, "the one that was named is asked first"
    assert slots.owner(0) == B, "and the others, which do not know it yet, are not believed"
    await pass_time(clock, TOLD)
    slots.ask_again()
    await pass_time(clock, 1)
    assert slots.owner(0) == A
    assert not slots.changing
    await slots.close()


async def test_what_was_said_is_forgotten_when_its_node_has_no_slots_any_more() -> None:
    asked = Asked(WHOLE)
    slots, clock = await slots_of(asked)
    slots.moved(0, B)
    asked.slots = [part(0, 16383, C)]
    await pass_time(clock, 1)
    assert slots.owner(0) == C
    await slots.close()


async def test_it_is_asked_until_everybody_is_content() -> None:
    asked, content, changes = Asked(WHOLE), [False], [0]
    slots, clock = await slots_of(asked)
    slots.content.append(lambda: content[0])

    def changed() -> None:
        changes[0] += 1

    slots.on_change.append(changed)
    slots.ask_again()
    await pass_time(clock, 10)
    assert changes[0] > 3
    content[0] = True
    await pass_time(clock, 10)
    before = changes[0]
    await pass_time(clock, 10)
    assert changes[0] == before
    await pass_time(clock, 30)
    assert changes[0] == before + 1, "every 30 seconds without a reason"
    await slots.close()


async def pass_time(clock: ManualClock, seconds: float) -> None:
    for _ in range(round(seconds * 4)):
        await clock.advance(0.25)
        await settle()
