"""What the routers of a storage would deliver from now on, found by doing their work."""

from __future__ import annotations

from collections import Counter
from typing import Any

from eventroute.storage.base import DEFAULT_BUS, STUCK, Complete, Session, Settle, Storage, Waiting
from eventroute.testing.storage.placement import spans_at

__all__ = ["drained", "waiting"]

BUS = DEFAULT_BUS
FAR = 1e12


async def drained(storage: Storage) -> dict[str, Any]:
    """All that is owed, which is then settled."""
    subscriptions = sorted((await storage.changes(BUS, 0)).subscriptions, key=lambda stored: stored.id)
    told: dict[str, Any] = {
        "subscriptions": [(one.id, one.definition, one.revision, one.paused, one.apart) for one in subscriptions],
        "breakers": [(one.subscription, one.serial, one.opened, one.spared) for one in await storage.breakers(BUS)],
        "letters": await storage.dead_letters(BUS, limit=1_000),
    }
    told["breakers"].sort()
    for stored in subscriptions:
        await storage.resume_subscription(stored.id)
    names = [one.id for one in subscriptions]
    session = await storage.open_session(1e9)
    told["read"] = await _read_all(storage, session)
    told["waiting"] = await _settle_all(storage, session, names)
    told["timers"] = [(one.due, one.event) for one in await storage.timers(BUS, limit=1_000)]
    while (await storage.fire_timers(BUS, now=FAR, limit=100)).count:
        pass
    told["fired"] = await _read_all(storage, session)
    dead = [(letter.subscription, letter.offset) for letter in told["letters"]]
    told["redriven"] = [await storage.redrive(BUS, [name], due=0.0) for name in dead]
    told["redriven waiting"] = await _settle_all(storage, session, names)
    told["stuck"] = [one for name in names for one in await waiting(storage, name) if one.due == STUCK]
    await storage.close_session(session)
    return told


async def waiting(storage: Storage, name: str) -> list[Waiting]:
    """What waits, by offset."""
    return [row.waiting for row in await storage.waiting_rows(BUS, name, limit=1_000)]


async def _read_all(storage: Storage, session: Session) -> Counter[Any]:
    """By subscription, offset, event and definition, how often it is delivered by readers."""
    got: Counter[Any] = Counter()
    for reader in await storage.readers(BUS):
        while claim := await storage.claim(BUS, reader.name, session, limit=3):
            for record in await storage.read(BUS, claim.start, claim.end, limit=1_000, max_bytes=1 << 20):
                for span in await spans_at(storage, reader.name, record.offset):
                    got[span.subscription, record.offset, record.time, record.event, span.definition] += 1
            await storage.write(BUS, session, [Complete(claim)])
    return got


async def _settle_all(storage: Storage, session: Session, names: list[str]) -> list[Any]:
    """What waits, in the order in which it is given out."""
    got: list[Any] = []
    for name in names:
        while taken := await storage.claim_waiting(BUS, name, session, now=FAR, limit=1):
            got += taken
            await storage.write(BUS, session, [Settle(one.subscription, one.offset) for one in taken])
    return got
