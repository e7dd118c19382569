"""What the clients of other protocols do with events: their rules, as their packages have them, in Python.

The packages themselves read from a real server in `tests/interop/http`; these are quick enough for thousands of runs.
"""

import json
from typing import Any

from hubline._tasks import TaskOwner
from hubline.runs.cursor import Cursor, Pacer
from hubline.runs.http.dialects import DIALECTS, Dialect
from hubline.runs.http.subject import Subject
from hubline.runs.tape import Tape
from hubline.runs.timers import Timers
from hubline.testing import ManualClock
from tests.runs.http.events import Parser

RUN_ID = "run"


class Broken(Exception):
    """The client would end the stream with an error."""


class UiMessage:
    """`processUIMessageStream` of `ai` 7: one message, whose parts are in the order in which they begin."""

    def __init__(self) -> None:
        self.chunks: list[dict[str, Any]] = []
        self.id: str | None = None
        self.parts: list[dict[str, Any]] = []
        self.transient: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.finish: str | None = None
        self._open: dict[tuple[str, str], dict[str, Any]] = {}

    def apply(self, chunk: dict[str, Any]) -> None:
        self.chunks.append(chunk)
        kind, verb = chunk["type"].rpartition("-")[::2]
        match chunk["type"]:
            case "start":
                self.id = chunk["messageId"]
            case "start-step" | "reset-step" | "finish-step":
                self._step(kind)
            case "text-start" | "reasoning-start":
                part = {"type": kind, "text": "", "state": "streaming"}
                self._open[kind, chunk["id"]] = part
                self.parts.append(part)
            case "text-delta" | "reasoning-delta" | "text-end" | "reasoning-end":
                self._go_on(chunk, kind, verb)
            case other if other.startswith("tool-"):
                self._tool(chunk, verb)
            case "source-url" | "source-document" | "file" | "steering-message":
                self.parts.append(chunk)
            case "error" | "finish" | "abort":
                self.errors += [chunk[name] for name in ("errorText",) if name in chunk]
                self.finish = chunk.get("finishReason")
            case other if other.startswith("data-"):
                self._data(chunk)
            case _:
                raise Broken(chunk)

    def _step(self, what: str) -> None:
        if what == "start":
            self.parts.append({"type": "step-start"})
        elif what == "reset":
            self._open = {}
            while self.parts and self.parts[-1]["type"] != "step-start":
                self.parts.pop()

    def _go_on(self, chunk: dict[str, Any], kind: str, verb: str) -> None:
        if (kind, chunk["id"]) not in self._open:
            raise Broken(chunk)
        if verb == "end":
            self._open.pop((kind, chunk["id"]))["state"] = "done"
        else:
            self._open[kind, chunk["id"]]["text"] += chunk["delta"]

    def _tool(self, chunk: dict[str, Any], verb: str) -> None:
        part = self._call(chunk["toolCallId"])
        if not chunk["type"].startswith("tool-input"):
            if part is None:
                raise Broken(chunk)
            part |= {"state": chunk["type"].removeprefix("tool-")}
            part |= {name: chunk[name] for name in ("output", "errorText") if name in chunk}
            return
        if part is None:
            part = {"toolCallId": chunk["toolCallId"]}
            self.parts.append(part)
        state = "input-streaming" if verb == "start" else "input-available"
        part |= {"type": f"tool-{chunk['toolName']}", "state": state, "input": chunk.get("input")}

    def _call(self, call_id: str) -> dict[str, Any] | None:
        return next((part for part in self.parts if part.get("toolCallId") == call_id), None)

    def _data(self, chunk: dict[str, Any]) -> None:
        if chunk.get("transient"):
            self.transient.append(chunk["data"])
            return
        for part in self.parts:
            if (part["type"], part.get("id")) == (chunk["type"], chunk["id"]):
                part["data"] = chunk["data"]
                return
        self.parts.append(dict(chunk))


