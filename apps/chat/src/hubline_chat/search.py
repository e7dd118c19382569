"""Search of messages: what people type, the rooms that they may read, and the excerpts that they see."""

import asyncio
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from hubline import HubError
from hubline_chat.contract import Found, Message, SearchResult
from hubline_chat.limits import storable
from hubline_chat.plain import unmarked, without_blocks
from hubline_chat.rooms import Rooms
from hubline_chat.store.search import MessageSearch, Term, folded

QUERY_LENGTH = 200
WORDS = 12
"""Words of a query that count."""
PAGE = 20
"""Messages of one reply."""
DEEPEST = 1_000
"""Results behind this one are not given: a more exact query finds more."""
AT_ONCE = 2
"""Searches that run at once, so that they leave the database to those who write and read."""
PREFIX = 2
"""The last word is a beginning of words if it has so many characters."""
EXCERPT, BEFORE = 180, 60
"""Characters of an excerpt, and of them before the first hit."""

NEAR = 800
"""Characters before and behind the first hit in which marks are looked for."""

_QUOTED = re.compile(r'["“”„«»]')
_SEPARATORS = re.compile(r"[\x00-\x20\x7f\s!-/:-@\[-`{-~\u2000-\u206f]+")
_HAS_LETTER = re.compile(r"[^\W_]")


class Search:
    """Finds messages in the rooms that a person may read."""

    def __init__(self, rooms: Rooms, store: MessageSearch) -> None:
        self._rooms, self._store = rooms, store
        self._free = asyncio.Semaphore(AT_ONCE)

    async def find(self, user_id: str, query: str, room_id: str | None, skip: int) -> SearchResult:
        """The messages that fit, the newest first; `skip` of them are left out. Without words nothing fits.

        Raises:
            HubError: the room is not the person's to read, or the query is too long.
            StoreError: the store could not be read.
        """
        if len(query) > QUERY_LENGTH:
            raise HubError(f"Search for at most {QUERY_LENGTH} characters.")
        rooms = self._rooms.visible_to(user_id) if room_id is None else [self._rooms.find(room_id, user_id)]
        terms = terms_of(query)
        if not terms or not 0 <= skip < DEEPEST:
            return SearchResult([], False)
        async with self._free:
            found = await self._store.find(terms, {room.id for room in rooms}, skip=skip, count=PAGE + 1)
        mine = {room.id for room in self._rooms.visible_to(user_id)}  # perhaps others than before
        shown = [self._found(message, terms) for message in found[:PAGE] if message.room_id in mine]
        return SearchResult(shown, len(found) > PAGE and skip + PAGE < DEEPEST)

    async def messages(self, user_id: str, query: str, room_id: str, count: int) -> Sequence[Message]:
        """The newest messages of a room that fit, whole.

        Raises:
            HubError: the room is not the person's to read, the query is too long, or the store could not be read.
        """
        if len(query) > QUERY_LENGTH:
            raise HubError(f"Search for at most {QUERY_LENGTH} characters.")
        room, terms = self._rooms.find(room_id, user_id), terms_of(f"{query} ")
        if not terms:
            return []
        async with self._free:
            return await self._store.find(terms, {room.id}, skip=0, count=count)

    def _found(self, message: Message, terms: Sequence[Term]) -> Found:
        named = [_parts(file.name, 0, len(file.name), _hits(file.name, terms)) for file in message.files]
        return Found(
            message.id,
            message.room_id,
            message.seq,
            message.author,
            message.sent_at,
            excerpt(message.text, terms),
            [parts for parts in named if len(parts) > 1],
        )


def terms_of(query: str) -> list[Term]:
    """The terms of a query: its words, and its phrases in quotes. The last word, as it is being typed, is a beginning.

    It is one in an open quote too, but not before a closing one.
    """
    terms: list[Term] = []
    pieces = _QUOTED.split(storable(query))
    left = WORDS
    for index, piece in enumerate(pieces):
        words = [word for word in _SEPARATORS.split(_lower(piece)) if _HAS_LETTER.search(word)][:left]
        left -= len(words)
        if index % 2:
            terms += [Term(tuple(words))] if words else []
        else:
            terms += [Term((word,)) for word in words]
    ends = bool(_SEPARATORS.split(pieces[-1])[-1])  # no space, dot or closing quote ends the last word
    if terms and ends and len(terms[-1].words[-1]) >= PREFIX:
        terms[-1] = Term(terms[-1].words, is_prefix=True)
    return terms


def excerpt(text: str, terms: Iterable[Term]) -> list[str]:
    """The part of a text with its first hit, on one line and without Markdown. Every second part of the list is a hit.

    If the hits are all in what Markdown does not show, as in the address of a link, the text is as it was written.
    """
    terms = list(terms)
    plain = _around_first(without_blocks(text), terms)
    hits = _hits(plain, terms)
    text = plain if hits or not _hits(text, terms) else " ".join(text.split())
    hits = hits or _hits(text, terms)
    begin = _word_at(text, max(0, hits[0][0] - BEFORE)) if hits else 0
    end = min(len(text), begin + EXCERPT)
    parts = _parts(text, begin, end, hits)
    parts[0] = ("…" if begin else "") + parts[0]
    parts[-1] += "…" if end < len(text) else ""
    return parts


def _around_first(text: str, terms: Sequence[Term]) -> str:
    """As much of a text as an excerpt can need, without marks; a text can be long, and each search reads many."""
    hits = _hits(text, terms)
    begin = max(0, hits[0][0] - NEAR) if hits else 0
    end = begin + 2 * NEAR + EXCERPT
    return ("… " if begin else "") + unmarked(text[begin:end]) + (" …" if end < len(text) else "")


def _hits(text: str, terms: Iterable[Term]) -> list[tuple[int, int]]:
    """Where the terms are, without overlaps."""
    plain, origin = _mapped(text)
    spans = _merged(sorted(match.span() for term in terms for match in _pattern(term).finditer(plain)))
    return [(origin[start], origin[end - 1] + 1) for start, end in spans]


def _parts(text: str, begin: int, end: int, hits: Iterable[tuple[int, int]]) -> list[str]:
    """A part of a text, cut at the edges of its hits; no hit begins before it."""
    inside = [(start, min(stop, end)) for start, stop in hits if start < end]
    edges = [begin, *(edge for hit in inside for edge in hit), end]
    return [text[start:stop] for start, stop in pairwise(edges)]


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower().replace("ß", "ss")


def _mapped(text: str) -> tuple[str, Sequence[int]]:
    """The folded text, and where each of its characters was."""
    if text.isascii():
        return text.lower(), range(len(text))
    pieces = [folded(character) for character in text]
    return "".join(pieces), [index for index, piece in enumerate(pieces) for _ in piece]


def _pattern(term: Term) -> re.Pattern[str]:
    words = r"[\W_]+".join(re.escape(folded(word)) for word in term.words)
    return re.compile(rf"(?<![^\W_]){words}" + (r"[^\W_]*" if term.is_prefix else r"(?![^\W_])"))


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans without overlaps."""
    last: tuple[int, int] | None = None
    for start, end in spans:
        if last is not None and start <= last[1]:
            last = last[0], max(last[1], end)
            continue
        if last is not None:
            yield last
        last = start, end
    if last is not None:
        yield last


def _word_at(text: str, index: int) -> int:
    """Where the word begins that comes at or after a place, if one begins soon."""
    return index if index == 0 else text.find(" ", index, index + BEFORE // 2) + 1 or index
