"""Items on their way to connections: who keeps up is written to by the pacer, who does not by a task of its own."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hubline import HubError
from hubline.runs import Caller, MemoryRunLog, Run, RunInfo, Runs
from hubline.runs.viewing import Sender
from hubline.streams.download import pump
from hubline.testing import settle
from hubline.wire.json import JsonCodec
from tests.runs.viewer import clocked

VIEWERS = 500


class Model:
    """Something that writes what it is told to."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str | None] = asyncio.Queue()

    async def answer(self, run: Run) -> None:
        while (word := await self.words.get()) is not None:
            await run.text(word)


class Connection:
    """Takes everything while there is room, which `drain` waits for."""

    cancelled = False

    def __init__(self, heard: Callable[["Connection"], None] = lambda connection: None) -> None:
        self.items: list[dict[str, Any]] = []
        self.room = asyncio.Event()
        self.room.set()
        self._heard = heard

    @property
    def write(self) -> Callable[[bytes], bool]:
        return self._write

    write_now = write

    def _write(self, packet: bytes) -> bool:
        self.items.append(json.loads(packet[:-1])["item"])
        self._heard(self)
        return self.room.is_set()

    async def drain(self) -> None:
        await self.room.wait()

    @property
    def texts(self) -> list[str]:
        return [item["text"] for item in self.items if item["kind"] == "text"]


def viewing(runs: Runs, run_id: str, connection: Connection, caller: Caller | None = None) -> asyncio.Task[Any]:
    encode = JsonCodec().item_encoder("1")
    items = runs.attach_encoded(run_id, caller=caller)
    return asyncio.get_running_loop().create_task(pump(items, encode, connection, connection))


@pytest.mark.rule("R17", "R18")
async def test_no_task_is_woken_for_who_keeps_up(monkeypatch: pytest.MonkeyPatch) -> None:
    follows = 0
    follow = Sender.follow

    async def counted(sender: Sender) -> None:
        nonlocal follows
        follows += 1
        await follow(sender)

    monkeypatch.setattr(Sender, "follow", counted)
    runs, clock = clocked()
    model, connections = Model(), [Connection() for _ in range(VIEWERS)]
    run_id = (await runs.start(model.answer)).id
    tasks = [viewing(runs, run_id, each) for each in connections]
    await settle()
    for word in "abcd":
        model.words.put_nowait(word)
        model.words.put_nowait(word)
        await settle()
        await clock.advance(0.03)
        await settle()
    assert {tuple(each.texts) for each in connections} == {("a", "a", "bb", "cc", "dd")}
    assert follows == VIEWERS
    model.words.put_nowait(None)
    await asyncio.gather(*tasks)
    assert {each.items[-1]["kind"] for each in connections} == {"end"}
    assert runs.statistics()["viewers"] == 0


async def test_who_comes_while_many_are_written_to_does_not_wait_for_all_of_them() -> None:
    written, begun = 0, asyncio.Event()

    def heard(connection: Connection) -> None:
        nonlocal written
        if connection.items[-1]["kind"] == "text":
            written += 1
            begun.set()

    before: list[int] = []
    runs, _ = clocked()
    model, connections = Model(), [Connection(heard) for _ in range(VIEWERS)]
    run_id = (await runs.start(model.answer)).id
    tasks = [viewing(runs, run_id, each) for each in connections]
    await settle()
    model.words.put_nowait("a")
    await begun.wait()
    late = Connection(lambda _: before.append(written))
    tasks.append(viewing(runs, run_id, late))
    await settle()
    assert before[0] < VIEWERS / 2
    assert written == VIEWERS
    model.words.put_nowait(None)
    await asyncio.gather(*tasks)
    assert late.texts == ["a"]


async def test_what_is_released_while_many_are_written_to_reaches_those_who_had_their_turn() -> None:
    begun = asyncio.Event()
    runs, _ = clocked(merge=0)
    model = Model()
    connections = [Connection(lambda each: begun.set() if each.texts else None) for _ in range(VIEWERS)]
    run_id = (await runs.start(model.answer)).id
    tasks = [viewing(runs, run_id, each) for each in connections]
    await settle()
    model.words.put_nowait("a")
    await begun.wait()
    assert sum(bool(each.texts) for each in connections) < VIEWERS
    model.words.put_nowait("b")
    model.words.put_nowait(None)
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    assert {tuple(each.texts) for each in connections} == {("a", "b")}
    assert {each.items[-1]["kind"] for each in connections} == {"end"}


@pytest.mark.rule("R17", "R18", "R21")
async def test_who_has_no_room_holds_nobody_up_and_goes_on_with_all_that_waits() -> None:
    runs, clock = clocked()
    model, slow, quick = Model(), Connection(), Connection()
    run_id = (await runs.start(model.answer)).id
    tasks = [viewing(runs, run_id, each) for each in (slow, quick)]
    await settle()
    slow.room.clear()
    for word in "abcd":
        model.words.put_nowait(word)
        await settle()
        await clock.advance(0.03)
        await settle()
    assert (slow.texts, quick.texts) == (["a"], [*"abcd"])
    slow.room.set()
    await settle()
    assert slow.texts == ["a", "bcd"]
    model.words.put_nowait("e")
    await settle()
    assert slow.texts == ["a", "bcd", "e"]
    model.words.put_nowait(None)
    await asyncio.gather(*tasks)


