"""The tables of rooms in SQL."""

from hubline.sql.programs import VERSION

SCHEMA = 1
"""The version of the tables. A store refuses tables of a newer version."""

TABLES = ("rooms", "messages", "sent", "members", "devices", "nodes", "topics", "mail", "version")
"""What statements call them. The first has the name that is chosen, the others that name, `_` and theirs."""

CREATE = (
    VERSION,
    # `name` is the room's as `sql.programs.stored` has it, by which the others refer to it; `label` is the whole name
    """CREATE TABLE IF NOT EXISTS {rooms} (
        name TEXT PRIMARY KEY, label TEXT NOT NULL, epoch TEXT NOT NULL, seq BIGINT NOT NULL, version BIGINT NOT NULL,
        until BIGINT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS {rooms}_by_until ON {rooms} (until)",
    """CREATE TABLE IF NOT EXISTS {messages} (
        room TEXT, seq BIGINT, body TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (room, seq)
    )""",
    "CREATE INDEX IF NOT EXISTS {messages}_by_at ON {messages} (at)",
    # where the messages of keys are: `name` is made of the room and the key
    """CREATE TABLE IF NOT EXISTS {sent} (
        name TEXT PRIMARY KEY, room TEXT NOT NULL, epoch TEXT NOT NULL, seq BIGINT NOT NULL, until BIGINT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS {sent}_by_room ON {sent} (room)",
    "CREATE INDEX IF NOT EXISTS {sent}_by_until ON {sent} (until)",
    """CREATE TABLE IF NOT EXISTS {members} (
        room TEXT, name TEXT, label TEXT NOT NULL, info TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (room, name)
    )""",
    # `number` is their order
    """CREATE TABLE IF NOT EXISTS {devices} (
        number {serial}, room TEXT NOT NULL, member TEXT NOT NULL, name TEXT NOT NULL, info TEXT NOT NULL,
        node TEXT NOT NULL, away INTEGER NOT NULL, UNIQUE (room, member, name)
    )""",
    "CREATE INDEX IF NOT EXISTS {devices}_by_node ON {devices} (node, room)",
    "CREATE TABLE IF NOT EXISTS {nodes} (name TEXT PRIMARY KEY, until BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS {topics} (topic TEXT, node TEXT, channel TEXT NOT NULL, PRIMARY KEY (topic, node))",
    "CREATE INDEX IF NOT EXISTS {topics}_by_node ON {topics} (node)",
    "CREATE TABLE IF NOT EXISTS {mail} (id {serial}, node TEXT NOT NULL, channel TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS {mail}_by_node ON {mail} (node, id)",
)
"""Times are milliseconds since 1970."""
