"""The calls of a storage whose tables are worked on in threads: each is one function of `Tables`, one atomic change."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from eventroute.storage import ledger, placement, trimming
from eventroute.storage.base import (
    Advance,
    BusSettings,
    Claim,
    Complete,
    DeadLetter,
    Dropped,
    Entry,
    Fired,
    Reader,
    Session,
    Start,
    StoredSubscription,
    Trimmed,
    Waiting,
)
from eventroute.storage.scope import Scope
from eventroute.storage.sending import Took
from eventroute.storage.transfer_calls import TransferCalls

__all__ = ["Scope", "TableCalls"]

_SWEEP = 1_000  # rows that are taken away in one transaction
_LONG = 5_000  # microseconds: it has a transaction of its own


class TableCalls(TransferCalls):
    """All but opening, closing, appending and watching, over `_change` and `_read`."""

    @abstractmethod
    def _forget_watched(self, bus: str) -> None:
        """A bus is gone: those who watch it are woken."""

    # -- the log ---------------------------------------------------------------------------------------------------

    async def create_bus(self, bus: str, settings: BusSettings | None = None) -> None:
        """See `Storage.create_bus`."""
        scope = Scope(buses=True)
        while not await self._change(scope, lambda tables: tables.create_bus(bus, settings, self._now(tables))):
            await self._sweep()

    async def update_bus(self, bus: str, settings: BusSettings) -> None:
        """See `Storage.update_bus`."""
        await self._change(Scope(bus, log=True), lambda tables: tables.update_bus(bus, settings))

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

    async def trim(self, bus: str, before: int, *, limit: int, hard: bool = False) -> Trimmed:
        """See `Storage.trim`."""

        def step(tables: Any) -> Trimmed:
            trimmed = trimming.trim(tables, bus, before, limit, hard, self._now(tables))
            if not trimmed.events:
                tables.sweep(limit)
            return trimmed

        return await self._change(Scope(bus, log=True), step, cost=100 + 2 * limit, durable=False)

    # -- timers ----------------------------------------------------------------------------------------------------

    async def fire_timers(self, bus: str, *, now: float, limit: int) -> Fired:
        """See `Storage.fire_timers`."""
        return await self._change(
            Scope(bus, log=True),
            lambda tables: tables.fire_timers(bus, now, limit, self._now(tables)),
            cost=100 + 10 * limit,
        )

    async def cancel_timer(self, bus: str, timer: str) -> bool:
        """See `Storage.cancel_timer`."""
        return await self._change(Scope(bus, log=True), lambda tables: tables.cancel_timer(bus, timer))

    # -- sessions --------------------------------------------------------------------------------------------------

    async def open_session(self, ttl: float) -> Session:
        """See `Storage.open_session`."""
        return await self._change(
            Scope(),
            lambda tables: ledger.open_session(tables, ledger.new_session(ttl), self._now(tables)),
            durable=False,
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

    async def pause_subscription(self, subscription: str, reason: str, *, known: tuple[str, int] | None = None) -> None:
        """See `Storage.pause_subscription`."""
        await self._change(
            Scope(subscription=subscription),
            lambda tables: placement.pause(tables, subscription, reason, self._now(tables), known),
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

    # -- the ledger ------------------------------------------------------------------------------------------------

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
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int, known: int | None = None
    ) -> list[Waiting]:
        """See `Storage.claim_waiting`."""

        def undo(taken: list[Waiting]) -> Callable[[Any], None]:
            return lambda tables: ledger.release_waiting(tables, taken, session)

        return await self._change(
            Scope(bus, session=session.id),
            lambda tables: ledger.claim_waiting(
                tables, bus, subscription, session, now, limit, self._now(tables), known
            ),
            cost=100 + 5 * limit,
            durable=False,
            undo=undo,
        )

    async def write(
        self,
        bus: str,
        session: Session,
        entries: Sequence[Entry],
        *,
        known: int | None = None,
        number: int | None = None,
    ) -> None:
        """See `Storage.write`."""
        readers = {entry.claim.reader: None for entry in entries if isinstance(entry, Advance | Complete)}
        await self._change(
            Scope(bus, readers=tuple(readers), session=session.id),
            lambda tables: ledger.write(tables, bus, session, entries, self._now(tables), known, number),
            cost=100 + 20 * len(entries),
        )

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

    # -- dead letters ----------------------------------------------------------------------------------------------

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
