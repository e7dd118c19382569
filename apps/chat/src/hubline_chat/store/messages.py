"""The table of messages."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_json
from sqlalchemy import Row, Select, bindparam, delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hubline_chat.attached import EXCERPT_LENGTH, File, Quote, Reaction, excerpt
from hubline_chat.contract import Answer, AnswerState, Kind, Message, Person
from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import ATTACHMENTS, FILES, MESSAGES, ROOMS

_ANSWER = TypeAdapter(Answer)
_FILES, _REACTIONS = TypeAdapter(list[File]), TypeAdapter(list[Reaction])
_QUOTED = select(
    MESSAGES.c.seq,
    MESSAGES.c.id,
    MESSAGES.c.author_id,
    MESSAGES.c.author_name,
    func.substr(MESSAGES.c.text, 1, 2 * EXCERPT_LENGTH).label("beginning"),
    MESSAGES.c.files,
    MESSAGES.c.is_deleted,
)


class Messages:
    """The messages, by room and number."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def add(self, messages: Sequence[Message]) -> None:
        """Store messages, all or none of them.

        Raises:
            IntegrityError: one is there already, or has a file that does not exist or that another message has.
        """
        attached = [
            {"file_id": file.id, "room_id": message.room_id, "seq": message.seq}
            for message in messages
            for file in message.files
        ]
        async with self.database.writing() as connection:
            await connection.execute(MESSAGES.insert(), [row_of(message) for message in messages])
            if attached:
                await connection.execute(ATTACHMENTS.insert(), attached)
                sent = FILES.c.id.in_([each["file_id"] for each in attached])
                await connection.execute(update(FILES).where(sent).values(is_sent=True))

    @unbroken
    async def update(self, messages: Sequence[Message]) -> None:
        """Store the newer form of messages; those that were deleted with their history are skipped."""
        change = update(MESSAGES).where(MESSAGES.c.id == bindparam("message"))
        changes = [{"message": message.id, "text": message.text} | _changing(message) for message in messages]
        async with self.database.writing() as connection:
            await connection.execute(change, changes)

    @unbroken
    async def newest(self, room_id: str, count: int) -> Sequence[Message]:
        """The last messages of a room, oldest first."""
        query = select(MESSAGES).where(MESSAGES.c.room_id == room_id).order_by(MESSAGES.c.seq.desc()).limit(count)
        async with self.database.reading() as connection:
            return [*reversed(await _whole(connection, query))]

    @unbroken
    async def before(self, room_id: str, seq: int, count: int) -> Sequence[Message]:
        """The last messages of a room before a number, newest first."""
        there = select(MESSAGES).where(MESSAGES.c.room_id == room_id, MESSAGES.c.seq < seq)
        async with self.database.reading() as connection:
            return await _whole(connection, there.order_by(MESSAGES.c.seq.desc()).limit(count))

    @unbroken
    async def after(self, room_id: str, seq: int, count: int) -> Sequence[Message]:
        """The first messages of a room after a number, oldest first."""
        there = select(MESSAGES).where(MESSAGES.c.room_id == room_id, MESSAGES.c.seq > seq)
        async with self.database.reading() as connection:
            return await _whole(connection, there.order_by(MESSAGES.c.seq).limit(count))

    @unbroken
    async def find(self, message_id: str) -> Message | None:
        async with self.database.reading() as connection:
            found = await _whole(connection, select(MESSAGES).where(MESSAGES.c.id == message_id))
        return found[0] if found else None

    @unbroken
    async def count(self, room_id: str, before: int) -> int:
        """How many messages a room has before a number."""
        query = select(func.count()).where(MESSAGES.c.room_id == room_id, MESSAGES.c.seq < before)
        async with self.database.reading() as connection:
            return await connection.scalar(query) or 0

    @unbroken
    async def expired(self, room_id: str, before: datetime) -> int | None:
        """The number up to which a room's messages were sent before a moment, without a younger one among them."""
        here = MESSAGES.c.room_id == room_id
        old = select(func.max(MESSAGES.c.seq)).where(here, MESSAGES.c.sent_at < before)
        async with self.database.reading() as connection:
            young = await connection.scalar(select(func.min(MESSAGES.c.seq)).where(here, MESSAGES.c.sent_at >= before))
            last: int | None = await connection.scalar(old if young is None else old.where(MESSAGES.c.seq < young))
        return last

    @unbroken
    async def sent(self, author_id: str, client_message_id: str) -> Message | None:
        """The message of a person with an id of the page."""
        is_it = (MESSAGES.c.author_id == author_id) & (MESSAGES.c.client_message_id == client_message_id)
        async with self.database.reading() as connection:
            found = await _whole(connection, select(MESSAGES).where(is_it))
        return found[0] if found else None

    @unbroken
    async def naming(self, user_id: str, name: str, after: tuple[str, int], count: int) -> Sequence[Message]:
        """Messages that name a person, and perhaps others: as author, asker, who reacted or who decided about a tool.

        `after`: room and number of the last one of the page before, which has to be known to get the next.
        """
        named = or_(
            MESSAGES.c.author_id == user_id,
            MESSAGES.c.answer.contains(user_id, autoescape=True),
            MESSAGES.c.answer.contains(to_json(name).decode(), autoescape=True),
            MESSAGES.c.reactions.contains(user_id, autoescape=True),
        )
        place = tuple_(MESSAGES.c.room_id, MESSAGES.c.seq)
        query = select(MESSAGES).where(named, place > tuple_(*after)).order_by(MESSAGES.c.room_id, MESSAGES.c.seq)
        async with self.database.reading() as connection:
            rows = (await connection.execute(query.limit(count))).all()
        return [message_of(row) for row in rows]

    @unbroken
    async def interrupt(self, reason: str) -> None:
        """End the answers that were running when the process ended."""
        async with self.database.reading() as connection:
            rows = (await connection.execute(select(MESSAGES).where(MESSAGES.c.is_running))).all()
        ended = []
        for row in rows:
            # By its JSON, because earlier versions had other names for states of running answers.
            known = json.loads(row.answer) | {"state": AnswerState.INTERRUPTED}
            answer = replace(_ANSWER.validate_python(known), error=reason, ended_at=datetime.now(UTC))
            ended.append(message_of(row, answer))
        if ended:
            await self.update(ended)

    @unbroken
    async def clear(self, room_id: str, before: int) -> None:
        """Delete a room's messages before a number. Numbers that were given out are never given out again."""
        last = update(ROOMS).where(ROOMS.c.id == room_id, ROOMS.c.last_seq < before - 1).values(last_seq=before - 1)
        async with self.database.writing() as connection:
            await connection.execute(delete(MESSAGES).where(MESSAGES.c.room_id == room_id, MESSAGES.c.seq < before))
            await connection.execute(last)


