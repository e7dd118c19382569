"""Rooms know the highest number of the messages that were deleted: it is not given out again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("rooms", sa.Column("last_seq", sa.Integer, nullable=False, server_default="0"))
