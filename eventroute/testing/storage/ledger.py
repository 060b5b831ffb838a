"""What a storage promises of sessions, claims and ranges; a part of `StorageContract`."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import evolve

from eventroute.errors import LeaseLost
from eventroute.storage.base import (
    LIVE,
    Advance,
    Bury,
    Claim,
    Complete,
    DeadLetter,
    Entry,
    Reader,
    Session,
    Settle,
    Storage,
    Wait,
    Waiting,
)
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import BUS, LogContract, put, subscribe

__all__ = ["LedgerContract"]

TTL = 10.0


class LedgerContract(LogContract):
    """Sessions, claims, and what is written down of a range."""

    # -- sessions --------------------------------------------------------------------------------------------------

    async def test_a_session_lives_as_long_as_it_is_extended(self, storage: Storage, clock: VirtualClock) -> None:
        session = await storage.open_session(TTL)
        assert session.ttl == TTL
        for _ in range(3):
            await self.pass_time(clock, TTL * 0.9)
            await storage.extend_session(session)
        await self.pass_time(clock, TTL * 1.1)
        await storage.extend_session(session)  # late, but nobody has missed it
        await self.pass_time(clock, TTL * 1.1)
        await storage.open_session(TTL)
        with pytest.raises(LeaseLost):
            await storage.extend_session(session)

    async def test_sessions_have_ids_of_their_own(self, storage: Storage) -> None:
        sessions = [await storage.open_session(TTL) for _ in range(5)]
        await storage.close_session(sessions[0])
        assert len({session.id for session in (*sessions, await storage.open_session(TTL))}) == 6

    async def test_a_closed_session_is_lost_and_can_be_closed_again(self, storage: Storage) -> None:
        session = await storage.open_session(TTL)
        await storage.close_session(session)
        await storage.close_session(session)
        for call in (
            lambda: storage.extend_session(session),
            lambda: storage.claim(BUS, LIVE, session, limit=1),
            lambda: storage.claim_waiting(BUS, "s", session, now=0.0, limit=1),
            lambda: storage.write(BUS, session, ()),
        ):
            with pytest.raises(LeaseLost):
                await call()

    # -- claims ----------------------------------------------------------------------------------------------------

    async def test_claims_are_ranges_one_after_another(self, storage: Storage) -> None:
        session = await storage.open_session(TTL)
        assert await storage.claim(BUS, LIVE, session, limit=10) is None
        offsets = await put(storage, *[b"1"] * 25)
        claims = [await take(storage, session, limit=10) for _ in range(3)]
        assert [(claim.bus, claim.reader, claim.version, claim.session) for claim in claims] == [
            (BUS, LIVE, 0, session.id)
        ] * 3
        assert claims[0].start <= offsets[0]
        assert [claim.start for claim in claims[1:]] == [claim.end for claim in claims[:-1]]
        assert all(0 < claim.end - claim.start <= 10 for claim in claims)
        assert claims[-1].end == offsets[-1] + 1
        assert await storage.claim(BUS, LIVE, session, limit=10) is None
        assert await storage.claim(BUS, "no such reader", session, limit=10) is None

    async def test_two_workers_never_hold_the_same(self, storage: Storage) -> None:
        offsets = await put(storage, *[b"1"] * 60)
        taken: list[int] = []

        async def work() -> None:
            session = await storage.open_session(TTL)
            while (claim := await storage.claim(BUS, LIVE, session, limit=7)) is not None:
                records = await storage.read(BUS, claim.start, claim.end, limit=7, max_bytes=1000)
                taken.extend(record.offset for record in records)
                await storage.write(BUS, session, [Complete(claim)])

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(work)
        assert sorted(taken) == list(offsets)
        assert await live(storage) == Reader(BUS, LIVE, offsets[-1] + 1, offsets[-1] + 1, None)

    async def test_the_position_waits_for_the_oldest_claim(self, storage: Storage) -> None:
        session = await storage.open_session(TTL)
        await put(storage, *[b"1"] * 30)
        begin = (await live(storage)).position
        one, two, three = [await take(storage, session, limit=10) for _ in range(3)]
        for done, position in ((two, begin), (one, three.start), (three, three.end)):
            await storage.write(BUS, session, [Complete(done)])
            assert (await live(storage)).position == position
        assert (await live(storage)).claimed == three.end

    async def test_a_lapsed_claim_is_given_over_as_it_is(self, storage: Storage, clock: VirtualClock) -> None:
        first, second = await storage.open_session(TTL), await storage.open_session(TTL * 10)
        await put(storage, *[b"1"] * 20)
        lost = await take(storage, first, limit=7)
        await subscribe(storage, "s")
        assert (await take(storage, second, limit=5)).start == lost.end
        await self.pass_time(clock, TTL * 1.1)
        assert await take(storage, second, limit=1) == evolve(lost, session=second.id)
        with pytest.raises(LeaseLost):
            await storage.write(BUS, first, [Complete(lost)])
        assert (await live(storage)).position == lost.start

    async def test_a_closed_sessions_claims_are_free_at_once(self, storage: Storage) -> None:
        first, second = await storage.open_session(TTL), await storage.open_session(TTL)
        await put(storage, *[b"1"] * 20)
        lost = [await take(storage, first, limit=5) for _ in range(2)]
        await storage.close_session(first)
        got = [await take(storage, second, limit=5) for _ in range(3)]
        assert got[:2] == [evolve(claim, session=second.id) for claim in lost]
        assert got[2].start == lost[1].end

    async def test_who_does_not_hold_a_claim_changes_nothing(self, storage: Storage) -> None:
        first, second = await storage.open_session(TTL), await storage.open_session(TTL)
        await put(storage, *[b"1"] * 20)
        await subscribe(storage, "s")
        claim = await take(storage, first, limit=5)
        for pretended in (claim, evolve(claim, session=second.id)):
            with pytest.raises(LeaseLost):
                await storage.write(BUS, second, [Wait(Waiting("s", 1, 0.0), held=False), Complete(pretended)])
        await storage.create_bus("other")
        with pytest.raises(LeaseLost):
            await storage.write("other", first, [Complete(claim)])
        assert await storage.waiting(BUS) == ()
        assert (await live(storage)).position == claim.start

    async def test_a_repeated_write_does_nothing(self, storage: Storage) -> None:
        session = await storage.open_session(TTL)
        await put(storage, *[b"1"] * 10)
        await subscribe(storage, "s")
        claim = await take(storage, session, limit=5)
        entries: list[Entry] = [
            Complete(claim),
            Wait(Waiting("s", 1, 5.0, 1, 2.0, "busy"), held=False),
            Wait(Waiting("s", 2, 5.0), held=False),
            Settle("s", 2),
            Bury(letter("s", 3)),
        ]
        await storage.write(BUS, session, entries)
        state = await self._state(storage)
        await storage.write(BUS, session, entries)
        assert await self._state(storage) == state

    async def _state(self, storage: Storage) -> object:
        return (
            await storage.readers(BUS),
            await storage.waiting(BUS),
            await storage.dead_letters(BUS),
            await storage.changes(BUS, 0),
        )

    async def test_a_claim_advances_and_goes_on_as_what_is_left(self, storage: Storage) -> None:
        first, *_ = await put(storage, *[b"1"] * 10)
        session = await storage.open_session(TTL)
        one, two = await take(storage, session, limit=4), await take(storage, session, limit=4)
        await storage.write(BUS, session, [Advance(one, first + 3)])
        await storage.write(BUS, session, [Advance(one, first + 3)])
        (live,) = await storage.readers(BUS)
        assert (live.position, live.claimed) == (first + 3, first + 8)
        left = evolve(one, start=first + 3)
        await storage.write(BUS, session, [Advance(two, first + 6), Complete(left), Complete(left)])
        assert (await storage.readers(BUS))[0].position == first + 6
        await storage.close_session(session)
        other = await storage.open_session(TTL)
        with pytest.raises(LeaseLost):
            await storage.write(BUS, other, [Advance(evolve(two, start=first + 6), first + 7)])
        taken = await take(storage, other, limit=9)
        assert (taken.start, taken.end) == (first + 6, first + 8)
        await storage.write(BUS, other, [Advance(taken, first + 8), Complete(evolve(taken, start=first + 8))])
        assert (await storage.readers(BUS))[0].position == first + 8

    async def test_what_has_advanced_to_its_end_leaves_the_next_range_alone(self, storage: Storage) -> None:
        await put(storage, *[b"1"] * 12)
        session, other = await storage.open_session(TTL), await storage.open_session(TTL)
        one, next_one = await take(storage, session, limit=4), await take(storage, other, limit=4)
        mine, last = await take(storage, session, limit=2), await take(storage, other, limit=2)
        await storage.write(BUS, session, [Advance(one, one.end), Advance(mine, mine.end)])
        assert await storage.claims(BUS) == (next_one, last)
        assert (await live(storage)).position == next_one.start
        for done in (evolve(one, start=one.end), evolve(mine, start=mine.end)):
            await storage.write(BUS, session, [Complete(done)])
        await storage.write(BUS, other, [Complete(evolve(next_one, start=next_one.end))])
        assert await storage.claims(BUS) == (next_one, last)
        await storage.write(BUS, other, [Complete(next_one)])
        assert (await live(storage)).position == last.start
        await storage.close_session(other)
        assert await take(storage, session, limit=9) == evolve(last, session=session.id)

    async def test_a_cancelled_claim_is_not_lost(self, storage: Storage) -> None:
        await subscribe(storage, "s")
        offsets = await put(storage, *[b"1"] * 40)
        session = await storage.open_session(TTL)
        await storage.write(BUS, session, [Wait(Waiting("s", offset, 0.0), held=False) for offset in offsets])
        told: list[Claim | None] = []
        held: list[Waiting] = []

        async def work() -> None:
            told.append(await storage.claim(BUS, LIVE, session, limit=1))
            held.extend(await storage.claim_waiting(BUS, "s", session, now=1.0, limit=1))

        for pause in range(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work)
                for _ in range(pause):
                    await checkpoint()
                tasks.cancel_scope.cancel()
        while (claim := await storage.claim(BUS, LIVE, session, limit=1)) is not None:
            told.append(claim)
        held += await storage.claim_waiting(BUS, "s", session, now=1.0, limit=100)
        starts = [claim.start for claim in told if claim is not None]
        assert sorted(starts) == list(offsets)
        assert sorted(waiting.offset for waiting in held) == list(offsets)


def letter(subscription: str, offset: int, *, reason: str = "", attempts: int = 2) -> DeadLetter:
    """A dead letter."""
    reason = reason or ("odd" if offset % 2 else "even")
    return DeadLetter(subscription, offset, 123.5, reason, 'it\'s "over"', attempts, b"\x00event %d" % offset)


async def live(storage: Storage) -> Reader:
    """The live reader."""
    return (await storage.readers(BUS))[0]


async def take(storage: Storage, session: Session, *, limit: int, reader: str = LIVE) -> Claim:
    """A claim, where there must be one."""
    claim = await storage.claim(BUS, reader, session, limit=limit)
    assert claim is not None
    return claim
