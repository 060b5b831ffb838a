"""What a bus gets that moves in from elsewhere, decided over `Tables`."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from eventroute.errors import StorageConflict, StorageError
from eventroute.storage.base import LIVE, StoredSubscription
from eventroute.storage.tables import Tables
from eventroute.storage.text import check_text
from eventroute.storage.transfer import Imported, Placed

__all__ = ["import_events", "place"]


def import_events(tables: Tables, bus: str, events: Sequence[Imported], end: int, first: int) -> None:
    """See `Storage.import_events`."""
    before = tables.bounds(bus)
    if before.end != end:
        raise StorageConflict(
            f"the log of the bus {bus!r} ends at {before.end}, not at {end}: somebody else wrote to it"
        )
    live = tables.reader(bus, LIVE)
    if live is None:
        raise StorageError(f"the storage is damaged: the bus {bus!r} has lost its reader {LIVE!r}")
    tables.import_events(bus, events, first)
    if live.position == live.claimed == end:
        after = tables.bounds(bus).end
        tables.put_reader(evolve(live, position=after, claimed=after))


def place(tables: Tables, bus: str, placed: Placed) -> StoredSubscription:
    """See `Storage.place_subscription`."""
    stored = placed.stored
    check_text(stored.id, "subscription")
    tables.version(bus)
    there = tables.subscription(stored.id)
    if there is not None:
        raise StorageConflict(f"there is a subscription {stored.id!r} already, on the bus {there.bus!r}")
    names: dict[str, str] = {}
    for reader in placed.readers:  # each new reader comes with a new version: no reader ever had its name
        names[reader.name] = f"{stored.id}@{tables.raise_version(bus)}"
        tables.put_reader(evolve(reader, bus=bus, name=names[reader.name], subscription=stored.id))
    version = tables.raise_version(bus)
    for claim in placed.claims:
        tables.put_claim(evolve(claim, bus=bus, reader=names[claim.reader], version=version, session="", shared=False))
    made = evolve(stored, bus=bus, reader=names[stored.reader], removed=False, born=version)
    tables.put_subscription(made, version)
    tables.put_spans(
        stored.id, [evolve(span, reader=names[span.reader], subscription=stored.id) for span in placed.spans]
    )
    if placed.breaker is not None:
        tables.put_breaker(bus, evolve(placed.breaker, subscription=stored.id))
    return made
