"""The present tables. Their history is in `migrations`; a test compares the two."""

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
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)

LARGEST = 2**31 - 1
"""Of a column for whole numbers, in PostgreSQL."""


class Moment(TypeDecorator[datetime]):
    """A time in UTC, also in SQLite, which does not store zones."""

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


class Key(TypeDecorator[str]):
    """An id. Pages may send any text as one: a character that no database stores is compared as one that no id has."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.replace("\0", "\ufffd")


class Number(TypeDecorator[int]):
    """A number of a message or a version. Pages may send any: what the column cannot have is compared as its limit."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        return None if value is None else min(max(value, -LARGEST), LARGEST)


METADATA = MetaData()

USERS = Table(
    "users",
    METADATA,
    Column("id", Key(32), primary_key=True),
    Column("name", String(40), nullable=False),
    Column("folded", Text, nullable=False, unique=True),  # the name as it is compared
    Column("role", String(10), nullable=False),
    Column("tier", String(10), nullable=False),
    Column("password", String(200)),  # its argon2 hash; guests and people of a provider have none
    Column("is_disabled", Boolean, nullable=False, server_default=false()),  # nobody can sign in with it
    Column("created_at", Moment, nullable=False),
)

IDENTITIES = Table(
    "identities",  # people whom an OpenID Connect provider signs in
    METADATA,
    Column("issuer", String(500), primary_key=True),
    Column("subject", String(255), primary_key=True),  # the issuer's id of the person
    Column("user_id", Key(32), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", Key(32), primary_key=True),  # public, as the tokens of the session name it
    Column("token", String(64), nullable=False, unique=True),  # SHA-256 of the cookie
    Column("user_id", Key(32), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

ROOMS = Table(
    "rooms",
    METADATA,
    Column("id", Key(60), primary_key=True),
    Column("name", String(40), nullable=False),
    Column("folded", Text, nullable=False),
    Column("topic", String(200), nullable=False),
    Column("is_private", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("asks", Boolean, nullable=False, server_default=false()),
    Column("is_conversation", Boolean, nullable=False, server_default=false()),
    Column("last_seq", Integer, nullable=False, server_default="0"),  # the highest number of those deleted messages
    Column("is_archived", Boolean, nullable=False, server_default=false()),
    Column("retention_days", Integer),  # after which messages are deleted; without it those of the settings
    Column("model", String(40)),  # the id of the one that was chosen
    Column("prompt", Text, nullable=False, server_default=""),  # what the assistant is told
    Column("pair", String(65)),  # of a conversation of two people: their ids, in order
    Index("ix_rooms_pair", "pair", unique=True),
)

MEMBERS = Table(
    "members",
    METADATA,
    Column("room_id", Key(60), ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Key(32), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("is_owner", Boolean, nullable=False),
    Column("joined_at", Moment, nullable=False),
)

MESSAGES = Table(
    "messages",
    METADATA,
    Column("room_id", Key(60), ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Number, primary_key=True),
    Column("id", Key(32), nullable=False, unique=True),
    Column("kind", String(10), nullable=False),
    Column("author_id", Key(32), nullable=False),  # no foreign key: messages outlive the account of their author
    Column("author_name", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_at", Moment, nullable=False),
    Column("client_message_id", String(64)),
    Column("answer", Text),  # of the assistant's messages, `contract.Answer` as JSON
    Column("is_running", Boolean, nullable=False),
    Column("edited_at", Moment),
    Column("is_deleted", Boolean, nullable=False, server_default=false()),  # its text is gone, and its number stays
    Column("versions", Integer, nullable=False, server_default="1"),  # of an answer, with the present one
    Column("files", Text),  # a list of `contract.File` as JSON
    Column("quoted_seq", Integer),  # the message of the same room that it replies to
    Column("reactions", Text),  # a list of `contract.Reaction` as JSON
    Column("reacted_at", Moment),  # when one was added or taken back, or the account of a person in it was removed
    Index("ix_messages_sent", "author_id", "client_message_id", unique=True),
)

VERSIONS = Table(
    "versions",
    METADATA,
    Column("room_id", Key(60), primary_key=True),
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("number", Number, primary_key=True, autoincrement=False),  # from 1; the present one is in the message
    Column("text", Text, nullable=False),
    Column("answer", Text, nullable=False),
    ForeignKeyConstraint(["room_id", "seq"], ["messages.room_id", "messages.seq"], ondelete="CASCADE"),
)

FILES = Table(
    "files",
    METADATA,
    Column("id", Key(32), primary_key=True),
    Column("owner_id", Key(32), nullable=False, index=True),  # no foreign key: files outlive their owner's account
    Column("room_id", Key(60), nullable=False),
    Column("name", String(200), nullable=False),
    Column("type", String(100), nullable=False),
    Column("size", Integer, nullable=False),  # in bytes
    Column("width", Integer),  # of images, in pixels
    Column("height", Integer),
    Column("uploaded_at", Moment, nullable=False, index=True),
    Column("is_sent", Boolean, nullable=False, server_default=false()),  # it belonged to a message at some time
)

ATTACHMENTS = Table(
    "attachments",  # a file that is in none and `is_sent` is deleted
    METADATA,
    Column("file_id", Key(32), ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
    Column("room_id", Key(60), nullable=False),
    Column("seq", Number, nullable=False),
    ForeignKeyConstraint(["room_id", "seq"], ["messages.room_id", "messages.seq"], ondelete="CASCADE"),
    Index("ix_attachments_message", "room_id", "seq"),
)

READ_MARKS = Table(
    "read_marks",
    METADATA,
    Column("room_id", Key(60), ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Key(32), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("seq", Number, nullable=False),  # the last message that was read
)

MENTIONS = Table(
    "mentions",
    METADATA,
    Column("room_id", Key(60), primary_key=True),
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("user_id", Key(32), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    ForeignKeyConstraint(["room_id", "seq"], ["messages.room_id", "messages.seq"], ondelete="CASCADE"),
)

USAGE = Table(
    "usage",
    METADATA,
    Column("user_id", Key(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False, server_default="0"),  # in millionths of the currency
)

SETTINGS = Table(
    "settings",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)


def is_compared(thing: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    """Alembic's `include_object`: the index of words is not among these tables, for SQLite and PostgreSQL differ."""
    return not (name or "").startswith("search_")
