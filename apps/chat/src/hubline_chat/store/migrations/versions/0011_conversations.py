"""Private conversations with the assistant: rooms of one person."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("rooms", sa.Column("is_conversation", sa.Boolean, nullable=False, server_default=sa.false()))
