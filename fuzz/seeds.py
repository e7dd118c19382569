"""Where fuzzing begins: the messages of `tests/vectors`, and ways to cut bytes up."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent.parent / "tests" / "vectors"
JSON_HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
MESSAGEPACK_HANDSHAKE = b'{"protocol":"messagepack","version":1}\x1e'


def messages(form: str) -> Iterator[bytes]:
    """Every message of the vectors as framed bytes, `form` being `json` or `messagepack`."""
    for vector in _read("messages.json")["messages"]:
        yield vector["json"].encode() if form == "json" else bytes.fromhex(vector["messagepack"])


def _read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text("utf-8"))


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Pieces of the data, and the data: its first byte says how many cuts, and a byte for each says where."""
    number = data[0] % 8 if data else 0
    places, rest = sorted(data[1 : 1 + number]), data[1 + number :]
    ends = [min(place, len(rest)) for place in places]
    pieces = [rest[start:end] for start, end in zip([0, *ends], [*ends, len(rest)], strict=True)]
    return [piece for piece in pieces if piece], rest


def uncut(data: bytes) -> bytes:
    """A seed that `cut` takes for `data` in two pieces."""
    return bytes([1, len(data) // 2 % 256]) + data
