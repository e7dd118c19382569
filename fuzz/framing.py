"""A stream for both splitters: however it is cut, the payloads and the error are the same, and little is held."""

from collections.abc import Iterable

from fuzz.seeds import cut, messages, uncut
from hubline.wire.framing import RecordSplitter, VarintSplitter

LIMIT = 64
SEEDS = [uncut(each * 2) for form in ("json", "messagepack") for each in messages(form)]


def check(data: bytes) -> None:
    pieces, whole = cut(data)
    for kind in (RecordSplitter, VarintSplitter):
        for limit in (LIMIT, None):
            expected = _split(kind(limit), [whole], limit)
            assert _split(kind(limit), pieces, limit) == expected
            assert _split(kind(limit), [whole[index : index + 1] for index in range(len(whole))], limit) == expected


def _split(
    splitter: RecordSplitter | VarintSplitter, pieces: Iterable[bytes], limit: int | None
) -> tuple[list[bytes], str]:
    found = []
    for piece in pieces:
        found += splitter.feed(piece)
        assert limit is None or splitter.pending <= limit
    return found, str(splitter.error)
