"""Files of messages, quotes and reactions, and conversations of two people."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("messages", sa.Column("files", sa.Text))
    op.add_column("messages", sa.Column("quoted_seq", sa.Integer))
    op.add_column("messages", sa.Column("reactions", sa.Text))
    op.add_column("messages", sa.Column("reacted_at", sa.DateTime(timezone=True)))
    op.add_column("rooms", sa.Column("pair", sa.String(65)))
    op.create_index("ix_rooms_pair", "rooms", ["pair"], unique=True)
    op.create_table(
        "files",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner_id", sa.String(32), nullable=False, index=True),
        sa.Column("room_id", sa.String(60), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("is_sent", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "attachments",
        sa.Column("file_id", sa.String(32), sa.ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("room_id", sa.String(60), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["room_id", "seq"], ["messages.room_id", "messages.seq"], ondelete="CASCADE"),
    )
    op.create_index("ix_attachments_message", "attachments", ["room_id", "seq"])
