"""What a storage promises of pauses; a part of `StorageContract`."""

from __future__ import annotations

import pytest

from eventroute.errors import StorageConflict, UnknownSubscription
from eventroute.storage.base import Storage, Wait, Waiting
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL
from eventroute.testing.storage.log import BUS, LogContract, subscribe

__all__ = ["PausingContract"]


class PausingContract(LogContract):
    """Their time, and whom they are meant for."""

    async def test_the_time_of_a_pause_does_not_age_what_waits(self, storage: Storage, clock: VirtualClock) -> None:
        await subscribe(storage, "s")
        session = await storage.open_session(TTL * 100)
        tried = Waiting("s", 1, 0.0, attempts=2, first_attempt=1_000.0, reason="timeout")
        await storage.write(BUS, session, [Wait(tried, held=False), Wait(Waiting("s", 2, 0.0), held=False)])
        await storage.pause_subscription("s", "because")
        await self.pass_time(clock, TTL)
        await storage.pause_subscription("s", "for another reason")
        await self.pass_time(clock, TTL)
        await storage.resume_subscription("s")
        first, second = await storage.claim_waiting(BUS, "s", session, now=1.0, limit=9)
        assert first.first_attempt is not None
        assert TTL * 1.9 < first.first_attempt - 1_000.0 < TTL * 20
        assert second.first_attempt is None

    async def test_who_means_one_before_of_the_same_id_pauses_nothing(self, storage: Storage) -> None:
        await storage.create_bus("other")
        await subscribe(storage, "s")
        old = BUS, (await storage.changes(BUS, 0)).version
        await storage.remove_subscription("s")
        with pytest.raises(UnknownSubscription):
            await storage.pause_subscription("s", "because", known=old)
        await storage.put_subscription("other", "s", b"d", start="latest")
        with pytest.raises(UnknownSubscription):
            await storage.pause_subscription("s", "because", known=old)
        await storage.remove_subscription("s")
        await subscribe(storage, "s")
        with pytest.raises(UnknownSubscription) as caught:
            await storage.pause_subscription("s", "because", known=old)
        assert caught.value.subscription == "s"
        assert (await storage.subscription("s")).paused is None
        now = BUS, (await storage.changes(BUS, 0)).version
        await storage.put_subscription(BUS, "other", b"d", start="latest")
        await storage.pause_subscription("s", "because", known=now)
        assert (await storage.subscription("s")).paused == "because"

    async def test_who_knows_a_subscription_as_it_was_before_pauses_nothing(self, storage: Storage) -> None:
        for change in (
            lambda: storage.put_subscription(BUS, "s", b"e", start="latest"),
            lambda: storage.leave_live("s"),
            lambda: storage.join_live("s", within=0),
        ):
            await subscribe(storage, "s")
            known = BUS, (await storage.changes(BUS, 0)).version
            await change()
            with pytest.raises(StorageConflict, match="'s' was changed"):
                await storage.pause_subscription("s", "because", known=known)
            assert (await storage.subscription("s")).paused is None
        known = BUS, (await storage.changes(BUS, 0)).version
        await storage.pause_subscription("s", "because", known=known)
        assert (await storage.subscription("s")).paused == "because"
