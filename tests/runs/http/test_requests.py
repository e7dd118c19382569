"""Requests about runs: the rights that the hub's methods have, and bodies that are no JSON or more than JSON."""

import json
from typing import Any

import pytest

from hubline import HubApp, HubError, Identity, InvocationError, PolicyContext, authorize, hidden, hub_method
from hubline.runs import ChatRequest, Run, Runs, RunsHub, StartedRun, chat_routes
from hubline.testing import connect
from tests.runs.http.events import Site
from tests.runs.viewer import clocked

POLICIES: dict[str, Any] = {
    "own": lambda context: context.identity.user_id == "ada",
    "known": lambda context: context.arguments["run_id"] != "AAAAAAAAAAAAAAAAAAAAAA",
    "yes": lambda context: context.arguments["value"] is True,
}


async def authenticate(scope: Any) -> Identity | None:
    user = scope.query.get("user")
    return Identity(user, roles=frozenset({"admin"} if user == "ada" else ())) if user else None


async def everybody(*_: object) -> bool:
    return True


async def asking(run: Run) -> None:
    await run.ask("Go on?", schema=Any)
    await run.inbox.take()


async def ask_id_of(runs: Runs, run_id: str) -> str:
    async for item in runs.attach(run_id):
        if item["kind"] == "ask":
            return str(item["askId"])
    raise AssertionError("nothing was asked")


def busy(context: PolicyContext) -> bool:
    raise HubError("Nobody stops anything today.")


@pytest.mark.rule("H1", "R22")
async def test_what_a_method_of_the_hub_asks_of_callers_is_asked_of_its_address() -> None:
    runs, clock = clocked(allow=everybody)

    class Assistant(RunsHub, runs=runs):
        @authorize
        async def run_info(self, run_id: str) -> Any:
            return await super().run_info(run_id)

        @hub_method(name="Halt")
        @authorize(roles="admin")
        async def stop_run(self, run_id: str) -> Any:
            return await super().stop_run(run_id)

        @authorize(policy="own")
        async def attach_run(self, run_id: str, after: Any = None) -> Any:
            return await super().attach_run(run_id, after)

        @authorize(policy="yes")
        async def answer_run(self, run_id: str, ask_id: str, value: Any) -> None:
            await super().answer_run(run_id, ask_id, value)

        @hidden
        async def steer_run(self, run_id: str, value: Any) -> str:
            return await super().steer_run(run_id, value)

    hubs = HubApp({"/hub": Assistant}, clock=clock, authenticate=authenticate, policies=POLICIES)
    site = Site(runs, hubs)
    run_id = (await runs.start(asking, inbox=True)).id
    answers = f"/runs/{run_id}/answers/{await ask_id_of(runs, run_id)}"

    async def statuses(method: str, path: str, body: Any = None) -> dict[str, int]:
        found = {}
        for name in ("ada", "bob", ""):
            answer = await site.ask(method, path, query={"user": name} if name else None, body=body)
            found[name or "stranger"] = answer.status
            if answer.status >= 400:
                assert list(json.loads(answer.body)) == ["error"]
                assert answer.headers["cache-control"] == "no-store"
        return found

    assert await statuses("GET", f"/runs/{run_id}") == {"ada": 200, "bob": 200, "stranger": 401}
    assert (await site.events(f"/runs/{run_id}/events", query={"user": "ada"})).status == 200
    for dialect in ("items", "ui-message-stream", "ag-ui"):
        refused = await site.ask("GET", f"/runs/{run_id}/events", query={"user": "bob", "as": dialect})
        assert refused.status == 403
    assert await statuses("POST", answers, {"value": False}) == {"ada": 403, "bob": 403, "stranger": 401}
    assert (await site.ask("POST", answers, query={"user": "bob"}, body={"value": True})).status == 204
    messages = f"/runs/{run_id}/messages"
    assert await statuses("POST", messages, {"value": "x"}) == {"ada": 403, "bob": 403, "stranger": 403}
    assert (await site.ask("POST", f"/runs/{run_id}/stop", query={"user": "bob"})).status == 403
    assert (await runs.info(run_id)).state == "running"
    assert (await site.ask("POST", f"/runs/{run_id}/stop", query={"user": "ada"})).status == 200


@pytest.mark.rule("H1", "R4")
async def test_a_policy_sees_the_run_that_is_asked_for_and_its_text_travels() -> None:
    runs, clock = clocked(allow=everybody)

    class Assistant(RunsHub, runs=runs):
        @authorize(policy="known")
        async def run_info(self, run_id: str) -> Any:
            return await super().run_info(run_id)

        @authorize(policy="busy")
        async def stop_run(self, run_id: str) -> Any:
            return await super().stop_run(run_id)

    policies = {**POLICIES, "busy": busy}
    site = Site(runs, HubApp({"/hub": Assistant}, clock=clock, authenticate=authenticate, policies=policies))
    run_id, ada = (await runs.start(asking, inbox=True)).id, {"user": "ada"}
    found = [(await site.ask("GET", f"/runs/{each}", query=ada)).status for each in (run_id, "A" * 22, "B" * 22)]
    assert found == [200, 403, 404]
    stopped = await site.ask("POST", f"/runs/{run_id}/stop", query=ada)
    assert (stopped.status, json.loads(stopped.body)) == (403, {"error": "Nobody stops anything today."})
    await runs.drain()


