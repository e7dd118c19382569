"""Alembic's entrance: `hubline_chat.store.migrate` runs it on a connection whose transaction is open."""

from alembic import context

from hubline_chat.store.tables import METADATA


def run() -> None:
    """Run the migrations. `alembic revision --autogenerate` compares with the tables of `tables.py`."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
    context.run_migrations()


run()
