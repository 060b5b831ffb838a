"""Whether an SQLite file is whole: a glance at each opening, and a thorough look when somebody asks."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from eventroute.errors import DamagedEvent, StorageError
from eventroute.storage.base import Record
from eventroute.storage.sqlite.reading import check_version, open_to_read
from eventroute.storage.sqlite.schema import FAILURES, file_path, is_damage, lost_message, storage_error
from eventroute.storage.sqlite.tables import SqliteTables
from eventroute.storage.sqlite.upkeep import Progress
from eventroute.storage.sqlite.wal import lost_pages, wal_mark

__all__ = ["check_storage", "glance"]

_MOST = 100
"""After so many findings of one kind no more are looked for."""
_EVENTS_A_LOOK = 256

# Every row that one of these questions finds says what is wrong.
_GLANCES = """
SELECT printf('the bus %Q has lost its reader live', name) FROM bus
WHERE NOT going AND NOT EXISTS (SELECT 1 FROM reader WHERE bus = bus.name AND name = 'live');

SELECT printf('the log of the bus %Q begins at %d and ends at %d', name, first, "end") FROM bus
WHERE NOT going AND (first > "end" OR first < 1);

SELECT printf(
    'the bus %Q has events from %d to %d, not from %d to %d', name, low - base, high - base, first, "end" - 1
) FROM (
    SELECT name, first, "end", number << 40 AS base,
        (SELECT min(key) FROM event WHERE key >= number << 40 AND key < (number + 1) << 40) AS low,
        (SELECT max(key) FROM event WHERE key >= number << 40 AND key < (number + 1) << 40) AS high
    FROM bus WHERE NOT going
) WHERE CASE WHEN first = "end" THEN low IS NOT NULL
    ELSE low IS NULL OR low - base <> first OR high - base <> "end" - 1 END;

SELECT printf('the reader %Q of the bus %Q is at %d and has claimed all below %d', name, bus, position, claimed)
FROM reader WHERE position > claimed OR bus NOT IN (SELECT name FROM bus);
"""
_INVARIANTS = """
SELECT printf('the bus %Q has %d events of %d bytes, not %d of %d', name, count, size, "end" - first, bytes)
FROM (
    SELECT name, first, "end", bytes, count(key) AS count, coalesce(sum(length(event)), 0) AS size
    FROM bus LEFT JOIN event ON key >= number << 40 AND key < (number + 1) << 40 WHERE NOT going GROUP BY number
) WHERE count <> "end" - first OR size <> bytes;

SELECT printf('the bus %Q has %d bytes of timers, not %d', name, size, later) FROM (
    SELECT name, later, coalesce(sum(length(event)), 0) AS size
    FROM bus LEFT JOIN timer ON timer.bus = bus.name WHERE NOT going GROUP BY name
) WHERE size <> later;

SELECT printf('%d events from the key %d on belong to no bus', count(*), min(key)) FROM event
WHERE key >> 40 NOT IN (SELECT number FROM bus) HAVING count(*);

SELECT printf('the newest event of the bus %Q is of %d, not of %d', name, latest, newest) FROM (
    SELECT name, newest, (
        SELECT time FROM event WHERE key >= number << 40 AND key < (number + 1) << 40 ORDER BY key DESC LIMIT 1
    ) AS latest FROM bus WHERE NOT going
) WHERE latest > newest;

SELECT printf('the claim of %Q on %Q from %d to %d is not within what was claimed', reader, claim.bus, start, "end")
FROM claim LEFT JOIN reader ON reader.bus = claim.bus AND reader.name = claim.reader
WHERE reader.name IS NULL OR start > "end" OR "end" > claimed;

SELECT printf('the claims of %Q on the bus %Q overlap at %d', one.reader, one.bus, two.start)
FROM claim AS one JOIN claim AS two
    ON two.bus = one.bus AND two.reader = one.reader AND two.start > one.start AND two.start < one."end";

SELECT printf('the subscription %Q is on a bus %Q that is not there', id, bus) FROM subscription
WHERE bus NOT IN (SELECT name FROM bus WHERE NOT going);

SELECT printf('nobody serves the subscription %Q from now on', id) FROM subscription
WHERE NOT EXISTS (
    SELECT 1 FROM span WHERE span.subscription = id AND span.reader = subscription.reader AND until IS NULL
);

SELECT printf('the span of %Q at %d has no subscription or no reader', span.subscription, start)
FROM span LEFT JOIN subscription ON subscription.id = span.subscription
LEFT JOIN reader ON reader.bus = subscription.bus AND reader.name = span.reader WHERE reader.name IS NULL;

SELECT printf('the reader %Q of the bus %Q serves a subscription that is not there', name, bus) FROM reader
WHERE subscription IS NOT NULL AND subscription NOT IN (SELECT id FROM subscription);

SELECT printf('the delivery of %d to %Q waits, and its event is not there', "offset", subscription)
FROM waiting LEFT JOIN subscription ON subscription.id = waiting.subscription
LEFT JOIN bus ON bus.name = subscription.bus
WHERE bus.name IS NULL OR (event IS NULL AND ("offset" < first OR "offset" >= "end"));

SELECT printf('the append %Q has no offsets', id) FROM appended WHERE count < 0 OR (count > 0 AND start < 1);

