"""The addresses of runs: what they answer, to whom, and how an event stream goes on."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hubline import HubApp, Identity, TransportOptions, authorize
from hubline.runs import Run, Runs, RunsHub, StopAfter
from hubline.testing import ManualClock, settle
from tests.runs.http.events import Site, Stream
from tests.runs.viewer import Page, clocked

GONE = {"error": "The run does not exist."}


class Model:
    """Something that answers when it is told to."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str | None] = asyncio.Queue()

    async def answer(self, run: Run) -> None:
        while (word := await self.words.get()) is not None:
            await run.text(word)

    def say(self, *words: str | None) -> None:
        for word in words:
            self.words.put_nowait(word)


def by_query(scope: Any) -> Identity | None:
    """Users are named by the query; who names nobody is a stranger."""
    user = scope.query.get("user")
    return Identity(user) if user else None


def page_of(events: list[Any]) -> Page:
    page = Page()
    for event in events:
        page.apply(event.json)
    return page


async def started(runs: Runs, model: Model, **options: Any) -> str:
    return (await runs.start(model.answer, **options)).id


async def read(stream: Stream, *kinds: str) -> list[dict[str, Any]]:
    """The next items, which are of these kinds."""
    items = []
    for kind in kinds:
        event = await stream.next()
        assert event is not None
        items.append(event.json)
        assert items[-1]["kind"] == kind
    return items


@pytest.mark.rule("H1")
async def test_items_are_events_whose_id_is_the_position() -> None:
    runs, _ = clocked(merge=0)
    site, model = Site(runs), Model()
    run_id = await started(runs, model)
    stream = await site.events(f"/runs/{run_id}/events")
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["x-accel-buffering"] == "no"
    assert "no-store" in stream.headers["cache-control"]
    await read(stream, "live")
    assert stream.parser.last_id == ""
    model.say("a", "b")
    events = [await stream.next() for _ in range(2)]
    assert [event and event.json["text"] for event in events] == ["a", "b"]
    assert all(event is not None and event.id == event.json["position"] for event in events)
    model.say(None)
    (end,) = await stream.rest()
    assert end.json["state"] == "completed"
    assert stream.parser.comments == 1
    assert runs.statistics()["viewers"] == 0


@pytest.mark.rule("H1", "R1", "R5")
async def test_who_comes_back_with_the_last_id_goes_on_from_there_and_the_end_is_204() -> None:
    runs, _ = clocked(merge=0)
    site, model, page = Site(runs), Model(), Page()
    run_id = await started(runs, model)
    for word in ("a", "b", "c"):
        stream = await site.events(f"/runs/{run_id}/events", last_event_id=page.position or "")
        await read(stream, "live")
        model.say(word)
        page.apply((await read(stream, "text"))[0])
        await stream.leave()
        assert runs.statistics()["viewers"] == 0
    model.say(None)
    await settle()
    path = f"/runs/{run_id}/events"
    rest = await (await site.events(path, last_event_id=page.position or "")).rest()
    assert [event.json["kind"] for event in rest] == ["live", "end"]
    assert page.text == "abc"
    assert (await site.ask("GET", path, last_event_id=rest[-1].id)).status == 204
    assert (await site.ask("GET", path, query={"after": rest[-1].id})).status == 204
    first = page.items[0]["position"]
    wins = await (await site.events(path, query={"after": rest[-1].id}, last_event_id=first)).rest()
    assert [event.json.get("text", event.json["kind"]) for event in wins] == ["b", "c", "live", "end"]
    everything = await (await site.events(path, query={"after": ""})).rest()
    assert page_of(everything).text == "abc"


@pytest.mark.rule("H1", "R2")
async def test_without_an_id_where_the_position_is_null() -> None:
    async def long(run: Run) -> None:
        for name in ("one", "two"):
            await run.text(name[0] * 65_000, part=name)

    runs, _ = clocked()
    site = Site(runs)
    run = await runs.start(long)
    await run.wait()
    stream = await site.events(f"/runs/{run.id}/events", last_event_id="a position of yesterday")
    events = await stream.rest()
    assert [event.json["kind"] for event in events] == ["snapshot", "text", "live", "end"]
    assert [event.id for event in events[:2]] == ["", events[1].json["position"]]
    assert page_of(events).text == "o" * 65_000 + "t" * 65_000


@pytest.mark.rule("H1")
async def test_a_comment_comes_every_15_seconds_of_silence() -> None:
    runs, clock = clocked(merge=0)
    site, model = Site(runs), Model()
    stream = await site.events(f"/runs/{await started(runs, model)}/events")
    await read(stream, "live")
    await clock.advance(14)
    model.say("a")
    await read(stream, "text")
    await clock.advance(14.9)
    assert stream.parser.comments == 1
    for count in (2, 3):
        await clock.advance(0.1 if count == 2 else 15)
        await stream.comments(count)
    await stream.leave()
    assert runs.statistics()["timers"] == 1  # that of the function's silence
    await runs.drain()


