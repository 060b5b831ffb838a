"""What became of the deliveries of one event, in SQL."""

from __future__ import annotations

from eventroute.storage.base import STUCK, Claim, DeadLetter, Waiting, WaitingKey
from eventroute.storage.sql.letters import LETTER, letter_of
from eventroute.storage.sql.statements import Statements

__all__ = ["SqlTracing"]

_CLAIMS = 'SELECT bus, reader, start, "end", version, session FROM claim WHERE bus = ? AND start <= ? AND "end" > ?'
_HELD = 'SELECT subscription, "offset", due, attempts, first_attempt, reason, event, key, session FROM waiting'
_HELD_AT = (
    'SELECT waiting.subscription, "offset", due, attempts, first_attempt, reason, event, key, session'
    " FROM subscription AS owner CROSS JOIN waiting"  # in this order
    ' WHERE owner.bus = ? AND waiting.subscription = owner.id AND "offset" = ? ORDER BY waiting.subscription'
)
# From one subscription that has letters to the next: a bus may have very many letters.
_LETTERS_AT = (
    "WITH RECURSIVE names(name) AS (SELECT min(subscription) FROM dead_letter WHERE bus = ?1 UNION ALL"  # noqa: S608 - all from here
    " SELECT (SELECT min(subscription) FROM dead_letter WHERE bus = ?1 AND subscription > name) FROM names"
    " WHERE name IS NOT NULL)"
    f' {LETTER} WHERE bus = ?1 AND "offset" = ?2 AND subscription IN (SELECT name FROM names) ORDER BY subscription'
)


class SqlTracing(Statements):
    """`TracingTables` on one connection."""

    def claims_over(self, bus: str, offset: int) -> list[Claim]:
        """Those that hold it."""
        return [Claim(*row) for row in self._all(_CLAIMS, (bus, offset, offset))]

    def living(self, now: float) -> frozenset[str]:
        """Those that have not lapsed."""
        return frozenset(session for (session,) in self._all("SELECT id FROM session WHERE lapses > ?", (now,)))

    def first_of_key(self, subscription: str, key: int) -> WaitingKey | None:
        """The first of a key."""
        row = self._one(
            'SELECT "offset", key, due = ? FROM waiting WHERE subscription = ? AND key = ? ORDER BY "offset" LIMIT 1',
            (STUCK, subscription, key),
        )
        return None if row is None else WaitingKey(row[0], row[1], bool(row[2]))

    def waiting_at(self, bus: str, offset: int) -> list[tuple[Waiting, str | None]]:
        """Those of all subscriptions."""
        return [(Waiting(*row), session) for *row, session in self._all(_HELD_AT, (bus, offset))]

    def waiting_after(self, subscription: str, after: int, limit: int) -> list[tuple[Waiting, str | None]]:
        """A page of them."""
        rows = self._all(
            f'{_HELD} WHERE subscription = ? AND "offset" > ? ORDER BY "offset" LIMIT ?', (subscription, after, limit)
        )
        return [(Waiting(*row), session) for *row, session in rows]

    def letters_at(self, bus: str, offset: int) -> list[DeadLetter]:
        """Those of all subscriptions."""
        return [letter_of(row) for row in self._all(_LETTERS_AT, (bus, offset))]
