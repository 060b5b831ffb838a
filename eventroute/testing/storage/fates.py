"""What a storage tells of the deliveries of one event; a part of `StorageContract`."""

from __future__ import annotations

from eventroute.storage.base import LIVE, Bury, Complete, Storage, Trip, Wait, Waiting, WaitingKey
from eventroute.storage.fates import WaitingRow
from eventroute.storage.values import BreakerState
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL, letter, take
from eventroute.testing.storage.log import BUS, LogContract, put

__all__ = ["FatesContract"]


class FatesContract(LogContract):
    """What waits, row by row, and what became of one event."""

    async def test_what_waits_is_told_row_by_row(self, storage: Storage, clock: VirtualClock) -> None:
        for name in ("s", "t"):
            await storage.put_subscription(BUS, name, b"d", start="latest")
        session = await storage.open_session(TTL)
        rows = [
            Waiting("s", 1, 1.0, attempts=3, first_attempt=0.5, reason="timeout", key=7),
            Waiting("s", 2, 2.0, key=7),
            Waiting("s", 3, 3.0, event=b"e"),
            Waiting("t", 1, 1.0),
        ]
        await storage.write(BUS, session, [Wait(row, held=row.offset == 1) for row in rows])
        first = WaitingKey(1, 7, False)
        told = [WaitingRow(rows[0], True), WaitingRow(rows[1], False, first), WaitingRow(rows[2], False)]
        assert await storage.waiting_rows(BUS, "s") == told
        assert await storage.waiting_rows(BUS, "s", after=1, limit=1) == told[1:2]
        assert await storage.waiting_rows(BUS, "never was") == []
        await storage.create_bus("other")
        assert await storage.waiting_rows("other", "s") == []
        fates = await storage.fates(BUS, 1)
        assert fates.waiting == (told[0], WaitingRow(rows[3], True))
        assert session.id in fates.living
        await self.pass_time(clock, TTL * 1.1)
        fates = await storage.fates(BUS, 1)
        assert fates.waiting == (WaitingRow(rows[0], False), WaitingRow(rows[3], False))
        assert session.id not in fates.living

    async def test_a_stuck_key_is_told_with_all_behind_it(self, storage: Storage) -> None:
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        session = await storage.open_session(TTL)
        await storage.write(BUS, session, [Bury(letter("s", 1), key=7), Wait(Waiting("s", 2, 1.0, key=7), held=False)])
        stuck, behind = await storage.waiting_rows(BUS, "s")
        assert (stuck.waiting.offset, stuck.behind) == (1, None)
        assert behind == WaitingRow(Waiting("s", 2, 1.0, key=7), False, WaitingKey(1, 7, True))
        assert (await storage.fates(BUS, 1)).letters == (letter("s", 1),)

    async def test_claims_are_told_while_they_hold_the_event(self, storage: Storage) -> None:
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        session = await storage.open_session(TTL)
        offsets = await put(storage, *[b"1"] * 4)
        claim = await take(storage, session, limit=2)
        held = [await storage.fates(BUS, offset) for offset in offsets]
        assert [fates.claims for fates in held] == [(claim,), (claim,), (), ()]
        assert held[0].bounds == await storage.bounds(BUS)
        assert held[0].changes == await storage.changes(BUS, 0)
        version = held[0].changes.version
        await storage.put_subscription(BUS, "t", b"d", start="latest")
        for after in (0, version, version + 1, version + 9):
            told = (await storage.fates(BUS, offsets[0], after=after)).changes
            assert told == await storage.changes(BUS, after)
        assert [one.id for one in (await storage.fates(BUS, offsets[0], after=version)).changes.subscriptions] == ["t"]
        assert held[0].readers == await storage.readers(BUS)
        assert held[0].readers[0].name == LIVE
        await storage.write(BUS, session, [Complete(claim)])
        assert (await storage.fates(BUS, offsets[0])).claims == ()

    async def test_letters_of_one_event_are_told_for_all_who_had_it(self, storage: Storage) -> None:
        session = await storage.open_session(TTL)
        names = ["a", "b", "gone", "z"]
        for name in names:
            await storage.put_subscription(BUS, name, b"d", start="latest")
        letters = [letter(name, offset) for name in names for offset in (1, 2, 3) if (name, offset) != ("b", 2)]
        await storage.write(BUS, session, [Bury(one) for one in letters])
        await storage.remove_subscription("gone")
        found = (await storage.fates(BUS, 2)).letters
        assert [one.subscription for one in found] == ["a", "gone", "z"]
        assert {one.offset for one in found} == {2}
        await storage.create_bus("other")
        assert (await storage.fates("other", 2)).letters == ()

    async def test_breakers_are_told_beside_the_event(self, storage: Storage) -> None:
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        session = await storage.open_session(TTL)
        await storage.write(BUS, session, [Trip(BreakerState("s", 1, opened=5.0, trips=1, probe=9.0))])
        (state,) = (await storage.fates(BUS, 1)).breakers
        assert (state.subscription, state.opened, state.probe) == ("s", 5.0, 9.0)
