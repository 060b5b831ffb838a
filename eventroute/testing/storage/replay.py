"""What a storage promises of replays; a part of `StorageContract`."""

from __future__ import annotations

import pytest

from eventroute.errors import OffsetTrimmed, StorageConflict, UnknownSubscription
from eventroute.storage.base import LIVE, Complete, Reader, Session, Span, Start, Storage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL, live, take
from eventroute.testing.storage.log import BUS, LogContract, put, subscribe
from eventroute.testing.storage.placement import reader, spans, spans_at, stored_of

__all__ = ["ReplayContract"]


class ReplayContract(LogContract):
    """A part of the log, served a second time beside the subscription's own place."""

    async def test_a_replay_is_a_second_reader_and_moves_nothing_else(self, storage: Storage) -> None:
        await self._with_history(storage)
        before, stored, own = await spans(storage), await stored_of(storage), await live(storage)
        replay = await storage.start_replay("s", start=3, end=8)
        assert replay == Reader(BUS, replay.name, 3, 3, 8, "s", replayed_from=3)
        assert await reader(storage, replay.name) == replay
        assert await spans(storage) == {*before, Span(replay.name, "s", 3, 8, None)}
        assert await stored_of(storage) == stored
        assert await live(storage) == own

    async def test_a_replay_ends_and_is_gone(self, storage: Storage) -> None:
        session = await self._with_history(storage)
        before = await spans(storage)
        replay = await storage.start_replay("s", start=3, end=8)
        version = (await storage.changes(BUS, 0)).version
        first = await take(storage, session, limit=4, reader=replay.name)
        assert (first.start, first.end) == (3, 7)
        await storage.write(BUS, session, [Complete(first)])
        assert (await reader(storage, replay.name)).position == 7
        last = await take(storage, session, limit=4, reader=replay.name)
        assert (last.start, last.end) == (7, 8)
        assert await storage.claim(BUS, replay.name, session, limit=4) is None
        await storage.write(BUS, session, [Complete(last)])
        assert [each.name for each in await storage.readers(BUS)] == [LIVE]
        assert await spans(storage) == before
        assert (await storage.changes(BUS, version)).subscriptions == (await stored_of(storage),)
        again = await storage.start_replay("s", start=3, end=8)
        assert again.name != replay.name

    async def test_starts_and_ends_are_offsets_or_times(self, storage: Storage, clock: VirtualClock) -> None:
        begin = clock.time()
        await self._with_history(storage)
        clock.jump(100)
        (later,) = await put(storage, b"later")
        end = (await storage.bounds(BUS)).end
        cases: list[tuple[Start, int | float | None, int, int]] = [
            ("earliest", end, 1, end),
            (0, 5, 1, 5),
            (begin, begin + 50, 1, later),
            (begin + 50, end, later, end),
            (4, end + 1_000, 4, end),
            (4, begin + 1e6, 4, end),
        ]
        for start, until, first, last in cases:
            replay = await storage.start_replay("s", start=start, end=until)
            assert (replay.position, replay.until) == (first, last), (start, until)

    async def test_where_nothing_lies_between_nothing_is_kept(self, storage: Storage) -> None:
        await self._with_history(storage)
        end = (await storage.bounds(BUS)).end
        before = await storage.changes(BUS, 0)
        cases: list[tuple[Start, int | None]] = [("latest", None), (5, 5), (5, 3), (end, None), (end + 9, end + 20)]
        for start, until in cases:
            replay = await storage.start_replay("s", start=start, end=until)
            assert replay.position == replay.until
        assert await storage.changes(BUS, 0) == before
        assert [each.name for each in await storage.readers(BUS)] == [LIVE]

    async def test_without_an_end_it_ends_at_the_subscriptions_own_place(self, storage: Storage) -> None:
        session = await self._with_history(storage)
        await take(storage, session, limit=6)
        claimed = (await live(storage)).claimed
        assert (await storage.start_replay("s", start="earliest", end=None)).until == claimed
        await storage.leave_live("s")
        await take(storage, session, limit=2)  # of live, which is another's by now
        assert (await storage.start_replay("s", start="earliest", end=None)).until == claimed
        await subscribe(storage, "new")  # it begins at the end, behind live's backlog
        end = (await storage.bounds(BUS)).end
        assert (await storage.start_replay("new", start="earliest", end=None)).until == end
        stored = await storage.put_subscription(BUS, "ahead", b"d", start=end + 50)
        assert stored.reader != LIVE
        assert (await storage.start_replay("ahead", start="earliest", end=None)).until == end

    async def test_leaving_and_joining_leave_replays_alone(self, storage: Storage) -> None:
        session = await self._with_history(storage)
        replay = await storage.start_replay("s", start=2, end=9)
        await storage.leave_live("s")
        own = (await stored_of(storage)).reader
        assert own not in (LIVE, replay.name)
        await take(storage, session, limit=5)
        assert await storage.join_live("s", within=100)
        assert (await stored_of(storage)).reader == LIVE
        assert await reader(storage, replay.name) == replay
        assert Span(replay.name, "s", 2, 9, None) in await spans(storage)
        assert (await reader(storage, own)).until is not None

    async def test_a_change_parts_what_is_replayed_too(self, storage: Storage) -> None:
        session = await self._with_history(storage)
        replay = await storage.start_replay("s", start=2, end=9)
        claim = await take(storage, session, limit=3, reader=replay.name)
        await storage.put_subscription(BUS, "s", b"new", start="latest")
        served = {
            offset: [span.definition for span in await spans_at(storage, replay.name, offset)]
            for offset in range(1, 11)
        }
        assert served == {
            **{offset: [] for offset in (1, 9, 10)},
            **{offset: [b"d"] for offset in range(claim.start, claim.end)},
            **{offset: [b"new"] for offset in range(claim.end, 9)},
        }

    async def test_a_paused_subscription_is_not_replayed(self, storage: Storage) -> None:
        session = await self._with_history(storage)
        replay = await storage.start_replay("s", start=2, end=9)
        await storage.pause_subscription("s", "because")
        assert await storage.claim(BUS, replay.name, session, limit=9) is None
        other = await storage.start_replay("s", start=2, end=5)
        assert await storage.claim(BUS, other.name, session, limit=9) is None
        await storage.resume_subscription("s")
        assert (await take(storage, session, limit=9, reader=replay.name)).end == 9
        assert (await take(storage, session, limit=9, reader=other.name)).end == 5

    async def test_removing_takes_replays_too(self, storage: Storage) -> None:
        session = await self._with_history(storage)
        replay = await storage.start_replay("s", start=2, end=9)
        claim = await take(storage, session, limit=3, reader=replay.name)
        await storage.remove_subscription("s")
        assert [each.name for each in await storage.readers(BUS)] == [LIVE]
        await storage.write(BUS, session, [Complete(claim)])
        assert await storage.claim(BUS, replay.name, session, limit=9) is None

    async def test_a_replay_can_be_cancelled(self, storage: Storage) -> None:
        session = await self._with_history(storage)
        before = await spans(storage)
        replay, other = [await storage.start_replay("s", start=2, end=9) for _ in range(2)]
        claim = await take(storage, session, limit=3, reader=replay.name)
        await subscribe(storage, "else")
        assert not await storage.cancel_replay("else", replay.name)
        assert await storage.cancel_replay("s", replay.name)
        assert not await storage.cancel_replay("s", replay.name)
        assert not await storage.cancel_replay("s", LIVE)
        await storage.write(BUS, session, [Complete(claim)])
        assert await storage.claim(BUS, replay.name, session, limit=3) is None
        assert await spans(storage) == {*before, Span(other.name, "s", 2, 9, None)}
        await storage.leave_live("s")
        assert not await storage.cancel_replay("s", (await storage.subscription("s")).reader)

    async def test_replays_of_one_subscription_are_bounded(self, storage: Storage) -> None:
        await self._with_history(storage)
        replays = [await storage.start_replay("s", start="earliest", end=5) for _ in range(10)]
        assert len({replay.name for replay in replays}) == 10
        with pytest.raises(StorageConflict, match="10 replays of the subscription 's' are under way"):
            await storage.start_replay("s", start="earliest", end=5)
        await subscribe(storage, "other")
        await storage.start_replay("other", start="earliest", end=5)
        await storage.cancel_replay("s", replays[3].name)
        await storage.start_replay("s", start="earliest", end=5)

    async def test_who_is_not_there_cannot_be_replayed(self, storage: Storage) -> None:
        for call in (
            lambda: storage.start_replay("no", start="earliest", end=None),
            lambda: storage.cancel_replay("no", "no@1"),
        ):
            with pytest.raises(UnknownSubscription) as caught:
                await call()
            assert caught.value.subscription == "no"

    async def test_a_lapsed_replay_is_taken_over(self, storage: Storage, clock: VirtualClock) -> None:
        session = await self._with_history(storage)
        replay = await storage.start_replay("s", start=2, end=9)
        lost = await take(storage, session, limit=3, reader=replay.name)
        await self.pass_time(clock, TTL * 1.1)
        other = await storage.open_session(TTL)
        found = await take(storage, other, limit=1, reader=replay.name)
        assert (found.start, found.end) == (lost.start, lost.end)

    async def test_a_start_that_was_trimmed_is_an_error(self, storage: Storage, clock: VirtualClock) -> None:
        begin = clock.time()
        session = await self._with_history(storage)
        await storage.write(BUS, session, [Complete(await take(storage, session, limit=100))])
        while (await storage.trim(BUS, 5, limit=100)).events:
            pass
        for start in (0, 1, 4, begin, begin - 100):
            with pytest.raises(OffsetTrimmed) as caught:
                await storage.start_replay("s", start=start, end=9)
            assert caught.value.first == 5
        assert (await storage.start_replay("s", start="earliest", end=9)).position == 5
        assert (await storage.start_replay("s", start=5, end=9)).position == 5

    async def test_what_is_still_to_be_replayed_is_not_trimmed(self, storage: Storage) -> None:
        session = await self._with_history(storage)
        await storage.write(BUS, session, [Complete(await take(storage, session, limit=100))])
        replay = await storage.start_replay("s", start=3, end=9)
        while (await storage.trim(BUS, 100, limit=100)).events:
            pass
        assert (await storage.bounds(BUS)).first == 3
        await storage.cancel_replay("s", replay.name)
        while (await storage.trim(BUS, 100, limit=100)).events:
            pass
        assert (await storage.bounds(BUS)).first == 11

    async def test_a_replay_outlives_the_storage(self, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as storage:
            await self._with_history(storage)
            replay = await storage.start_replay("s", start=2, end=9)
        async with self.make_storage(clock) as storage:
            assert await reader(storage, replay.name) == replay

    async def _with_history(self, storage: Storage) -> Session:
        """The subscription `s`, served by live, with the offsets 1 to 10 before it."""
        await subscribe(storage, "s")
        offsets = await put(storage, *[b"1"] * 10)
        assert offsets == tuple(range(1, 11)), "this contract counts on offsets from 1 on, without gaps"
        return await storage.open_session(TTL)
