"""The calls of a storage whose tables are worked on in threads: each is one function of `Tables`, one atomic change."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import frozen

from eventroute.storage import ledger, placement, trimming
from eventroute.storage.base import (
    Advance,
    Bounds,
    BreakerState,
    BusInfo,
    BusSettings,
    Changes,
    Claim,
    Complete,
    DeadLetter,
    Dropped,
    Entry,
    Fired,
    Forwards,
    Reader,
    Record,
    Session,
    Start,
    Storage,
    StoredSubscription,
    Timer,
    Trimmed,
    Waiting,
    WaitingKey,
    WaitingSummary,
)
from eventroute.storage.sending import Took

__all__ = ["Scope", "TableCalls"]

T = TypeVar("T")

_SWEEP = 1_000  # rows that are taken away in one transaction
_LONG = 5_000  # microseconds: it has a transaction of its own


@frozen
class Scope:
    """What a change may touch, so that a storage which others write to at the same time can lock it, all at once and in
    one order, and read what the change is decided by together with that.
    """

    bus: str = ""
    """The ledger of this bus."""
    subscription: str = ""
    """The ledger of the bus that this subscription is on."""
    readers: tuple[str, ...] = ()
    """Of the bus, and their claims: a hint."""
    session: str = ""
    """A hint."""
    log: bool = False
    """The log of the bus, too."""
    buses: bool = False
    """Which buses there are."""
    ledger: bool = True
    """False: the ledger of the bus is left alone."""


class TableCalls(Storage):
    """All but opening, closing, appending and watching, over `_change` and `_read`."""

    @abstractmethod
    def _now(self, tables: Any) -> float:
        """The time by which leases run and records are dated."""

    @abstractmethod
    def _forget_watched(self, bus: str) -> None:
        """A bus is gone: those who watch it are woken."""

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

    @abstractmethod
    async def _read(self, work: Callable[[Any], T], *, snapshot: bool = False) -> T:
        """Have something read; with `snapshot` all of one state, where that takes several statements."""

    # -- the log ---------------------------------------------------------------------------------------------------

    async def create_bus(self, bus: str, settings: BusSettings | None = None) -> None:
        """See `Storage.create_bus`."""
        scope = Scope(buses=True)
        while not await self._change(scope, lambda tables: tables.create_bus(bus, settings, self._now(tables))):
            await self._sweep()

    async def update_bus(self, bus: str, settings: BusSettings) -> None:
        """See `Storage.update_bus`."""
        await self._change(Scope(bus, log=True), lambda tables: tables.update_bus(bus, settings))

    async def describe_bus(self, bus: str, *, oldest: int = 0) -> BusInfo:
        """See `Storage.describe_bus`."""
        return await self._read(lambda tables: trimming.describe(tables, bus, oldest, self._now(tables)), snapshot=True)

    async def delete_bus(self, bus: str, *, subscriptions: bool = False) -> None:
        """See `Storage.delete_bus`. The events go in steps, between which others may write."""

        def begin(tables: Any) -> None:
            trimming.unsubscribe_all(tables, bus, subscriptions)
            tables.delete_bus(bus)

        await self._change(Scope(bus, log=True, buses=True), begin)
        self._forget_watched(bus)
        await self._sweep()

    async def _sweep(self) -> None:
        """Take away what deleted buses held."""
        scope = Scope(buses=True)
        while await self._change(scope, lambda tables: tables.sweep(_SWEEP), cost=_LONG, durable=False):
            pass

    async def buses(self) -> tuple[str, ...]:
        """See `Storage.buses`."""
        return await self._read(lambda tables: tables.buses())

    async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`."""
        return await self._read(lambda tables: tables.read(bus, start, end, limit, max_bytes))

    async def trim(self, bus: str, before: int, *, limit: int, hard: bool = False) -> Trimmed:
        """See `Storage.trim`."""

        def step(tables: Any) -> Trimmed:
            trimmed = trimming.trim(tables, bus, before, limit, hard, self._now(tables))
            if not trimmed.events:
                tables.sweep(limit)
            return trimmed

        return await self._change(Scope(bus, log=True), step, cost=100 + 2 * limit, durable=False)

    async def bounds(self, bus: str) -> Bounds:
        """See `Storage.bounds`."""
        return await self._read(lambda tables: tables.bounds(bus))

    async def offset_at(self, bus: str, time: float) -> int:
        """See `Storage.offset_at`."""
        return await self._read(lambda tables: tables.offset_at(bus, time))

    # -- timers ----------------------------------------------------------------------------------------------------

    async def fire_timers(self, bus: str, *, now: float, limit: int) -> Fired:
        """See `Storage.fire_timers`."""
        return await self._change(
            Scope(bus, log=True),
            lambda tables: tables.fire_timers(bus, now, limit, self._now(tables)),
            cost=100 + 10 * limit,
        )

    async def next_timer(self, bus: str) -> float | None:
        """See `Storage.next_timer`."""
        return await self._read(lambda tables: tables.next_timer(bus))

    async def timers(self, bus: str, *, after: tuple[float, str] | None = None, limit: int = 100) -> list[Timer]:
        """See `Storage.timers`."""
        return await self._read(lambda tables: tables.timers(bus, after, limit))

    async def count_timers(self, bus: str) -> int:
        """See `Storage.count_timers`."""
        return await self._read(lambda tables: tables.count_timers(bus))

    async def cancel_timer(self, bus: str, timer: str) -> bool:
        """See `Storage.cancel_timer`."""
        return await self._change(Scope(bus, log=True), lambda tables: tables.cancel_timer(bus, timer))

    # -- sessions --------------------------------------------------------------------------------------------------

    async def open_session(self, ttl: float) -> Session:
        """See `Storage.open_session`."""
        return await self._change(
            Scope(), lambda tables: ledger.open_session(tables, ttl, self._now(tables)), durable=False
        )

    async def extend_session(self, session: Session) -> None:
        """See `Storage.extend_session`."""
        scope = Scope(session=session.id)
        await self._change(
            scope, lambda tables: ledger.extend_session(tables, session, self._now(tables)), durable=False
        )

    async def close_session(self, session: Session) -> None:
        """See `Storage.close_session`."""
        await self._change(
            Scope(session=session.id), lambda tables: ledger.close_session(tables, session), durable=False
        )

    # -- subscriptions ---------------------------------------------------------------------------------------------

    async def put_subscription(
        self, bus: str, subscription: str, definition: bytes, *, start: Start, apart: bool = False
    ) -> StoredSubscription:
        """See `Storage.put_subscription`."""
        return await self._change(
            Scope(bus, subscription),
            lambda tables: placement.put(tables, bus, subscription, definition, start, apart=apart),
        )

    async def remove_subscription(self, subscription: str) -> None:
        """See `Storage.remove_subscription`."""
        await self._change(Scope(subscription=subscription), lambda tables: placement.remove(tables, subscription))

    async def pause_subscription(self, subscription: str, reason: str) -> None:
        """See `Storage.pause_subscription`."""
        await self._change(
            Scope(subscription=subscription),
            lambda tables: placement.pause(tables, subscription, reason, self._now(tables)),
        )

    async def resume_subscription(self, subscription: str) -> None:
        """See `Storage.resume_subscription`."""
        await self._change(
            Scope(subscription=subscription),
            lambda tables: placement.resume(tables, subscription, self._now(tables)),
        )

    async def leave_live(self, subscription: str) -> None:
        """See `Storage.leave_live`."""
        await self._change(Scope(subscription=subscription), lambda tables: placement.leave_live(tables, subscription))

    async def join_live(self, subscription: str, *, within: int) -> bool:
        """See `Storage.join_live`."""
        return await self._change(
            Scope(subscription=subscription), lambda tables: placement.join_live(tables, subscription, within)
        )

    async def subscription(self, subscription: str) -> StoredSubscription:
        """See `Storage.subscription`."""
        return await self._read(lambda tables: placement.find(tables, subscription))

    async def start_replay(self, subscription: str, *, start: Start, end: int | float | None) -> Reader:
        """See `Storage.start_replay`."""
        return await self._change(
            Scope(subscription=subscription),
            lambda tables: placement.start_replay(tables, subscription, start, end),
        )

    async def cancel_replay(self, subscription: str, reader: str) -> bool:
        """See `Storage.cancel_replay`."""
        return await self._change(
            Scope(subscription=subscription), lambda tables: placement.cancel_replay(tables, subscription, reader)
        )

    async def changes(self, bus: str, after: int) -> Changes:
        """See `Storage.changes`."""
        return await self._read(lambda tables: tables.changes(bus, after), snapshot=True)

    # -- the ledger ------------------------------------------------------------------------------------------------

    async def readers(self, bus: str) -> tuple[Reader, ...]:
        """See `Storage.readers`."""
        return await self._read(lambda tables: tables.readers(bus))

    async def claim(self, bus: str, reader: str, session: Session, *, limit: int, alone: bool = False) -> Claim | None:
        """See `Storage.claim`."""

        def undo(taken: Claim | None) -> Callable[[Any], None]:
            return lambda tables: ledger.release(tables, taken)

        return await self._change(
            Scope(bus, readers=(reader,), session=session.id),
            lambda tables: ledger.claim(tables, bus, reader, session, limit, self._now(tables), alone=alone),
            durable=False,
            undo=undo,
        )

    async def claim_waiting(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int
    ) -> list[Waiting]:
        """See `Storage.claim_waiting`."""

        def undo(taken: list[Waiting]) -> Callable[[Any], None]:
            return lambda tables: ledger.release_waiting(tables, taken, session)

        return await self._change(
            Scope(bus, session=session.id),
            lambda tables: ledger.claim_waiting(tables, bus, subscription, session, now, limit, self._now(tables)),
            cost=100 + 5 * limit,
            durable=False,
            undo=undo,
        )

    async def write(self, bus: str, session: Session, entries: Sequence[Entry]) -> None:
        """See `Storage.write`."""
        readers = {entry.claim.reader: None for entry in entries if isinstance(entry, Advance | Complete)}
        await self._change(
            Scope(bus, readers=tuple(readers), session=session.id),
            lambda tables: ledger.write(tables, bus, session, entries, self._now(tables)),
            cost=100 + 20 * len(entries),
        )

    async def waiting(self, bus: str, *, before: int | None = None) -> tuple[WaitingSummary, ...]:
        """See `Storage.waiting`."""
        return await self._read(lambda tables: tables.waiting(bus, before, self._now(tables)))

    async def waiting_keys(self, bus: str, subscription: str) -> list[WaitingKey]:
        """See `Storage.waiting_keys`."""
        return await self._read(lambda tables: ledger.waiting_keys(tables, bus, subscription))

    async def take_sending(self, bus: str, subscription: str, session: Session) -> Took | None:
        """See `Storage.take_sending`."""
        return await self._change(
            Scope(bus, session=session.id),
            lambda tables: ledger.take_sending(tables, bus, subscription, session, self._now(tables)),
            durable=False,
        )

    async def leave_sending(self, bus: str, subscription: str, session: Session) -> None:
        """See `Storage.leave_sending`."""
        await self._change(
            Scope(bus, session=session.id),
            lambda tables: ledger.leave_sending(tables, bus, subscription, session),
            durable=False,
        )

    async def senders(self, bus: str) -> dict[str, str]:
        """See `Storage.senders`."""
        return await self._read(lambda tables: tables.senders(bus, self._now(tables)))

    async def breakers(self, bus: str, *, after: int = 0) -> tuple[BreakerState, ...]:
        """See `Storage.breakers`."""
        return await self._read(lambda tables: tables.breakers(bus, after))

    # -- dead letters ----------------------------------------------------------------------------------------------

    async def dead_letters(
        self, bus: str, *, subscription: str | None = None, after: tuple[str, int] | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """See `Storage.dead_letters`."""
        return await self._read(lambda tables: tables.dead_letters(bus, subscription, after, limit))

    async def count_dead_letters(self, bus: str) -> dict[tuple[str, str], int]:
        """See `Storage.count_dead_letters`."""
        return await self._read(lambda tables: tables.count_dead_letters(bus))

    async def redrive(self, bus: str, letters: Sequence[tuple[str, int]], *, due: float, removed: bool = False) -> int:
        """See `Storage.redrive`."""
        return await self._change(
            Scope(bus),
            lambda tables: ledger.redrive(tables, bus, letters, due, removed),
            cost=100 + 40 * len(letters),
        )

    async def purge(self, bus: str, letters: Sequence[tuple[str, int]]) -> int:
        """See `Storage.purge`."""
        return await self._change(
            Scope(bus), lambda tables: ledger.purge(tables, bus, letters), cost=100 + 20 * len(letters)
        )

    async def drop_dead_letters(self, bus: str, *, before: float, keep: int | None, limit: int) -> tuple[Dropped, ...]:
        """See `Storage.drop_dead_letters`."""
        return await self._change(
            Scope(bus),
            lambda tables: ledger.drop_letters(tables, bus, before, keep, limit, self._now(tables)),
            cost=_LONG,
        )

    async def forwards(self, bus: str) -> tuple[Forwards, ...]:
        """See `Storage.forwards`."""
        return await self._read(lambda tables: tables.forwards(bus, self._now(tables)))

    async def claim_letters(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int
    ) -> list[DeadLetter]:
        """See `Storage.claim_letters`."""

        def undo(taken: list[DeadLetter]) -> Callable[[Any], None]:
            return lambda tables: ledger.release_letters(tables, bus, taken, session)

        return await self._change(
            Scope(bus, session=session.id),
            lambda tables: ledger.claim_letters(tables, bus, subscription, session, now, limit, self._now(tables)),
            cost=100 + 5 * limit,
            durable=False,
            undo=undo,
        )
