"""The tables of a local collection, and what tells its versions apart."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from sightsound.errors import NewerSchema, StoreError
from sightsound.stores.fields import look

VERSION = 4
FORMAT = "sightsound collection"

# Counted by triggers, since counting a million rows takes longer than searching them.
_TALLIES = """
CREATE TABLE tallies (
    kind TEXT NOT NULL, state TEXT NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (kind, state)) WITHOUT ROWID;
CREATE TRIGGER item_added AFTER INSERT ON items BEGIN
    INSERT INTO tallies VALUES (new.kind, new.state, 1) ON CONFLICT (kind, state) DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER item_removed AFTER DELETE ON items BEGIN
    UPDATE tallies SET items = items - 1 WHERE kind = old.kind AND state = old.state;
END;
CREATE TRIGGER item_changed AFTER UPDATE OF kind, state ON items
    WHEN old.kind != new.kind OR old.state != new.state BEGIN
    UPDATE tallies SET items = items - 1 WHERE kind = old.kind AND state = old.state;
    INSERT INTO tallies VALUES (new.kind, new.state, 1) ON CONFLICT (kind, state) DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER vector_added AFTER INSERT ON vectors BEGIN
    UPDATE shelves SET held = held + 1 WHERE id = new.shelf;
END;
CREATE TRIGGER vector_removed AFTER DELETE ON vectors BEGIN
    UPDATE shelves SET held = held - 1 WHERE id = old.shelf;
END;
"""
# Each passage of subtitles is found by itself. The text stays in `segments`; the index follows it.
_SPOKEN = """
CREATE VIEW spoken_text AS SELECT rowid, text FROM segments WHERE kind = 'subtitle';
CREATE VIRTUAL TABLE spoken USING fts5 (
    text, content = "spoken_text", content_rowid = "rowid", tokenize = "porter unicode61 remove_diacritics 2");
CREATE TRIGGER subtitle_added AFTER INSERT ON segments WHEN new.kind = 'subtitle' BEGIN
    INSERT INTO spoken (rowid, text) VALUES (new.rowid, new.text);
END;
CREATE TRIGGER subtitle_removed AFTER DELETE ON segments WHEN old.kind = 'subtitle' BEGIN
    INSERT INTO spoken (spoken, rowid, text) VALUES ('delete', old.rowid, old.text);
END;
"""
_INDEXES = """
CREATE INDEX items_not_ok ON items (state) WHERE state != 'ok';
CREATE INDEX items_kind ON items (kind);
"""
_LENGTHS = "CREATE INDEX items_duration ON items (duration) WHERE duration IS NOT NULL;"
_RECOUNT = """
DELETE FROM tallies;
INSERT INTO tallies SELECT kind, state, count(*) FROM items GROUP BY kind, state;
UPDATE shelves SET held = (SELECT count(*) FROM vectors v WHERE v.shelf = shelves.id);
"""

# Each entry brings a collection from the version before to its own.
MIGRATIONS: dict[int, str] = {
    2: "ALTER TABLE shelves ADD COLUMN held INTEGER NOT NULL DEFAULT 0; DROP INDEX items_unseen;"
    f"{_INDEXES}{_TALLIES}{_RECOUNT}",
    3: f"{_SPOKEN} INSERT INTO spoken (spoken) VALUES ('rebuild');",
    4: "INSERT OR IGNORE INTO words SELECT json_extract(l.value, '$[0]'), json_extract(l.value, '$[1]'), i.rowid, "
    f"json_extract(l.value, '$[1]') FROM items i, json_each(look(i.facts)) l; {_LENGTHS}",
}

# items.state is what search sees: `ok` and `stale` are found. items.pending is the revision of which pieces
# are being written; their segments have pending = 1 until the last, so what was there before stays found.
# tallies counts the items of each kind and state.
# words holds what filters and facets compare, casefolded.
# shelves are the (space, kind) pairs; `last` is the highest vectors.rowid a shelf ever had: it never goes
# down, so a rowid is never used twice and the scan cache can tell what it lacks. `held`: how many vectors it has.
TABLES = f"""
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO about VALUES ('format', '{FORMAT}');
CREATE TABLE items (
    rowid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, uri TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    revision TEXT NOT NULL, content TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    facts TEXT NOT NULL, layers TEXT NOT NULL, metadata TEXT, pending TEXT,
    date TEXT NOT NULL, bytes REAL, width REAL, height REAL, duration REAL,
    added REAL NOT NULL, changed REAL NOT NULL);