@pytest.mark.rule("H2", "R22")
async def test_who_may_not_attach_reads_no_chat() -> None:
    runs, clock = clocked(allow=everybody)

    class Assistant(RunsHub, runs=runs):
        @authorize(policy="own")
        async def attach_run(self, run_id: str, after: Any = None) -> Any:
            return await super().attach_run(run_id, after)

    async def start(chat: ChatRequest) -> StartedRun:
        return await chat.start(asking, inbox=True)

    hubs = HubApp({"/hub": Assistant}, clock=clock, authenticate=authenticate, policies=POLICIES)
    site = Site(runs, hubs)
    site.app.router.routes[:0] = chat_routes(runs, start)
    chat = {"id": "c", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]}
    for query, status in (({"user": "bob"}, 403), ({}, 401)):
        assert (await site.ask("POST", "/api/chat", query=query, body=chat)).status == status
        assert (await site.ask("GET", "/api/chat/c/stream", query=query)).status == status
    assert (await site.events("/api/chat/c/stream", query={"user": "ada"})).status == 200
    await runs.drain()


NO_JSON = {
    "too large a number": (b'{"value": 1e999}', "The number 1e999 is too large"),
    "too small a number": (b'{"value": [-1e400]}', "The number -1e400 is too large"),
    "NaN": (b'{"value": NaN}', "NaN is no JSON"),
    "Infinity": (b'{"value": {"a": -Infinity}}', "-Infinity is no JSON"),
    "two values": (b'{"value": true, "value": false}', "the same name twice"),
    "two names deep inside": (b'{"value": [{"a": 1, "a": 2}]}', "the same name twice"),
    "nested for ever": (b'{"value": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "nested too deeply"),
    "digits for ever": (b'{"value": ' + b"1" * 5_000 + b"}", "JSON object"),
    "no UTF-8": (b'{"value": "\xff"}', "JSON object"),
    "a half": (b'{"value": "x', "JSON object"),
    "nothing": (b"", "JSON object"),
    "a text": (b'"value"', "JSON object"),
    "another name": (b'{"Value": 1}', "must have a `value`"),
}


@pytest.mark.rule("H1")
@pytest.mark.parametrize(("body", "text"), NO_JSON.values(), ids=NO_JSON)
async def test_what_is_no_json_is_400_and_nothing_is_kept(body: bytes, text: str) -> None:
    runs, _ = clocked()
    site = Site(runs)
    run_id = (await runs.start(asking, inbox=True)).id
    ask_id, before = await ask_id_of(runs, run_id), (await runs.info(run_id)).position
    for path in (f"answers/{ask_id}", "messages"):
        answer = await site.ask("POST", f"/runs/{run_id}/{path}", body=body)
        assert answer.status == 400
        assert text in json.loads(answer.body)["error"]
    assert (await runs.info(run_id)).position == before
    assert (await site.ask("POST", f"/runs/{run_id}/answers/{ask_id}", body={"value": 1})).status == 204
    assert (await runs.stop(run_id)).state == "stopped"
    assert runs._records[run_id].unread == ()


@pytest.mark.rule("H2")
@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "c", "messages": [{"id": "m", "n": 1e999}]}',
        b'{"id": "c", "messages": [{"id": "m"}], "extra": NaN}',
        b'{"id": "c", "id": "d", "messages": [{"id": "m"}]}',
        b'{"id": 5, "messages": [{"id": "m"}]}',
        b'{"id": "c", "messages": {}}',
        b'{"id": "c", "messages": ["x"]}',
        b'{"id": "c", "messages": []}',
    ],
)
async def test_a_chat_that_is_none_starts_nothing(body: bytes) -> None:
    runs, _ = clocked()

    async def start(chat: ChatRequest) -> StartedRun:
        return await chat.start(asking, inbox=True)

    site = Site(runs)
    site.app.router.routes[:0] = chat_routes(runs, start)
    answer = await site.ask("POST", "/api/chat", body=body, content_type="application/json")
    assert answer.status == 400
    assert list(json.loads(answer.body)) == ["error"]
    assert runs.statistics()["runs"] == 0


@pytest.mark.rule("R25", "R28")
@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}], ids=str)
async def test_over_a_hub_too_what_json_has_not_is_refused(value: Any) -> None:
    """MessagePack can carry it."""
    runs, clock = clocked()

    class Assistant(RunsHub, runs=runs): ...

    app = HubApp({"/hub": Assistant}, clock=clock, on_drain=runs.drain)
    async with connect(app, "/hub", protocol="messagepack") as client:
        run_id = (await runs.start(asking, inbox=True)).id
        ask_id, before = await ask_id_of(runs, run_id), (await runs.info(run_id)).position
        for target, arguments in (("AnswerRun", (run_id, ask_id, value)), ("SteerRun", (run_id, value))):
            with pytest.raises(InvocationError, match="NaN and Infinity have no form in JSON"):
                await client.invoke(target, *arguments)
        assert (await runs.info(run_id)).position == before
        await client.invoke("AnswerRun", run_id, ask_id, None)
        await runs.stop(run_id)
