"""How calls are made where tables are worked on in threads; and those by which a bus moves in and out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from eventroute.storage import transferring
from eventroute.storage.base import StoredSubscription
from eventroute.storage.scope import Scope
from eventroute.storage.table_reads import TableReads
from eventroute.storage.transfer import Imported, Placed

__all__ = ["TransferCalls"]

T = TypeVar("T")


class TransferCalls(TableReads):
    """The calls of `Transfer`, each one function of `Tables`, one atomic change."""

    @abstractmethod
    async def _change(
        self,
        scope: Scope,
        work: Callable[[Any], T],
        *,
        cost: float = 100,
        durable: bool = True,
        undo: Callable[[T], Callable[[Any], None]] | None = None,
    ) -> T:
        """Have a change made in one transaction; see `Call` for what the arguments are."""

    # -- transfer --------------------------------------------------------------------------------------------------

    async def import_events(self, bus: str, events: Sequence[Imported], *, end: int, first: int) -> None:
        """See `Storage.import_events`."""
        await self._change(
            Scope(bus, log=True),
            lambda tables: transferring.import_events(tables, bus, events, end, first),
            cost=100 + 10 * len(events),
        )

    async def place_subscription(self, bus: str, placed: Placed) -> StoredSubscription:
        """See `Storage.place_subscription`."""
        return await self._change(
            Scope(bus, placed.stored.id), lambda tables: transferring.place(tables, bus, placed), cost=1_000
        )