CREATE INDEX items_content ON items (content) WHERE content != '';
CREATE INDEX items_bytes ON items (bytes);
CREATE INDEX items_date ON items (date DESC, id);
CREATE INDEX items_added ON items (added);
{_INDEXES}
{_LENGTHS}
CREATE TABLE words (
    field TEXT NOT NULL, folded TEXT NOT NULL, item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    word TEXT NOT NULL, PRIMARY KEY (field, folded, item, word)) WITHOUT ROWID;
CREATE INDEX words_item ON words (item);
CREATE TABLE segments (
    rowid INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE, kind TEXT NOT NULL,
    number INTEGER NOT NULL, start REAL, "end" REAL, text TEXT NOT NULL, pending INTEGER NOT NULL,
    UNIQUE (item, pending, kind, number));
CREATE INDEX segments_pending ON segments (pending) WHERE pending = 1;
CREATE TABLE shelves (
    id INTEGER PRIMARY KEY, space TEXT NOT NULL, kind TEXT NOT NULL, dims INTEGER NOT NULL,
    generation INTEGER NOT NULL, last INTEGER NOT NULL, held INTEGER NOT NULL DEFAULT 0, UNIQUE (space, kind));
CREATE TABLE vectors (
    rowid INTEGER PRIMARY KEY AUTOINCREMENT, segment INTEGER NOT NULL REFERENCES segments ON DELETE CASCADE,
    shelf INTEGER NOT NULL REFERENCES shelves, vector BLOB NOT NULL, UNIQUE (segment, shelf));
CREATE INDEX vectors_shelf ON vectors (shelf);
CREATE VIRTUAL TABLE passages USING fts5 (
    title, description, tags, name, author, tokenize = "porter unicode61 remove_diacritics 2");
CREATE TABLE encoders (position INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE states (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
{_TALLIES}
{_SPOKEN}
PRAGMA user_version = {VERSION};
"""


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version, 0 for an empty database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raises NewerSchema for what a later sightsound wrote, StoreError for what can't be read as it is."""
    check_format(connection, path)
    version = version_of(connection)
    if version > VERSION:
        raise NewerSchema(
            f"{path.parent} was written by a newer sightsound (schema {version}, this one reads {VERSION}): "
            "upgrade sightsound"
        )
    if version < VERSION:
        raise StoreError(
            f"{path.parent} was written by an older sightsound, and can't be written here: run `sightsound status` "
            "once as its owner."
        )


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreError for a database of something else."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone():
        raise StoreError(f"{path} is no sightsound collection. Move it away, or choose another --store.")


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables where there are none, and bring older ones up to date. Safe with several processes."""
    connection.execute("PRAGMA journal_mode = WAL")
    empty = "SELECT count(*) = 0 FROM sqlite_master"
    if connection.execute(empty).fetchone()[0]:
        _in_one_commit(connection, TABLES, empty)
    connection.create_function("look", 1, _look, deterministic=True)
    for version in range(version_of(connection) + 1, VERSION + 1):
        check_format(connection, path)
        _in_one_commit(
            connection,
            f"{MIGRATIONS[version]} PRAGMA user_version = {version};",
            f"SELECT user_version < {version} FROM pragma_user_version",
        )


def _look(facts: str) -> str:
    """`fields.look` for SQL: JSON in, JSON out."""
    return json.dumps([pair for pair in look(json.loads(facts)) if pair[1]])


def recount(connection: sqlite3.Connection) -> None:
    """Count everything anew, in the transaction that is open."""
    for statement in _statements(_RECOUNT):
        connection.execute(statement)


def _in_one_commit(connection: sqlite3.Connection, script: str, still_needed: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute(still_needed).fetchone()[0]:
            for statement in _statements(script):
                connection.execute(statement)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _statements(script: str) -> list[str]:
    statements, current = [], ""
    for part in script.split(";"):
        current += part + ";"
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