@pytest.mark.rule("H1", "R5")
async def test_who_has_left_before_anything_was_sent_leaves_nothing_behind() -> None:
    runs, _ = clocked()
    run_id = await started(runs, Model())
    before = runs.statistics()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await (await runs.respond(run_id))({"type": "http", "method": "GET"}, receive, send)
    await settle()
    assert runs.statistics() == before
    assert sent == ["http.response.start"]
    await runs.drain()


@pytest.mark.rule("H1")
async def test_nothing_is_written_behind_the_end() -> None:
    runs, clock = clocked(merge=0)
    site, model = Site(runs), Model()
    stream = await site.events(f"/runs/{await started(runs, model)}/events")
    await read(stream, "live")
    stream.session.stop_reading()
    model.say("a", None)
    await settle()
    await clock.advance(16)
    stream.session.resume_reading()
    assert [event.json["kind"] for event in await stream.rest()] == ["text", "end"]
    await clock.advance(60)
    assert stream.parser.comments == 1
    assert runs.statistics()["tasks"] <= 1  # of the timers


@pytest.mark.rule("H1", "R4", "R22")
async def test_what_is_not_there_and_what_is_not_yours_look_the_same() -> None:
    runs, _ = clocked(authenticate=by_query)
    site, model = Site(runs), Model()
    run_id = await started(runs, model, starter="ada")
    answers = []
    for wanted in (run_id, "AAAAAAAAAAAAAAAAAAAAAA"):
        for method, path, body in (
            ("GET", "", None),
            ("GET", "/events", None),
            ("POST", "/stop", None),
            ("POST", "/answers/x", {"value": 1}),
            ("POST", "/messages", {"value": 1}),
        ):
            answer = await site.ask(method, f"/runs/{wanted}{path}", query={"user": "bob"}, body=body)
            answers.append((answer.status, json.loads(answer.body), answer.headers))
    assert answers[:5] == answers[5:]
    assert {(status, str(body)) for status, body, _ in answers} == {(404, str(GONE))}
    assert {headers["cache-control"] for _, _, headers in answers} == {"no-store"}
    info = await site.ask("GET", f"/runs/{run_id}", query={"user": "ada"})
    assert json.loads(info.body) == (await runs.info(run_id)).item()
    stopped = await site.ask("POST", f"/runs/{run_id}/stop", query={"user": "ada"})
    assert (stopped.status, json.loads(stopped.body)["state"]) == (200, "stopped")


