"""What a bus still needs, and what of it goes: decided over `Tables`."""

from __future__ import annotations

from attrs import evolve

from eventroute.errors import StorageConflict, StorageFull
from eventroute.storage import placement
from eventroute.storage.base import BusInfo, BusSettings, Trimmed
from eventroute.storage.tables import Need, Tables

__all__ = ["STEP_BYTES", "describe", "refusal", "trim", "unsubscribe_all", "window"]

STEP_BYTES = 8 << 20
"""The most bytes of events that go in one step, unless a single one has more."""

FORGET = 2_000
"""How many identities that no longer count are forgotten in one step."""


def describe(tables: Tables, bus: str, oldest: int, now: float) -> BusInfo:
    """See `Storage.describe_bus`."""
    row = tables.bus(bus)
    marks = tables.marks(bus, max(oldest, 1))
    first, held_by = tables.first_need(bus) or (row.bounds.end, None)
    letters = tables.oldest_dead_letters(bus, 1)
    remembered, since = tables.remembered(bus, now)
    return BusInfo(
        name=bus,
        settings=row.settings,
        created=row.created,
        bounds=row.bounds,
        events=row.bounds.end - row.bounds.first,
        size=row.size,
        oldest=marks[0].time if marks else None,
        newest=row.newest if marks else None,
        needed=first,
        held_by=held_by if first < row.bounds.end else None,
        subscriptions=tables.count_subscriptions(bus),
        remembered=remembered,
        dedup_window=window(row.settings, remembered, since, now),
        lost=tables.lost(bus),
        dead_letters=row.letters,
        oldest_dead_letter=letters[0][2] if letters else None,
        dead_letters_dropped=row.dropped,
        marks=tuple(marks[:oldest]),
    )


def window(settings: BusSettings, remembered: int, since: float, now: float) -> float | None:
    """How long identities are remembered at present, of which the oldest came at `since`."""
    if settings.dedup is None or remembered < settings.dedup_limit:
        return settings.dedup
    return min(settings.dedup, max(now - since, 0.0))


def refusal(bus: str, size: int, limit: int, later: int, first: int, need: tuple[int, str] | None) -> StorageFull:
    """Why a bus does not take so many bytes more: `later` are those of its delayed events, its log begins at `first`,
    `need` is its first need.
    """
    holder = need[1] if need is not None and need[0] <= first else None
    advice = "keep less by its retention, or raise max_bytes"
    if holder is not None:
        advice = f"the subscription {holder!r} holds the log at offset {first}: let it catch up, or remove it"
    waits = f" and has {later} of delayed events in it" if later else ""
    return StorageFull(
        f"{size} bytes more would pass max_bytes of the bus {bus!r}, which is {limit}{waits}: {advice}",
        bus=bus,
        subscription=holder,
    )


def trim(tables: Tables, bus: str, before: int, limit: int, hard: bool, now: float) -> Trimmed:
    """See `Storage.trim`."""
    bounds = tables.bounds(bus)
    tables.forget_identities(bus, now, FORGET)
    target, held_by = min(before, bounds.end), None
    if not hard:
        need = tables.first_need(bus)
        if need is not None and need[0] < target:
            target, held_by = need
    first, size = _step(tables, bus, bounds.first, min(target, bounds.first + limit))
    if first <= bounds.first:
        return Trimmed(first=bounds.first, events=0, size=0, held_by=held_by)
    lost = _lost(tables.needs(bus, first), bounds.first, first) if hard else {}
    if hard:
        tables.keep_events(bus, first)
    tables.drop_events(bus, first, size)
    _move_readers(tables, bus, first)
    for subscription, events in lost.items():
        tables.add_lost(bus, subscription, events, now)
    return Trimmed(first=first, events=first - bounds.first, size=size, held_by=held_by, lost=tuple(lost.items()))


def unsubscribe_all(tables: Tables, bus: str, allowed: bool) -> None:
    """Take away all subscriptions of a bus that is about to go. Raises StorageConflict where that is not allowed."""
    ids = [stored.id for stored in tables.changes(bus, 0).subscriptions]
    if ids and not allowed:
        raise StorageConflict(
            f"the bus {bus!r} has {len(ids)} subscriptions, {ids[0]!r} for one: remove them first, or have them removed"
        )
    for subscription in ids:
        placement.remove(tables, subscription)


def _step(tables: Tables, bus: str, first: int, before: int) -> tuple[int, int]:
    """Before which offset the events go in this step, and how large they are."""
    if before <= first:
        return first, 0
    size = tables.size_below(bus, before)
    if size <= STEP_BYTES:
        return before, size
    size = 0
    for count, mark in enumerate(tables.marks(bus, before - first)):
        if count and size + mark.size > STEP_BYTES:
            return mark.offset, size
        size += mark.size
    return before, size


def _lost(needs: list[Need], first: int, before: int) -> dict[str, int]:
    """How many of the events from `first` to `before` each subscription has yet to read."""
    lost: dict[str, int] = {}
    for need in needs:
        end = before if need.until is None else min(before, need.until)
        events = end - max(need.start, first)
        if events > 0:
            lost[need.subscription] = lost.get(need.subscription, 0) + events
    return lost


def _move_readers(tables: Tables, bus: str, first: int) -> None:
    """Readers that were overtaken go on where the log begins now; what is claimed already stays claimed."""
    for reader in tables.readers_behind(bus, first):
        claimed = max(reader.claimed, first if reader.until is None else min(first, reader.until))
        opened = tables.first_claim(bus, reader.name)
        moved = evolve(reader, claimed=claimed, position=claimed if opened is None else opened)
        if moved.until is not None and moved.position >= moved.until:
            placement.reader_done(tables, moved)
        elif moved != reader:
            tables.put_reader(moved)
