"""What a storage promises of what others had in hand when it was closed; a part of `StorageContract`."""

from __future__ import annotations

import pytest
from attrs import evolve

from eventroute.storage.base import LIVE, Complete
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL, LedgerContract
from eventroute.testing.storage.log import BUS, put, subscribe

__all__ = ["ReopeningContract"]


class ReopeningContract(LedgerContract):
    """A process that has died has closed nothing: what it held is held until its lease is over, and then taken over."""

    async def test_claims_outlive_the_storage(self, clock: VirtualClock) -> None:
        self._skip_unless_persistent()
        async with self.make_storage(clock) as storage:
            await put(storage, *[b"1"] * 9)
            dead = await storage.open_session(TTL)
            held = await storage.claim(BUS, LIVE, dead, limit=5, alone=True)
            assert held is not None
        async with self.make_storage(clock) as storage:
            assert await storage.claims(BUS) == (held,)
            session = await storage.open_session(TTL * 9)
            assert await storage.claim(BUS, LIVE, session, limit=5, alone=True) is None
            await self.pass_time(clock, TTL * 1.5)
            assert await storage.claim(BUS, LIVE, session, limit=5) == evolve(held, session=session.id)

    async def test_who_shares_a_reader_and_who_sends_outlive_the_storage(self, clock: VirtualClock) -> None:
        self._skip_unless_persistent()
        async with self.make_storage(clock) as storage:
            await subscribe(storage, "s")
            await put(storage, *[b"1"] * 9)
            one = await storage.open_session(TTL)
            claim = await storage.claim(BUS, LIVE, one, limit=5, alone=True)
            assert claim is not None
            await storage.write(BUS, one, [Complete(claim)])
            assert await storage.take_sending(BUS, "s", one) == "first"
        async with self.make_storage(clock) as storage:
            other = await storage.open_session(TTL * 9)
            shared = await storage.claim(BUS, LIVE, other, limit=5, alone=True)
            assert shared is not None
            assert shared.shared
            assert await storage.senders(BUS) == {"s": one.id}
            assert await storage.take_sending(BUS, "s", other) is None
            await self.pass_time(clock, TTL * 1.5)
            assert await storage.take_sending(BUS, "s", other) == "after another"

    async def test_what_a_deleted_bus_had_is_never_used_again(self, clock: VirtualClock) -> None:
        self._skip_unless_persistent()
        async with self.make_storage(clock) as storage:
            await storage.create_bus("other")
            await storage.put_subscription("other", "s", b"d", start="latest")
            last = (await put(storage, b"1", b"2", bus="other"))[-1]
            version = (await storage.changes("other", 0)).version
            await storage.delete_bus("other", subscriptions=True)
        async with self.make_storage(clock) as storage:
            await storage.create_bus("other")
            assert (await put(storage, b"3", bus="other"))[0] > last
            assert (await storage.changes("other", 0)).version > version

    async def test_that_a_subscription_was_removed_is_told_afterwards(self, clock: VirtualClock) -> None:
        self._skip_unless_persistent()
        async with self.make_storage(clock) as storage:
            await subscribe(storage, "s")
            known = (await storage.changes(BUS, 0)).version
            await storage.remove_subscription("s")
        async with self.make_storage(clock) as storage:
            changes = await storage.changes(BUS, known)
            assert changes.version > known
            assert changes.reset or [(each.id, each.removed) for each in changes.subscriptions] == [("s", True)]

    def _skip_unless_persistent(self) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
