"""The part of the interface `Storage` that keeps waiting deliveries, and the order among those of one key."""

from __future__ import annotations

from abc import ABC, abstractmethod

from eventroute.storage.fates import Fates, WaitingRow
from eventroute.storage.values import Session, Waiting, WaitingKey, WaitingSummary

__all__ = ["Deliveries"]


class Deliveries(ABC):
    """Waiting deliveries come by the entries `Wait` and `Bury` with a key. They go by `Settle`, `Bury`, `purge`."""

    @abstractmethod
    async def claim_waiting(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int, known: int | None = None
    ) -> list[Waiting]:
        """Take at most `limit` waiting deliveries of a subscription that are due (`due` <= `now`) and that no living
        session holds; the session holds them until they are settled, buried or written again. Nothing for a paused or
        unknown subscription, one of another bus, or (with `known`) one that was created after that version of the bus:
        the caller takes it for one before of the same id. Raises LeaseLost.

        The earliest due come first; where any of the subscription's has a key, the smallest offsets. One with a key is
        taken only where each of that key with a smaller offset is due, has had no attempt, and is taken with it or held
        by this session already: so one session at a time has a key in hand, and what is behind one that failed waits.

        Need not survive a power loss, as `claim`.
        """

    @abstractmethod
    async def waiting(self, bus: str, *, before: int | None = None) -> tuple[WaitingSummary, ...]:
        """The waiting deliveries by subscription (those with any, sorted); where `before` is given, only those of
        offsets below it are counted.
        """

    @abstractmethod
    async def waiting_keys(self, bus: str, subscription: str) -> list[WaitingKey]:
        """The waiting deliveries of a subscription that have a key, whoever holds them, by offset. None for an unknown
        one, or one of another bus.
        """

    @abstractmethod
    async def waiting_rows(
        self, bus: str, subscription: str, *, after: int | None = None, limit: int = 100
    ) -> list[WaitingRow]:
        """The waiting deliveries of a subscription by offset, those behind the offset `after`, at most `limit`. None
        for an unknown one, or one of another bus.
        """

    @abstractmethod
    async def fates(self, bus: str, offset: int, *, after: int = 0) -> Fates:
        """What is known of the deliveries of the event at an offset, all of it at one moment. The event itself need not
        be there. `changes` are those of the subscriptions after the version `after`, as `Storage.changes` tells them.

        May take time with the number of subscriptions, readers and breakers, not with that of events or dead letters.
        """
