"""Alembic's entrance: `hubline_chat.store.migrate` runs it on a connection whose transaction is open."""

from alembic import context

from hubline_chat.store.tables import METADATA, is_compared


def run() -> None:
    """Run the migrations. `alembic revision --autogenerate` compares with the tables of `tables.py`."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=METADATA, include_object=is_compared)
    context.run_migrations()


run()
