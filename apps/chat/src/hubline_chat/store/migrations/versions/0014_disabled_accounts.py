"""Accounts that an administrator has disabled."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("users", sa.Column("is_disabled", sa.Boolean, nullable=False, server_default=sa.false()))
