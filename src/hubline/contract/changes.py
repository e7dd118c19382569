"""What changed from one contract to the next, and whether it breaks clients that were written for the older one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hubline.contract.acceptance import Acceptance


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `where` is the hub, and its method or call."""

    where: str
    text: str
    breaks: bool


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Every change, in the order of paths and names."""
    before, after = _hubs(old), _hubs(new)
    found: list[Change] = []
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            found.append(Change(path, "the hub is gone", breaks=True))
        elif path not in before:
            found.append(Change(path, "the hub is new", breaks=False))
        else:
            found += _Hub(path, old, new, before[path], after[path]).changes()
    told = " ".join(change.text for change in found)
    return found + [change for field, change in _new_fields(old, new) if repr(field) not in told]


def _new_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Change]]:
    """Fields that types have and did not have. Those that may be left out are seen at no method."""
    before, after = (side.get("components", {}).get("schemas", {}) for side in (old, new))
    for name in sorted(before.keys() & after.keys()):
        fields = [side[name].get("properties", {}) for side in (before, after)]
        for field in sorted(fields[1].keys() - fields[0].keys()):
            yield field, Change(name, f"field {field!r} is new", breaks=False)


def _hubs(document: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    return {channel["address"]: (name, channel) for name, channel in document["channels"].items()}


class _Hub:
    """Compares a hub with itself as it was."""

    def __init__(self, path: str, old: Any, new: Any, before: Any, after: Any) -> None:
        self.path = path
        self.old, self.new = old, new
        self.before, self.after = before, after

    def changes(self) -> Iterator[Change]:
        yield from _authorization(self.path, self.before[1], self.after[1])
        before, after = self._operations(self.old, self.before), self._operations(self.new, self.after)
        for action, name in sorted(before.keys() | after.keys(), key=lambda each: (each[0], each[1])):
            where = f"{self.path} {name}"
            is_method = action == "receive"
            was, now = before.get((action, name)), after.get((action, name))
            if now is None:
                yield Change(where, "the method is gone" if is_method else "the server does not call it any more", True)
            elif was is None:
                yield from _added(where, is_method, now)
            elif is_method:
                yield from self._method(where, was, now)
            else:
                yield from self._call(where, was, now)

    def _operations(self, document: Any, hub: Any) -> dict[tuple[str, str], Any]:
        name, channel = hub
        found = {}
        for operation in document["operations"].values():
            if operation["channel"]["$ref"] == f"#/channels/{name}":
                message = _message(channel, operation["messages"][0])
                reply = _message(channel, operation["reply"]["messages"][0]) if "reply" in operation else None
                found[operation["action"], message["name"]] = (operation["x-signalr"], message["payload"], reply)
        return found

    def _method(self, where: str, was: Any, now: Any) -> Iterator[Change]:
        yield from _authorization(where, {"x-signalr": was[0]}, {"x-signalr": now[0]})
        if was[0]["kind"] != now[0]["kind"]:
            yield Change(where, f"was a {was[0]['kind']}, is a {now[0]['kind']}", breaks=True)
        yield from self._parameters(where, was, now)
        yield from self._uploads(where, was[0], now[0])
        if was[2] is not None and now[2] is not None:
            yield from self._sent(where, "the result", was[2]["payload"], now[2]["payload"])

    def _parameters(self, where: str, was: Any, now: Any) -> Iterator[Change]:
        before, after = _arguments(was), _arguments(now)
        for number, (parameter, schema) in enumerate(before):
            if number >= len(after):
                yield Change(where, f"parameter {parameter['name']!r} is gone", breaks=True)
                continue
            other, kind = after[number]
            yield from _names(where, number, before, after)
            if parameter["required"] != other["required"]:
                text = "has no default any more" if other["required"] else "has a default"
                yield Change(where, f"parameter {other['name']!r} {text}", breaks=other["required"])
            yield from self._read(where, f"parameter {other['name']!r}", schema, kind)
        for parameter, _ in after[len(before) :]:
            text = "without a default" if parameter["required"] else "with a default"
            yield Change(where, f"parameter {parameter['name']!r} is new, {text}", breaks=parameter["required"])

    def _uploads(self, where: str, was: Any, now: Any) -> Iterator[Change]:
        before, after = ([each for each in side["parameters"] if "stream" in each] for side in (was, now))
        if len(before) != len(after):
            yield Change(where, f"took {len(before)} uploads, takes {len(after)}", breaks=True)
            return
        for parameter, other in zip(before, after, strict=True):
            yield from self._read(where, f"upload {other['name']!r}", parameter["stream"], other["stream"])

    def _call(self, where: str, was: Any, now: Any) -> Iterator[Change]:
        before, after = _arguments(was), _arguments(now)
        if len(before) != len(after):
            yield Change(where, f"had {len(before)} arguments, has {len(after)}", breaks=True)
            return
        for number, ((_, schema), (other, kind)) in enumerate(zip(before, after, strict=True)):
            yield from _names(where, number, before, after)
            yield from self._sent(where, f"argument {other['name']!r}", schema, kind)
        if (was[2] is None) != (now[2] is None):
            yield Change(where, "wants no answer now" if now[2] is None else "wants an answer now", now[2] is not None)
        elif was[2] is not None:
            yield from self._read(where, "the answer", was[2]["payload"], now[2]["payload"])

    def _read(self, where: str, what: str, was: Any, now: Any) -> Iterator[Change]:
        """What clients send: all that they could send must still be read."""
        yield from _difference(where, what, Acceptance(self.old, self.new), was, now, widened=Acceptance)

    def _sent(self, where: str, what: str, was: Any, now: Any) -> Iterator[Change]:
        """What clients get: only what they could get before."""
        yield from _difference(where, what, Acceptance(self.new, self.old), now, was, widened=Acceptance)


def _difference(
    where: str, what: str, acceptance: Acceptance, given: Any, expected: Any, *, widened: type[Acceptance]
) -> Iterator[Change]:
    if reason := acceptance.reason(given, expected):
        yield Change(where, f"{what} {reason}", breaks=True)
    elif reason := widened(acceptance.expecting, acceptance.giving).reason(expected, given):
        yield Change(where, f"{what} differs, and fits: {reason}", breaks=False)


def _message(channel: Mapping[str, Any], reference: Mapping[str, str]) -> Any:
    return channel["messages"][reference["$ref"].rpartition("/")[2]]


def _arguments(operation: Any) -> list[tuple[Any, Any]]:
    parameters = [each for each in operation[0]["parameters"] if "stream" not in each]
    return list(zip(parameters, operation[1].get("items", ()), strict=True))


def _names(where: str, number: int, before: list[Any], after: list[Any]) -> Iterator[Change]:
    """Arguments have places, not names: another name is harmless unless it was that of another place."""
    was, now = before[number][0]["name"], after[number][0]["name"]
    if was == now:
        return
    names = [parameter["name"] for parameter, _ in after]
    if was in names or now in [parameter["name"] for parameter, _ in before]:
        yield Change(where, f"{now!r} stands in the place of {was!r}", breaks=True)
    else:
        yield Change(where, f"{was!r} is called {now!r}", breaks=False)


def _added(where: str, is_method: bool, operation: Any) -> Iterator[Change]:
    if is_method:
        yield Change(where, "the method is new", breaks=False)
    elif operation[2] is None:
        yield Change(where, "the server calls it now", breaks=False)
    else:
        yield Change(where, "the server calls it now, and waits for an answer that older clients do not give", True)


def _authorization(where: str, was: Any, now: Any) -> Iterator[Change]:
    before, after = (side["x-signalr"].get("authorize", []) for side in (was, now))
    for word in after:
        if word not in before:
            yield Change(where, f"needs {word}", breaks=True)
    for word in before:
        if word not in after:
            yield Change(where, f"does not need {word} any more", breaks=False)
