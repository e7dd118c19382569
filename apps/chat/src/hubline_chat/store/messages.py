"""The table of messages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, bindparam, delete, select, update

from hubline_chat.contract import Answer, AnswerState, Kind, Message, Person
from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import MESSAGES

_ANSWER = TypeAdapter(Answer)


class Messages:
    """What was said, by room and number."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def add(self, messages: Sequence[Message]) -> None:
        """Keep messages, all or none of them."""
        async with self.database.writing() as connection:
            await connection.execute(MESSAGES.insert(), [_row(message) for message in messages])

    @unbroken
    async def update(self, messages: Sequence[Message]) -> None:
        """Keep the newer form of answers; those that were deleted meanwhile are passed over."""
        change = update(MESSAGES).where(MESSAGES.c.id == bindparam("message"))
        changes = [
            {"message": message.id, "text": message.text, "answer": _answer(message), "is_running": message.is_running}
            for message in messages
        ]
        async with self.database.writing() as connection:
            await connection.execute(change, changes)

    @unbroken
    async def newest(self, room_id: str, count: int) -> Sequence[Message]:
        """The last messages of a room, oldest first."""
        query = select(MESSAGES).where(MESSAGES.c.room_id == room_id).order_by(MESSAGES.c.seq.desc()).limit(count)
        async with self.database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [_message(row) for row in reversed(rows)]

    @unbroken
    async def sent(self, author_id: str, client_message_id: str) -> Message | None:
        """What a person sent under an id of the page."""
        query = select(MESSAGES).where(
            MESSAGES.c.author_id == author_id, MESSAGES.c.client_message_id == client_message_id
        )
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _message(row)

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
            ended.append(_message(row, answer))
        if ended:
            await self.update(ended)

    @unbroken
    async def trim(self, oldest: Mapping[str, int]) -> None:
        """Delete what is older than the message of this number, room by room."""
        async with self.database.writing() as connection:
            for room_id, seq in oldest.items():
                await connection.execute(delete(MESSAGES).where(MESSAGES.c.room_id == room_id, MESSAGES.c.seq < seq))


def _row(message: Message) -> dict[str, Any]:
    return {
        "room_id": message.room_id,
        "seq": message.seq,
        "id": message.id,
        "kind": message.kind,
        "author_id": message.author.id,
        "author_name": message.author.name,
        "text": message.text,
        "sent_at": message.sent_at,
        "client_message_id": message.client_message_id,
        "answer": _answer(message),
        "is_running": message.is_running,
    }


def _answer(message: Message) -> str | None:
    return None if message.answer is None else _ANSWER.dump_json(message.answer).decode()


def _message(row: Row[Any], answer: Answer | None = None) -> Message:
    kind: Kind = row.kind
    author = Person(row.author_id, row.author_name, kind)
    if answer is None and row.answer is not None:
        answer = _ANSWER.validate_json(row.answer)
    return Message(row.id, row.room_id, row.seq, kind, author, row.text, row.sent_at, row.client_message_id, answer)