SELECT 'it does not say, once, what deleted buses had' WHERE (SELECT count(*) FROM deleted) <> 1;
"""
_KEPT_ELSEWHERE = (
    ("the dead letter of %s at %s", 'SELECT event, subscription, "offset" FROM dead_letter'),
    ("the waiting delivery to %s of %s", 'SELECT event, subscription, "offset" FROM waiting WHERE event IS NOT NULL'),
    ("the timer of %s with number %s", "SELECT event, bus, number FROM timer"),
)

_parse = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def glance(connection: sqlite3.Connection, path: Path) -> None:
    """What can be seen at once, however large the file is. Raises StorageError where it is damaged, sqlite3.Error."""
    for question in _questions(_GLANCES):
        row = connection.execute(f"{question} LIMIT 1").fetchone()
        if row is not None:
            raise StorageError(
                f"{path}: the file is damaged: {row[0]}; `eventroute log check` tells how far; go on with a backup"
            )


def check_storage(path: str | os.PathLike[str], *, progress: Progress | None = None) -> list[str]:
    """Look at all that an SQLite storage's file holds, and say what is damaged; an empty list: nothing is.

    Whether SQLite's own structures are whole, whether the tables agree, whether every event is there, is the one that
    was appended, and is JSON. Others may use the file meanwhile. The larger the file, the longer it takes; `progress`
    hears how far it is. Raises StorageError where the file cannot be read at all, is no storage, or is of another
    version.
    """
    place = file_path(path)
    if not os.path.isfile(place):  # noqa: PTH113 - a path's own method raises where it may not look
        raise StorageError(f"{place}: there is no such file")
    before = wal_mark(place)
    try:
        with closing(open_to_read(place, busy_timeout=10.0)) as opened:
            check_version(opened.connection, place)
            lost = 0 if before is None else lost_pages(before, wal_mark(place))
            found = [*([lost_message(place, lost)] if lost else []), *_findings(opened.connection, progress)]
            opened.check_still()
            return found
    except FAILURES as error:
        if is_damage(error):  # so that nothing can be read: the file was cut, say
            return [f"SQLite: {error}"]
        raise storage_error(error, place) from error


def _findings(connection: sqlite3.Connection, progress: Progress | None) -> Iterator[str]:
    yield from _asked(connection, "PRAGMA integrity_check", "SQLite: {}", but="ok")
    for question in _questions(_GLANCES + _INVARIANTS):
        yield from _asked(connection, f"{question} LIMIT {_MOST}", "{}")
    for what, question in _KEPT_ELSEWHERE:
        yield from _letters(connection, what, question)
    yield from _events(connection, progress)


def _questions(text: str) -> list[str]:
    return [question for question in text.split(";") if question.strip()]


def _asked(connection: sqlite3.Connection, question: str, form: str, *, but: str = "") -> Iterator[str]:
    """The answers, or that none can be had."""
    try:
        for (answer,) in connection.execute(question):
            if answer != but:
                yield form.format(answer)
    except FAILURES as error:
        yield f"SQLite: {error}"


def _letters(connection: sqlite3.Connection, what: str, question: str) -> Iterator[str]:
    try:
        for event, *names in connection.execute(question):
            if not _is_json(event):
                yield f"{what % tuple(names)} is no JSON object"
    except FAILURES as error:
        yield f"SQLite: {error}"


def _events(connection: sqlite3.Connection, progress: Progress | None) -> Iterator[str]:
    """Read every event, as a reader would; each page in a transaction of its own, so that nobody is held up."""
    tables = SqliteTables(connection)
    try:
        buses = {bus: tables.bounds(bus) for bus in tables.buses()}
    except FAILURES as error:
        yield f"SQLite: {error}"
        return
    total, done = sum(bounds.end - bounds.first for bounds in buses.values()), 0
    for bus, bounds in buses.items():
        found = 0
        newest = float("-inf")
        for start in range(bounds.first, bounds.end, _EVENTS_A_LOOK):
            end = min(start + _EVENTS_A_LOOK, bounds.end)
            for record in _page(tables, bus, start, end):
                fault = record if isinstance(record, str) else _fault(record, newest)
                newest = newest if isinstance(record, str) else record.time
                if fault:
                    yield f"the event {fault} (bus {bus!r})"
                    found += 1
            done += end - start
            if progress is not None:
                progress(done, total)
            if found >= _MOST:
                break


def _page(tables: SqliteTables, bus: str, start: int, end: int) -> Iterator[Record | str]:
    """The events of a page, and what is wrong with those that cannot be read."""
    try:
        yield from _read(tables, bus, start, end)
    except (*FAILURES, DamagedEvent):
        for offset in range(start, end):
            try:
                yield from _read(tables, bus, offset, offset + 1)
            except DamagedEvent as error:
                yield f"{offset} cannot be read: {error.fault}"
            except FAILURES as error:
                yield f"{offset} cannot be read: {error}"


def _read(tables: SqliteTables, bus: str, start: int, end: int) -> list[Record]:
    tables.connection.execute("BEGIN")
    try:
        records: list[Record] = []
        first = tables.bounds(bus).first  # it may have been trimmed meanwhile
        while max(start, first) < end:
            page = tables.read(bus, max(start, first), end, _EVENTS_A_LOOK, 1 << 24)
            records += page
            start = page[-1].offset + 1 if page else end
        return records
    finally:
        tables.connection.execute("ROLLBACK")


def _fault(record: Record, newest: float) -> str:
    if record.time < newest:
        return f"{record.offset} is older than the one before"
    return "" if _is_json(record.event) else f"{record.offset} is no JSON object"


def _is_json(event: object) -> bool:
    try:
        return isinstance(event, bytes) and bool(_parse(event))
    except msgspec.DecodeError:
        return False
