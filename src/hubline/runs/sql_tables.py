"""The tables of a run log in SQL."""

from hubline.sql.programs import VERSION

SCHEMA = 1
"""The version of the tables. A log refuses tables of a newer version."""

TABLES = ("runs", "entries", "listed", "nodes", "topics", "mail", "keys", "active", "places", "version")
"""What statements call them. The first has the name that is chosen, the others that name, `_` and theirs."""

CREATE = (
    VERSION,
    # `ended` is the state of the entry `end`; `ended_at` and `settled` say that all servers know it, and `on_end` too
    """CREATE TABLE IF NOT EXISTS {runs} (
        id TEXT PRIMARY KEY, epoch TEXT NOT NULL, fence BIGINT NOT NULL, node TEXT NOT NULL, seq BIGINT NOT NULL,
        batch TEXT NOT NULL, ended TEXT NOT NULL, ended_at BIGINT, settled INTEGER NOT NULL, until BIGINT NOT NULL,
        about TEXT, fold TEXT
    )""",
    "CREATE INDEX IF NOT EXISTS {runs}_by_node ON {runs} (node)",
    "CREATE INDEX IF NOT EXISTS {runs}_by_until ON {runs} (until)",
    "CREATE TABLE IF NOT EXISTS {entries} (run TEXT, last BIGINT, entries TEXT NOT NULL, PRIMARY KEY (run, last))",
    "CREATE TABLE IF NOT EXISTS {listed} (topic TEXT, run TEXT, PRIMARY KEY (topic, run))",
    "CREATE INDEX IF NOT EXISTS {listed}_by_run ON {listed} (run)",
    "CREATE TABLE IF NOT EXISTS {nodes} (name TEXT PRIMARY KEY, until BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS {topics} (topic TEXT, node TEXT, channel TEXT NOT NULL, PRIMARY KEY (topic, node))",
    "CREATE INDEX IF NOT EXISTS {topics}_by_node ON {topics} (node)",
    "CREATE TABLE IF NOT EXISTS {mail} (id {serial}, node TEXT NOT NULL, channel TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS {mail}_by_node ON {mail} (node, id)",
    """CREATE TABLE IF NOT EXISTS {keys} (
        account TEXT, name TEXT, run TEXT NOT NULL, request TEXT NOT NULL, made INTEGER NOT NULL,
        until BIGINT NOT NULL, PRIMARY KEY (account, name)
    )""",
    "CREATE INDEX IF NOT EXISTS {keys}_by_until ON {keys} (until)",
    """CREATE TABLE IF NOT EXISTS {active} (
        account TEXT, run TEXT, until BIGINT NOT NULL, PRIMARY KEY (account, run)
    )""",
    """CREATE TABLE IF NOT EXISTS {places} (
        room TEXT, run TEXT, name TEXT NOT NULL, place BIGINT NOT NULL, standing TEXT NOT NULL, node TEXT NOT NULL,
        until BIGINT NOT NULL, PRIMARY KEY (room, run)
    )""",
    "CREATE INDEX IF NOT EXISTS {places}_by_node ON {places} (node)",
)
"""Times are milliseconds since 1970. The database's own commands may run them in any order of the tables."""
