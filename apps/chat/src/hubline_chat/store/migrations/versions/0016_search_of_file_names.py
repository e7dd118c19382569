"""The names of files in the index of words, apart from the text: no phrase reaches from the one into the other."""

from alembic import op

revision = "0016"
down_revision = "0015"

SQLITE_FOLDED = "replace(replace({0}, 'ß', 'ss'), 'ẞ', 'ss')"
SQLITE_NAMES = (
    "coalesce((SELECT group_concat(json_extract(each.value, '$.name'), ' ') FROM json_each({row}.files) AS each), '')"
)
SQLITE_ROW = "FROM search_ids WHERE message_id = {row}.id AND NOT {row}.is_running"
SQLITE_ADD = "INSERT INTO search_words(rowid, text, files) SELECT id, {words} " + SQLITE_ROW
SQLITE_REMOVE = "INSERT INTO search_words(search_words, rowid, text, files) SELECT 'delete', id, {words} " + SQLITE_ROW

POSTGRES_PUNCTUATION = (
    r"[!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u2000-\u206f\u3000-\u303f]+"
)
POSTGRES_WORDS = rf"""to_tsvector('pg_catalog.simple', regexp_replace(
    replace(replace(
      lower(regexp_replace(normalize({{0}}, NFD), '[\u0300-\u036f]+', '', 'g')), 'ß', 'ss'), 'ẞ', 'ss'),
    '{POSTGRES_PUNCTUATION}', ' ', 'g'))"""
POSTGRES_NAMES = "(SELECT string_agg(each ->> 'name', ' ') FROM json_array_elements(files::json) AS each)"
POSTGRES_FUNCTION = f"""
CREATE FUNCTION hubline_chat_words(said text, files text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN files IS NULL THEN {POSTGRES_WORDS.replace("{0}", "said")}
  ELSE {POSTGRES_WORDS.replace("{0}", "said")} || ''' '':1'::tsvector || {POSTGRES_WORDS.replace("{0}", POSTGRES_NAMES)}
  END
$$
"""
"""A word that is a space, which nobody can search for, keeps the two apart."""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _sqlite()
    else:
        op.execute("DROP INDEX search_words")
        op.execute("DROP FUNCTION hubline_chat_words(text)")
        op.execute(POSTGRES_FUNCTION.replace(":", r"\:"))
        op.execute(
            "CREATE INDEX search_words ON messages USING gin (hubline_chat_words(text, files)) WHERE NOT is_running"
        )


def _words(row: str) -> str:
    return ", ".join(SQLITE_FOLDED.format(each) for each in (f"{row}.text", SQLITE_NAMES.format(row=row)))


def _sqlite() -> None:
    """The index is made again: a table of FTS5 gets no more columns. The numbers of the messages stay."""
    for trigger in ("search_added", "search_changed", "search_deleted"):
        op.execute(f"DROP TRIGGER {trigger}")
    op.execute("DROP TABLE search_words")
    op.execute(
        "CREATE VIRTUAL TABLE search_words USING"
        " fts5(text, files, content='', prefix='2 3', tokenize='unicode61 remove_diacritics 2')"
    )
    op.execute(
        f"INSERT INTO search_words(rowid, text, files) SELECT search_ids.id, {_words('messages')}"
        " FROM search_ids JOIN messages ON messages.id = search_ids.message_id WHERE NOT messages.is_running"
    )
    add, remove = (
        {row: statement.format(row=row, words=_words(row)) for row in ("new", "old")}
        for statement in (SQLITE_ADD, SQLITE_REMOVE)
    )
    op.execute(
        "CREATE TRIGGER search_added AFTER INSERT ON messages BEGIN"
        f" INSERT INTO search_ids(message_id) VALUES (new.id); {add['new']}; END"
    )
    op.execute(
        "CREATE TRIGGER search_changed AFTER UPDATE OF text, is_running, files ON messages"
        " WHEN old.text <> new.text OR old.is_running <> new.is_running OR old.files IS NOT new.files"
        f" BEGIN {remove['old']}; {add['new']}; END"
    )
    op.execute(
        "CREATE TRIGGER search_deleted AFTER DELETE ON messages BEGIN"
        f" {remove['old']}; DELETE FROM search_ids WHERE message_id = old.id; END"
    )