@pytest.mark.rule("H1")
async def test_a_token_that_is_not_valid_is_401_and_nobody_is_asked_for_one() -> None:
    runs, _ = clocked(authenticate=by_query)
    site, model = Site(runs), Model()
    run_id = await started(runs, model)
    for headers, query in (({"authorization": "Bearer x"}, None), ({}, {"access_token": "x"})):
        answer = await site.ask("GET", f"/runs/{run_id}/events", query=query, **headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert list(json.loads(answer.body)) == ["error"]
    assert (await site.ask("GET", f"/runs/{run_id}")).status == 200
    await runs.drain()


@pytest.mark.rule("H1")
async def test_whoever_may_come_to_the_hub_may_come_here() -> None:
    runs, clock = clocked()

    @authorize(roles="member")
    class Assistant(RunsHub, runs=runs): ...

    def authenticate(scope: Any) -> Identity | None:
        user = scope.query.get("user")
        return Identity(user, roles=frozenset({"member"} if user == "ada" else ())) if user else None

    hubs = HubApp({"/hub": Assistant}, clock=clock, authenticate=authenticate, user_id=lambda scope: "ADA")
    site, model = Site(runs, hubs), Model()
    run_id = await started(runs, model, starter="ADA")
    found = {}
    for name, query, headers in (
        ("member", {"user": "ada"}, {}),
        ("user", {"user": "bob"}, {}),
        ("stranger", {}, {}),
        ("page", {"user": "ada"}, {"origin": "https://elsewhere.example"}),
    ):
        found[name] = (await site.ask("GET", f"/runs/{run_id}", query=query, **headers)).status
    assert found == {"member": 200, "user": 403, "stranger": 401, "page": 403}
    await runs.drain()


@pytest.mark.rule("H1", "R25", "R28")
async def test_questions_are_answered_and_messages_sent() -> None:
    async def answer(run: Run) -> None:
        agreed = await run.ask("Go on?", schema=bool)
        message = await run.inbox.take()
        await run.text(f"{agreed} {message.value}")

    runs, _ = clocked(authenticate=by_query)
    site = Site(runs)
    run = await runs.start(answer, starter="ada", inbox=True)
    ada = {"user": "ada"}
    stream = await site.events(f"/runs/{run.id}/events", query=ada)
    while (event := await stream.next()) is not None and event.json["kind"] != "ask":
        pass
    assert event is not None
    path = f"/runs/{run.id}/answers/{event.json['askId']}"
    wrong = await site.ask("POST", path, query=ada, body={"value": "perhaps"})
    assert wrong.status == 409
    assert json.loads(wrong.body)["error"].startswith("The answer does not fit")
    assert (await site.ask("POST", path, query=ada, body={"value": True})).status == 204
    again = await site.ask("POST", path, query=ada, body={"value": True})
    assert (again.status, json.loads(again.body)) == (409, {"error": "Already answered by ada."})
    sent = await site.ask("POST", f"/runs/{run.id}/messages", query=ada, body={"value": "shorter"})
    assert sent.status == 200
    page = page_of(await stream.rest())
    assert page.find("steered")["steerId"] == json.loads(sent.body)["steerId"]
    assert page.text == "True shorter"
    late = await site.ask("POST", f"/runs/{run.id}/messages", query=ada, body={"value": "shorter"})
    assert (late.status, json.loads(late.body)) == (409, {"error": "The run has ended."})


@pytest.mark.rule("H1", "R25", "R28")
@pytest.mark.parametrize(
    "value", [b'"' + b"x" * 70_000 + b'"', b"18446744073709551616", b"[" * 33 + b"]" * 33], ids=["long", "big", "deep"]
)
async def test_a_value_that_no_entry_can_hold_is_refused_and_the_question_stays_open(value: bytes) -> None:
    async def answer(run: Run) -> None:
        await run.text(str(await run.ask("What?", schema=Any)))

    runs, _ = clocked()
    site = Site(runs)
    run = await runs.start(answer, inbox=True)
    stream = await site.events(f"/runs/{run.id}/events")
    while (event := await stream.next()) is not None and event.json["kind"] != "ask":
        pass
    assert event is not None
    body = b'{"value": ' + value + b"}"
    path = f"/runs/{run.id}/answers/{event.json['askId']}"
    for refused in (path, f"/runs/{run.id}/messages"):
        assert (await site.ask("POST", refused, body=body)).status == 409
    assert (await site.ask("POST", path, body=b'{"value": "\\ud83d"}')).status == 204
    assert page_of(await stream.rest()).text == "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@pytest.mark.rule("H1")
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "application/json; charset=utf-8", 400),
        (b"value=1", "application/x-www-form-urlencoded", 400),
        (b'{"value": "' + b"x" * 200_000 + b'"}', "application/json", 413),
        (b"[" * 100_000, "application/json", 400),
    ],
)
async def test_a_body_that_is_none(body: bytes, content_type: str, status: int) -> None:
    runs, _ = clocked()
    site, model = Site(runs), Model()
    run_id = await started(runs, model, inbox=True)
    answer = await site.ask("POST", f"/runs/{run_id}/messages", body=body, content_type=content_type)
    assert answer.status == status
    assert list(json.loads(answer.body)) == ["error"]
    await runs.drain()


@pytest.mark.rule("H1")
async def test_an_unknown_dialect_and_another_method() -> None:
    runs, _ = clocked()
    site, model = Site(runs), Model()
    path = f"/runs/{await started(runs, model)}/events"
    assert (await site.ask("GET", path, query={"as": "morse"})).status == 400
    assert (await site.ask("POST", path)).status == 405
    head = await site.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == "text/event-stream"
    assert runs.statistics()["viewers"] == 0
    await runs.drain()


@pytest.mark.rule("H1", "R14")
async def test_a_reader_counts_as_a_viewer() -> None:
    runs, clock = clocked()
    site, model = Site(runs), Model()
    run_id = await started(runs, model, on_last_viewer=StopAfter(30))
    stream = await site.events(f"/runs/{run_id}/events")
    await read(stream, "live")
    await clock.advance(40)
    assert (await runs.info(run_id)).viewers == 1
    await stream.leave()
    await clock.advance(31)
    assert (await runs.info(run_id)).state == "stopped"


@pytest.mark.rule("H1", "R16")
async def test_draining_ends_every_reader_with_the_end() -> None:
    runs, _ = clocked()
    site, model = Site(runs), Model()
    stream = await site.events(f"/runs/{await started(runs, model)}/events")
    await read(stream, "live")
    await runs.drain()
    (end,) = await stream.rest()
    assert end.json["state"] == "interrupted"


