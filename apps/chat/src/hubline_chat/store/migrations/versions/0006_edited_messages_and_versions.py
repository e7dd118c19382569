"""Messages that were edited or deleted, and the earlier versions of answers."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("messages", sa.Column("edited_at", sa.DateTime(timezone=True)))
    op.add_column("messages", sa.Column("is_deleted", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("messages", sa.Column("versions", sa.Integer, nullable=False, server_default="1"))
    op.create_table(
        "versions",
        sa.Column("room_id", sa.String(60), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["room_id", "seq"], ["messages.room_id", "messages.seq"], ondelete="CASCADE"),
    )
