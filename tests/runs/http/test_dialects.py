"""Dialects, read by what their clients do: whatever is written, and however far behind they are."""

import random
from typing import Any

import pytest

from hubline.runs.parts import Body
from tests.runs.http.clients import RUN_ID, Agent, Talk, UiMessage

END: Body = {"kind": "end", "state": "completed", "error": None, "usage": [], "unread": []}


def text(part: str, delta: str, kind: str = "text") -> Body:
    return {"kind": kind, "part": part, "text": delta}


def data(part: str, name: str, value: Any) -> Body:
    return {"kind": "data", "part": part, "name": name, "value": value}


def call(call_id: str, state: str, **values: Any) -> Body:
    return data(f"tool {call_id}", "tool-search", {"toolCallId": call_id, "state": state, **values})


def ended(state: str, error: str | None = None, usage: list[Any] | None = None) -> Body:
    return {**END, "state": state, "error": error, "usage": usage or []}


def read(dialect: str, client: Any, *bodies: Body, **sent: Any) -> Any:
    """Everything, by one reader that keeps up."""
    talk = Talk(dialect)
    reader = talk.reader(client, **sent)
    for body in bodies:
        talk.tape.append(body)
        reader.read()
    assert reader.done is (reader.dialect.finished or talk.tape.ended is not None)
    return client


def ui(*bodies: Body) -> UiMessage:
    found: UiMessage = read("ui-message-stream", UiMessage(), *bodies)
    return found


def ag_ui(*bodies: Body, **sent: Any) -> Agent:
    found: Agent = read("ag-ui", Agent(sent.get("messages")), *bodies, **sent)
    return found