def row_of(message: Message) -> dict[str, Any]:
    """A message as its columns."""
    return {
        "room_id": message.room_id,
        "seq": message.seq,
        "id": message.id,
        "kind": message.kind,
        "author_id": message.author.id,
        "text": message.text,
        "sent_at": message.sent_at,
        "client_message_id": message.client_message_id,
        "quoted_seq": None if message.quote is None else message.quote.seq,
    } | _changing(message)


def _changing(message: Message) -> dict[str, Any]:
    """What changes in a message beside its text."""
    return {
        "author_name": message.author.name,
        "answer": _answer(message),
        "is_running": message.is_running,
        "edited_at": message.edited_at,
        "is_deleted": message.is_deleted,
        "versions": message.versions,
        "files": _FILES.dump_json(message.files).decode() if message.files else None,
        "reactions": _REACTIONS.dump_json(message.reactions).decode() if message.reactions else None,
        "reacted_at": message.reacted_at,
    }


def _answer(message: Message) -> str | None:
    return None if message.answer is None else _ANSWER.dump_json(message.answer).decode()


def message_of(row: Row[Any], answer: Answer | None = None) -> Message:
    """The message of a row, without a quote; `answer` replaces that of the row."""
    kind: Kind = row.kind
    author = Person(row.author_id, row.author_name, kind)
    if answer is None and row.answer is not None:
        answer = _ANSWER.validate_json(row.answer)
    return Message(
        row.id,
        row.room_id,
        row.seq,
        kind,
        author,
        row.text,
        row.sent_at,
        row.client_message_id,
        answer,
        row.edited_at,
        row.is_deleted,
        row.versions,
        _FILES.validate_json(row.files) if row.files else [],
        reactions=_REACTIONS.validate_json(row.reactions) if row.reactions else [],
        reacted_at=row.reacted_at,
    )


async def _whole(connection: AsyncConnection, query: Select[Any]) -> list[Message]:
    """Messages of one room with those that they reply to, in their present form.

    These are read by their numbers, and not by a join: while PostgreSQL knows nothing of the sizes of the tables, it
    would read the whole room for each message.
    """
    rows = (await connection.execute(query)).all()
    numbers = {row.quoted_seq for row in rows} - {None}
    if not numbers:
        return [message_of(row) for row in rows]
    there = _QUOTED.where(MESSAGES.c.room_id == rows[0].room_id, MESSAGES.c.seq.in_(numbers))
    quotes = {row.seq: _quote(row) for row in (await connection.execute(there)).all()}
    gone = {number: Quote(number, is_deleted=True) for number in numbers}
    shown: dict[int | None, Quote | None] = {None: None, **gone, **quotes}
    return [replace(message_of(row), quote=shown[row.quoted_seq]) for row in rows]


def _quote(row: Any) -> Quote:
    """What a reply shows of a message, of a row of `_QUOTED`."""
    if row.is_deleted:
        return Quote(row.seq, is_deleted=True)
    text = excerpt(row.beginning, _FILES.validate_json(row.files) if row.files else [])
    return Quote(row.seq, row.id, row.author_id, row.author_name, text)
