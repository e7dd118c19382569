"""Migrates the tables of a database to this version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from hubline import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x48754C43
"""Number of the advisory lock in PostgreSQL for migrations. Ours; "HuLC"."""


def migrate(connection: Connection) -> None:
    """Run the migrations that are missing, within the transaction of `connection`.

    Only one process does so at a time: a writing transaction of SQLite has the lock already.

    Raises:
        ConfigurationError: the tables are those of a newer version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise ConfigurationError(
            [f"the database belongs to a newer version of Hubline Chat (its tables are {current}): update the program"]
        )
    if current != script.get_current_head():
        command.upgrade(config, "head")
