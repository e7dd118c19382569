"""The AI SDK's UI message stream, as `ai` 7 reads it (`uiMessageChunkSchema`, `processUIMessageStream`).

A run is one message with one step. That client throws on a delta without the begin of its part, orders parts by their
begins, and can retract only the whole step. So every attach begins again, and a change that cannot be sent by itself is
sent as a snapshot, after a `reset-step`.
"""

from collections.abc import Mapping
from typing import Any

from hubline.runs.http.subject import Subject
from hubline.runs.parts import TEXTS
from hubline.runs.tape import Shared
from hubline.runs.values import as_json
from hubline.wire.event_stream import LF, event

DONE = event(b"[DONE]", LF)

ERRORS = {"interrupted": "The answer was interrupted: its server went away."}
"""The error if the run itself has none."""

REASONS = {"completed": "stop", "limited": "length", "interrupted": "interrupted", "failed": "error"}
"""The reason of `finish`, by the state of the run."""

NAMED: dict[str, tuple[str, ...]] = {
    "source-url": ("url",),
    "source-document": ("mediaType", "title"),
    "file": ("url", "mediaType"),
}
"""Names of values that have a chunk of their own, and the text fields that each must have."""

STATES = ("input-streaming", "input-available", "output-available", "output-error", "output-denied")
"""The states of a tool call: the client's own names."""

OPTIONAL: dict[str, type] = {"title": str, "filename": str, "dynamic": bool, "providerExecuted": bool}
"""Optional fields, with their types. For the client, a chunk with a wrong type is a broken stream."""


def chunk(type: str, **values: Any) -> bytes:
    """One event."""
    return event(as_json({"type": type, **values}), LF)


