"""Databases as the first edition of the chat, and later ones, left them."""

from collections.abc import Sequence

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert

from hubline_chat.contract import Message
from hubline_chat.store import Store
from hubline_chat.store.messages import row_of
from hubline_chat.store.migrate import MIGRATIONS
from hubline_chat.store.tables import MESSAGES

COLUMNS = (
    "room_id", "seq", "id", "kind", "author_id", "author_name", "text", "sent_at", "client_message_id", "answer",
    "is_running",
)  # fmt: skip
"""Those that messages had."""


async def make(
    store: Store, messages: Sequence[Message], revision: str = "0001", columns: Sequence[str] = COLUMNS
) -> None:
    """Make the tables of an edition, with these messages, in an empty database; `store.open` migrates it."""

    def tables(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(config, revision)

    async with store.database.writing() as connection:
        await connection.run_sync(tables)
        for message in messages:
            row = row_of(message)
            # Without the defaults of columns that are newer.
            await connection.execute(insert(MESSAGES).values({name: row[name] for name in columns}))
