"""Views: the subscriptions of a bus as they are at the moment of a look into its storage; only what changes is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import anyio
from anyio import to_thread
from attrs import define, field, frozen

from eventroute.definitions import Vocabulary
from eventroute.errors import UnknownBus
from eventroute.event import Event
from eventroute.routing import Table
from eventroute.storage.base import Changes
from eventroute.tracing.roster import MANY, Lookup, Member, Service

__all__ = ["View", "Views"]

T = TypeVar("T")


@frozen(eq=False)
class View:
    """The subscriptions of a bus at one moment."""

    names: Sequence[str]
    """Their ids, sorted."""
    members: Mapping[str, Member]
    _matchers: tuple[Callable[[Event], set[Service]], ...]

    def matching(self, event: Event) -> set[Service]:
        """The services whose filters match an event. To be asked at once: what it asks goes with the time."""
        return set[Service]().union(*[matching(event) for matching in self._matchers])


@define(eq=False)
class _Own:
    """The roster of a bus for which nothing is pushed here."""

    roster: Lookup
    lock: anyio.Lock = field(factory=anyio.Lock)


class Views:
    """Looks at buses. Where events of a bus are pushed here, its routing table is looked at, and else a roster that is
    made at the first look. Each look asks the storage for what has changed since, so that it misses nothing.
    """

    def __init__(self, words: Vocabulary, tables: Mapping[str, Table]) -> None:
        self._words = words
        self._tables = tables
        self._own: dict[str, _Own] = {}

    def clear(self) -> None:
        """Forget all that was read."""
        self._own.clear()

    async def look(
        self, bus: str, read: Callable[[int], Awaitable[T]], changes: Callable[[T], Changes]
    ) -> tuple[T, View]:
        """What `read` gives, which is asked for the changes after a version, and the subscriptions at that moment.
        Raises what `read` does.
        """
        table = self._tables.get(bus)
        if table is not None:
            return await self._beside(table, read, changes)
        own = self._own.setdefault(bus, _Own(Lookup(self._words)))
        async with own.lock:
            try:
                found = await read(own.roster.version)
            except UnknownBus:
                self._own.pop(bus, None)
                raise
            new = changes(found)
            if len(new.subscriptions) < MANY:
                own.roster.apply(new)
            else:  # that takes a while, in which others are to be served
                await to_thread.run_sync(own.roster.apply, new)
            return found, View(own.roster.names, own.roster.members(), (own.roster.matching,))

    async def _beside(
        self, table: Table, read: Callable[[int], Awaitable[T]], changes: Callable[[T], Changes]
    ) -> tuple[T, View]:
        """The table is left as it is: who pushes takes changes in, and does more about them."""
        while True:
            version = table.version
            found = await read(version)
            if table.version == version:
                break
        new = changes(found)
        if not new.reset and not new.subscriptions:
            return found, View(table.names, table.members(), (table.matching,))
        beside = Lookup(self._words)
        beside.apply(new)
        members: dict[str, Member] = {} if new.reset else {**table.members()}
        for stored in new.subscriptions:
            members.pop(stored.id, None)
        members |= beside.members()
        return found, View(sorted(members), members, (table.matching, beside.matching))
