"""What a router keeps for later: delayed events, replays, dead letters."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Unpack

from eventroute.clock import Clock
from eventroute.deadletters import HeldKey, Selection, Which, held_keys, select
from eventroute.errors import InvalidSubscription, OffsetTrimmed, UnknownSubscription
from eventroute.push.scheduler import Scheduler
from eventroute.storage.base import DeadLetter, Reader, Start, Storage, Timer
from eventroute.storage.tables import FIRST_OFFSET
from eventroute.subscription import Subscription, check_place

__all__ = ["Keeping", "beginning"]

_log = logging.getLogger("eventroute")


def start_of(place: str | int | datetime) -> Start:
    """Where that is, for the storage."""
    if isinstance(place, datetime):
        return place.timestamp()
    if isinstance(place, int):
        return place
    return "earliest" if place == "earliest" else "latest"


async def beginning(storage: Storage, subscription: Subscription) -> Start:
    """Where a subscription begins if it is new. Raises UnknownBus, and OffsetTrimmed where retention has overtaken that
    offset: then what is gone would be passed over, and nobody would know.
    """
    start = start_of(subscription.start)
    if isinstance(start, int):
        first = (await storage.bounds(subscription.bus)).first
        if start < first and first > FIRST_OFFSET:
            try:
                await storage.subscription(subscription.id)
            except UnknownSubscription:
                raise OffsetTrimmed(
                    f"the bus {subscription.bus!r} no longer has all from offset {start} on: it begins at offset "
                    f"{first}; start there, or at 'earliest'",
                    first=first,
                ) from None
    return start


class Keeping(ABC):
    """The part of a `Router` that looks after what waits in the ledger."""

    storage: Storage
    _clock: Clock
    _schedulers: Mapping[str, Scheduler]

    @abstractmethod
    def _check_open(self) -> None: ...

    @abstractmethod
    async def _refresh(self) -> None: ...

    # -- delayed events --------------------------------------------------------------------------------------------

    async def timers(
        self, bus: str = "default", *, after: tuple[float, str] | None = None, limit: int = 100
    ) -> list[Timer]:
        """The delayed events of a bus that are not due yet, the first due first: at most `limit`, those behind `after`
        (the `due` and `id` of one). Raises UnknownBus.
        """
        self._check_open()
        return await self.storage.timers(bus, after=after, limit=limit)

    async def count_timers(self, bus: str = "default") -> int:
        """How many delayed events of a bus are not due yet. Raises UnknownBus."""
        self._check_open()
        return await self.storage.count_timers(bus)

    async def cancel_timer(self, timer: str, bus: str = "default") -> bool:
        """Take a delayed event back, by the id of its timer. False: there is no such timer (any more)."""
        self._check_open()
        return await self.storage.cancel_timer(bus, timer)

    # -- replays ---------------------------------------------------------------------------------------------------

    async def replay(
        self,
        subscription: str,
        *,
        start: str | int | datetime = "earliest",
        end: int | datetime | None = None,
    ) -> Reader:
        """Deliver a part of the log to a subscription again, by its present filters: from `start` (`earliest`, an
        offset, a time) to before `end` (an offset, a time; never beyond the end of the log). Its own place does not
        move.

        Without `end`: to the subscription's own place, from which on it gets the events anyway. Returns the reader,
        whose `position` and `until` tell how far it is (see `replays`). Raises UnknownSubscription,
        InvalidSubscription, OffsetTrimmed (retention has taken the start away), StorageConflict (10 replays of it are
        under way).
        """
        self._check_open()
        check_place(start, "start")
        if end is not None:
            check_place(end, "end")
        if start == "latest" or isinstance(end, str):
            raise InvalidSubscription("a replay starts at 'earliest', an offset or a time, and ends at one of the two")
        offsets = isinstance(start, int) and isinstance(end, int) and start >= end
        times = isinstance(start, datetime) and isinstance(end, datetime) and start >= end
        if offsets or times:
            raise InvalidSubscription("a replay ends behind its start", where="end")
        until = end.timestamp() if isinstance(end, datetime) else end
        replay = await self.storage.start_replay(subscription, start=start_of(start), end=until)
        await self._refresh()
        return replay

    async def replays(self, subscription: str) -> list[Reader]:
        """The replays of a subscription that are under way. Raises UnknownSubscription."""
        self._check_open()
        stored = await self.storage.subscription(subscription)
        readers = await self.storage.readers(stored.bus)
        return [each for each in readers if each.subscription == subscription and each.replayed_from is not None]

    async def cancel_replay(self, replay: Reader) -> bool:
        """End a replay where it is; what is in hand is still delivered. False: it has ended already.

        Raises UnknownSubscription.
        """
        self._check_open()
        cancelled = await self.storage.cancel_replay(replay.subscription or "", replay.name)
        await self._refresh()
        return cancelled

    # -- dead letters ----------------------------------------------------------------------------------------------

    async def deadletters(
        self,
        bus: str = "default",
        *,
        after: tuple[str, int] | None = None,
        limit: int = 100,
        **which: Unpack[Which],
    ) -> list[DeadLetter]:
        """Dead letters in the order of (subscription, offset), at most `limit`, those behind `after`.

        `which` ones: by subscription, reason, offset or time; see `Which`.
        """
        self._check_open()
        found: list[DeadLetter] = []
        async with aclosing(select(self.storage, bus, Selection(**which), after)) as pages:
            async for page in pages:
                found += page
                if len(found) >= limit:
                    break
        return found[:limit]

    async def count_deadletters(self, bus: str = "default") -> dict[tuple[str, str], int]:
        """How many dead letters there are, by (subscription, reason)."""
        self._check_open()
        return await self.storage.count_dead_letters(bus)

    async def redrive(self, bus: str = "default", *, removed: bool = False, **which: Unpack[Which]) -> int:
        """Deliver dead letters again, all or those that are meant; their attempts count from none.

        Returns how many. They use the sink, the transformer and the policy in force then. Those of a subscription that
        was removed stay, also where there is another one of the same id now, unless that one is to get them: `removed`.
        """
        self._check_open()
        due = self._clock.time()
        redriven = meant = 0
        async for page in select(self.storage, bus, Selection(**which)):
            meant += len(page)
            redriven += await self.storage.redrive(bus, _names(page), due=due, removed=removed)
        if redriven < meant:
            _log.warning(
                "bus %s: %d dead letters stay: their events are gone, or their subscriptions were removed",
                bus,
                meant - redriven,
            )
        if bus in self._schedulers:
            self._schedulers[bus].look()
        return redriven

    async def purge(self, bus: str = "default", **which: Unpack[Which]) -> int:
        """Remove dead letters for good, all or those that are meant. Returns how many."""
        self._check_open()
        purged = 0
        async for page in select(self.storage, bus, Selection(**which)):
            purged += await self.storage.purge(bus, _names(page))
        if bus in self._schedulers:  # what one of them held goes on
            self._schedulers[bus].look()
        return purged

    async def held_keys(self, subscription: str) -> list[HeldKey]:
        """The dead letters of a subscription that hold their key (policy `when_stuck="hold"`), by offset.

        Raises UnknownSubscription.
        """
        self._check_open()
        return await held_keys(self.storage, subscription)


def _names(letters: Iterable[DeadLetter]) -> list[tuple[str, int]]:
    return [(letter.subscription, letter.offset) for letter in letters]
