"""Viewers as cursors, without a server: merging, snapshots, resynchronising, and cuts anywhere."""

import random
from typing import Any

import pytest

from hubline._tasks import TaskOwner
from hubline.runs.cursor import Cursor, Pacer
from hubline.runs.tape import Tape
from hubline.runs.timers import Timers
from hubline.testing import ManualClock, settle
from tests.runs.viewer import Page

END: dict[str, Any] = {"kind": "end", "state": "completed", "error": None, "usage": [], "unread": []}


def text(value: str, part: str = "1", kind: str = "text") -> dict[str, Any]:
    return {"kind": kind, "part": part, "text": value}


class Bench:
    """A tape, a clock, and viewers that merge."""

    def __init__(self, merge: float = 0.03, capacity: int = 4_096, resync: int = 65_536) -> None:
        self.clock, self.tape, self.resync = ManualClock(), Tape(capacity), resync
        self.tasks = TaskOwner("test")
        self.pacer = Pacer(self.tape, merge, self.clock, Timers(self.clock, self.tasks))
        self.pacer.start()

    def cursor(self, after: object = None) -> Cursor:
        return Cursor(self.pacer, after, resync=self.resync, state=lambda: "running")

    def append(self, *bodies: dict[str, Any]) -> None:
        for body in bodies:
            self.tape.append(body)


def take_all(cursor: Cursor, page: Page | None = None) -> list[Any]:
    items = []
    while (item := cursor.take()) is not None:
        items.append(item.value)
        if page is not None:
            page.apply(item.value)
    return items


@pytest.mark.rule("R18")
async def test_the_first_text_goes_at_once_and_what_follows_is_merged() -> None:
    bench = Bench()
    cursor = bench.cursor()
    assert [item["kind"] for item in take_all(cursor)] == ["live"]
    bench.append(text("a"))
    assert [item["text"] for item in take_all(cursor)] == ["a"]
    bench.append(text("b"), text("c"))
    assert take_all(cursor) == []
    await bench.clock.advance(0.03)
    (merged,) = take_all(cursor)
    assert (merged["text"], merged["position"]) == ("bc", bench.tape.position(3))
    await bench.clock.advance(1)
    bench.append(text("d"))
    assert [item["text"] for item in take_all(cursor)] == ["d"]
    await bench.tasks.cancel()


@pytest.mark.rule("R18")
async def test_another_kind_is_never_merged_never_overtaken_and_cuts_a_merge() -> None:
    bench = Bench()
    cursor = bench.cursor()
    bench.append(text("a"), text("b"), {"kind": "status", "status": "s"}, text("c"), text("d", "2", "reasoning"))
    assert [(item["kind"], item.get("text")) for item in take_all(cursor)] == [
        ("live", None),
        ("text", "ab"),
        ("status", None),
    ]
    await bench.clock.advance(0.03)
    assert [(item["kind"], item["text"]) for item in take_all(cursor)] == [("text", "c"), ("reasoning", "d")]
    await bench.tasks.cancel()


@pytest.mark.rule("R18")
async def test_without_merging_every_entry_is_sent_while_the_viewer_keeps_up_and_else_all_that_waits_is_one() -> None:
    bench = Bench(merge=0)
    cursor = bench.cursor()
    take_all(cursor)
    bench.append(text("a"), text("b"))
    assert [item["text"] for item in take_all(cursor)] == ["a", "b"]
    bench.append(text("c"), text("d"))
    cursor.fell_behind()
    assert [item["text"] for item in take_all(cursor)] == ["cd"]
    bench.append(text("e"), text("f"))
    assert [item["text"] for item in take_all(cursor)] == ["e", "f"]


@pytest.mark.rule("R17", "R18")
async def test_viewers_at_the_same_position_are_sent_the_same_object() -> None:
    bench = Bench()
    cursors = [bench.cursor() for _ in range(1_000)]
    bench.append(text("a"), text("b"), text("c"))
    bench.append({"kind": "status", "status": "s"})
    items = [take_all(cursor)[1:] for cursor in cursors]
    assert [item["kind"] for item in items[0]] == ["text", "status"]
    assert all(one is other for each in items for one, other in zip(each, items[0], strict=True))


