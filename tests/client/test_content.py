"""What the items of a run amount to. On lines that are cut: tests/interop/test_python_client_uses.py."""

from typing import Any

from hubline.client.content import Log, RunContent


def text(part: str, words: str, position: str | None, kind: str = "text") -> dict[str, Any]:
    return {"kind": kind, "part": part, "text": words, "position": position}


def read(log: Log, *items: dict[str, Any]) -> RunContent:
    for item in items:
        log.apply(item)
    return log.content


def test_parts_grow_are_replaced_and_retracted() -> None:
    log = Log(None)
    found = read(
        log,
        text("1", "to ", "a"),
        text("2", "hm", "b", "reasoning"),
        text("1", "be", "c"),
        {"kind": "data", "part": "3", "name": "source", "value": 1, "position": "d"},
        {"kind": "data", "part": "3", "name": "source", "value": 2, "position": "e"},
    )
    assert [part["part"] for part in found.parts] == ["1", "2", "3"]
    assert (found.text, found.parts[2]["value"], found.state) == ("to be", 2, "running")
    later = read(log, {"kind": "retract", "parts": ["1", "gone"], "position": "f"})
    assert (later.text, len(later.parts), log.position) == ("", 2, "f")
    assert found.text == "to be", "what was given out does not change"


def test_a_snapshot_counts_when_its_last_piece_has_come() -> None:
    log = Log(None)
    read(log, text("1", "old", "a"))
    first = {"kind": "snapshot", "state": "waiting", "asks": [{"askId": "x"}], "position": None}
    first["parts"] = [{"part": "2", "kind": "text", "text": "n"}]
    assert log.apply(first) is None
    assert log.apply(text("2", "e", None)) is None
    assert (log.content.text, log.position) == ("old", "a")
    log.lost()
    assert log.apply(first) is None
    assert log.apply(text("2", "e", None)) is None
    whole = log.apply(text("2", "w", "b"))
    assert whole == {**first, "parts": [{"part": "2", "kind": "text", "text": "new"}], "position": "b"}
    assert (log.content.text, log.content.state, log.content.asks) == ("new", "waiting", ({"askId": "x"},))
    assert log.apply({**first, "position": "c"}) == {**first, "position": "c"}
    read(log, text("2", "!", "d"))
    assert log.content.text == "n!"
    assert first["parts"] == [{"part": "2", "kind": "text", "text": "n"}], "the item of the server is not changed"


def test_states() -> None:
    log = Log(None)
    queued = read(log, {"kind": "status", "status": "queued", "place": 1, "position": "a"})
    assert (queued.state, queued.status) == ("queued", {"status": "queued", "place": 1})
    begun = read(log, text("1", "a", "b"))
    assert (begun.state, begun.status) == ("running", None)
    thinking = read(log, {"kind": "status", "status": "thinking", "position": "c"})
    assert (thinking.state, thinking.status) == ("running", {"status": "thinking"})
    ask: dict[str, Any] = {"askId": "x", "prompt": "?", "schema": {}, "expiresAt": None}
    asked = read(log, {"kind": "ask", **ask, "position": "d"}, {"kind": "ask", **ask, "position": "d"})
    assert (asked.state, asked.asks) == ("waiting", (ask,))
    steered = {"steerId": "s", "by": None, "value": 1}
    going = read(
        log,
        {"kind": "answered", "askId": "x", "by": None, "value": True, "position": "e"},
        {"kind": "steered", **steered, "position": "f"},
        {"kind": "live", "position": "f"},
        {"kind": "of a later version", "position": "g"},
    )
    assert (going.state, going.asks, going.steered, going.live, going.ended) == ("running", (), (steered,), True, False)
    log.lost()
    assert not log.content.live
    end = {"kind": "end", "state": "failed", "error": "why", "usage": [{"tokens": 1}], "unread": ["s2"]}
    over = read(log, {**end, "position": "h"})
    assert (over.state, over.error, over.usage, over.unread) == ("failed", "why", ({"tokens": 1},), ("s2",))
    assert (over.status, over.live, log.ended) == (None, True, True)


def test_live_without_a_position_keeps_the_place() -> None:
    log = Log("kept")
    assert log.apply({"kind": "live", "position": None}) is not None
    assert log.position == "kept"
