"""Hub messages as dictionaries, in both codecs, written down once more and apart from the library's own codecs.

Both codecs give the same dictionary for the same message: what is absent on the wire is absent here. A call without an
id has none, and MessagePack's result kinds become `error`, `result` or neither.
"""

import json
from typing import Any

import msgspec

Message = dict[str, Any]

RS = b"\x1e"


def encode(codec: str, message: Message) -> bytes:
    """One framed message."""
    if codec == "json":
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + RS
    body = msgspec.msgpack.encode(_array(message))
    return var_int(len(body)) + body


def decode(codec: str, data: bytes) -> list[Message]:
    """Every message in `data`, which must hold whole ones, as the original's clients require."""
    if codec == "json":
        return [json.loads(part[:-1]) for part in split(codec, data)]
    return [_dictionary(msgspec.msgpack.decode(_read_var_int(part)[1])) for part in split(codec, data)]


def split(codec: str, data: bytes) -> list[bytes]:
    """The messages in `data`, each with its framing."""
    if codec == "json":
        assert data.endswith(RS) or not data, f"no whole message: {data!r}"
        return [part + RS for part in data.split(RS)[:-1]]
    found = []
    while data:
        size, rest = _read_var_int(data)
        size += len(data) - len(rest)
        assert len(data) >= size, f"no whole message: {data!r}"
        found.append(data[:size])
        data = data[size:]
    return found


def var_int(number: int) -> bytes:
    """Groups of seven bits, the lowest first; the high bit says that more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_var_int(data: bytes) -> tuple[int, bytes]:
    number = 0
    for position, byte in enumerate(data):
        number |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return number, data[position + 1 :]
    raise AssertionError(f"no whole length: {data!r}")


def _array(message: Message) -> list[Any]:
    kind, headers, id_ = message["type"], message.get("headers", {}), message.get("invocationId")
    match kind:
        case 1 | 4:
            return [kind, headers, id_, message["target"], message["arguments"], message.get("streamIds", [])]
        case 2:
            return [2, headers, id_, message["item"]]
        case 3 if "error" in message:
            return [3, headers, id_, 1, message["error"]]
        case 3:
            return [3, headers, id_, 3, message["result"]] if "result" in message else [3, headers, id_, 2]
        case 5:
            return [5, headers, id_]
        case 7:
            return [7, message.get("error"), message.get("allowReconnect", False)]
        case 8 | 9:
            return [kind, message["sequenceId"]]
        case _:
            return [kind]


def _dictionary(array: list[Any]) -> Message:
    kind = array[0]
    match kind:
        case 1 | 4:
            _, headers, id_, target, arguments, stream_ids = array
            assert headers == {}
            assert stream_ids == []
            found = {"type": kind, "invocationId": id_, "target": target, "arguments": arguments}
            return found if id_ is not None else {key: found[key] for key in ("type", "target", "arguments")}
        case 2:
            _, headers, id_, item = array
            return {"type": 2, "invocationId": id_, "item": item}
        case 3:
            outcome = {1: "error", 3: "result"}.get(array[3])
            assert len(array) == (5 if outcome else 4)
            return {"type": 3, "invocationId": array[2]} | ({outcome: array[4]} if outcome else {})
        case 7:
            _, error, allow = array
            return (
                {"type": 7}
                | ({"error": error} if error is not None else {})
                | ({"allowReconnect": True} if allow else {})
            )
        case 8 | 9:
            return {"type": kind, "sequenceId": array[1]}
        case _:
            assert array == [6]
            return {"type": 6}
