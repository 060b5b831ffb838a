"""The tables of the SQLite file, version by version, and the way from each version to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

__all__ = ["APPLICATION_ID", "MIGRATIONS", "SCHEMA_VERSION", "migrate"]

APPLICATION_ID = 0x65767274
"""What SQLite files of ours say that they are."""

# An event's key is its bus's number and its offset in one integer, since a table whose rows are ordered by an integer
# takes appends and reads fastest (benchmarks/workloads/append.py).
_VERSION_1 = """
CREATE TABLE bus (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL,
    version INTEGER NOT NULL,
    horizon INTEGER NOT NULL
);
CREATE TABLE event (key INTEGER PRIMARY KEY, time INTEGER NOT NULL, event BLOB NOT NULL);
CREATE TABLE appended (
    id TEXT PRIMARY KEY, time INTEGER NOT NULL, start INTEGER NOT NULL, count INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE subscription (
    id TEXT PRIMARY KEY,
    bus TEXT NOT NULL,
    definition BLOB NOT NULL,
    revision INTEGER NOT NULL,
    paused TEXT,
    paused_at REAL,
    reader TEXT NOT NULL,
    version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX subscription_version ON subscription (bus, version);
CREATE TABLE removed (
    bus TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (bus, id)
) WITHOUT ROWID;
CREATE TABLE span (
    subscription TEXT NOT NULL,
    reader TEXT NOT NULL,
    start INTEGER NOT NULL,
    until INTEGER,
    definition BLOB,
    PRIMARY KEY (subscription, reader, start)
) WITHOUT ROWID;
CREATE TABLE reader (
    bus TEXT NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    until INTEGER,
    subscription TEXT,
    PRIMARY KEY (bus, name)
) WITHOUT ROWID;
CREATE INDEX reader_subscription ON reader (subscription) WHERE subscription IS NOT NULL;
CREATE TABLE claim (
    bus TEXT NOT NULL,
    reader TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    version INTEGER NOT NULL,
    session TEXT NOT NULL,
    PRIMARY KEY (bus, reader, start)
) WITHOUT ROWID;
CREATE TABLE session (id TEXT PRIMARY KEY, lapses REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE waiting (
    subscription TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt REAL,
    reason TEXT NOT NULL,
    event BLOB,
    session TEXT,
    PRIMARY KEY (subscription, "offset")
) WITHOUT ROWID;
CREATE INDEX waiting_due ON waiting (subscription, due, "offset");
CREATE TABLE dead_letter (
    bus TEXT NOT NULL,
    subscription TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    time REAL NOT NULL,
    reason TEXT NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    event BLOB NOT NULL,
    PRIMARY KEY (bus, subscription, "offset")
) WITHOUT ROWID;
CREATE INDEX dead_letter_reason ON dead_letter (bus, subscription, reason);
CREATE VIEW events AS
    SELECT bus.name AS bus,
        event.key & ((1 << 40) - 1) AS "offset",
        strftime('%Y-%m-%dT%H:%M:%fZ', event.time / 1e6, 'unixepoch') AS time,
        CAST(event.event AS TEXT) AS event
    FROM event JOIN bus ON bus.number = event.key >> 40;
"""

# A seal is crc32 of the event, begun from the offset, plus the event's time: so it tells damage to any of the three.
# Events from before have none.
#
# A bus from before keeps its events for ever, as it was told. `going`: it is being deleted. `deleted`, one row, is
# beyond all offsets and versions that deleted buses had. The offsets of an append are JSON where they are no run.
# `host`, at most one row: the boot of the machine during which the file was last opened.
_VERSION_2 = """
ALTER TABLE event ADD COLUMN seal INTEGER;
ALTER TABLE reader ADD COLUMN replayed_from INTEGER;
CREATE TABLE timer (
    number INTEGER PRIMARY KEY AUTOINCREMENT, bus TEXT NOT NULL, due REAL NOT NULL, event BLOB NOT NULL, identity BLOB
);
CREATE INDEX timer_due ON timer (bus, due, number);
CREATE INDEX timer_identity ON timer (bus, identity) WHERE identity IS NOT NULL;
CREATE VIEW timers AS
    SELECT bus, number, strftime('%Y-%m-%dT%H:%M:%fZ', due, 'unixepoch') AS due, CAST(event AS TEXT) AS event
    FROM timer;
ALTER TABLE bus ADD COLUMN "end" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE bus ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bus ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bus ADD COLUMN settings TEXT NOT NULL DEFAULT '{"retention":{"max_age":null}}';
ALTER TABLE bus ADD COLUMN created INTEGER;
ALTER TABLE bus ADD COLUMN going INTEGER NOT NULL DEFAULT 0;
UPDATE bus SET
    "end" = coalesce((SELECT max(key) FROM event WHERE key < (number + 1) << 40 AND key > number << 40)
        - (number << 40) + 1, first),
    newest = coalesce((SELECT max(time) FROM event WHERE key < (number + 1) << 40 AND key > number << 40), 0),
    bytes = coalesce((SELECT sum(length(event)) FROM event WHERE key < (number + 1) << 40 AND key > number << 40), 0);
ALTER TABLE appended ADD COLUMN offsets TEXT;
CREATE TABLE seen (
    bus INTEGER NOT NULL,
    identity BLOB NOT NULL,
    serial INTEGER NOT NULL,
    time INTEGER NOT NULL,
    "offset" INTEGER,
    PRIMARY KEY (bus, identity)
) WITHOUT ROWID;
CREATE INDEX seen_time ON seen (bus, time, serial);
CREATE TABLE lost (
    bus TEXT NOT NULL,
    subscription TEXT NOT NULL,
    events INTEGER NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (bus, subscription)
) WITHOUT ROWID;
CREATE TABLE deleted ("offset" INTEGER NOT NULL, version INTEGER NOT NULL);
INSERT INTO deleted ("offset", version) VALUES (1, 0);
CREATE TABLE host (boot TEXT NOT NULL);
"""

# `apart`: it never shares the live reader. Waiting deliveries of one key are taken one behind the other. `sharing`: the
# sessions that work on a reader whose ranges are claimed by one session at a time. `sender`: the session that sends for
# a subscription, where one at a time does.
#
# `event_moment`: the times of one event in 32, by which a time is found.
#
# `later`: the bytes of a bus's timers. What is counted of its dead letters: how many there are, and how many its bound
# took away. A bus from before keeps its dead letters for ever, as it was told. `forward_due`: it is to go elsewhere. A
# breaker's number rises with each change, also where others go.
_VERSION_3 = """
ALTER TABLE subscription ADD COLUMN apart INTEGER NOT NULL DEFAULT 0;
ALTER TABLE waiting ADD COLUMN key INTEGER;
CREATE INDEX waiting_key ON waiting (subscription, key, "offset") WHERE key IS NOT NULL;
CREATE TABLE sharing (
    bus TEXT NOT NULL, reader TEXT NOT NULL, session TEXT NOT NULL, PRIMARY KEY (bus, reader, session)
) WITHOUT ROWID;
CREATE TABLE sender (subscription TEXT PRIMARY KEY, session TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX event_moment ON event (key >> 40, time) WHERE key & 31 = 0;
ALTER TABLE bus ADD COLUMN later INTEGER NOT NULL DEFAULT 0;
UPDATE bus SET later = (SELECT coalesce(sum(length(event)), 0) FROM timer WHERE timer.bus = name);
CREATE TRIGGER timer_came AFTER INSERT ON timer BEGIN
    UPDATE bus SET later = later + length(NEW.event) WHERE name = NEW.bus;
END;
CREATE TRIGGER timer_went AFTER DELETE ON timer BEGIN
    UPDATE bus SET later = later - length(OLD.event) WHERE name = OLD.bus;
END;
ALTER TABLE bus ADD COLUMN letters INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bus ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;
UPDATE bus SET
    letters = (SELECT count(*) FROM dead_letter WHERE dead_letter.bus = name),
    settings = '{"dead_letter_age":null,"dead_letter_limit":null,' || substr(settings, 2);
ALTER TABLE lost ADD COLUMN letters INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscription ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letter ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letter ADD COLUMN forward_due REAL;
ALTER TABLE dead_letter ADD COLUMN forward_tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letter ADD COLUMN forward_error TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letter ADD COLUMN session TEXT;
ALTER TABLE session ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
CREATE INDEX dead_letter_time ON dead_letter (bus, time, subscription, "offset");
CREATE INDEX dead_letter_forward ON dead_letter (bus, subscription, forward_due, "offset", session)
    WHERE forward_due IS NOT NULL;
CREATE TRIGGER dead_letter_came AFTER INSERT ON dead_letter BEGIN
    UPDATE bus SET letters = letters + 1 WHERE name = NEW.bus;
END;
CREATE TRIGGER dead_letter_went AFTER DELETE ON dead_letter BEGIN
    UPDATE bus SET letters = letters - 1 WHERE name = OLD.bus;
END;
CREATE TABLE breaker (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    bus TEXT NOT NULL,
    subscription TEXT NOT NULL UNIQUE,
    serial INTEGER NOT NULL,
    spared REAL NOT NULL,
    opened REAL,
    trips INTEGER NOT NULL,
    probe REAL NOT NULL
);
CREATE INDEX breaker_bus ON breaker (bus, number);
"""

MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3)
"""Each leads from the version that is its place here to the next one; 0 is an empty file."""

SCHEMA_VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> int:
    """Take the file one version further, in one transaction, and say which it has then.

    Does nothing at the newest version, or a newer one: another process may have been first. Raises sqlite3.Error.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < SCHEMA_VERSION:
            for statement in _statements(MIGRATIONS[version]):
                connection.execute(statement)
            version += 1
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
            connection.execute(f"PRAGMA user_version = {version:d}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """One by one, since `executescript` commits first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
