"""The part of the interface `Storage` that keeps delayed events, as timers in the ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod

from eventroute.storage.values import Fired, Timer

__all__ = ["Timers"]


class Timers(ABC):
    """Timers are made by `Storage.append`, and fired by whoever pushes."""

    @abstractmethod
    async def fire_timers(self, bus: str, *, now: float, limit: int) -> Fired:
        """Append the events of at most `limit` timers that are due (`due` <= `now`), in the order of (due, put), and
        take these timers away. One whose identity came meanwhile (see `append`) is not appended. A backend may leave
        some that would fit, but not all, for the next call.

        None is refused for want of `max_bytes`, for which a timer counts from its append on.

        Each event is appended once: together with the end of its timer, or under an append id that is the timer's own,
        so that a call which was interrupted between the two doubles nothing when it is repeated.
        """

    @abstractmethod
    async def next_timer(self, bus: str) -> float | None:
        """When the earliest timer is due, or None where there is none. Asked often: it must cost little."""

    @abstractmethod
    async def timers(self, bus: str, *, after: tuple[float, str] | None = None, limit: int = 100) -> list[Timer]:
        """Timers in the order in which they fire, those behind `after` (a timer's `due` and `id`), at most `limit`."""

    @abstractmethod
    async def count_timers(self, bus: str) -> int:
        """How many there are."""

    @abstractmethod
    async def cancel_timer(self, bus: str, timer: str) -> bool:
        """Take a timer away, by its id, so that its event is never appended. False: it is not there (any more)."""
