"""What becomes of claims in a `write`, decided over `Tables`."""

from __future__ import annotations

from attrs import evolve

from eventroute.errors import LeaseLost
from eventroute.storage import placement
from eventroute.storage.base import Claim, Session
from eventroute.storage.tables import Tables

__all__ = ["advance", "check", "complete"]


def check(tables: Tables, bus: str, done: Claim, session: Session) -> None:
    """A claim that is gone was completed by this session before: nobody else can, while it lives."""
    held = _held(tables, done)
    mine = done.session == session.id and (held is None or held.session == session.id)
    if not mine or done.bus != bus:
        raise LeaseLost(f"offsets {done.start} to {done.end} of the reader {done.reader!r} are another's now")


def _held(tables: Tables, named: Claim) -> Claim | None:
    """A claim as it is, if it is open. One that has advanced to its end is not: where it ends another may begin."""
    return None if named.start >= named.end else tables.claim_at(named.bus, named.reader, named.start)


def advance(tables: Tables, claimed: Claim, start: int) -> None:
    """See `Advance`."""
    reader, held = tables.reader(claimed.bus, claimed.reader), _held(tables, claimed)
    if reader is None or held is None:
        return
    if start >= held.end:
        complete(tables, held)
        return
    tables.drop_claim(held)
    tables.put_claim(evolve(held, start=start))
    first = tables.first_claim(claimed.bus, claimed.reader)
    tables.put_reader(evolve(reader, position=reader.claimed if first is None else first))


def complete(tables: Tables, done: Claim) -> None:
    """See `Complete`."""
    reader = tables.reader(done.bus, done.reader)
    if reader is None or _held(tables, done) is None:
        return
    tables.drop_claim(done)
    first = tables.first_claim(done.bus, done.reader)
    reader = evolve(reader, position=reader.claimed if first is None else first)
    if reader.until is not None and reader.position >= reader.until:
        placement.reader_done(tables, reader)
    else:
        tables.put_reader(reader)
