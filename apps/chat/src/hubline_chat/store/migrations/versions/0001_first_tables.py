"""The first tables, and the rooms that every chat begins with."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

FIRST_ROOMS = (
    ("general", "General", "Whatever has no room of its own"),
    ("ask-the-assistant", "Ask the assistant", "Questions to the model, for everyone to read"),
    ("off-topic", "Off topic", "Everything else"),
)


def upgrade() -> None:
    _people()
    _rooms()
    op.create_table(
        "usage",
        sa.Column("user_id", sa.String(200), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("tokens", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _people() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("folded", sa.Text, nullable=False, unique=True),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("tier", sa.String(10), nullable=False),
        sa.Column("password", sa.String(200)),
        sa.Column("created_at", _moment(), nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        sa.Column("user_id", sa.String(32), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("expires_at", _moment(), nullable=False, index=True),
    )


def _rooms() -> None:
    rooms = op.create_table(
        "rooms",
        sa.Column("id", sa.String(60), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("is_private", sa.Boolean, nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("room_id", sa.String(60), sa.ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
        sa.Column(
            "user_id", sa.String(32), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
        ),
        sa.Column("is_owner", sa.Boolean, nullable=False),
        sa.Column("joined_at", _moment(), nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("room_id", sa.String(60), sa.ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("author_id", sa.String(32), nullable=False),
        sa.Column("author_name", sa.String(40), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("sent_at", _moment(), nullable=False),
        sa.Column("client_message_id", sa.String(64)),
        sa.Column("answer", sa.Text),
        sa.Column("is_running", sa.Boolean, nullable=False),
    )
    op.create_index("ix_messages_sent", "messages", ["author_id", "client_message_id"], unique=True)
    now = datetime.now(UTC)
    op.bulk_insert(
        rooms,
        [
            {
                "id": room_id,
                "name": name,
                "folded": name.casefold(),
                "topic": topic,
                "is_private": False,
                "created_at": now + timedelta(microseconds=place),
            }
            for place, (room_id, name, topic) in enumerate(FIRST_ROOMS)
        ],
    )
