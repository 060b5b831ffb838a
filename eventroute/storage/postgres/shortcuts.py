"""What is done most often, by one call of a function on the server: claiming from the shared reader, and progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventroute.storage.base import Advance, Claim, Complete, Entry
from eventroute.storage.calls import Scope
from eventroute.storage.jobs import Call, Job
from eventroute.storage.postgres.tables import PostgresTables

__all__ = ["QuickCall", "ScopedCall", "advance", "claim_next", "give_back"]

_CLAIM = "SELECT first, last, its_version FROM claim_next(?, ?, ?, ?, ?, ?)"
_ADVANCE = "SELECT advance_claims(?, ?, ?, ?, ?::bigint[], ?::bigint[])"
_TAKEN = 'SELECT reader, start, "end", version FROM claim WHERE bus = ? AND session = ? AND token = ?'
_MOST = 1 << 40


class ScopedCall(Call[Any]):
    """A call that says what it may touch."""

    __slots__ = ("scope",)

    def __init__(self, scope: Scope, work: Any, *, cost: float, durable: bool, undo: Any = None) -> None:
        super().__init__(work, cost=cost, durable=durable, undo=undo)
        self.scope = scope

    def undo(self) -> Job[None] | None:
        """See `Job.undo`."""
        undo = super().undo()
        return ScopedCall(self.scope, undo.work, cost=100, durable=False) if isinstance(undo, Call) else None


class QuickCall(ScopedCall):
    """A call that may be made by a shortcut, when it is alone.

    `quick` does it by one statement outside a transaction, and may be repeated where its answer was lost; it gives the
    result as a tuple of one, or None where it has done nothing. `revoke` takes back what was done unbeknown.
    """

    __slots__ = ("quick", "revoke")

    def __init__(self, scope: Scope, work: Any, *, quick: Any, revoke: Any = None, **more: Any) -> None:
        super().__init__(scope, work, **more)
        self.quick: Callable[[PostgresTables], tuple[Any] | None] = quick
        self.revoke: Callable[[PostgresTables], None] | None = revoke


def claim_next(
    tables: PostgresTables, bus: str, reader: str, session: str, limit: int, now: float | None, token: int
) -> tuple[Claim | None] | None:
    """Claim as `ledger.claim`, in the ordinary case; `now`: None is the server's."""
    start, end, version = tables.ask(_CLAIM, (bus, reader, session, min(limit, _MOST), now, token))
    if start is None:
        return None
    return (Claim(bus, reader, start, end, version, session) if end > start else None,)


def give_back(tables: PostgresTables, bus: str, session: str, token: int) -> None:
    """Free a claim of which nobody was told."""
    taken = tables.ask(_TAKEN, (bus, session, token))
    if taken:
        tables.put_claim(Claim(bus, taken[0], taken[1], taken[2], taken[3], ""))


def advance(
    tables: PostgresTables, bus: str, session: str, entries: Sequence[Entry], now: float | None
) -> tuple[None] | None:
    """Write as `ledger.write`, in the ordinary case."""
    readers, starts, places = [], [], []
    for entry in entries:
        if not isinstance(entry, Advance | Complete) or entry.claim.session != session or entry.claim.bus != bus:
            return None
        readers.append(entry.claim.reader)
        starts.append(entry.claim.start)
        places.append(entry.start if isinstance(entry, Advance) else None)
    if not starts:
        return None
    (done,) = tables.ask(_ADVANCE, (bus, session, now, readers, starts, places))
    return (None,) if done else None