@pytest.mark.rule("R17")
async def test_an_item_is_encoded_once_for_all_who_keep_up_and_have_the_same_encoder() -> None:
    runs, _ = clocked(merge=0)
    model, connections, encoded = Model(), [Connection() for _ in range(VIEWERS)], list[str]()
    run_id = (await runs.start(model.answer)).id

    def encode(item: Any) -> bytes:
        encoded.append(item.value["kind"])
        return JsonCodec().item_encoder("1")(item)

    tasks = [
        asyncio.get_running_loop().create_task(pump(runs.attach_encoded(run_id), encode, each, each))
        for each in connections
    ]
    await settle()
    for word in "ab":
        model.words.put_nowait(word)
        await settle()
    assert {tuple(each.texts) for each in connections} == {("a", "b")}
    assert encoded.count("text") == 2
    model.words.put_nowait(None)
    await asyncio.gather(*tasks)


@pytest.mark.rule("R18")
async def test_of_several_items_at_once_a_connection_takes_as_many_as_it_has_room_for_and_the_rest_later() -> None:
    runs, _ = clocked(merge=0)
    slow = Connection(lambda each: each.room.clear() if each.texts[-1:] == ["b"] else None)
    quick, words = Connection(), asyncio.Event()

    async def answer(run: Run) -> None:
        await words.wait()
        for word in "abcd":
            await run.text(word)  # without a turn of the loop between them

    run_id = (await runs.start(answer)).id
    tasks = [viewing(runs, run_id, each) for each in (slow, quick)]
    await settle()
    words.set()
    await settle()
    assert (slow.texts, quick.texts) == (["a", "b"], [*"abcd"])
    slow.room.set()
    await asyncio.gather(*tasks)
    assert slow.texts == [*"abcd"]
    assert [each.items[-1]["kind"] for each in (slow, quick)] == ["end", "end"]


@pytest.mark.rule("R20")
async def test_who_is_overtaken_by_the_trimming_of_the_log_while_it_keeps_up_gets_a_snapshot() -> None:
    runs, _ = clocked(merge=0, log=MemoryRunLog(8))
    connection, words = Connection(), asyncio.Event()

    async def answer(run: Run) -> None:
        await words.wait()
        for number in range(50):
            await run.text(f"{number} ")  # without a turn of the loop between them

    run_id = (await runs.start(answer)).id
    task = viewing(runs, run_id, connection)
    await settle()
    words.set()
    await task
    kinds = [item["kind"] for item in connection.items]
    assert kinds == ["live", "snapshot", "end"]
    assert connection.items[1]["parts"][0]["text"] == "".join(f"{number} " for number in range(50))


async def test_what_cannot_be_encoded_ends_the_stream_of_that_viewer_only() -> None:
    runs, _ = clocked()
    model, good = Model(), Connection()
    run_id = (await runs.start(model.answer)).id

    def encode(item: Any) -> bytes:
        if item.value["kind"] == "text":
            raise msgspec.ValidationError("no")
        return JsonCodec().item_encoder("1")(item)

    bad = asyncio.get_running_loop().create_task(pump(runs.attach_encoded(run_id), encode, Connection(), Connection()))
    other = viewing(runs, run_id, good)
    await settle()
    model.words.put_nowait("a")
    await settle()
    with pytest.raises(msgspec.ValidationError):
        await bad
    assert runs.statistics()["viewers"] == 1
    model.words.put_nowait(None)
    await other
    assert good.texts == ["a"]


async def test_nothing_is_written_for_a_call_that_was_cancelled() -> None:
    runs, _ = clocked()
    model, left, stays = Model(), Connection(), Connection()
    run_id = (await runs.start(model.answer)).id
    leaver, other = viewing(runs, run_id, left), viewing(runs, run_id, stays)
    await settle()
    model.words.put_nowait("a")
    leaver.cancel()
    await asyncio.wait([leaver])
    await settle()
    assert (left.texts, stays.texts) == ([], ["a"])
    assert runs.statistics()["viewers"] == 1
    model.words.put_nowait(None)
    await other


@pytest.mark.rule("R23")
async def test_who_may_no_longer_see_it_is_written_nothing_more() -> None:
    allowed = True

    async def allow(action: str, run: RunInfo, caller: Caller) -> bool:
        return allowed

    runs, _ = clocked(allow=allow)
    model, connection = Model(), Connection()
    run_id = (await runs.start(model.answer)).id
    task = viewing(runs, run_id, connection, Caller("ada"))
    await settle()
    allowed = False
    await runs.recheck("ada")
    with pytest.raises(HubError, match="does not exist"):  # though nothing is written
        await asyncio.wait_for(task, 60)
    model.words.put_nowait("a")
    await settle()
    assert connection.texts == []
    await runs.drain()