@pytest.mark.rule("R19")
async def test_a_viewer_that_is_too_far_behind_gets_one_snapshot_instead() -> None:
    bench = Bench(merge=0, resync=100)
    cursor, page = bench.cursor(), Page()
    take_all(cursor, page)
    bench.append(*[text("x" * 30) for _ in range(10)])
    cursor.fell_behind()
    assert [item["kind"] for item in take_all(cursor, page)] == ["snapshot"]
    assert page.text == "x" * 300
    bench.append(text("y"))
    assert [item["kind"] for item in take_all(cursor, page)] == ["text"]
    assert page.text == "x" * 300 + "y"


@pytest.mark.rule("R19")
async def test_a_viewer_that_keeps_up_gets_large_entries_as_they_are() -> None:
    bench = Bench(merge=0, resync=100)
    cursor = bench.cursor()
    take_all(cursor)
    for _ in range(3):
        bench.append(text("x" * 200))
        assert [item["kind"] for item in take_all(cursor)] == ["text"]


@pytest.mark.rule("R19", "R20")
async def test_behind_what_was_trimmed_away_there_is_a_snapshot() -> None:
    bench = Bench(merge=0, capacity=8)
    cursor, page = bench.cursor(), Page()
    bench.append(text("a"))
    take_all(cursor, page)
    bench.append(*[text(f"{number} ") for number in range(50)])
    items = take_all(cursor, page)
    assert [item["kind"] for item in items] == ["snapshot"]
    assert page.text == "a" + "".join(f"{number} " for number in range(50))


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "after", ["", "abc", "abc-1", 7, 1.5, True, [], {}, b"x", "{epoch}-01", "{epoch}-99", "{epoch}--1"]
)
async def test_what_is_no_position_of_this_log_gets_a_snapshot(after: Any) -> None:
    bench = Bench(merge=0)
    bench.append(text("a"), text("b"))
    after = after.format(epoch=bench.tape.epoch) if isinstance(after, str) else after
    items = take_all(bench.cursor(after))
    assert [item["kind"] for item in items] == ["snapshot", "live"]
    assert items[0]["parts"] == [text("ab") | {}]
    assert items[1]["position"] == items[0]["position"] == bench.tape.position(2)


@pytest.mark.rule("R2")
async def test_null_is_everything_while_the_log_is_complete() -> None:
    bench = Bench(merge=0, resync=10)
    bench.append(*[text("x" * 9) for _ in range(5)])
    assert [item["kind"] for item in take_all(bench.cursor(None))] == ["text"] * 5 + ["live"]
    bench = Bench(merge=0, capacity=4)
    bench.append(*[text("x") for _ in range(9)])
    assert [item["kind"] for item in take_all(bench.cursor(None))] == ["snapshot", "live"]


@pytest.mark.rule("R2")
async def test_a_large_snapshot_is_cut_and_only_its_last_piece_has_a_position() -> None:
    bench = Bench(capacity=4)
    long = "\u00e4\U0001f600" * 20_000
    for part, kind in (("a", "text"), ("b", "reasoning"), ("c", "text")):
        rest = long
        while rest:
            bench.append(text(rest[:10_000], part, kind))
            rest = rest[10_000:]
    bench.append({"kind": "data", "part": "d", "name": "n", "value": {"v": 1}})
    cursor, page = bench.cursor(None), Page()
    items = take_all(cursor, page)
    assert [item["kind"] for item in items[:2]] == ["snapshot", "text"]
    assert [part["part"] for part in items[0]["parts"]] == ["a", "b", "c", "d"]
    assert items[0]["parts"][3] == {"part": "d", "kind": "data", "name": "n", "value": {"v": 1}}
    assert sum(len(part.get("text", "").encode()) for part in items[0]["parts"]) <= 65_536
    assert all(len(item["text"].encode()) <= 65_536 for item in items[1:-1])
    assert [item["position"] is None for item in items[:-1]] == [True] * (len(items) - 2) + [False]
    assert [part.get("text") for part in page.parts.values()] == [long, long, long, None]


