"""Dead letters and breakers in dictionaries."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from attrs import evolve

from eventroute.storage.base import BreakerState, DeadLetter, Forwards, Lost
from eventroute.storage.memory.log import MemoryLog
from eventroute.storage.memory.sessions import MemorySessions
from eventroute.storage.memory.timers import Numbers

__all__ = ["MemoryLetters"]


class MemoryLetters(MemorySessions, MemoryLog):
    """The dead letters and the breakers of all buses; the log and the sessions are its bases'."""

    def __init__(self) -> None:
        super().__init__()
        self._breakers: dict[str, BreakerState] = {}
        """The last changed is the last."""
        self._breaker_numbers = Numbers()

    # -- dead letters ----------------------------------------------------------------------------------------------

    def dead_letter(self, bus: str, subscription: str, offset: int) -> DeadLetter | None:
        """One dead letter."""
        return self._bus(bus).letters.get((subscription, offset))

    def dead_letter_born(self, bus: str, subscription: str, offset: int) -> int:
        """The `born` of its subscription."""
        return self._bus(bus).letters.born((subscription, offset))

    def put_dead_letter(self, bus: str, letter: DeadLetter, born: int) -> None:
        """Insert or overwrite."""
        self._bus(bus).letters.put(letter, born)

    def drop_dead_letter(self, bus: str, subscription: str, offset: int) -> None:
        """Remove."""
        self._bus(bus).letters.drop((subscription, offset))

    def dead_letters(
        self, bus: str, subscription: str | None, after: tuple[str, int] | None, limit: int
    ) -> list[DeadLetter]:
        """A page of them."""
        return self._bus(bus).letters.page(subscription, after, limit)

    def letters_at(self, bus: str, offset: int) -> list[DeadLetter]:
        """Those of all subscriptions."""
        return [kept.letter for key, kept in sorted(self._bus(bus).letters.rows.items()) if key[1] == offset]

    def count_dead_letters(self, bus: str) -> dict[tuple[str, str], int]:
        """How many."""
        return self._bus(bus).letters.count()

    def oldest_dead_letters(self, bus: str, limit: int) -> list[tuple[str, int, float, int]]:
        """The oldest."""
        return self._bus(bus).letters.oldest(limit)

    def add_dropped(self, bus: str, subscription: str, letters: int, now: float) -> None:
        """Count."""
        state = self._bus(bus)
        state.letters.dropped += letters
        if subscription in state.changed:
            before = state.lost.get(subscription, Lost(subscription, 0, now))
            state.lost[subscription] = evolve(before, letters=before.letters + letters, time=now)

    def forwards(self, bus: str, now: float) -> tuple[Forwards, ...]:
        """By subscription."""
        return self._bus(bus).letters.forwards({one for one, lapses in self._sessions.items() if lapses > now})

    def free_letters(self, bus: str, subscription: str, now: float, limit: int) -> list[DeadLetter]:
        """Those due and free."""
        return self._bus(bus).letters.free(subscription, now, limit, self._sessions)

    def hold_letters(self, bus: str, letters: Iterable[DeadLetter], session: str) -> None:
        """Let the session hold them."""
        self._bus(bus).letters.hold(letters, session)

    def let_go_letters(self, bus: str, letters: Iterable[DeadLetter], session: str) -> None:
        """Free them."""
        self._bus(bus).letters.let_go(letters, session)

    def letter_holder(self, bus: str, subscription: str, offset: int) -> str | None:
        """Who holds it."""
        kept = self._bus(bus).letters.rows.get((subscription, offset))
        return kept.session if kept is not None and kept.session in self._sessions else None

    def put_off(self, bus: str, letter: DeadLetter) -> None:
        """Change where it stands on its way."""
        self._bus(bus).letters.put_off(letter)

    # -- breakers --------------------------------------------------------------------------------------------------

    def breaker(self, subscription: str) -> BreakerState | None:
        """One breaker."""
        return self._breakers.get(subscription)

    def put_breaker(self, bus: str, state: BreakerState) -> None:
        """Insert or overwrite: the last changed is the last."""
        self._breakers.pop(state.subscription, None)
        self._breakers[state.subscription] = evolve(state, number=self._breaker_numbers.take())

    def breakers(self, bus: str, after: int) -> tuple[BreakerState, ...]:
        """Those that have changed."""
        changed = self._bus(bus).changed
        late = itertools.takewhile(lambda state: state.number > after, reversed(self._breakers.values()))
        return tuple(state for state in late if state.subscription in changed)[::-1]
