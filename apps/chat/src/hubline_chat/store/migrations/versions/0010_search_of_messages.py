"""The index of the words of messages. Triggers and an index of an expression keep it, so no write can forget it."""

from alembic import op

revision = "0010"
down_revision = "0006"

SQLITE_FOLDED = "replace(replace({0}.text, 'ß', 'ss'), 'ẞ', 'ss')"
"""The tokenizer of SQLite does the rest: small letters, without accents."""

SQLITE_ROW = "FROM search_ids WHERE message_id = {row}.id AND NOT {row}.is_running"
SQLITE_ADD = "INSERT INTO search_words(rowid, text) SELECT id, {folded} " + SQLITE_ROW
SQLITE_REMOVE = "INSERT INTO search_words(search_words, rowid, text) SELECT 'delete', id, {folded} " + SQLITE_ROW

POSTGRES_PUNCTUATION = (
    r"[!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u2000-\u206f\u3000-\u303f]+"
)
"""Its parser would otherwise keep addresses, paths and words with hyphens in one piece."""
POSTGRES_FUNCTION = rf"""
CREATE FUNCTION hubline_chat_words(said text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT to_tsvector('pg_catalog.simple', regexp_replace(
    replace(replace(
      lower(regexp_replace(normalize(said, NFD), '[\u0300-\u036f]+', '', 'g')), 'ß', 'ss'), 'ẞ', 'ss'),
    '{POSTGRES_PUNCTUATION}', ' ', 'g'))
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _sqlite()
    else:
        op.execute(POSTGRES_FUNCTION.replace(":", r"\:"))
        op.execute("CREATE INDEX search_words ON messages USING gin (hubline_chat_words(text)) WHERE NOT is_running")


def _sqlite() -> None:
    """The words alone, without the texts. Their numbers are not the rows' own, which a VACUUM changes."""
    op.execute("CREATE TABLE search_ids (id INTEGER PRIMARY KEY, message_id VARCHAR(32) NOT NULL UNIQUE)")
    op.execute(
        "CREATE VIRTUAL TABLE search_words USING"
        " fts5(text, content='', prefix='2 3', tokenize='unicode61 remove_diacritics 2')"
    )
    op.execute("INSERT INTO search_ids(message_id) SELECT id FROM messages ORDER BY sent_at, room_id, seq")
    folded = SQLITE_FOLDED.format("messages")
    op.execute(
        f"INSERT INTO search_words(rowid, text) SELECT search_ids.id, {folded}"
        " FROM search_ids JOIN messages ON messages.id = search_ids.message_id WHERE NOT messages.is_running"
    )
    add, remove = (
        {row: statement.format(row=row, folded=SQLITE_FOLDED.format(row)) for row in ("new", "old")}
        for statement in (SQLITE_ADD, SQLITE_REMOVE)
    )
    op.execute(
        "CREATE TRIGGER search_added AFTER INSERT ON messages BEGIN"
        f" INSERT INTO search_ids(message_id) VALUES (new.id); {add['new']}; END"
    )
    op.execute(
        "CREATE TRIGGER search_changed AFTER UPDATE OF text, is_running ON messages"
        " WHEN old.text <> new.text OR old.is_running <> new.is_running"
        f" BEGIN {remove['old']}; {add['new']}; END"
    )
    op.execute(
        "CREATE TRIGGER search_deleted AFTER DELETE ON messages BEGIN"
        f" {remove['old']}; DELETE FROM search_ids WHERE message_id = old.id; END"
    )
