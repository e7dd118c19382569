"""Rooms that are archived, and rooms whose messages are deleted after some days."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("rooms", sa.Column("is_archived", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("rooms", sa.Column("retention_days", sa.Integer))
