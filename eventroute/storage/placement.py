"""Which reader serves which subscription: every change of a subscription, decided over `Tables`.

A span's definition is None while the subscription's own holds. Spans that all claims have passed are pruned when their
subscription next changes, so that `Changes`, which always carries all spans of a changed subscription, stays exact.
"""

from __future__ import annotations

from attrs import evolve

from eventroute.errors import OffsetTrimmed, StorageConflict, StorageError, UnknownSubscription
from eventroute.storage.base import LIVE, Reader, Span, Start, StoredSubscription
from eventroute.storage.tables import FIRST_OFFSET, Tables
from eventroute.storage.text import check_text

__all__ = [
    "cancel_replay",
    "find",
    "join_live",
    "leave_live",
    "pause",
    "put",
    "reader_done",
    "remove",
    "resume",
    "start_replay",
]

MAX_REPLAYS = 10
"""How many replays of one subscription may be under way at once."""


def put(
    tables: Tables, bus: str, subscription: str, definition: bytes, start: Start, *, apart: bool = False
) -> StoredSubscription:
    """See `Storage.put_subscription`."""
    check_text(subscription, "subscription")
    tables.version(bus)
    stored = tables.subscription(subscription)
    if stored is None:
        return _create(tables, bus, subscription, definition, start, apart)
    if stored.bus != bus:
        raise StorageConflict(f"the subscription {subscription!r} is on the bus {stored.bus!r}, not on {bus!r}")
    if (stored.definition, stored.apart) == (definition, apart):
        return stored
    spans = [part for span in tables.spans(subscription) for part in _parted(tables, bus, span, stored.definition)]
    changed = evolve(stored, definition=definition, revision=stored.revision + 1, apart=apart)
    _store(tables, changed, spans)
    if apart and stored.reader == LIVE:
        _leave(tables, changed)
    return find(tables, subscription)


def remove(tables: Tables, subscription: str) -> None:
    """See `Storage.remove_subscription`."""
    stored = find(tables, subscription)
    for reader in tables.readers_of(subscription):
        tables.drop_reader(reader)
    tables.drop_subscription(stored, tables.raise_version(stored.bus))


def pause(tables: Tables, subscription: str, reason: str, now: float, known: tuple[str, int] | None = None) -> None:
    """See `Storage.pause_subscription`."""
    stored = find(tables, subscription)
    if known is not None:
        bus, version = known
        if stored.bus != bus or stored.born > version:
            raise UnknownSubscription(subscription)
        if tables.changed_at(stored) > version:
            raise StorageConflict(f"the subscription {subscription!r} was changed after version {version}")
    if stored.paused == reason:
        return
    since = now if stored.paused is None else stored.paused_at
    stored = evolve(stored, paused=reason, paused_at=since)
    if stored.reader == LIVE:
        _leave(tables, stored)
    else:
        _store(tables, stored, tables.spans(subscription))


def resume(tables: Tables, subscription: str, now: float) -> None:
    """See `Storage.resume_subscription`."""
    stored = find(tables, subscription)
    if stored.paused is None:
        return
    if stored.paused_at is not None and now > stored.paused_at:
        breaker = tables.breaker(subscription)
        spared = 0.0 if breaker is None or breaker.opened is None else now - max(breaker.opened, stored.paused_at)
        tables.rejuvenate_waiting(subscription, now - stored.paused_at - max(spared, 0.0))
    _store(tables, evolve(stored, paused=None, paused_at=None), tables.spans(subscription))


def leave_live(tables: Tables, subscription: str) -> None:
    """See `Storage.leave_live`."""
    stored = find(tables, subscription)
    if stored.reader == LIVE:
        _leave(tables, stored)


def join_live(tables: Tables, subscription: str, within: int) -> bool:
    """See `Storage.join_live`."""
    stored = find(tables, subscription)
    if stored.paused is not None or stored.apart:
        return False
    if stored.reader == LIVE:
        return True
    own, live = _reader(tables, stored.bus, stored.reader), _reader(tables, stored.bus, LIVE)
    if live.claimed - own.claimed > within:
        return False
    seam = max(own.claimed, live.claimed)
    spans = []
    for span in tables.spans(subscription):
        if span.reader != own.name or (span.until is not None and span.until <= seam):
            spans.append(span)
        elif span.start < seam:
            spans.append(evolve(span, until=seam))
    spans.append(Span(LIVE, subscription, seam, None, None))
    own = evolve(own, until=seam)
    if own.position >= seam:
        tables.drop_reader(own)
    else:
        tables.put_reader(own)
    _store(tables, evolve(stored, reader=LIVE), spans)
    return True


def start_replay(tables: Tables, subscription: str, start: Start, end: int | float | None) -> Reader:
    """See `Storage.start_replay`."""
    stored = find(tables, subscription)
    begin = _readable(tables, stored.bus, start)
    until = _place(tables, stored) if end is None else _offset(tables, stored.bus, end)
    until = min(until, tables.bounds(stored.bus).end)
    name = _own_name(tables, stored.bus, subscription)
    replay = Reader(stored.bus, name, begin, begin, max(begin, until), subscription, replayed_from=begin)
    if begin >= until:
        return replay
    running = sum(reader.replayed_from is not None for reader in tables.readers_of(subscription))
    if running >= MAX_REPLAYS:
        raise StorageConflict(
            f"{running} replays of the subscription {subscription!r} are under way: wait for one to end, or cancel it"
        )
    tables.put_reader(replay)
    _store(tables, stored, [*tables.spans(subscription), Span(name, subscription, begin, until, None)])
    return replay


