"""AG-UI's events, as `@ag-ui/client` 1.0 checks them (`EventSchema`, `verifyEvents`, `defaultApplyEvents`).

A text or a piece of reasoning is a message, which continues when it is opened again. A tool call is an assistant
message, followed by a message of the tool. Ids of messages begin with the id of the run, so that they are unique in a
conversation. A client that sends the conversation gets the run's messages as a snapshot first, because it may already
have some of them.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from hubline.runs.http.subject import Subject
from hubline.runs.parts import TEXTS
from hubline.runs.tape import Shared
from hubline.runs.values import as_json
from hubline.wire.event_stream import LF, event

MESSAGE = {"text": "TEXT_MESSAGE", "reasoning": "REASONING_MESSAGE"}
ROLE = {"text": "assistant", "reasoning": "reasoning"}

ERRORS = {"interrupted": "The answer was interrupted: its server went away."}
"""The error if the run itself has none."""

COUNTS = ("inputTokens", "outputTokens", "totalTokens", "reasoningTokens", "cachedInputTokens", "cacheWriteInputTokens")
OUTPUTS = ("output-available", "output-error", "output-denied")


class AgUi:
    """One reader's events."""

    headers: ClassVar[tuple[()]] = ()
    has_positions = True

    def __init__(self, subject: Subject) -> None:
        self.finished = False
        sent = subject.sent
        self._run_id, self._prefix = subject.run_id, f"{subject.run_id}-"
        self._run = {"threadId": _text(sent, "threadId") or subject.room or subject.run_id}
        self._run["runId"] = _text(sent, "runId") or subject.run_id
        self._begins_with_snapshot = isinstance(sent.get("messages"), list)
        messages: list[Any] = sent["messages"] if self._begins_with_snapshot else []
        self._history = [each for each in messages if self._is_before(each)]
        thoughts = [each["id"] for each in messages if self._is_thought(each)]
        self._thought: str | None = thoughts[-1] if thoughts else None
        """A message of the run's reasoning that the client has."""
        self._open: tuple[str, str] | None = None
        """The open text, and its kind."""
        self._stages: dict[str, str] = {}
        """Tool calls: `started`, `called`, `answered`."""
        self._asks: dict[str, Mapping[str, Any]] = {}
        self._is_live = self._in_pieces = False

    def begin(self) -> bytes:
        return _event("RUN_STARTED", **self._run)

    def item(self, item: Shared) -> bytes | None:
        value = item.value
        kind, position = value["kind"], value["position"]
        if self._begins_with_snapshot:
            self._begins_with_snapshot = False
            if kind not in ("snapshot", "live"):
                return None
        if kind in TEXTS:
            said = self._turn_to(value["part"], kind) + _event(
                f"{MESSAGE[kind]}_CONTENT", position, messageId=self._id(value["part"], kind), delta=value["text"]
            )
            return said + self._whole(position)
        match kind:
            case "data":
                return self._data(value, position)
            case "retract":
                return None
            case "snapshot":
                return self._snapshot(value)
            case "live":
                self._is_live = True
                return self._interrupted(position)
            case "ask":
                self._asks[value["askId"]] = value
                return self._interrupted(position)
            case "answered":
                self._asks.pop(value["askId"], None)
            case "end":
                return self._ended(value)
        details = {name: each for name, each in value.items() if name not in ("kind", "position")}
        return _event("CUSTOM", position, name=kind, value=details)

    def refused(self, text: str) -> bytes:
        return _event("RUN_ERROR", message=text, code="not_found")

    def end(self) -> bytes:
        return b""

    def _id(self, part: str, kind: str = "text") -> str:
        """The id of a message. A part of another kind that replaces a retracted one has another id."""
        return f"{self._prefix}reasoning-{part}" if kind == "reasoning" else self._prefix + part

    def _is_before(self, message: Any) -> bool:
        """Whether a message that the client has sent belongs to the conversation before the run."""
        return isinstance(message, dict) and not str(message.get("id")).startswith(self._prefix)

    def _is_thought(self, message: Any) -> bool:
        """Whether a message that the client has sent is reasoning of this run."""
        if not isinstance(message, dict) or message.get("role") != "reasoning":
            return False
        return str(message.get("id")).startswith(self._prefix)

    def _turn_to(self, part: str, kind: str) -> bytes:
        """Make this text the open one."""
        if self._open == (part, kind):
            return b""
        said, self._open = self._close(), (part, kind)
        message_id = self._id(part, kind)
        if kind == "reasoning":
            self._thought = message_id
            said += _event("REASONING_START", messageId=message_id)
        return said + _event(f"{MESSAGE[kind]}_START", messageId=message_id, role=ROLE[kind])

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        (part, kind), self._open = self._open, None
        message_id = self._id(part, kind)
        said = _event(f"{MESSAGE[kind]}_END", messageId=message_id)
        return said + (_event("REASONING_END", messageId=message_id) if kind == "reasoning" else b"")

    def _data(self, item: Mapping[str, Any], position: str | None) -> bytes:
        name, value, said = item["name"], item["value"], self._close()
        if _is_call(name, value):
            return said + self._tool(item["part"], name.removeprefix("tool-"), value, position)
        metadata = {"position": position, "part": item["part"]}
        return said + event(as_json({"type": "CUSTOM", "metadata": metadata, "name": name, "value": value}), LF)

    def _tool(self, part: str, name: str, value: Mapping[str, Any], position: str | None) -> bytes:
        """The part of a call that was not sent yet, because the client adds a second result to the first."""
        call_id, state, said = value["toolCallId"], value["state"], b""
        stage = self._stages.get(call_id)
        if stage is None:
            said += _event(
                "TOOL_CALL_START", position, toolCallId=call_id, toolCallName=name, parentMessageId=self._id(part)
            )
            stage = "started"
        if stage == "started" and state != "input-streaming":
            said += _event("TOOL_CALL_ARGS", toolCallId=call_id, delta=_json(value.get("input", {})))
            said += _event("TOOL_CALL_END", toolCallId=call_id)
            stage = "called"
        if stage == "called" and state in OUTPUTS and value.get("preliminary") is not True:
            result = {"messageId": f"{self._id(part)}-result", "content": _result(value)}
            said += _event("TOOL_CALL_RESULT", position, toolCallId=call_id, role="tool", **result)
            stage = "answered"
        self._stages[call_id] = stage
        return said

    def _snapshot(self, value: Mapping[str, Any]) -> bytes:
        """The remaining messages, which replace all messages of the run; then the values without a message."""
        said, position = self._close() + self._end_calls(), value["position"]
        messages, others = [*self._history], b""
        self._stages = {}
        for part in value["parts"]:
            if part["kind"] in TEXTS:
                message_id = self._id(part["part"], part["kind"])
                messages.append({"id": message_id, "role": ROLE[part["kind"]], "content": part["text"]})
            elif _is_call(part["name"], part["value"]):
                messages += self._messages_of(part["part"], part["name"].removeprefix("tool-"), part["value"])
            else:
                others += self._data(part, position)
        messages += self._forgotten(messages)
        self._asks = {ask["askId"]: ask for ask in value["asks"]}
        self._in_pieces = True
        return said + _event("MESSAGES_SNAPSHOT", position, messages=messages) + others + self._whole(position)

    def _forgotten(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The client keeps its reasoning if a snapshot has none, so retracted reasoning is sent empty."""
        if self._thought is None or any(each.get("role") == "reasoning" for each in messages):
            return []
        return [{"id": self._thought, "role": "reasoning", "content": ""}]

    def _messages_of(self, part: str, name: str, value: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A call, and its result if it has one. The rest of it continues where the snapshot ends."""
        call_id, state = value["toolCallId"], value["state"]
        if state == "input-streaming":
            return []  # it begins when its input is complete
        function = {"name": name, "arguments": _json(value.get("input", {}))}
        call = {"id": call_id, "type": "function", "function": function}
        found: list[dict[str, Any]] = [{"id": self._id(part), "role": "assistant", "toolCalls": [call]}]
        self._stages[call_id] = "called"
        if state in OUTPUTS and value.get("preliminary") is not True:
            result = {"id": f"{self._id(part)}-result", "role": "tool", "toolCallId": call_id}
            found.append({**result, "content": _result(value)})
            self._stages[call_id] = "answered"
        return found

    def _whole(self, position: str | None) -> bytes:
        """After the last piece of a snapshot, handle its questions."""
        if not self._in_pieces or position is None:
            return b""
        self._in_pieces = False
        return self._interrupted(position)

    def _interrupted(self, position: str | None) -> bytes:
        """An open question ends the stream; its answer begins another stream."""
        if not self._is_live or not self._asks:
            return b""
        self.finished = True
        interrupts = [_interrupt(ask) for ask in self._asks.values()]
        outcome = {"type": "interrupt", "interrupts": interrupts}
        return self._close() + self._end_calls() + _event("RUN_FINISHED", position, **self._run, outcome=outcome)

    def _end_calls(self) -> bytes:
        """Complete open calls, because a run cannot finish while the input of a call is being written."""
        started = [call_id for call_id, stage in self._stages.items() if stage == "started"]
        self._stages |= dict.fromkeys(started, "called")
        return b"".join(_event("TOOL_CALL_END", toolCallId=call_id) for call_id in started)

    def _ended(self, value: Mapping[str, Any]) -> bytes:
        said, state, usage = self._close() + self._end_calls(), value["state"], [*map(_usage, value["usage"])]
        if state in ("completed", "stopped"):
            outcome = {"type": "success" if state == "completed" else "cancelled"}
            return said + _event("RUN_FINISHED", value["position"], **self._run, outcome=outcome, usage=usage)
        message = value["error"] or ERRORS.get(state, "The run failed.")
        return said + _event("RUN_ERROR", value["position"], message=message, code=state, usage=usage)


def _event(type: str, position: str | None = None, /, **values: Any) -> bytes:
    """One event. For the client, `null` in the place of an optional field is an error."""
    metadata = {} if position is None else {"metadata": {"position": position}}
    return event(as_json({"type": type, **metadata, **values}), LF)


def _text(sent: Mapping[str, Any], name: str) -> str | None:
    found = sent.get(name)
    return found if isinstance(found, str) else None


def _is_call(name: str, value: Any) -> bool:
    """Whether a value is a tool call, as `Run.pipe` writes them."""
    if not name.startswith("tool-") or not isinstance(value, dict):
        return False
    return isinstance(value.get("toolCallId"), str) and isinstance(value.get("state"), str)


def _json(value: Any) -> str:
    return as_json(value).decode()


def _result(value: Mapping[str, Any]) -> str:
    if value["state"] != "output-available":
        return str(value.get("errorText") or "It failed.")
    output = value.get("output")
    return output if isinstance(output, str) else _json(output)


def _interrupt(ask: Mapping[str, Any]) -> dict[str, Any]:
    expires = {} if ask["expiresAt"] is None else {"expiresAt": ask["expiresAt"]}
    asked = {"id": ask["askId"], "reason": "input_required", "message": ask["prompt"]}
    return {**asked, "responseSchema": ask["schema"], **expires}


def _usage(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The reported usage that the protocol knows; a count of another type would end the stream with an error."""
    labels = {name: entry[name] for name in ("provider", "model") if isinstance(entry.get(name), str)}
    counts = {name: entry[name] for name in COUNTS if type(entry.get(name)) is int and entry[name] >= 0}
    return labels | counts