class Agent:
    """`verifyEvents` and `defaultApplyEvents` of `@ag-ui/client` 1.0: messages, and the events that are none."""

    def __init__(self, messages: list[dict[str, Any]] | None = None) -> None:
        self.messages = [dict(message) for message in messages or []]
        self.events: list[dict[str, Any]] = []
        self.custom: list[dict[str, Any]] = []
        self.outcome: dict[str, Any] | None = None
        self.error: str | None = None
        self._open: set[tuple[str, str]] = set()

    @property
    def interrupts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (self.outcome or {}).get("interrupts", [])
        return found

    def apply(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if self.error is not None or self.outcome is not None or (not self.events) is not (kind == "RUN_STARTED"):
            raise Broken(event)
        self.events.append(event)
        if kind.endswith(("_START", "_CONTENT", "_ARGS", "_END")):
            self._stream(event, *kind.rpartition("_")[::2])
            return
        match kind:
            case "TOOL_CALL_RESULT":
                result = {"id": event["messageId"], "role": "tool", "content": event["content"]}
                owner = self._owner(event["toolCallId"])
                self.messages.insert(owner + 1, result | {"toolCallId": event["toolCallId"]})
            case "MESSAGES_SNAPSHOT":
                new = {message["id"]: message for message in event["messages"]}
                reasons = any(message["role"] == "reasoning" for message in event["messages"])
                kept = [m for m in self.messages if m["id"] in new or (m["role"] == "reasoning" and not reasons)]
                self.messages = [dict(new.pop(message["id"], message)) for message in kept]
                self.messages += [dict(message) for message in new.values()]
            case "CUSTOM":
                self.custom.append(event)
            case "RUN_FINISHED":
                if self._open:
                    raise Broken(event)
                self.outcome = event["outcome"]
            case "RUN_ERROR":
                self.error = event["message"]
            case "RUN_STARTED":
                pass
            case _:
                raise Broken(event)

    def _stream(self, event: dict[str, Any], kind: str, verb: str) -> None:
        name = event["toolCallId" if kind == "TOOL_CALL" else "messageId"]
        if ((kind, name) in self._open) is (verb == "START"):
            raise Broken(event)
        if verb == "START":
            self._open.add((kind, name))
            self._begin(event, kind, name)
        elif verb == "END":
            self._open.discard((kind, name))
        elif verb == "ARGS":
            call = self.messages[self._owner(name)]["toolCalls"][0]
            call["function"]["arguments"] += event["delta"]
        else:
            message = next(each for each in self.messages if each["id"] == name)
            message["content"] += event["delta"]

    def _begin(self, event: dict[str, Any], kind: str, name: str) -> None:
        if kind == "TOOL_CALL" and self._owner(name) < 0:
            function = {"name": event["toolCallName"], "arguments": ""}
            call = {"id": name, "type": "function", "function": function}
            self.messages.append({"id": event["parentMessageId"], "role": "assistant", "toolCalls": [call]})
        elif kind.endswith("MESSAGE") and not any(each["id"] == name for each in self.messages):
            self.messages.append({"id": name, "role": event["role"], "content": ""})

    def _owner(self, call_id: str) -> int:
        owners = (n for n, m in enumerate(self.messages) if any(c["id"] == call_id for c in m.get("toolCalls", ())))
        return next(owners, -1)


class Talk:
    """A log, and readers of it in a dialect: each as far behind as it likes."""

    def __init__(self, dialect: str, *, merge: float = 0.0, resync: int = 65_536, capacity: int = 4_096) -> None:
        self.name, self.resync = dialect, resync
        self.clock, self.tasks = ManualClock(), TaskOwner("test")
        self.tape = Tape(capacity)
        self.pacer = Pacer(self.tape, merge, self.clock, Timers(self.clock, self.tasks))
        self.pacer.start()

    def reader(self, client: Any, after: str | None = None, **sent: Any) -> "Reading":
        return Reading(self, client, DIALECTS[self.name](Subject(RUN_ID, None, sent)), after)


class Reading:
    """One reader: what `RunResponse` does, without a socket."""

    def __init__(self, talk: Talk, client: Any, dialect: Dialect, after: str | None) -> None:
        self.client, self.dialect = client, dialect
        self.done = False
        self._parser = Parser()
        self._cursor = Cursor(talk.pacer, after, resync=talk.resync, state=lambda: "running")
        self._feed(dialect.begin())

    def read(self, most: int = 1_000_000) -> None:
        """What there is, but so many items at most."""
        while most > 0 and not self.done:
            item = self._cursor.take()
            if item is None:
                self._finish(over=self._cursor.finished)
                return
            payload = self.dialect.item(item)
            if payload is None:
                self._cursor.start_over()
            else:
                self._feed(payload)
                most -= 1
            self._finish(over=self.dialect.finished)

    def behind(self) -> None:
        self._cursor.fell_behind()

    def _finish(self, *, over: bool) -> None:
        if over and not self.done:
            self.done = True
            self._feed(self.dialect.end())

    def _feed(self, payload: bytes) -> None:
        for event in self._parser.feed(payload):
            if event.data != "[DONE]":
                self.client.apply(json.loads(event.data))