def cancel_replay(tables: Tables, subscription: str, reader: str) -> bool:
    """See `Storage.cancel_replay`."""
    stored = find(tables, subscription)
    found = tables.reader(stored.bus, reader)
    if found is None or found.subscription != subscription or found.replayed_from is None:
        return False
    tables.drop_reader(found)
    _store(tables, stored, tables.spans(subscription))
    return True


def reader_done(tables: Tables, reader: Reader) -> None:
    """A reader has reached its end: take it and its spans away."""
    tables.drop_reader(reader)
    if reader.subscription is not None:
        stored = find(tables, reader.subscription)
        _store(tables, stored, tables.spans(stored.id))


def _create(
    tables: Tables, bus: str, subscription: str, definition: bytes, start: Start, apart: bool
) -> StoredSubscription:
    bounds = tables.bounds(bus)
    name, at = LIVE, bounds.end
    if start != "latest":
        at = bounds.first if start == "earliest" else max(_offset(tables, bus, start), bounds.first)
    if apart or start != "latest":
        name = _own_name(tables, bus, subscription)
        tables.put_reader(Reader(bus, name, at, at, None, subscription))
    born = tables.version(bus) + 1
    stored = StoredSubscription(subscription, bus, definition, 1, None, name, apart=apart, born=born)
    _store(tables, stored, [Span(name, subscription, at, None, None)])
    return stored


def _leave(tables: Tables, stored: StoredSubscription) -> None:
    claimed = _reader(tables, stored.bus, LIVE).claimed
    name = _own_name(tables, stored.bus, stored.id)
    begin = claimed
    spans = []
    for span in tables.spans(stored.id):
        if span.reader != LIVE or span.until is not None:
            spans.append(span)
            continue
        begin = max(claimed, span.start)
        if span.start < claimed:
            spans.append(evolve(span, until=claimed))
    spans.append(Span(name, stored.id, begin, None, None))
    tables.put_reader(Reader(stored.bus, name, begin, begin, None, stored.id))
    _store(tables, evolve(stored, reader=name), spans)


def _parted(tables: Tables, bus: str, span: Span, before: bytes) -> list[Span]:
    """What a change of the definition makes of a span: what is claimed keeps the definition from before."""
    if span.definition is not None:
        return [span]
    claimed = _reader(tables, bus, span.reader).claimed
    if span.start >= claimed:
        return [span]
    if span.until is not None and span.until <= claimed:
        return [evolve(span, definition=before)]
    return [evolve(span, until=claimed, definition=before), evolve(span, start=claimed)]


def _store(tables: Tables, stored: StoredSubscription, spans: list[Span]) -> None:
    """Write a changed subscription with its spans, without those that nobody can need any more."""
    positions = {reader.name: reader.position for reader in tables.readers_of(stored.id)}
    positions[LIVE] = _reader(tables, stored.bus, LIVE).position
    kept = [
        span
        for span in spans
        if span.reader in positions and (span.until is None or span.until > positions[span.reader])
    ]
    tables.put_subscription(stored, tables.raise_version(stored.bus))
    tables.put_spans(stored.id, kept)


def _offset(tables: Tables, bus: str, place: int | float) -> int:
    """An offset, or the first one at or after a time."""
    return tables.offset_at(bus, place) if isinstance(place, float) else place


def _readable(tables: Tables, bus: str, start: Start) -> int:
    """The offset of a start. Raises OffsetTrimmed where it may lie in what was trimmed."""
    bounds = tables.bounds(bus)
    if start == "latest":
        return bounds.end
    if start == "earliest":
        return bounds.first
    at = _offset(tables, bus, start)
    overtaken = at <= bounds.first if isinstance(start, float) else at < bounds.first
    if overtaken and bounds.first > FIRST_OFFSET:
        what = "that time" if isinstance(start, float) else f"offset {start}"
        raise OffsetTrimmed(
            f"the bus {bus!r} no longer has all from {what} on: it begins at offset {bounds.first}; "
            "start there, or at 'earliest'",
            first=bounds.first,
        )
    return max(at, bounds.first)


def _place(tables: Tables, stored: StoredSubscription) -> int:
    """From where on a subscription gets what is in the log anyway."""
    begins = [span.start for span in tables.spans(stored.id) if span.reader == stored.reader and span.until is None]
    return max([_reader(tables, stored.bus, stored.reader).claimed, *begins])


def _own_name(tables: Tables, bus: str, subscription: str) -> str:
    """A name that no reader of the bus ever had: each new reader comes with a new version."""
    return f"{subscription}@{tables.version(bus) + 1}"


def find(tables: Tables, subscription: str) -> StoredSubscription:
    """See `Storage.subscription`."""
    stored = tables.subscription(subscription)
    if stored is None:
        raise UnknownSubscription(subscription)
    return stored


def _reader(tables: Tables, bus: str, name: str) -> Reader:
    reader = tables.reader(bus, name)
    if reader is None:
        raise StorageError(f"the storage is damaged: the bus {bus!r} has lost its reader {name!r}")
    return reader
