"""The model and the instructions of a room, and what answers have cost."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("rooms", sa.Column("model", sa.String(40)))
    op.add_column("rooms", sa.Column("prompt", sa.Text, nullable=False, server_default=""))
    op.add_column("usage", sa.Column("cost", sa.BigInteger, nullable=False, server_default="0"))
