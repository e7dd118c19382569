"""The index of the words of messages and of their files' names: SQLite's FTS5, or the text search of PostgreSQL."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, column, func, select, table, text

from hubline_chat.contract import Message
from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.messages import message_of
from hubline_chat.store.tables import MESSAGES

IDS = table("search_ids", column("id"), column("message_id"))
WORDS = table("search_words", column("rowid"))

_MARKS = re.compile("[\u0300-\u036f]+")


@dataclass(frozen=True, slots=True)
class Term:
    """Words that follow each other, in small letters, with `ss` for `ß`. `is_prefix`: the last one is a beginning."""

    words: tuple[str, ...]
    is_prefix: bool = False


class MessageSearch:
    """The messages with all of some terms, each in the text or in the names of the files.

    Answers are in it when they have ended; triggers keep it up to date.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def find(
        self, terms: Sequence[Term], room_ids: Collection[str], *, skip: int, count: int
    ) -> Sequence[Message]:
        """Messages of these rooms with every term, the newest first."""
        found = self._sqlite(terms) if self.database.is_sqlite else self._postgresql(terms)
        found = found.where(MESSAGES.c.room_id.in_(room_ids)).limit(count).offset(skip)
        async with self.database.reading() as connection:
            return [message_of(row) for row in (await connection.execute(found)).all()]

    def _sqlite(self, terms: Sequence[Term]) -> Select[Any]:
        fits = text("search_words MATCH :terms").bindparams(bindparam("terms", " AND ".join(map(_fts5, terms))))
        joined = WORDS.join(IDS, IDS.c.id == WORDS.c.rowid).join(MESSAGES, MESSAGES.c.id == IDS.c.message_id)
        return select(MESSAGES).select_from(joined).where(fits).order_by(WORDS.c.rowid.desc())

    def _postgresql(self, terms: Sequence[Term]) -> Select[Any]:
        words = func.hubline_chat_words(MESSAGES.c.text, MESSAGES.c.files)
        query = func.to_tsquery(text("'pg_catalog.simple'"), " & ".join(map(_tsquery, terms)))
        fits = words.bool_op("@@")(query), ~MESSAGES.c.is_running
        return select(MESSAGES).where(*fits).order_by(MESSAGES.c.sent_at.desc(), MESSAGES.c.seq.desc())


def folded(text: str) -> str:
    """Text as it is compared: in small letters, without accents, with `ss` for `ß`."""
    return text.lower() if text.isascii() else "".join(map(_folded, text))


@lru_cache(maxsize=4_096)
def _folded(character: str) -> str:
    return _MARKS.sub("", unicodedata.normalize("NFD", character.lower())).replace("ß", "ss")


def _fts5(term: Term) -> str:
    """A phrase of FTS5, whose tokenizer takes off accents, those of Greek excepted. Words have no quotes."""
    return f'"{" ".join(term.words)}"' + ("*" if term.is_prefix else "")


def _tsquery(term: Term) -> str:
    """A phrase of PostgreSQL, quoted."""
    words = [f"'{folded(word)}'" for word in term.words]
    return f"({' <-> '.join(words)}{':*' if term.is_prefix else ''})"
