"""The table of the earlier versions of answers."""

from collections.abc import Callable

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, delete, select, update

from hubline_chat.contract import Answer, Message, Version
from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import VERSIONS

_ANSWER = TypeAdapter(Answer)


class Versions:
    """The versions before the present ones, by message and number."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def add(self, message: Message) -> None:
        """Store the present version of an answer, before a new one takes its place."""
        assert message.answer is not None
        here = _of(message) & (VERSIONS.c.number == message.versions)
        values = {"room_id": message.room_id, "seq": message.seq, "number": message.versions, "text": message.text}
        async with self.database.writing() as connection:
            await connection.execute(delete(VERSIONS).where(here))
            answer = _ANSWER.dump_json(message.answer).decode()
            await connection.execute(VERSIONS.insert().values(values | {"answer": answer}))

    @unbroken
    async def get(self, message: Message, number: int) -> Version | None:
        async with self.database.reading() as connection:
            query = select(VERSIONS).where(_of(message), VERSIONS.c.number == number)
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Version(message.id, number, row.text, _ANSWER.validate_json(row.answer))

    @unbroken
    async def rewrite(self, user_id: str, change: Callable[[Answer], Answer]) -> None:
        """Change the versions for which a person asked."""
        asked = VERSIONS.c.answer.contains(user_id, autoescape=True)
        async with self.database.writing() as connection:
            for row in (await connection.execute(select(VERSIONS).where(asked))).all():
                here = (VERSIONS.c.room_id == row.room_id) & (VERSIONS.c.seq == row.seq)
                answer = _ANSWER.dump_json(change(_ANSWER.validate_json(row.answer))).decode()
                query = update(VERSIONS).where(here, VERSIONS.c.number == row.number).values(answer=answer)
                await connection.execute(query)

    @unbroken
    async def forget(self, message: Message) -> None:
        """Delete every version of an answer."""
        async with self.database.writing() as connection:
            await connection.execute(delete(VERSIONS).where(_of(message)))


def _of(message: Message) -> ColumnElement[bool]:
    return (VERSIONS.c.room_id == message.room_id) & (VERSIONS.c.seq == message.seq)