@pytest.mark.rule("H1", "R23")
async def test_who_loses_the_right_is_told_and_the_stream_ends() -> None:
    allowed = True

    async def allow(action: str, run: Any, caller: Any) -> bool:
        return allowed

    runs, _ = clocked(allow=allow, authenticate=by_query)
    site, model = Site(runs), Model()
    run_id = await started(runs, model)
    stream = await site.events(f"/runs/{run_id}/events", query={"user": "ada"})
    await read(stream, "live")
    allowed = False
    await runs.recheck("ada")
    (error,) = await stream.rest()
    assert (error.name, error.json) == ("error", GONE)
    assert (await site.ask("GET", f"/runs/{run_id}/events", query={"user": "ada"})).status == 404
    await runs.drain()


@pytest.mark.rule("H1")
@pytest.mark.parametrize("ends", [True, False])
async def test_a_stream_ends_when_the_token_does_as_a_connection_of_the_hub(ends: bool) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    async def authenticate(scope: Any) -> Identity:
        return Identity("ada", expires_at=moment.timestamp() + 60)

    runs, clock = clocked(merge=0, now=lambda: moment)

    class Hub(RunsHub, runs=runs): ...

    options = TransportOptions(close_on_token_expiry=ends)
    site, model = Site(runs, HubApp({"/hub": Hub}, authenticate=authenticate, transport=options)), Model()
    run_id = await started(runs, model, starter="ada")
    reads, stalls = [await site.events(f"/runs/{run_id}/events") for _ in range(2)]
    await read(reads, "live")
    await read(stalls, "live")
    stalls.session.stop_reading()
    await clock.advance(59)
    model.say("a")
    await settle()
    await read(reads, "text")
    await clock.advance(1)
    await settle()
    assert runs.statistics()["viewers"] == (0 if ends else 2)
    if ends:
        (error,) = await reads.rest()
        assert (error.name, error.json) == ("error", {"error": "The token has expired."})
    model.say(None)
    await settle()
    if not ends:
        assert (await reads.rest())[-1].json["kind"] == "end"
        await stalls.leave()
    await runs.drain()


@pytest.mark.rule("H1", "R17", "R19", "R21")
async def test_a_reader_that_does_not_read_costs_one_item_and_then_gets_a_snapshot() -> None:
    runs, _ = clocked(merge=0, resync=1_000)
    site, model = Site(runs), Model()
    stream = await site.events(f"/runs/{await started(runs, model)}/events")
    await read(stream, "live")
    stream.session.stop_reading()
    for _ in range(50):
        model.say("x" * 100)
        await settle()
    model.say(None)
    await settle()
    stream.session.resume_reading()
    events = await stream.rest()
    assert [event.json["kind"] for event in events] == ["text", "snapshot", "end"]
    assert page_of(events).text == "x" * 5_000


@pytest.mark.rule("H1", "R17")
async def test_an_item_is_encoded_once_for_all_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    from hubline.runs.http import items

    made: list[str] = []
    before = items._event

    def counted(item: Any) -> bytes:
        made.append(item.get("text", item["kind"]))
        return before(item)

    monkeypatch.setattr(items, "_event", counted)
    runs, _ = clocked(merge=0)
    site, model = Site(runs), Model()
    run_id = await started(runs, model)
    streams = [await site.events(f"/runs/{run_id}/events") for _ in range(20)]
    for stream in streams:
        await read(stream, "live")
    made.clear()
    model.say("a", "b")
    await settle()
    model.say(None)
    assert [page_of(await stream.rest()).text for stream in streams] == ["ab"] * 20
    assert made == ["a", "b", "end"]


@pytest.mark.rule("R4", "H1")
async def test_a_rule_that_fails_shows_nobody_which_runs_there_are(caplog: pytest.LogCaptureFixture) -> None:
    async def allow(action: str, run: Any, caller: Any) -> bool:
        raise RuntimeError("secret detail")

    runs = Runs(allow=allow, clock=ManualClock())
    site, model = Site(runs), Model()
    run_id = await started(runs, model)
    calls = [("GET", ""), ("GET", "/events"), ("POST", "/stop"), ("POST", "/answers/x"), ("POST", "/messages")]
    for method, path in calls:
        answers = []
        for wanted in (run_id, "AAAAAAAAAAAAAAAAAAAAAA"):
            answer = await site.ask(method, f"/runs/{wanted}{path}", body={"value": 1})
            answers.append((answer.status, answer.body, sorted(answer.headers)))
            (record,) = caplog.records
            assert record.levelname == "ERROR"
            assert "secret detail" in caplog.text
            caplog.clear()
        assert answers[0] == answers[1]
        assert (answers[0][0], json.loads(answers[0][1])) == (404, GONE)
    assert (await runs.info(run_id)).state == "running"
    await runs.stop(run_id)
