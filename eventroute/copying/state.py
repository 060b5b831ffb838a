"""The delivery state of a bus, subscription by subscription, so that each can be placed elsewhere by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, frozen

from eventroute.copying.offsets import Offsets
from eventroute.storage.base import LIVE, Claim, Reader, Span, Storage, StoredSubscription
from eventroute.storage.transfer import Placed

__all__ = ["State", "essence", "moved", "read_state"]


@frozen
class State:
    """What a bus has, but for events, timers, waiting deliveries and dead letters."""

    version: int
    """That of the bus."""
    placed: dict[str, Placed]
    """By subscription."""
    live: frozenset[str]
    """Those that the shared reader serves."""


async def read_state(storage: Storage, bus: str) -> State:
    """The state of a bus on which nobody works. Raises UnknownBus."""
    changes = await storage.changes(bus, 0)
    readers = await storage.readers(bus)
    claims = await storage.claims(bus)
    breakers = {breaker.subscription: breaker for breaker in await storage.breakers(bus)}
    spans: dict[str, list[Span]] = {}
    for span in changes.spans:
        spans.setdefault(span.subscription, []).append(span)
    own: dict[str, list[Reader]] = {}
    for reader in readers:
        if reader.subscription is not None:
            own.setdefault(reader.subscription, []).append(reader)
    live = next(reader for reader in readers if reader.name == LIVE)
    placed = {}
    for stored in changes.subscriptions:
        mine = [*own.get(stored.id, ()), *_private(live, spans[stored.id])]
        placed[stored.id] = evolve(_placed(stored, spans[stored.id], mine, claims), breaker=breakers.get(stored.id))
    shared = frozenset(stored.id for stored in changes.subscriptions if stored.reader == LIVE)
    return State(changes.version, dict(sorted(placed.items())), shared)


def _private(live: Reader, spans: Iterable[Span]) -> list[Reader]:
    """The shared reader as one that serves one subscription alone: none, where it has nothing left for it."""
    left = [span for span in spans if span.reader == LIVE and (span.until is None or span.until > live.position)]
    if not left:
        return []
    begin = min(span.start for span in left)
    ends = [span.until for span in left]
    until = None if None in ends else max(end for end in ends if end is not None)
    position, claimed = max(live.position, begin), max(live.claimed, begin)
    return [evolve(live, position=position, claimed=claimed if until is None else min(claimed, until), until=until)]


def _placed(
    stored: StoredSubscription, spans: Sequence[Span], readers: Sequence[Reader], claims: Sequence[Claim]
) -> Placed:
    """What is left for the readers to do."""
    kept_readers: list[Reader] = []
    kept_claims: list[Claim] = []
    for reader in readers:
        mine = [_cut(claim, reader) for claim in claims if claim.reader == reader.name]
        mine = [claim for claim in mine if claim.start < claim.end]
        position = mine[0].start if mine else reader.claimed
        if reader.until is None or position < reader.until:
            kept_readers.append(evolve(reader, position=position))
            kept_claims += mine
    positions = {reader.name: reader.position for reader in kept_readers}
    kept_spans = [
        span
        for span in spans
        if span.reader in positions and (span.until is None or span.until > positions[span.reader])
    ]
    return Placed(stored, tuple(kept_spans), tuple(kept_readers), tuple(kept_claims))


def _cut(claim: Claim, reader: Reader) -> Claim:
    """The part of a claim that the reader has before it."""
    return evolve(claim, start=max(claim.start, reader.position), end=min(claim.end, reader.claimed))


def moved(placed: Placed, offsets: Offsets) -> Placed:
    """The same with its offsets in the copy."""
    return evolve(
        placed,
        spans=tuple(evolve(one, start=offsets(one.start), until=_moved(one.until, offsets)) for one in placed.spans),
        readers=tuple(
            evolve(
                one,
                position=offsets(one.position),
                claimed=offsets(one.claimed),
                until=_moved(one.until, offsets),
                replayed_from=_moved(one.replayed_from, offsets),
            )
            for one in placed.readers
        ),
        claims=tuple(evolve(one, start=offsets(one.start), end=offsets(one.end)) for one in placed.claims),
    )


def _moved(offset: int | None, offsets: Offsets) -> int | None:
    return None if offset is None else offsets(offset)


def essence(placed: Placed) -> Any:
    """What of it must be the same in a copy, whatever the names of readers are, in a form that can be compared."""
    stored, breaker = placed.stored, placed.breaker
    readers = [
        (
            reader.name == stored.reader,
            (reader.position, reader.claimed, reader.until, reader.replayed_from),
            sorted((claim.start, claim.end) for claim in placed.claims if claim.reader == reader.name),
            sorted(_span(span) for span in placed.spans if span.reader == reader.name),
        )
        for reader in placed.readers
    ]
    return (
        (stored.id, stored.definition, stored.revision, stored.apart),
        sorted(readers, key=repr),
        None if breaker is None else evolve(breaker, number=0),
    )


def _span(span: Span) -> tuple[int, bool, int, bytes]:
    """Without None, so that it can be sorted."""
    return span.start, span.until is None, span.until or 0, span.definition or b""
