"""The tables as they are now. How they came to be is in `migrations`; a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class Moment(TypeDecorator[datetime]):
    """A time in UTC, also in SQLite, which keeps no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA = MetaData()

USERS = Table(
    "users",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(40), nullable=False),
    Column("folded", Text, nullable=False, unique=True),  # the name as it is compared
    Column("role", String(10), nullable=False),
    Column("tier", String(10), nullable=False),
    Column("password", String(200)),  # its argon2 hash; guests have none
    Column("created_at", Moment, nullable=False),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", String(32), primary_key=True),  # public, as the tokens of the session name it
    Column("token", String(64), nullable=False, unique=True),  # SHA-256 of the cookie
    Column("user_id", String(32), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

ROOMS = Table(
    "rooms",
    METADATA,
    Column("id", String(60), primary_key=True),
    Column("name", String(40), nullable=False),
    Column("folded", Text, nullable=False),
    Column("topic", String(200), nullable=False),
    Column("is_private", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
)

MEMBERS = Table(
    "members",
    METADATA,
    Column("room_id", String(60), ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", String(32), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("is_owner", Boolean, nullable=False),
    Column("joined_at", Moment, nullable=False),
)

MESSAGES = Table(
    "messages",
    METADATA,
    Column("room_id", String(60), ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(10), nullable=False),
    Column("author_id", String(32), nullable=False),  # no foreign key: what was said outlives its author's account
    Column("author_name", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_at", Moment, nullable=False),
    Column("client_message_id", String(64)),
    Column("answer", Text),  # of the assistant's messages, `contract.Answer` as JSON
    Column("is_running", Boolean, nullable=False),
    Index("ix_messages_sent", "author_id", "client_message_id", unique=True),
)

USAGE = Table(
    "usage",
    METADATA,
    Column("user_id", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("tokens", BigInteger, nullable=False),
)

SETTINGS = Table(
    "settings",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