@pytest.mark.rule("R2")
async def test_merged_text_is_no_longer_than_an_item_may_be() -> None:
    bench = Bench(resync=10**9)
    bench.append(*[text("\u00e4" * 10_000) for _ in range(20)])
    cursor, page = bench.cursor(None), Page()
    items = take_all(cursor, page)
    assert all(len(item["text"].encode()) <= 65_536 for item in items[:-1])
    assert page.text == "\u00e4" * 200_000


@pytest.mark.rule("R3")
async def test_an_ended_run_gives_what_is_missing_then_live_then_end() -> None:
    bench = Bench(merge=0)
    bench.append(text("a"), text("b"), END)
    cursor = bench.cursor(bench.tape.position(1))
    items = take_all(cursor)
    assert [item["kind"] for item in items] == ["text", "live", "end"]
    assert items[1]["position"] == bench.tape.position(2)
    assert cursor.finished
    again = bench.cursor(items[-1]["position"])
    assert [item["kind"] for item in take_all(again)] == ["live", "end"]
    assert again.finished


@pytest.mark.rule("R7")
async def test_two_positions_are_equal_only_if_they_name_the_same_entry() -> None:
    bench = Bench(merge=0)
    bench.append(text("a"), {"kind": "status", "status": "s"}, END)
    early = take_all(bench.cursor(None))
    snapshot = take_all(bench.cursor("foreign"))
    positions = [item["position"] for item in early if item["kind"] != "live"]
    assert len(set(positions)) == 3
    assert [item["kind"] for item in snapshot] == ["snapshot", "live", "end"]
    assert [item["position"] for item in snapshot] == [positions[1], positions[1], positions[2]]


def random_body(chance: random.Random, number: int) -> dict[str, Any]:
    roll = chance.random()
    if roll < 0.7:
        kind, part = chance.choice([("text", "t"), ("reasoning", "r"), ("text", "u")])
        return text(chance.choice(["a", "\u00e4", "\U0001f600", "x" * chance.randrange(1, 400)]), part, kind)
    if roll < 0.85:
        return {"kind": "data", "part": f"d{chance.randrange(4)}", "name": "n", "value": number}
    if roll < 0.9:
        return {"kind": "retract", "parts": [chance.choice("tru")]}
    return {"kind": "status", "status": str(number)}


@pytest.mark.rule("R1")
@pytest.mark.parametrize("seed", range(300))
async def test_cut_anywhere_a_viewer_has_at_the_end_exactly_the_parts(seed: int) -> None:
    chance = random.Random(seed)
    merge = chance.choice([0, 0.03, 0.5])
    bench = Bench(merge, capacity=chance.choice([2, 8, 64, 4_096]), resync=chance.choice([0, 50, 500, 65_536]))
    page = Page()
    cursor = bench.cursor(None)
    for number in range(chance.randrange(5, 80)):
        bench.append(random_body(chance, number))
        if chance.random() < 0.2:
            await bench.clock.advance(chance.choice([0.01, 0.03, 1.0]))
        if chance.random() < 0.1:
            cursor.fell_behind()
        for _ in range(chance.randrange(4)):
            item = cursor.take()
            if item is not None and chance.random() < 0.95:
                page.apply(item.value)
            elif item is not None or chance.random() < 0.3:  # lost on the way, or cut while nothing came
                page.cut()
                cursor = bench.cursor(page.position)
    bench.append(END)
    while not cursor.finished:
        item = cursor.take()
        assert item is not None
        page.apply(item.value)
    assert list(page.parts.values()) == bench.tape.parts.items()
    assert page.end is not None
    await settle()
    await bench.tasks.cancel()
