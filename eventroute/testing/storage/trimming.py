"""What a storage promises of trimming; a part of `StorageContract`."""

from __future__ import annotations

import pytest

from eventroute.storage.base import LIVE, Bounds, BusSettings, Complete, Session, Storage, Wait, Waiting
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL, live, take
from eventroute.testing.storage.log import BUS, LogContract, put, read_all, subscribe

__all__ = ["TrimmingContract"]

FAR = 1 << 39
"""Above every offset."""


class TrimmingContract(LogContract):
    """Trimming: what goes, what stays, and what is said of it."""

    async def test_the_oldest_go_and_the_rest_stays(self, storage: Storage) -> None:
        offsets = await put(storage, *[b"%d" % number for number in range(10)])
        trimmed = await storage.trim(BUS, offsets[4], limit=100)
        assert (trimmed.first, trimmed.events, trimmed.size) == (offsets[4], 4, 4)
        assert (trimmed.held_by, trimmed.lost) == (None, ())
        assert await storage.bounds(BUS) == Bounds(offsets[4], offsets[-1] + 1)
        assert [record.offset for record in await read_all(storage)] == list(offsets[4:])
        assert await storage.read(BUS, 0, offsets[4], limit=9, max_bytes=99) == []
        assert (await storage.read(BUS, 0, FAR, limit=1, max_bytes=99))[0].event == b"4"
        info = await storage.describe_bus(BUS, oldest=1)
        assert (info.events, info.size, info.marks[0].offset) == (6, 6, offsets[4])
        again = await storage.trim(BUS, offsets[4], limit=100)
        assert (again.first, again.events) == (offsets[4], 0)

    async def test_a_step_takes_no_more_than_its_limit(self, storage: Storage) -> None:
        offsets = await put(storage, *[b"1"] * 10)
        steps = []
        while (trimmed := await storage.trim(BUS, offsets[-1], limit=4)).events:
            steps.append(trimmed.events)
        assert sum(steps) == 9
        assert max(steps) <= 4
        assert (await storage.bounds(BUS)).first == offsets[-1]

    async def test_offsets_are_never_used_again(self, storage: Storage) -> None:
        offsets = await put(storage, b"1", b"2", b"3")
        await self._trim(storage, FAR)
        end = offsets[-1] + 1
        assert await storage.bounds(BUS) == Bounds(end, end)
        assert await read_all(storage) == []
        assert await storage.offset_at(BUS, 0.0) == await storage.offset_at(BUS, 1e12) == end
        (later,) = await put(storage, b"4")
        assert later > offsets[-1]
        assert [(record.offset, record.event) for record in await read_all(storage)] == [(later, b"4")]

    async def test_an_empty_log_goes_on_when_it_is_opened_again(self, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as storage:
            offsets = await put(storage, b"1", b"2")
            await self._trim(storage, FAR)
        clock.jump(-50.0)
        async with self.make_storage(clock) as storage:
            assert (await storage.bounds(BUS)).first == offsets[-1] + 1
            assert (await put(storage, b"3")) > offsets

    async def test_times_do_not_go_back_over_an_emptied_log(self, storage: Storage, clock: VirtualClock) -> None:
        await put(storage, b"1")
        (before,) = await read_all(storage)
        await self._trim(storage, FAR)
        clock.jump(-100.0)
        await put(storage, b"2")
        (after,) = await read_all(storage)
        assert after.time >= before.time

    async def test_offset_at_finds_what_is_left(self, storage: Storage, clock: VirtualClock) -> None:
        times: list[float] = []
        offsets: list[int] = []
        for _ in range(6):
            times.append(clock.time())
            offsets += await put(storage, b"1")
            clock.jump(10.0)
        await self._trim(storage, offsets[3])
        assert [await storage.offset_at(BUS, time) for time in times] == [*[offsets[3]] * 4, *offsets[4:]]
        assert await storage.offset_at(BUS, clock.time()) == offsets[-1] + 1

    async def test_a_trimmed_append_is_still_told_when_it_is_repeated(self, storage: Storage) -> None:
        offsets = await storage.append(BUS, [b"1", b"2"], append_id="a")
        await self._trim(storage, FAR)
        assert await storage.append(BUS, [b"1", b"2"], append_id="a") == offsets
        assert await read_all(storage) == []

    async def test_a_duplicate_of_a_trimmed_event_gives_its_offset(self, storage: Storage) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=60.0))
        offsets = await storage.append(BUS, [b"1"], append_id="a", identities=[b"i"])
        await self._trim(storage, FAR)
        assert await storage.append(BUS, [b"1"], append_id="b", identities=[b"i"]) == offsets
        assert await read_all(storage) == []

    # -- what is protected -----------------------------------------------------------------------------------------

    async def test_what_a_subscription_has_yet_to_settle_stays(self, storage: Storage) -> None:
        session, offsets = await self._subscribed(storage)
        claim = await take(storage, session, limit=4)
        trimmed = await storage.trim(BUS, FAR, limit=100)
        assert (trimmed.events, trimmed.held_by) == (0, "s")
        await storage.write(BUS, session, [Complete(claim)])
        trimmed = await storage.trim(BUS, FAR, limit=100)
        assert (trimmed.first, trimmed.held_by, trimmed.lost) == (claim.end, "s", ())
        await storage.write(BUS, session, [Complete(await take(storage, session, limit=100))])
        assert (await storage.trim(BUS, FAR, limit=100)).held_by is None
        assert (await storage.bounds(BUS)).first == offsets[-1] + 1

    async def test_the_one_that_is_furthest_behind_holds_the_log(self, storage: Storage) -> None:
        session, offsets = await self._subscribed(storage)
        await storage.put_subscription(BUS, "slow", b"d", start=offsets[2])
        await storage.write(BUS, session, [Complete(await take(storage, session, limit=100))])
        assert (await storage.describe_bus(BUS)).held_by == "slow"
        assert (await storage.trim(BUS, FAR, limit=100)).held_by == "slow"
        assert (await storage.bounds(BUS)).first == offsets[2]
        await storage.remove_subscription("slow")
        await self._trim(storage, FAR)
        assert (await storage.bounds(BUS)).first == offsets[-1] + 1

    async def test_a_reader_that_serves_nobody_holds_nothing(self, storage: Storage) -> None:
        session = await storage.open_session(TTL)
        offsets = await put(storage, *[b"1"] * 10)
        claim = await take(storage, session, limit=4)
        assert (await storage.trim(BUS, offsets[8], limit=100)).first == offsets[8]
        await storage.write(BUS, session, [Complete(claim)])
        reader = await live(storage)
        assert (reader.position, reader.claimed) == (offsets[8], offsets[8])
        assert (await take(storage, session, limit=100)).start == offsets[8]

    async def test_who_starts_later_does_not_hold_what_was_before(self, storage: Storage) -> None:
        offsets = await put(storage, *[b"1"] * 10)
        await subscribe(storage, "s")
        offsets += await put(storage, b"2")
        trimmed = await storage.trim(BUS, FAR, limit=100)
        assert (trimmed.first, trimmed.held_by) == (offsets[-1], "s")
        session = await storage.open_session(TTL)
        claim = await take(storage, session, limit=100)
        assert (claim.start, claim.end) == (offsets[-1], offsets[-1] + 1)

    async def test_a_waiting_delivery_without_its_event_holds_the_log(self, storage: Storage) -> None:
        session, offsets = await self._subscribed(storage)
        claim = await take(storage, session, limit=100)
        waiting = [
            Wait(Waiting("s", offsets[2], 0.0, event=b"a copy"), held=False),
            Wait(Waiting("s", offsets[5], 0.0), held=False),
        ]
        await storage.write(BUS, session, [*waiting, Complete(claim)])
        assert (await storage.trim(BUS, FAR, limit=100)).held_by == "s"
        assert (await storage.bounds(BUS)).first == offsets[5]

    async def test_a_paused_subscription_holds_the_log(self, storage: Storage) -> None:
        _, offsets = await self._subscribed(storage)
        await storage.pause_subscription("s", "because")
        assert (await storage.trim(BUS, FAR, limit=100)).held_by == "s"
        assert (await storage.bounds(BUS)).first == offsets[0]

    # -- hard ------------------------------------------------------------------------------------------------------

    async def test_hard_trimming_counts_what_was_lost(self, storage: Storage, clock: VirtualClock) -> None:
        session, offsets = await self._subscribed(storage)
        await storage.put_subscription(BUS, "late", b"d", start=offsets[3])
        await storage.write(BUS, session, [Complete(await take(storage, session, limit=2))])
        trimmed = await storage.trim(BUS, offsets[5], limit=100, hard=True)
        assert (trimmed.first, dict(trimmed.lost)) == (offsets[5], {"s": 3, "late": 2})
        begin = clock.time()
        clock.jump(5.0)
        trimmed = await storage.trim(BUS, offsets[6], limit=100, hard=True)
        assert dict(trimmed.lost) == {"s": 1, "late": 1}
        info = await storage.describe_bus(BUS)
        assert [(lost.subscription, lost.events) for lost in info.lost] == [("late", 3), ("s", 4)]
        assert [lost.time for lost in info.lost] == pytest.approx([begin + 5.0] * 2)
        assert {(reader.position, reader.claimed) for reader in await storage.readers(BUS)} == {(offsets[6],) * 2}
        await storage.remove_subscription("late")
        assert [lost.subscription for lost in (await storage.describe_bus(BUS)).lost] == ["s"]

    async def test_hard_trimming_gives_waiting_deliveries_their_events(self, storage: Storage) -> None:
        session, offsets = await self._subscribed(storage)
        claim = await take(storage, session, limit=100)
        rows = [Waiting("s", offsets[number], 0.0, number) for number in (1, 7)]
        await storage.write(BUS, session, [*[Wait(row, held=False) for row in rows], Complete(claim)])
        trimmed = await storage.trim(BUS, offsets[4], limit=100, hard=True)
        assert (trimmed.first, trimmed.lost) == (offsets[4], ())
        one, seven = await storage.claim_waiting(BUS, "s", session, now=1.0, limit=9)
        assert (one.offset, one.event, one.attempts) == (offsets[1], b"1", 1)
        assert (seven.offset, seven.event, seven.attempts) == (offsets[7], None, 7)

    async def test_a_claim_that_is_overtaken_stays_its_workers(self, storage: Storage) -> None:
        session, offsets = await self._subscribed(storage)
        claim = await take(storage, session, limit=4)
        trimmed = await storage.trim(BUS, offsets[6], limit=100, hard=True)
        assert dict(trimmed.lost) == {"s": 6}
        reader = await live(storage)
        assert (reader.position, reader.claimed) == (claim.start, offsets[6])
        assert (await take(storage, session, limit=2)).start == offsets[6]
        await storage.write(BUS, session, [Complete(claim)])
        assert (await live(storage)).position == offsets[6]
        assert dict((await storage.trim(BUS, offsets[7], limit=9, hard=True)).lost) == {"s": 1}

    async def test_a_reader_that_is_overtaken_beyond_its_end_is_gone(self, storage: Storage) -> None:
        session, offsets = await self._subscribed(storage)
        await storage.leave_live("s")
        await storage.write(BUS, session, [Complete(await take(storage, session, limit=8))])
        assert await storage.join_live("s", within=100)
        assert len(await storage.readers(BUS)) == 2
        trimmed = await storage.trim(BUS, offsets[9], limit=100, hard=True)
        assert dict(trimmed.lost) == {"s": 9}
        (reader,) = await storage.readers(BUS)
        assert (reader.name, reader.position) == (LIVE, offsets[9])

    async def test_hard_trimming_loses_nothing_of_who_has_settled_it(self, storage: Storage) -> None:
        session, offsets = await self._subscribed(storage)
        await storage.write(BUS, session, [Complete(await take(storage, session, limit=6))])
        trimmed = await storage.trim(BUS, offsets[6], limit=100, hard=True)
        assert (trimmed.first, trimmed.lost) == (offsets[6], ())
        assert (await storage.describe_bus(BUS)).lost == ()

    async def test_what_was_lost_is_known_for_good(self, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as storage:
            _, offsets = await self._subscribed(storage)
            await storage.trim(BUS, offsets[5], limit=100, hard=True)
            before = await storage.describe_bus(BUS)
            assert before.lost
        async with self.make_storage(clock) as storage:
            assert await storage.describe_bus(BUS) == before

    # -- what the tests above begin with ---------------------------------------------------------------------------

    async def _subscribed(self, storage: Storage) -> tuple[Session, tuple[int, ...]]:
        """The subscription `s`, served by live, with ten events before it that are their numbers."""
        await subscribe(storage, "s")
        offsets = await put(storage, *[b"%d" % number for number in range(10)])
        return await storage.open_session(TTL * 100), offsets

    async def _trim(self, storage: Storage, before: int) -> None:
        while (await storage.trim(BUS, before, limit=100)).events:
            pass
