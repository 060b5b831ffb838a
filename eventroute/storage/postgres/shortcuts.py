"""What is done most often, by one call of a function on the server: claiming from the shared reader, and progress."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve

from eventroute.storage.base import Advance, Claim, Complete, Entry, Settle, Waiting
from eventroute.storage.calls import Scope
from eventroute.storage.jobs import Call, Job
from eventroute.storage.postgres.adapting import Kind
from eventroute.storage.postgres.ahead import AHEAD_BYTES, Ahead
from eventroute.storage.postgres.log import as_records
from eventroute.storage.postgres.prepared import Prepared
from eventroute.storage.postgres.tables import PostgresTables

__all__ = ["QuickCall", "ScopedCall", "Taking", "advance", "claim_next", "give_back"]

_CLAIMED = "first, NULL::float8, int8send(last) || int8send(its_version) FROM"  # as wide as an event's row
_WHAT: tuple[Kind, ...] = ("text", "text", "text", "int8", "float8", "int8")
_CLAIM = Prepared("claim_next", f"SELECT {_CLAIMED} claim_next(?1, ?2, ?3, ?4, ?5, ?6)", *_WHAT)

# A row for the claim, and one for each of its events, unless those may have too many bytes (see `largest` of a log).
# What was appended while the function waited for its turn is not seen here: so the last events may not be there.
_CLAIM_AND_READ = Prepared(
    "claim_next_and_read",
    f"""
WITH taken AS MATERIALIZED (SELECT first, last, its_version FROM claim_next(?1, ?2, ?3, ?4, ?5, ?6)),
    its AS (SELECT number, largest FROM bus JOIN log ON log.bus = bus.number WHERE name = ?1 AND NOT going)
SELECT {_CLAIMED} taken
UNION ALL (
    SELECT "offset", time / 1e6::float8, event FROM event
    WHERE bus = (SELECT number FROM its)
        AND "offset" >= (SELECT first FROM taken) AND "offset" < (SELECT last FROM taken)
        AND (SELECT largest * (last - first)::float8 <= ?7 FROM its, taken)
    ORDER BY "offset"
)
""",  # noqa: S608 - all from here
    *(*_WHAT, "int8"),
)
_ADVANCE = Prepared(
    "advance_claims",
    "SELECT advance_claims(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    "text",
    "text",
    "float8",
    "text[]",
    "int8[]",
    "int8[]",
    "text[]",
    "int8[]",
    "int8",
    "int8",
)
_TAKE = Prepared(
    "take_waiting",
    "SELECT * FROM take_waiting(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    "text",
    "text",
    "text",
    "float8",
    "int8",
    "float8",
    "int8",
    "int8",
    "int8",
)
_MOST = 1 << 40
_two_numbers = struct.Struct("!qq").unpack


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
    tables: PostgresTables,
    ahead: Ahead,
    bus: str,
    reader: str,
    session: str,
    limit: int,
    now: float | None,
    token: int,
) -> tuple[Claim | None] | None:
    """Claim as `ledger.claim`, in the ordinary case, and read what is claimed; `now`: None is the server's."""
    arguments = (bus, reader, session, min(limit, _MOST), now, token)
    ahead.turn_to(tables)
    if ahead.wanted(bus):
        (start, _, rest), *rows = tables.ask(_CLAIM_AND_READ, (*arguments, AHEAD_BYTES))
    else:
        ((start, _, rest),), rows = tables.ask(_CLAIM, arguments), []
    if start is None:
        return None
    end, version = _two_numbers(rest)
    if end <= start:
        return (None,)
    claim = Claim(bus, reader, start, end, version, session)
    if rows and rows[0][0] == start and rows[-1][0] - start + 1 == len(rows):
        ahead.put(claim, as_records(rows))
    return (claim,)


def give_back(tables: PostgresTables, bus: str, session: str, token: int) -> None:
    """Free a claim of which nobody was told."""
    for claim in tables.claims_by_token(bus, session, token):
        tables.put_claim(evolve(claim, session=""))


def advance(
    tables: PostgresTables,
    bus: str,
    session: str,
    entries: Sequence[Entry],
    now: float | None,
    known: int | None,
    number: int | None,
) -> tuple[None] | None:
    """Write as `ledger.write`, in the ordinary case."""
    readers, starts, places = [], [], []
    settled, settled_at = [], []
    for entry in entries:
        if isinstance(entry, Settle):
            settled.append(entry.subscription)
            settled_at.append(entry.offset)
            continue
        if not isinstance(entry, Advance | Complete) or entry.claim.session != session or entry.claim.bus != bus:
            return None
        if (entry.start if isinstance(entry, Advance) else entry.claim.start) >= entry.claim.end:  # it is done by then
            return None
        readers.append(entry.claim.reader)
        starts.append(entry.claim.start)
        places.append(entry.start if isinstance(entry, Advance) else None)
    arguments = (bus, session, now, readers, starts, places, settled, settled_at, known, number)
    ((done,),) = tables.ask(_ADVANCE, arguments)
    return (None,) if done else None


class Taking:
    """Takes waiting deliveries as `ledger.claim_waiting`, in the ordinary case. `limit` and `due_by` as there."""

    __slots__ = ("_again", "_bus", "_due_by", "_known", "_limit", "_session", "_subscription", "_token")

    def __init__(self, bus: str, subscription: str, session: str, due_by: float, limit: int, known: int | None) -> None:
        self._bus = bus
        self._subscription = subscription
        self._session = session
        self._due_by = due_by
        self._limit = min(limit, _MOST)
        self._known = known
        self._token = secrets.randbits(63)
        self._again = False

    def take(self, tables: PostgresTables, now: float | None) -> tuple[list[Waiting]] | None:
        """Take them, or what was taken before, where the answer to that was lost; `now`: None is the server's."""
        again, self._again = self._again, True
        wanted = (self._bus, self._subscription, self._session, self._due_by, self._limit)
        rows = tables.ask(_TAKE, (*wanted, now, self._token, int(again), self._known))
        if rows and rows[0][0] is None:
            return None
        return ([Waiting(self._subscription, *row) for row in rows],)

    def give_back(self, tables: PostgresTables) -> None:
        """Free those of which nobody was told."""
        tables.let_go_by_token(self._subscription, self._session, self._token)
