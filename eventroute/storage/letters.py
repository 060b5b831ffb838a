"""The part of the interface `Storage` that keeps dead letters: deliveries that were given up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from eventroute.storage.values import DeadLetter, Dropped, Forwards, Session

__all__ = ["Letters"]


class Letters(ABC):
    """Dead letters come by the entry `Bury`. They go by `redrive`, `purge`, a bound, the entry `Forwarded`."""

    @abstractmethod
    async def dead_letters(
        self, bus: str, *, subscription: str | None = None, after: tuple[str, int] | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """Dead letters in the order of (subscription, offset), those behind `after`, at most `limit`."""

    @abstractmethod
    async def count_dead_letters(self, bus: str) -> dict[tuple[str, str], int]:
        """How many there are, by (subscription, reason)."""

    @abstractmethod
    async def redrive(self, bus: str, letters: Sequence[tuple[str, int]], *, due: float, removed: bool = False) -> int:
        """Turn dead letters, named by (subscription, offset), into waiting deliveries due at `due`, with no attempts
        counted and their event with them; one whose subscription is gone, or whose event the log had lost, stays. So
        does, unless `removed` is true, one of a subscription that was removed where there is one of the same id now.
        Returns how many.

        A waiting delivery of the same identity is overwritten, but for its key. `watch` is not woken.
        """

    @abstractmethod
    async def purge(self, bus: str, letters: Sequence[tuple[str, int]]) -> int:
        """Remove dead letters, named by (subscription, offset), for good, with what is `STUCK` because of them. Returns
        how many there were.
        """

    @abstractmethod
    async def drop_dead_letters(self, bus: str, *, before: float, keep: int | None, limit: int) -> tuple[Dropped, ...]:
        """Take away at most `limit` of the oldest dead letters, for good: those from before the time `before`, and
        those beyond the `keep` latest (None: any number may stay). A backend may stop earlier, but takes at least one
        where one has to go. With a letter goes what is `STUCK` because of it. Returns how many, by subscription and
        why; `describe_bus` counts them.
        """

    # -- those that are to go elsewhere ----------------------------------------------------------------------------

    @abstractmethod
    async def forwards(self, bus: str) -> tuple[Forwards, ...]:
        """The dead letters that have a `forward`, by subscription (those with any, sorted)."""

    @abstractmethod
    async def claim_letters(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int
    ) -> list[DeadLetter]:
        """Take at most `limit` dead letters of a subscription whose `forward` is due (`due` <= `now`) and that no
        living session holds, the earliest due first; the session holds them until it writes `Forwarded` or `PutOff`.
        The subscription need not be there any more. Raises LeaseLost.

        Need not survive a power loss, as `claim`.
        """
