"""Dead letters and breakers in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import frozen

from eventroute.storage.base import BreakerState, DeadLetter, Forward, Forwards
from eventroute.storage.sql.statements import Statements

__all__ = ["LETTER", "SqlLetters", "letter_of"]

_LIVING = "SELECT id FROM session"
LETTER = (
    'SELECT subscription, "offset", time, reason, error, attempts, event, born, forward_due, forward_tries,'
    " forward_error FROM dead_letter"
)
_BORN = "SELECT born FROM dead_letter"
_DROP = "DELETE FROM dead_letter"
_KEY = 'bus = ? AND subscription = ? AND "offset" = ?'
_BREAKER = "SELECT subscription, serial, spared, opened, trips, probe, number FROM breaker"


class SqlLetters(Statements):
    """The dead letters and the breakers on one connection; how many letters a bus has, triggers count."""

    def dead_letter(self, bus: str, subscription: str, offset: int) -> DeadLetter | None:
        """One dead letter."""
        row = self._one(f"{LETTER} WHERE {_KEY}", (bus, subscription, offset))
        return None if row is None else letter_of(row)

    def dead_letter_born(self, bus: str, subscription: str, offset: int) -> int:
        """The `born` of its subscription."""
        row = self._one(f"{_BORN} WHERE {_KEY}", (bus, subscription, offset))
        return 0 if row is None else int(row[0])

    def put_dead_letter(self, bus: str, letter: DeadLetter, born: int) -> None:
        """Insert or overwrite."""
        forward = _Columns.of(letter.forward)
        self._do(
            'INSERT INTO dead_letter (bus, subscription, "offset", time, reason, error, attempts, event, born,'
            " forward_due, forward_tries, forward_error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            ' ON CONFLICT (bus, subscription, "offset") DO UPDATE SET time = excluded.time, reason = excluded.reason,'
            " error = excluded.error, attempts = excluded.attempts, event = excluded.event, born = excluded.born,"
            " forward_due = excluded.forward_due, forward_tries = excluded.forward_tries,"
            " forward_error = excluded.forward_error, session = NULL",
            (
                *(bus, letter.subscription, letter.offset, letter.time, letter.reason, letter.error, letter.attempts),
                *(letter.event, born, forward.due, forward.tries, forward.error),
            ),
        )

    def drop_dead_letter(self, bus: str, subscription: str, offset: int) -> None:
        """Remove."""
        self._do(f"{_DROP} WHERE {_KEY}", (bus, subscription, offset))

    def dead_letters(
        self, bus: str, subscription: str | None, after: tuple[str, int] | None, limit: int
    ) -> list[DeadLetter]:
        """A page of them."""
        self.version(bus)
        condition, arguments = "bus = ?", [bus, *(after or ()), *((subscription,) if subscription is not None else ())]
        if after is not None:
            condition += ' AND (subscription, "offset") > (?, ?)'
        if subscription is not None:
            condition += " AND subscription = ?"
        rows = self._all(f'{LETTER} WHERE {condition} ORDER BY subscription, "offset" LIMIT ?', (*arguments, limit))
        return [letter_of(row) for row in rows]

    def count_dead_letters(self, bus: str) -> dict[tuple[str, str], int]:
        """How many."""
        self.version(bus)
        rows = self._all(
            "SELECT subscription, reason, count(*) FROM dead_letter WHERE bus = ? GROUP BY subscription, reason", (bus,)
        )
        return {(subscription, reason): count for subscription, reason, count in rows}

    def oldest_dead_letters(self, bus: str, limit: int) -> list[tuple[str, int, float, int]]:
        """The oldest."""
        rows = self._all(
            'SELECT subscription, "offset", time, length(event) FROM dead_letter WHERE bus = ?'
            ' ORDER BY time, subscription, "offset" LIMIT ?',
            (bus, limit),
        )
        return [(subscription, offset, time, size) for subscription, offset, time, size in rows]

    def add_dropped(self, bus: str, subscription: str, letters: int, now: float) -> None:
        """Count."""
        self._do("UPDATE bus SET dropped = dropped + ? WHERE name = ?", (letters, bus))
        self._do(
            "INSERT INTO lost (bus, subscription, events, time, letters)"
            " SELECT bus, id, 0, ?3, ?4 FROM subscription WHERE bus = ?1 AND id = ?2"
            " ON CONFLICT (bus, subscription)"
            " DO UPDATE SET letters = lost.letters + excluded.letters, time = excluded.time",
            (bus, subscription, now, letters),
        )

    # -- those that are to go elsewhere ----------------------------------------------------------------------------

    def forwards(self, bus: str, now: float) -> tuple[Forwards, ...]:
        """By subscription."""
        self.version(bus)
        rows = self._all(
            "SELECT subscription, count(*), min(CASE WHEN free THEN forward_due END) FROM ("
            "  SELECT subscription, forward_due,"
            "  session IS NULL OR session NOT IN (SELECT id FROM session WHERE lapses > ?) AS free"
            "  FROM dead_letter WHERE bus = ? AND forward_due IS NOT NULL"
            ") AS this GROUP BY subscription ORDER BY subscription",
            (now, bus),
        )
        return tuple(Forwards(*row) for row in rows)

    def free_letters(self, bus: str, subscription: str, now: float, limit: int) -> list[DeadLetter]:
        """Those due and free."""
        rows = self._all(
            f"{LETTER} WHERE bus = ? AND subscription = ? AND forward_due <= ?"
            f' AND (session IS NULL OR session NOT IN ({_LIVING})) ORDER BY forward_due, "offset" LIMIT ?',
            (bus, subscription, now, limit),
        )
        return [letter_of(row) for row in rows]

    def hold_letters(self, bus: str, letters: Iterable[DeadLetter], session: str) -> None:
        """Let the session hold them."""
        self._many(
            f"UPDATE dead_letter SET session = ? WHERE {_KEY}",  # noqa: S608 - all from here
            [(session, bus, letter.subscription, letter.offset) for letter in letters],
        )

    def let_go_letters(self, bus: str, letters: Iterable[DeadLetter], session: str) -> None:
        """Free them."""
        self._many(
            f"UPDATE dead_letter SET session = NULL WHERE {_KEY} AND session = ?",  # noqa: S608 - all from here
            [(bus, letter.subscription, letter.offset, session) for letter in letters],
        )

    def letter_holder(self, bus: str, subscription: str, offset: int) -> str | None:
        """Who holds it."""
        row = self._one(
            f"SELECT session FROM dead_letter WHERE {_KEY} AND session IN ({_LIVING})",  # noqa: S608 - all from here
            (bus, subscription, offset),
        )
        return None if row is None else str(row[0])

    def put_off(self, bus: str, letter: DeadLetter) -> None:
        """Change where it stands on its way."""
        forward = _Columns.of(letter.forward)
        self._do(
            "UPDATE dead_letter SET forward_due = ?, forward_tries = ?, forward_error = ?, session = NULL"  # noqa: S608
            f" WHERE {_KEY}",
            (forward.due, forward.tries, forward.error, bus, letter.subscription, letter.offset),
        )

    # -- breakers --------------------------------------------------------------------------------------------------

    def breaker(self, subscription: str) -> BreakerState | None:
        """One breaker."""
        row = self._one(f"{_BREAKER} WHERE subscription = ?", (subscription,))
        return None if row is None else BreakerState(*row)

    def put_breaker(self, bus: str, state: BreakerState) -> None:
        """Insert or overwrite: the row gets a new number, above all before."""
        self._do("DELETE FROM breaker WHERE subscription = ?", (state.subscription,))
        self._do(
            "INSERT INTO breaker (bus, subscription, serial, spared, opened, trips, probe)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (bus, state.subscription, state.serial, state.spared, state.opened, state.trips, state.probe),
        )

    def breakers(self, bus: str, after: int) -> tuple[BreakerState, ...]:
        """Those that have changed."""
        self.version(bus)
        rows = self._all(f"{_BREAKER} WHERE bus = ? AND number > ? ORDER BY number", (bus, after))
        return tuple(BreakerState(*row) for row in rows)


@frozen
class _Columns:
    """A `Forward`, or none, as it is stored."""

    due: float | None = None
    tries: int = 0
    error: str = ""

    @classmethod
    def of(cls, forward: Forward | None) -> _Columns:
        return cls() if forward is None else cls(forward.due, forward.tries, forward.error)


def letter_of(row: Sequence[Any]) -> DeadLetter:
    """From a row of `LETTER`."""
    subscription, offset, time, reason, error, attempts, event, born, due, tries, why = row
    forward = None if due is None else Forward(due, tries, why)
    return DeadLetter(subscription, offset, time, reason, error, attempts, event, forward, born)
