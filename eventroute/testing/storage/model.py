"""What `StorageMachine` holds a storage against: who is owed what, by subscription and by replay."""

from __future__ import annotations

from attrs import define, evolve, field

from eventroute.storage.base import DEFAULT_BUS, Complete, Dropped, Session, Span, Storage
from eventroute.testing.storage.placement import spans_at

__all__ = [
    "Owed",
    "Replayed",
    "cancel_at",
    "complete",
    "dropped",
    "fate",
    "listed_timers",
    "reader_names",
    "sorted_changes",
    "sorted_spans",
]

BUS = DEFAULT_BUS


@define
class Owed:
    """What one subscription, from its making to its removal, must get."""

    begin: int
    definitions: list[bytes]
    least: dict[int, int] = field(factory=dict)
    """Offset -> the place in `definitions` that was in force when it was appended."""
    got: dict[int, tuple[str, int]] = field(factory=dict)
    """Offset -> the claim, by reader and start, that covered it."""
    lost: set[int] = field(factory=set)
    """What hard trimming took before it was covered."""


@define
class Replayed:
    """What one replay must serve, unless it is cancelled."""

    name: str
    owed: Owed
    """Of which incarnation of the subscription."""
    begin: int
    until: int
    oldest: int
    """The place in `definitions` that was in force at its start."""
    got: dict[int, int] = field(factory=dict)
    """Offset -> the start of the claim that covered it."""
    lost: set[int] = field(factory=set)
    """What hard trimming took before it was covered."""


async def listed_timers(storage: Storage) -> list[tuple[float, bytes]]:
    return [(timer.due, timer.event) for timer in await storage.timers(BUS)]


async def cancel_at(storage: Storage, place: int) -> bool:
    """The timer at a place among those that are left: ids are each storage's own."""
    return await storage.cancel_timer(BUS, (await storage.timers(BUS))[place].id)


async def complete(storage: Storage, session: Session, done: Complete) -> None:
    await storage.write(BUS, session, [Complete(evolve(done.claim, session=session.id))])


async def dropped(storage: Storage, before: float, keep: int | None, limit: int) -> list[Dropped]:
    gone = await storage.drop_dead_letters(BUS, before=before, keep=keep, limit=limit)
    return sorted(gone, key=repr)


async def reader_names(storage: Storage, _sessions: list[Session]) -> list[str]:
    return [reader.name for reader in await storage.readers(BUS)]


async def sorted_spans(storage: Storage, reader: str, offset: int) -> list[Span]:
    return sorted(await spans_at(storage, reader, offset), key=repr)


async def sorted_changes(storage: Storage, after: int) -> tuple[int, bool, list[str], list[str]]:
    changes = await storage.changes(BUS, after)
    return changes.version, changes.reset, sorted(map(repr, changes.subscriptions)), sorted(map(repr, changes.spans))


async def fate(storage: Storage, offset: int) -> object:
    """What became of one event, without the ids of sessions, which are each storage's own."""
    fates = await storage.fates(BUS, offset)
    claims = sorted((claim.reader, claim.start, claim.end, claim.session in fates.living) for claim in fates.claims)
    return fates.bounds, fates.readers, claims, fates.waiting, fates.letters, fates.breakers