class UiMessageStream:
    """One reader's message."""

    headers = ((b"x-vercel-ai-ui-message-stream", b"v1"),)
    has_positions = False
    finished = False

    def __init__(self, subject: Subject) -> None:
        self._run_id = subject.run_id
        self._begin_step()
        self._keeps_open = False
        """A part continued after another had begun. This may happen again, so no part is closed before the end."""

    def _begin_step(self) -> None:
        self._known: dict[str, str] = {}
        """Parts, in order, and what each is: `text`, `reasoning`, `pushed` or `value`."""
        self._open: dict[str, str] = {}
        """Texts that have begun and may continue."""
        self._called: set[str] = set()
        """Tool calls whose input was sent."""
        self._asks: dict[str, dict[str, Any]] = {}
        self._in_pieces = False
        """More of a snapshot follows."""

    def begin(self) -> bytes:
        return chunk("start", messageId=self._run_id) + chunk("start-step")

    def item(self, item: Shared) -> bytes | None:
        value = item.value
        kind = value["kind"]
        if kind in TEXTS:
            return self._text(item)
        match kind:
            case "data":
                return self._data(value["part"], value["name"], value["value"])
            case "retract":
                return None if any(part in self._known for part in value["parts"]) else b""
            case "snapshot":
                return self._snapshot(value)
            case "status":
                details = {name: each for name, each in value.items() if name not in ("kind", "position")}
                return chunk("data-status", data=details, transient=True)
            case "ask" | "answered":
                return self._ask(value)
            case "steered":
                return _steered(value)
            case "end":
                return self._ended(value)
        return b""

    def refused(self, text: str) -> bytes:
        return self._close() + chunk("error", errorText=text)

    def end(self) -> bytes:
        return DONE

    def _text(self, item: Shared) -> bytes | None:
        value = item.value
        part, before = value["part"], b""
        if part not in self._open:
            if part in self._known:
                self._keeps_open = True
                return None
            before = self._start(part, value["kind"])
        after = b""
        if self._in_pieces and value["position"] is not None:
            after = self._whole()
        return before + bytes(item.form(_delta)) + after

    def _start(self, part: str, kind: str) -> bytes:
        """Begin a text. The one before is taken for complete."""
        before = b"" if self._keeps_open or self._in_pieces else self._close()
        self._known[part] = self._open[part] = kind
        return before + chunk(f"{kind}-start", id=part)

    def _close(self, *, but: str | None = None) -> bytes:
        closed = [part for part in self._open if part != but]
        return b"".join(chunk(f"{self._open.pop(part)}-end", id=part) for part in closed)

    def _data(self, part: str, name: str, value: Any) -> bytes | None:
        before = b"" if self._keeps_open or self._in_pieces else self._close()
        wanted, fields = NAMED.get(name), value if isinstance(value, dict) else {}
        if wanted is not None and all(isinstance(fields.get(each), str) for each in wanted):
            if part in self._known:
                return None  # the client would have both
            self._known[part] = "pushed"
            source = {"sourceId": part} if name.startswith("source-") else {}
            return before + chunk(name, **source, **{each: fields[each] for each in wanted}, **_options(fields))
        self._known[part] = "value"
        if name.startswith("tool-") and isinstance(fields.get("toolCallId"), str) and fields.get("state") in STATES:
            return before + self._tool(name.removeprefix("tool-"), fields)
        return before + chunk(f"data-{name}", id=part, data=value)

    def _tool(self, name: str, value: Mapping[str, Any]) -> bytes:
        call = {"toolCallId": value["toolCallId"]}
        named = {**call, "toolName": name, **_options(value)}
        state = value["state"]
        if state == "input-streaming":
            return chunk("tool-input-start", **named)
        said = b""
        if state == "input-available" or value["toolCallId"] not in self._called:
            self._called.add(value["toolCallId"])
            said = chunk("tool-input-available", **named, input=value.get("input"))
        match state:
            case "output-available":
                preliminary = {"preliminary": True} if value.get("preliminary") is True else {}
                said += chunk("tool-output-available", **call, output=value.get("output"), **preliminary)
            case "output-error":
                said += chunk("tool-output-error", **call, errorText=str(value.get("errorText") or "It failed."))
            case "output-denied":
                said += chunk("tool-output-denied", **call)
        return said

    def _snapshot(self, value: Mapping[str, Any]) -> bytes:
        self._begin_step()
        said, self._in_pieces = [chunk("reset-step")], True
        for part in value["parts"]:
            if part["kind"] == "data":
                said.append(self._data(part["part"], part["name"], part["value"]) or b"")
            else:
                said.append(self._start(part["part"], part["kind"]))
                if part["text"]:
                    said.append(_delta(part))
        said += [self._ask({"kind": "ask", **ask}) for ask in value["asks"]]
        if value["position"] is not None:
            said.append(self._whole())
        return b"".join(said)

    def _whole(self) -> bytes:
        """The last piece of a snapshot: only the last part of its texts may continue."""
        self._in_pieces = False
        return b"" if self._keeps_open else self._close(but=next(reversed(self._known), None))

    def _ask(self, value: Mapping[str, Any]) -> bytes:
        """A question is a value that changes when it is decided."""
        ask_id, asked = value["askId"], value["kind"] == "ask"
        found = self._asks.setdefault(ask_id, {"askId": ask_id})
        if asked:
            found |= {name: value[name] for name in ("prompt", "schema", "expiresAt")}
        else:
            found |= {name: value[name] for name in ("by", "value")}
        state = "open" if asked else "expired" if value["expired"] else "answered"
        return chunk("data-ask", id=ask_id, data={**found, "state": state})

    def _ended(self, value: Mapping[str, Any]) -> bytes:
        said, state = self._close() + chunk("finish-step"), value["state"]
        if state == "stopped":
            return said + chunk("abort")
        if state != "completed":
            said += chunk("error", errorText=value["error"] or ERRORS.get(state, "The run failed."))
        return said + chunk("finish", finishReason=REASONS[state])


def _delta(item: Mapping[str, Any]) -> bytes:
    return chunk(f"{item['kind']}-delta", id=item["part"], delta=item["text"])


def _steered(item: Mapping[str, Any]) -> bytes:
    steer_id, value = item["steerId"], item["value"]
    if isinstance(value, str):
        return chunk("steering-message", id=steer_id, parts=[{"type": "text", "text": value}])
    return chunk("data-steered", id=steer_id, data={"steerId": steer_id, "by": item["by"], "value": value})


def _options(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name, kind in OPTIONAL.items() if isinstance(value.get(name), kind)}
