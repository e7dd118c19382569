"""Runs as clients of a hub see them: through the real application, on every transport and codec."""

import asyncio
import functools
import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from hubline import ConfigurationError, Encoded, HubApp, HubError, InvocationError
from hubline.runs import AskExpired, Caller, Run, RunInfo, Runs, RunsHub
from hubline.testing import connect, running, settle
from hubline.testing.channels import TransportName
from hubline.testing.harness import ProtocolName
from tests.runs.viewer import Page, Reader, app_with, clocked, collect

LINES: list[tuple[TransportName, ProtocolName]] = [
    ("websocket", "json"),
    ("websocket", "messagepack"),
    ("sse", "json"),
    ("long_polling", "json"),
    ("long_polling", "messagepack"),
]
INFO = ["id", "state", "position", "room", "key", "starter", "startedAt", "endedAt", "viewers", "usage"]
GONE = "The run does not exist."


class Model:
    """Something that answers when it is told to."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str | None] = asyncio.Queue()

    async def answer(self, run: Run) -> None:
        while (word := await self.words.get()) is not None:
            await run.text(word)

    def say(self, *words: str) -> None:
        for word in words:
            self.words.put_nowait(word)

    def stop(self) -> None:
        self.words.put_nowait(None)


def started_by(model: Model) -> dict[str, Any]:
    async def start(self: Any, key: str | None = None, room: str | None = None) -> str:
        return str((await self.runs.start(model.answer, key=key, room=room)).id)

    return {"start": start}


def refusal(error: pytest.ExceptionInfo[InvocationError]) -> str:
    return error.value.message.rpartition("HubException: ")[2]


@pytest.mark.rule("R1", "R5")
@pytest.mark.parametrize(("transport", "protocol"), LINES)
async def test_who_is_cut_and_comes_back_has_everything_once(transport: TransportName, protocol: ProtocolName) -> None:
    runs, clock = clocked(merge=0)
    model, page, chance = Model(), Page(), random.Random(7)
    app = app_with(runs, clock, started_by(model))
    async with running(app) as served:
        async with connect(served, "/runs", protocol=protocol) as client:
            run_id = await client.invoke("Start")
        said = ""
        for _ in range(6):
            async with connect(served, "/runs", transport=transport, protocol=protocol) as client:
                reader = Reader(client.stream("AttachRun", run_id, page.position), page)
                for _ in range(chance.randrange(1, 4)):
                    word = f"{chance.randrange(100)} "
                    said += word
                    model.say(word)
                    if chance.random() < 0.5:
                        await settle()
                await reader.leave()
        model.stop()
        async with connect(served, "/runs", transport=transport, protocol=protocol) as client:
            await collect(client.stream("AttachRun", run_id, page.position), page)
    assert page.text == said
    assert page.end is not None
    assert page.end["state"] == "completed"


@pytest.mark.rule("R1", "R7")
async def test_items_are_the_same_on_both_codecs() -> None:
    @dataclass
    class Source:
        page_title: str

    async def answer(run: Run) -> None:
        await run.status("thinking", since=1)
        await run.reasoning("hm")
        await run.text("a")
        await run.data("source", Source("t"))
        await run.retract("1")

    runs, clock = clocked(merge=0)
    run = await runs.start(answer)
    await run.wait()
    app = app_with(runs, clock)
    pages = []
    for protocol in ("json", "messagepack"):
        async with connect(app, "/runs", protocol=protocol) as client:
            pages.append(await collect(client.stream("AttachRun", run.id, None)))
            info = await client.invoke("RunInfo", run.id)
            assert list(info) == [
                "id",
                "state",
                "position",
                "room",
                "key",
                "starter",
                "startedAt",
                "endedAt",
                "viewers",
                "usage",
            ]
            assert info["endedAt"].endswith("Z")
    assert pages[0].items == pages[1].items
    assert [list(item) for item in pages[0].items] == [
        ["kind", "position", "since", "status"],
        ["kind", "position", "part", "text"],
        ["kind", "position", "part", "text"],
        ["kind", "position", "part", "name", "value"],
        ["kind", "position", "parts"],
        ["kind", "position"],
        ["kind", "position", "state", "error", "usage", "unread"],
    ]
    assert pages[0].items[3]["value"] == {"page_title": "t"}


@pytest.mark.rule("R17")
async def test_an_entry_is_encoded_once_per_codec_however_many_connections_view_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: Counter[str] = Counter()
    form = Encoded.form

    def counted(item: Encoded[Any], encode: Any) -> Any:
        before = len(item._forms)
        raw = form(item, encode)
        encoded[item.value.get("text", item.value["kind"])] += len(item._forms) - before
        return raw

    monkeypatch.setattr(Encoded, "form", counted)
    runs, clock = clocked(merge=0)
    model = Model()
    async with running(app_with(runs, clock, started_by(model))) as served, AsyncExitStack() as stack:
        lines: list[ProtocolName] = ["json", "json", "json", "json", "messagepack", "messagepack", "messagepack"]
        clients = [await stack.enter_async_context(connect(served, "/runs", protocol=line)) for line in lines]
        run_id = await clients[0].invoke("Start")
        readers = [Reader(client.stream("AttachRun", run_id, None)) for client in clients]
        for word in ("a", "b", "c"):
            model.say(word)
            await settle()
        model.stop()
        await asyncio.gather(*(reader.task for reader in readers))
    assert [reader.page.text for reader in readers] == ["abc"] * 7
    assert {name: encoded[name] for name in ("a", "b", "c", "end")} == {"a": 2, "b": 2, "c": 2, "end": 2}


@pytest.mark.rule("R3")
async def test_attaching_to_the_end_gives_the_end_again() -> None:
    runs, clock = clocked()
    model = Model()
    async with connect(app_with(runs, clock, started_by(model)), "/runs") as client:
        run_id = await client.invoke("Start")
        model.say("a")
        model.stop()
        page = await collect(client.stream("AttachRun", run_id, None))
        assert page.kinds() == ["live", "text", "end"] or page.kinds() == ["text", "live", "end"]
        again = await collect(client.stream("AttachRun", run_id, page.position))
        assert again.kinds() == ["live", "end"]
        assert again.end == page.end


@pytest.mark.rule("R4", "R22")
async def test_what_is_not_there_and_what_is_not_yours_look_the_same() -> None:
    runs, clock = clocked()
    model = Model()
    app = app_with(runs, clock, started_by(model))
    async with connect(app, "/runs", query="user=ada") as ada, connect(app, "/runs", query="user=bob") as bob:
        run_id = await ada.invoke("Start")
        for wanted in (run_id, "AAAAAAAAAAAAAAAAAAAAAA"):
            for call in (("StopRun",), ("AnswerRun", "x", 1), ("SteerRun", "x"), ("RunInfo",)):
                with pytest.raises(InvocationError) as caught:
                    await bob.invoke(call[0], wanted, *call[1:])
                assert refusal(caught) == GONE
            with pytest.raises(InvocationError) as caught:
                await collect(bob.stream("AttachRun", wanted, None))
            assert refusal(caught) == GONE
        assert (await ada.invoke("RunInfo", run_id))["starter"] == "ada"
        assert (await ada.invoke("StopRun", run_id))["state"] == "stopped"


@pytest.mark.rule("R4")
async def test_the_applications_rule_is_asked_of_runs_that_do_not_exist_too() -> None:
    asked: list[tuple[str, str]] = []

    async def allow(action: str, run: RunInfo, caller: Caller) -> bool:
        asked.append((action, run.id))
        return False

    runs, _ = clocked(allow=allow)
    run = await runs.start(Model().answer)
    for wanted in (run.id, "unknown"):
        with pytest.raises(HubError, match=GONE):
            await runs.info(wanted, caller=Caller("ada"))
    assert asked == [("info", run.id), ("info", "unknown")]
    await runs.drain()


@pytest.mark.rule("R4", "R23", "R24")
async def test_a_rule_that_fails_is_a_no_and_shows_nobody_which_runs_there_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fails = False

    async def allow(action: str, run: RunInfo, caller: Caller) -> bool:
        if fails:
            raise HubError("secret detail")
        return True

    runs, clock = clocked(allow=allow, detailed_errors=True)
    model = Model()
    app = app_with(runs, clock, started_by(model))
    async with connect(app, "/runs", query="user=ada") as ada:
        run_id = await ada.invoke("Start", None, "room")
        reader = Reader(ada.stream("AttachRun", run_id, None))
        await settle()
        fails = True
        for wanted in (run_id, "AAAAAAAAAAAAAAAAAAAAAA"):
            for call in (("StopRun",), ("AnswerRun", "x", 1), ("SteerRun", "x"), ("RunInfo",)):
                with pytest.raises(InvocationError) as caught:
                    await ada.invoke(call[0], wanted, *call[1:])
                assert refusal(caught) == GONE
            with pytest.raises(InvocationError) as caught:
                await collect(ada.stream("AttachRun", wanted, None))
            assert refusal(caught) == GONE
        assert [record.levelname for record in caplog.records] == ["ERROR"] * 10
        assert await ada.invoke("RoomRuns", "room") == []
        await runs.recheck("ada")
        with pytest.raises(InvocationError) as caught:
            await reader.task
        assert refusal(caught) == GONE
        assert "secret detail" in caplog.text
        await runs.stop(run_id)


@pytest.mark.rule("R22")
async def test_a_run_of_a_stranger_is_for_whoever_knows_its_id_and_a_rule_of_ones_own_replaces_that() -> None:
    async def allow(action: str, run: RunInfo, caller: Caller) -> bool:
        return action == "attach" or caller.user_id == run.starter

    runs, clock = clocked()
    model = Model()
    app = app_with(runs, clock, started_by(model))
    async with connect(app, "/runs") as one, connect(app, "/runs", query="user=bob") as two:
        run_id = await one.invoke("Start")
        assert (await two.invoke("StopRun", run_id))["state"] == "stopped"
    runs, clock = clocked(allow=allow)
    app = app_with(runs, clock, started_by(model))
    async with connect(app, "/runs", query="user=ada") as ada, connect(app, "/runs", query="user=bob") as bob:
        run_id = await ada.invoke("Start")
        reader = Reader(bob.stream("AttachRun", run_id, None))
        with pytest.raises(InvocationError):
            await bob.invoke("StopRun", run_id)
        await ada.invoke("StopRun", run_id)
        await reader.task
        assert reader.page.end is not None


@pytest.mark.rule("R23")
async def test_who_loses_the_right_loses_the_stream() -> None:
    banned: set[str | None] = set()

    async def allow(action: str, run: RunInfo, caller: Caller) -> bool:
        return caller.user_id not in banned

    runs, clock = clocked(allow=allow)
    model = Model()
    app = app_with(runs, clock, started_by(model))
    async with connect(app, "/runs", query="user=ada") as ada, connect(app, "/runs", query="user=bob") as bob:
        run_id = await ada.invoke("Start")
        adas, bobs = Reader(ada.stream("AttachRun", run_id, None)), Reader(bob.stream("AttachRun", run_id, None))
        await settle()
        banned.add("bob")
        await runs.recheck("ada")
        await settle()
        assert not bobs.task.done()
        await runs.recheck("bob")
        with pytest.raises(InvocationError) as caught:
            await bobs.task
        assert refusal(caught) == GONE
        model.stop()
        await adas.task
        assert adas.page.end is not None


@pytest.mark.rule("R23")
async def test_a_connection_with_another_identity_keeps_what_that_one_may_see() -> None:
    runs, _ = clocked()
    model = Model()
    run = await runs.start(model.answer, starter="ada")
    items = runs.attach(run.id, caller=Caller("ada", "connection-1"))
    reader = Reader(items)
    await settle()
    await runs.renewed(Caller("ada", "connection-1"))
    await settle()
    assert not reader.task.done()
    await runs.renewed(Caller("eve", "connection-1"))
    with pytest.raises(HubError, match=GONE):
        await reader.task
    await runs.drain()


@pytest.mark.rule("R24")
async def test_rooms_and_watchers_show_what_the_caller_may_see() -> None:
    runs, clock = clocked()
    model = Model()
    app = app_with(runs, clock, started_by(model))
    async with connect(app, "/runs", query="user=ada") as ada, connect(app, "/runs", query="user=bob") as bob:
        hers, room = ada.stream("WatchRuns", None), bob.stream("WatchRuns", "r")
        assert await anext(hers) == {"kind": "runs", "runs": []}
        assert await anext(room) == {"kind": "runs", "runs": []}
        first = await ada.invoke("Start", None, "r")
        second = await bob.invoke("Start", None, "r")
        assert [info["id"] for info in await ada.invoke("RoomRuns", "r")] == [first]
        assert await ada.invoke("RoomRuns", "another") == []
        await bob.invoke("StopRun", second)
        await ada.invoke("StopRun", first)
        seen = [(await anext(room))["info"] for _ in range(2)]
        assert [(info["id"], info["state"]) for info in seen] == [(second, "running"), (second, "stopped")]
        seen = [(await anext(hers))["info"] for _ in range(2)]
        assert [(info["id"], info["state"]) for info in seen] == [(first, "running"), (first, "stopped")]
        again = ada.stream("WatchRuns", "r")
        assert [info["id"] for info in (await anext(again))["runs"]] == [first]


@pytest.mark.rule("R24")
async def test_a_stranger_watches_the_runs_of_the_connection() -> None:
    runs, clock = clocked()
    app = app_with(runs, clock, started_by(Model()))
    async with connect(app, "/runs") as one, connect(app, "/runs") as two:
        run_id = await one.invoke("Start")
        mine, others = one.stream("WatchRuns", None), two.stream("WatchRuns", None)
        assert [info["id"] for info in (await anext(mine))["runs"]] == [run_id]
        assert (await anext(others))["runs"] == []
        await one.invoke("StopRun", run_id)


@pytest.mark.rule("R25")
async def test_the_first_valid_answer_wins_and_survives_reloads() -> None:
    runs, clock = clocked()
    got: list[Any] = []

    async def asks(run: Run) -> None:
        got.append(await run.ask("Delete 3 files?", schema=bool, expires=60))

    async def start(self: Any) -> str:
        return str((await self.runs.start(asks)).id)

    async with connect(app_with(runs, clock, {"start": start}), "/runs", query="user=alice") as client:
        run_id = await client.invoke("Start")
        first = client.stream("AttachRun", run_id, None)
        ask = await anext(first)
        while ask["kind"] != "ask":
            ask = await anext(first)
        assert (ask["prompt"], ask["schema"]) == ("Delete 3 files?", {"type": "boolean"})
        assert (await client.invoke("RunInfo", run_id))["state"] == "waiting"
        snapshot = await anext(client.stream("AttachRun", run_id, "foreign"))
        assert snapshot["state"] == "waiting"
        assert snapshot["asks"] == [{key: ask[key] for key in ("askId", "prompt", "schema", "expiresAt")}]
        with pytest.raises(InvocationError, match="does not fit"):
            await client.invoke("AnswerRun", run_id, ask["askId"], "maybe")
        assert await client.invoke("AnswerRun", run_id, ask["askId"], True) is None
        with pytest.raises(InvocationError) as caught:
            await client.invoke("AnswerRun", run_id, ask["askId"], False)
        assert refusal(caught) == "Already answered by alice."
        page = await collect(client.stream("AttachRun", run_id, ask["position"]))
        answered = next(item for item in page.items if item["kind"] == "answered")
        assert (answered["by"], answered["value"], answered["expired"]) == ("alice", True, False)
    assert got == [True]


@pytest.mark.rule("R25")
async def test_a_question_expires_and_only_those_named_may_answer() -> None:
    runs, clock = clocked()

    async def asks(run: Run) -> None:
        try:
            await run.ask("Pay?", schema=bool, expires=60, who="boss")
        except AskExpired:
            await run.text("expired")

    run = await runs.start(asks, starter="ada")
    reader = Reader(runs.attach(run.id))
    await settle()
    ask_id = reader.page.find("ask")["askId"]
    with pytest.raises(HubError, match=GONE):
        await runs.answer(run.id, ask_id, True, caller=Caller("ada"))
    await clock.advance(61)
    await reader.task
    answered = next(item for item in reader.page.items if item["kind"] == "answered")
    assert (answered["expired"], answered["by"], answered["value"]) == (True, None, None)
    assert reader.page.text == "expired"
    with pytest.raises(HubError, match="has expired"):
        await runs.answer(run.id, ask_id, True, caller=Caller("boss"))

    async def once(run: Run) -> None:
        await run.text(str(await run.ask("Pay?", schema=int, who=["boss"])))

    run = await runs.start(once, starter="ada")
    reader = Reader(runs.attach(run.id))
    await settle()
    await runs.answer(run.id, reader.page.find("ask")["askId"], 7, caller=Caller("boss"))
    await reader.task
    assert reader.page.text == "7"


CALLS: list[int] = []


async def parks(run: Run, runs: Runs) -> None:
    CALLS.append(run.attempt)
    if not run.parts:
        await run.text("before ")
    try:
        agreed = await run.ask("Go on?", schema=bool, expires=100, key="go", park=True)
        await run.text("yes" if agreed else "no")
    except AskExpired:
        await run.text("expired")


@pytest.mark.rule("R25")
async def test_a_parked_function_holds_nothing_and_is_called_again() -> None:
    runs, clock = clocked(keep=100_000)
    runs.function(parks)
    CALLS.clear()
    answered, expires, stopped = [await runs.start(parks, runs) for _ in range(3)]
    reader = Reader(runs.attach(answered.id))
    await settle()
    assert CALLS == [1, 1, 1]
    assert runs._records[answered.id].task is None
    await runs.answer(answered.id, reader.page.find("ask")["askId"], True)
    await reader.task
    assert (reader.page.text, CALLS) == ("before yes", [1, 1, 1, 2])
    assert (await stopped.stop()).state == "stopped"
    await clock.advance(101)
    assert (await collect(runs.attach(expires.id))).text == "before expired"


@pytest.mark.rule("R25")
async def test_only_what_can_be_found_by_name_is_parked() -> None:
    runs, _ = clocked()

    async def inner(run: Run) -> None:
        await run.ask("?", key="k", park=True)

    with pytest.raises(ValueError, match="cannot be found by its name"):
        runs.function(inner)
    page = await collect(runs.attach((await runs.start(inner)).id))
    assert page.end is not None
    assert page.end["state"] == "failed"


@pytest.mark.rule("R28")
async def test_steering_over_a_hub() -> None:
    runs, clock = clocked()

    async def echo(run: Run) -> None:
        async for message in run.inbox:
            await run.text(f"{message.value} ")

    async def start(self: Any) -> str:
        return str((await self.runs.start(echo, inbox=True)).id)

    async with connect(app_with(runs, clock, {"start": start}), "/runs", query="user=ada") as client:
        run_id = await client.invoke("Start")
        reader = Reader(client.stream("AttachRun", run_id, None))
        steer_id = await client.invoke("SteerRun", run_id, "shorter")
        await client.fence()
        await client.invoke("StopRun", run_id)
        await reader.task
        steered = next(item for item in reader.page.items if item["kind"] == "steered")
        assert (steered["steerId"], steered["by"]) == (steer_id, "ada")
        assert reader.page.text == "shorter "


@pytest.mark.rule("R16")
async def test_viewers_are_sent_the_end_before_the_close() -> None:
    runs, clock = clocked()
    model = Model()
    app = app_with(runs, clock, started_by(model))
    async with running(app) as served, connect(served, "/runs") as client:
        run_id = await client.invoke("Start")
        reader = Reader(client.stream("AttachRun", run_id, None))
        model.say("a")
        await client.fence()
        await asyncio.wait_for(app.drain(), 30)
        await reader.task
        assert reader.page.text == "a"
        assert reader.page.end is not None
        assert reader.page.end["state"] == "interrupted"
        closed = await client.closed()
        assert closed.message is not None
        assert closed.message.allow_reconnect


async def test_a_hub_that_is_made_by_a_function_has_the_runs_that_its_constructor_was_given() -> None:
    async def answer(run: Run) -> None:
        await run.text("mine")

    class Made(RunsHub):
        def __init__(self, runs: Runs) -> None:
            self.hubline_runs = runs

        async def begin(self) -> str:
            return (await self.runs.start(answer)).id

    for runs, _ in (clocked(), clocked()):
        async with connect(HubApp({"/runs": functools.partial(Made, runs)}), "/runs") as client:
            run_id = await client.invoke("Begin")
            page = Page()
            async for item in client.stream("AttachRun", run_id, None):
                page.apply(item)
            assert (page.text, runs.statistics()["runs"]) == ("mine", 1)


async def test_a_hub_without_runs_says_so() -> None:
    class Without(RunsHub): ...

    with pytest.raises(ConfigurationError, match=r"class …\(RunsHub, runs=Runs\(\)\)"):
        _ = Without()._runs
