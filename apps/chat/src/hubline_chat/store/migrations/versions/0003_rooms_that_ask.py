"""Rooms in which a plain message is a question to the assistant."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("rooms", sa.Column("asks", sa.Boolean, nullable=False, server_default=sa.false()))
    rooms = sa.table("rooms", sa.column("id", sa.String), sa.column("asks", sa.Boolean))
    op.execute(rooms.update().where(rooms.c.id == "ask-the-assistant").values(asks=True))