class Script:
    """Random entries of every kind, as a run might write them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.parts: dict[str, str] = {}
        self.calls = 0

    def next(self) -> Body:
        roll = self.chance.random()
        texts = [part for part, kind in self.parts.items() if kind in ("text", "reasoning")]
        if roll < 0.6:
            part = self.chance.choice(texts) if texts and self.chance.random() < 0.8 else f"p{len(self.parts)}"
            kind = self.parts.setdefault(part, self.chance.choice(["text", "reasoning"]))
            return text(part, f"{self.chance.randrange(1000)} " * self.chance.randrange(1, 4), kind)
        if roll < 0.75:
            part = self.chance.choice(["v1", "v2", "v3"])
            self.parts[part] = "data"
            return data(part, "note", self.chance.randrange(1000))
        if roll < 0.8:
            self.parts["s1"] = "data"
            return data("s1", "source-url", {"url": f"https://{self.chance.randrange(9)}.example"})
        if roll < 0.9:
            if self.calls == 0 or self.chance.random() < 0.3:
                self.calls += 1
            self.parts[f"tool {self.calls}"] = "data"
            state = self.chance.choice(["input-streaming", "input-available", "output-available"])
            return call(str(self.calls), state, input={"q": 1}, output=[1])
        if roll < 0.95 and self.parts:
            gone = self.chance.sample(sorted(self.parts), self.chance.randrange(1, len(self.parts) + 1))
            for part in gone:
                del self.parts[part]
            return {"kind": "retract", "parts": gone}
        return {"kind": "status", "status": "thinking"}


def in_ui(parts: list[dict[str, Any]]) -> list[Any]:
    """The parts of a run, as the message has to have them."""
    found: list[Any] = []
    for part in parts:
        if part["kind"] != "data":
            found.append((part["kind"], part["text"]))
        elif part["name"] == "source-url":
            found.append(("source-url", part["value"]["url"]))
        elif part["name"].startswith("tool-"):
            found.append((part["name"], part["value"]["state"]))
        else:
            found.append((f"data-{part['name']}", part["value"]))
    return found


def of_ui(message: UiMessage) -> list[Any]:
    what = {"text": "text", "reasoning": "text", "source-url": "url", "data-note": "data"}
    return [(part["type"], part[what.get(part["type"], "state")]) for part in message.parts[1:]]


@pytest.mark.rule("H2", "R1")
@pytest.mark.parametrize("seed", range(150))
async def test_the_message_has_the_runs_parts_in_order_whatever_was_written(seed: int) -> None:
    talk, script = Talk("ui-message-stream", resync=400, capacity=16), Script(seed)
    readers = [talk.reader(UiMessage())]
    for _ in range(80):
        talk.tape.append(script.next())
        if script.chance.random() < 0.1:
            readers.append(talk.reader(UiMessage()))
        for reader in readers:
            if script.chance.random() < 0.6:
                reader.read(script.chance.randrange(1, 6))
            else:
                reader.behind()
    talk.tape.append(END)
    for reader in readers:
        reader.read()
        assert of_ui(reader.client) == in_ui(talk.tape.parts.items())
        assert all(part["state"] == "done" for part in reader.client.parts if part["type"] in ("text", "reasoning"))
        assert (reader.client.id, reader.client.finish) == (RUN_ID, "stop")
    await talk.tasks.cancel()


def in_messages(parts: list[dict[str, Any]], *, begun: bool) -> dict[str, Any]:
    """Messages by id, as AG-UI has to have them. `begun`: with calls whose input is still being written."""
    found: dict[str, Any] = {}
    for part in parts:
        name = f"{RUN_ID}-{'reasoning-' if part['kind'] == 'reasoning' else ''}{part['part']}"
        if part["kind"] != "data":
            found[name] = part["text"]
        elif part["name"].startswith("tool-") and (begun or part["value"]["state"] != "input-streaming"):
            found[name] = part["value"]["toolCallId"]
    return found


@pytest.mark.rule("H3", "R1")
@pytest.mark.parametrize("seed", range(150))
async def test_the_agent_has_the_runs_messages_whatever_was_written(seed: int) -> None:
    talk, script = Talk("ag-ui", resync=400, capacity=16), Script(seed)
    history = [{"id": "u1", "role": "user", "content": "hello"}]
    readers = [talk.reader(Agent(history), messages=history)]
    for _ in range(80):
        talk.tape.append(script.next())
        for number, reader in enumerate(readers):
            if script.chance.random() < 0.6:
                reader.read(script.chance.randrange(1, 6))
            elif script.chance.random() < 0.1:  # comes again, as a client does, with the messages that it has
                sent = [message for message in reader.client.messages]
                readers[number] = talk.reader(Agent(sent), messages=sent)
            else:
                reader.behind()
    talk.tape.append(END)
    for reader in readers:
        reader.read()
        messages = reader.client.messages
        assert "u1" in [message["id"] for message in messages]
        wanted = in_messages(talk.tape.parts.items(), begun=True)
        least = in_messages(talk.tape.parts.items(), begun=False)
        found = {
            message["id"]: message["toolCalls"][0]["id"] if "toolCalls" in message else message["content"]
            for message in messages
            if message["role"] in ("assistant", "reasoning")
            and message["id"].startswith(f"{RUN_ID}-")
            and (message["role"] == "assistant" or message["content"])  # what was taken back may be there, and empty
        }
        texts = {name: value for name, value in wanted.items() if not name.startswith(f"{RUN_ID}-tool")}
        assert {name: value for name, value in found.items() if not name.startswith(f"{RUN_ID}-tool")} == texts
        assert least.items() <= found.items() <= wanted.items()
        assert reader.client.outcome == {"type": "success"}
    await talk.tasks.cancel()


@pytest.mark.rule("H2")
def test_what_the_ui_message_stream_is_made_of() -> None:
    message = ui(
        {"kind": "status", "status": "thinking"},
        text("1", "hm", "reasoning"),
        text("2", "a"),
        data("3", "source-url", {"url": "https://a.example", "title": None}),
        call("c", "input-streaming"),
        call("c", "input-available", input={"q": 1}),
        call("c", "output-available", input={"q": 1}, output=[1]),
        data("4", "weather", {"c": 20}),
        data("4", "weather", {"c": 21}),
        {"kind": "steered", "steerId": "s", "by": "ada", "value": "shorter"},
        END,
    )
    assert [chunk["type"] for chunk in message.chunks] == [
        *("start", "start-step", "data-status"),
        *("reasoning-start", "reasoning-delta", "reasoning-end", "text-start", "text-delta", "text-end"),
        *("source-url", "tool-input-start", "tool-input-available", "tool-output-available"),
        *("data-weather", "data-weather", "steering-message", "finish-step", "finish"),
    ]
    assert message.transient == [{"status": "thinking"}]
    assert message.chunks[9] == {"type": "source-url", "sourceId": "3", "url": "https://a.example"}


@pytest.mark.rule("H2")
@pytest.mark.parametrize(
    ("end", "last", "errors"),
    [
        (ended("completed"), ["finish"], []),
        (ended("stopped"), ["abort"], []),
        (ended("failed", "no model"), ["error", "finish"], ["no model"]),
        (ended("limited", "too long"), ["error", "finish"], ["too long"]),
        (ended("interrupted"), ["error", "finish"], ["The answer was interrupted: its server went away."]),
    ],
)
def test_how_a_message_ends(end: Body, last: list[str], errors: list[str]) -> None:
    message = ui(text("1", "a"), end)
    assert [chunk["type"] for chunk in message.chunks][-len(last) - 1 :] == ["finish-step", *last]
    assert message.errors == errors


@pytest.mark.rule("H2", "R25")
def test_a_question_is_a_value_that_changes_when_it_is_decided() -> None:
    ask = {"kind": "ask", "askId": "q", "prompt": "Go on?", "schema": {"type": "boolean"}, "expiresAt": None}
    answered = {"kind": "answered", "askId": "q", "by": "ada", "value": True, "expired": False}
    open_ask, decided = ui(ask).parts[1], ui(ask, answered, END).parts[1]
    assert (open_ask["type"], open_ask["id"], open_ask["data"]["state"]) == ("data-ask", "q", "open")
    assert decided["data"] == {**open_ask["data"], "by": "ada", "value": True, "state": "answered"}


@pytest.mark.rule("H2")
def test_a_retraction_is_a_reset_and_what_remains() -> None:
    message = ui(text("1", "a"), text("2", "b"), {"kind": "retract", "parts": ["1"]}, text("2", "c"), END)
    assert of_ui(message) == [("text", "bc")]
    assert "reset-step" in [chunk["type"] for chunk in message.chunks]


@pytest.mark.rule("H2")
def test_a_text_that_goes_on_after_another_costs_one_reset_and_not_one_each_time() -> None:
    message = ui(*(text(str(number % 2), f"{number} ") for number in range(40)), END)
    assert [chunk["type"] for chunk in message.chunks].count("reset-step") == 1


@pytest.mark.rule("H2")
@pytest.mark.parametrize("value", [None, "x", {}, {"toolCallId": 1, "state": "input-available"}, {"toolCallId": "c"}])
def test_a_value_that_only_looks_like_a_call_is_a_value(value: Any) -> None:
    assert ui(data("1", "tool-x", value), END).parts[1] == {"type": "data-tool-x", "id": "1", "data": value}
    assert ag_ui(data("1", "tool-x", value), END).custom[0]["value"] == value


@pytest.mark.rule("H3")
def test_what_ag_ui_is_made_of() -> None:
    agent = ag_ui(
        text("1", "hm", "reasoning"),
        text("2", "a"),
        call("c", "input-streaming"),
        call("c", "input-available", input={"q": 1}),
        call("c", "output-available", input={"q": 1}, output=[1]),
        data("4", "weather", {"c": 20}),
        {**END, "usage": [{"model": "m", "totalTokens": 3, "price": 0.5, "inputTokens": -1}]},
        threadId="t",
        runId="r",
    )
    assert [event["type"] for event in agent.events] == [
        "RUN_STARTED",
        *("REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT"),
        *("REASONING_MESSAGE_END", "REASONING_END"),
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
        *("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT"),
        *("CUSTOM", "RUN_FINISHED"),
    ]
    assert (agent.events[0]["threadId"], agent.events[-1]["runId"]) == ("t", "r")
    assert agent.events[-1]["usage"] == [{"model": "m", "totalTokens": 3}]
    assert agent.events[-1]["metadata"]["position"]
    assert [message["role"] for message in agent.messages] == ["reasoning", "assistant", "assistant", "tool"]


@pytest.mark.rule("H3")
@pytest.mark.parametrize(
    ("end", "outcome", "error"),
    [
        (ended("completed"), {"type": "success"}, None),
        (ended("stopped"), {"type": "cancelled"}, None),
        (ended("failed", "no model"), None, "no model"),
        (ended("limited", "too long"), None, "too long"),
        (ended("interrupted"), None, "The answer was interrupted: its server went away."),
    ],
)
def test_how_an_agents_run_ends(end: Body, outcome: Any, error: str | None) -> None:
    agent = ag_ui(text("1", "a"), end)
    assert (agent.outcome, agent.error) == (outcome, error)


@pytest.mark.rule("H3", "R25")
def test_an_open_question_ends_the_stream_as_an_interrupt_and_an_answered_one_does_not() -> None:
    ask = {"kind": "ask", "askId": "q", "prompt": "Go on?", "schema": {"type": "boolean"}, "expiresAt": None}
    answered = {"kind": "answered", "askId": "q", "by": "ada", "value": True, "expired": False}
    talk = Talk("ag-ui")
    first, late, again = Agent(), Agent(), Agent()
    reader = talk.reader(first)
    reader.read()
    talk.tape.append(text("1", "a"))
    talk.tape.append(ask)
    talk.reader(late).read()
    reader.read()
    for agent in (first, late):
        assert agent.interrupts == [
            {"id": "q", "reason": "input_required", "message": "Go on?", "responseSchema": {"type": "boolean"}}
        ]
    position = first.events[-1]["metadata"]["position"]
    talk.tape.append(answered)
    talk.tape.append(text("1", "b"))
    talk.tape.append(END)
    again.messages = first.messages
    talk.reader(again, position).read()
    talk.reader(late := Agent()).read()
    assert [message["content"] for message in again.messages] == ["ab"]
    assert [message["content"] for message in late.messages] == ["ab"]
    assert again.outcome == late.outcome == {"type": "success"}
