"""Appending to the log in SQL: what is new, where it is put, and what is remembered of it, whatever the engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from eventroute.errors import StorageFull, UnknownBus
from eventroute.storage.base import Delayed
from eventroute.storage.dedup import Placed, counts, place
from eventroute.storage.sql.buses import BusLog, SqlBuses
from eventroute.storage.tables import micros
from eventroute.storage.transfer import Imported
from eventroute.storage.trimming import refusal

__all__ = ["Appending", "SqlAppends"]


_WAITING = "SELECT identity FROM timer WHERE bus = ? AND identity"


class Appending(Protocol):
    """One append of a group: what is to be appended, and what came of it."""

    bus: str
    events: Sequence[bytes]
    append_id: str
    acknowledged: Sequence[str]
    delayed: Sequence[Delayed]
    identities: Sequence[bytes] | None
    moved: int
    """The bytes of the bus's timers that end with it."""
    result: tuple[int, ...]
    error: Exception | None


class SqlAppends(SqlBuses):
    """Appends, many at once."""

    def __init__(self, max_append_ids: int) -> None:
        SqlBuses.__init__(self)
        self._max_append_ids = max_append_ids
        self._ids_since_check = 0

    @abstractmethod
    def _make_room(self, size: int) -> None:
        """Of a bus without a bound of its own so many bytes more are to be kept. Raises StorageFull."""

    @abstractmethod
    def _rows(self, log: BusLog, events: Sequence[bytes], time: int) -> list[Any]:
        """The rows of events that are to be put at the end of a log, one behind the other."""

    @abstractmethod
    def _insert_events(self, rows: list[Any]) -> None:
        """Insert the rows of events."""

    @abstractmethod
    def _write_log(self, log: BusLog) -> None:
        """Write down how far a log has got."""

    @abstractmethod
    def _begin_log(self, log: BusLog, first: int) -> None:
        """Have a log that is empty begin there."""

    def import_events(self, bus: str, events: Sequence[Imported], first: int) -> None:
        """Append them with their times."""
        log = self._log(bus)
        self._make_room(sum(len(one.event) for one in events))
        if log.first == log.end < first:
            log.first = log.end = first
            self._begin_log(log, first)
        identities = {one.identity for one in events if one.identity is not None}
        known = {*self._seen(log, list(identities))}
        serial = self._last_seen(log)
        rows: list[Any] = []
        seen: list[Any] = []
        for one in events:
            log.newest = max(log.newest, micros(one.time))
            rows += self._rows(log, [one.event], log.newest)
            if one.identity is not None and one.identity not in known:
                known.add(one.identity)
                serial += 1
                seen += (log.number, one.identity, serial, log.newest, log.end)
            log.end += 1
            log.size += len(one.event)
        self._insert_events(rows)
        self._insert("seen", 'bus, identity, serial, time, "offset"', seen)
        self._write_logs({bus: log})

    def append(self, group: Sequence[Appending], now: float) -> None:
        """Append each of the group, in order; each gets its result, or UnknownBus or StorageFull as its error."""
        known = self._appended([each.append_id for each in group])
        moment = micros(now)
        rows: list[Any] = []
        ids: list[Any] = []
        seen: dict[tuple[int, bytes], Any] = {}
        timers: list[Any] = []
        done: list[str] = []
        logs: dict[str, BusLog] = {}
        grown: dict[str, BusLog] = {}
        for each in group:
            try:
                log = logs[each.bus] if each.bus in logs else self._log(each.bus)
                if each.append_id not in known:
                    time = max(log.newest, moment)
                    placed = self._placed(log, each, time)
                    delayed = self._new_delayed(log, each, placed, time)
                    self._add(log, each, placed, delayed, time, rows)
                    known[each.append_id] = placed.offsets
                    ids += (each.append_id, time, *_written_offsets(placed))
                    seen |= {(log.number, identity): came for identity, came in placed.seen.items()}
                    for one in delayed:
                        timers += (each.bus, *one)
                    grown[each.bus] = log
            except (UnknownBus, StorageFull) as error:
                each.error = error
                continue
            logs[each.bus] = log
            done += each.acknowledged
            each.result = known[each.append_id]
        self._insert_events(rows)
        self._insert("timer", "bus, due, event, identity", timers)
        self._insert("appended", "id, time, start, count, offsets", ids)
        remembered = [value for key, came in seen.items() for value in (*key, *came)]
        self._insert("seen", 'bus, identity, serial, time, "offset"', remembered, keys="bus, identity")
        self._write_logs(grown)
        self._acknowledge(done)
        self._bound_ids(len(ids) // 5)

    def _placed(self, log: BusLog, each: Appending, time: int) -> Placed:
        """Where the events are to be."""
        window, count = log.settings.dedup, len(each.events)
        if window is None or each.identities is None:
            return Placed(tuple(range(log.end, log.end + count)), range(count), {}, log.last or 0)
        identities = list(each.identities)
        known = self._seen(log, [one for one in identities if one not in log.seen])
        return place(
            identities,
            known | log.seen,
            end=log.end,
            last=self._last_seen(log),
            now=time,
            since=time - micros(window),
            limit=log.settings.dedup_limit,
        )

    def _new_delayed(self, log: BusLog, each: Appending, placed: Placed, time: int) -> Sequence[Delayed]:
        """Those of the delayed events that are no duplicates."""
        window = log.settings.dedup
        if window is None or not each.delayed:
            return each.delayed
        identities = [one.identity for one in each.delayed if one.identity is not None]
        known = self._seen(log, identities) | log.seen | placed.seen
        waiting = {found for (found,) in self._among(_WAITING, identities, each.bus)} | log.delayed
        since, last = time - micros(window), max(placed.last, self._last_seen(log))
        new = []
        for one in each.delayed:
            seen = None if one.identity is None else known.get(one.identity)
            if one.identity in waiting or counts(seen, since=since, last=last, limit=log.settings.dedup_limit):
                continue
            if one.identity is not None:
                waiting.add(one.identity)
            new.append(one)
        return new

    def _add(
        self, log: BusLog, each: Appending, placed: Placed, delayed: Sequence[Delayed], time: int, rows: list[Any]
    ) -> None:
        """Take what is new into the rows that are to be inserted. Raises StorageFull, and has changed nothing then."""
        new = each.events if len(placed.new) == len(each.events) else [each.events[number] for number in placed.new]
        size = sum(map(len, new))
        later = sum(len(one.event) for one in delayed) if delayed else 0
        grows, limit = size + later - each.moved, log.settings.max_bytes
        if limit is None:
            self._make_room(max(grows, 0))
        elif grows > 0 and log.size + log.later + grows > limit:
            raise refusal(each.bus, grows, limit, log.later, log.first, self.first_need(each.bus))
        rows += self._rows(log, new, time)
        log.end += len(new)
        log.size += size
        log.later += later - each.moved
        log.newest = time if new else log.newest
        if delayed:
            log.delayed.update(one.identity for one in delayed if one.identity is not None)
        if placed.seen:
            log.last = placed.last
            log.seen.update(placed.seen)

    def _write_logs(self, logs: Mapping[str, BusLog]) -> None:
        for bus, log in logs.items():
            self._write_log(log)
            self._ends[bus] = log.end
            if log.seen and log.settings.dedup is not None:
                self._forget_seen(log, log.newest - micros(log.settings.dedup), 2 * len(log.seen) + 2)

    def _appended(self, append_ids: Sequence[str]) -> dict[str, tuple[int, ...]]:
        rows = self._among("SELECT id, start, count, offsets FROM appended WHERE id", append_ids)
        return {append_id: _read_offsets(start, count, offsets) for append_id, start, count, offsets in rows}

    def _acknowledge(self, append_ids: Sequence[str]) -> None:
        self._do_among("DELETE FROM appended WHERE id", append_ids)

    def _bound_ids(self, added: int) -> None:
        """Forget the oldest append ids beyond the bound; looked at now and then, since counting takes a while."""
        self._ids_since_check += added
        if self._ids_since_check * 10 < self._max_append_ids:
            return
        self._ids_since_check = 0
        (count,) = self._row("SELECT count(*) FROM appended")
        self._do(
            "DELETE FROM appended WHERE id IN (SELECT id FROM appended ORDER BY time LIMIT ?)",
            (max(0, count - self._max_append_ids),),
        )


def _written_offsets(placed: Placed) -> tuple[int, int, str | None]:
    """Offsets as first and count; as JSON too where they are no run."""
    offsets = placed.offsets
    start = offsets[0] if offsets else 0
    run = len(placed.new) == len(offsets)
    return start, len(offsets), None if run else msgspec.json.encode(offsets).decode()


def _read_offsets(start: int, count: int, offsets: str | None) -> tuple[int, ...]:
    return tuple(range(start, start + count)) if offsets is None else tuple(msgspec.json.decode(offsets))
