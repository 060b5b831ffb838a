"""Finding events, and following them: the part of a `Router` that answers "where did my event go?"."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import TypedDict, Unpack

from attrs import frozen

from eventroute.definitions import Vocabulary, restore_filter
from eventroute.errors import InvalidEvent
from eventroute.filters.filter import Filter
from eventroute.routing import Table
from eventroute.storage.base import Storage, Timer
from eventroute.storage.fates import WaitingRow
from eventroute.tracing.following import Known, trace_event
from eventroute.tracing.history import AttemptHistory
from eventroute.tracing.search import SCAN, Found, Sought, search
from eventroute.tracing.trace import DelayedTrace, EventTrace
from eventroute.tracing.views import Views

__all__ = ["Finding", "Searched", "Traces"]

MOST_TRACES = 10
"""How many events of one id are traced at once."""

PAGE = 500


class Searched(TypedDict, total=False):
    """Which events are looked for; see `Sought`."""

    id: str
    source: str
    type: str
    subject: str
    since: datetime
    until: datetime
    filters: tuple[Filter, ...]


@frozen(kw_only=True)
class Traces:
    """What was found of an event."""

    events: tuple[EventTrace, ...]
    """In the log, the newest first: at most 10."""
    delayed: tuple[DelayedTrace, ...] = ()
    """Not due yet, and so in no log: at most 10."""
    scanned: int = 0
    """How many events of the log were looked at."""
    before: int | None = None
    """What is before this offset was not looked at; None: all was."""


class Finding(ABC):
    """The part of a `Router` that finds events, and tells what became of them."""

    storage: Storage
    _words: Vocabulary
    _tables: dict[str, Table]
    _views: Views
    _history: AttemptHistory

    @abstractmethod
    def _check_open(self) -> None: ...

    def _known(self, bus: str) -> Known:
        """What this process can add to what the storage tells."""
        table = self._tables.get(bus)

        def sinkless(subscription: str) -> bool:
            route = None if table is None else table.route(subscription)
            return route is not None and route.sink is None and route.paused is None

        def restore(definition: bytes) -> Filter:
            return restore_filter(definition, self._words)

        return Known(restore=restore, sinkless=sinkless, history=self._history)

    async def find(
        self,
        bus: str = "default",
        *,
        before: int | None = None,
        limit: int = 50,
        scan: int = SCAN,
        **sought: Unpack[Searched],
    ) -> Found:
        """Events of a log, the newest first: at most `limit` of those before the offset `before`.

        There is no index but by offset and time, so the log is read; after `scan` events the search pauses, and
        `before` of the answer is where to go on. Raises UnknownBus, ValueError for a time without a zone.
        """
        self._check_open()
        return await search(self.storage, bus, Sought(**sought), before=before, limit=limit, scan=scan)

    async def trace(
        self,
        bus: str = "default",
        *,
        offset: int | None = None,
        event_id: str | None = None,
        source: str | None = None,
        before: int | None = None,
        scan: int = SCAN,
    ) -> Traces:
        """Where an event is, and what became of it for each subscription of the bus: by its offset, or by its id and
        perhaps its source.

        By id the log is searched as by `find`, and delayed events too: the first `scan` of each. What is told of one
        event holds at one moment; why a filter matches, or does not, is worked out when it is asked for (see
        `Deliveries`). Nothing is stored or sent. Raises UnknownBus, ValueError where neither is given.
        """
        self._check_open()
        if (offset is None) == (event_id is None):
            raise ValueError("an event is traced by its offset or by its event_id: give one of the two")
        known = self._known(bus)
        if offset is not None:
            found = await trace_event(self.storage, self._views, bus, offset, known)
            return Traces(events=() if found is None else (found,))
        sought = Sought(id=event_id, source=source)
        page = await search(self.storage, bus, sought, before=before, limit=MOST_TRACES, scan=scan)
        traced = [await trace_event(self.storage, self._views, bus, one.offset, known) for one in page.events]
        delayed = () if before is not None else await self._delayed(bus, sought, scan)
        events = tuple(one for one in traced if one is not None)
        return Traces(events=events, delayed=tuple(delayed), scanned=page.scanned, before=page.before)

    async def waiting_rows(self, subscription: str, *, after: int | None = None, limit: int = 100) -> list[WaitingRow]:
        """The deliveries of a subscription that wait in the ledger, by offset: at most `limit`, those behind `after`.

        Raises UnknownSubscription.
        """
        self._check_open()
        bus = (await self.storage.subscription(subscription)).bus
        return await self.storage.waiting_rows(bus, subscription, after=after, limit=limit)

    async def _delayed(self, bus: str, sought: Sought, scan: int) -> list[DelayedTrace]:
        found: list[DelayedTrace] = []
        async with aclosing(_timers(self.storage, bus, scan)) as timers:
            async for timer in timers:
                try:
                    one = DelayedTrace.of(bus, timer)
                except InvalidEvent:
                    continue
                if sought.fits(one.event):
                    found.append(one)
                    if len(found) == MOST_TRACES:
                        break
        return found


async def _timers(storage: Storage, bus: str, most: int) -> AsyncGenerator[Timer, None]:
    after, left = None, most
    while left > 0 and (page := await storage.timers(bus, after=after, limit=min(PAGE, left))):
        for timer in page:
            yield timer
        after, left = (page[-1].due, page[-1].id), left - len(page)
