"""What a storage promises of waiting deliveries and dead letters; a part of `StorageContract`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from eventroute.errors import LeaseLost
from eventroute.storage.base import (
    Advance,
    BreakerState,
    Bury,
    Complete,
    DeadLetter,
    Entry,
    Session,
    Settle,
    Storage,
    Trip,
    Wait,
    Waiting,
    WaitingSummary,
)
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL, LedgerContract, letter, live, take
from eventroute.testing.storage.log import BUS, put, read_all, subscribe

__all__ = ["WaitingContract"]


class WaitingContract(LedgerContract):
    """What waits, and what was given up."""

    # -- waiting deliveries ----------------------------------------------------------------------------------------

    async def test_the_earliest_due_come_first_and_only_when_due(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {1: 30.0, 2: 10.0, 3: 20.0, 4: 10.0, 5: 40.0})
        assert await claimed_waiting(storage, session, now=9.9) == []
        assert await claimed_waiting(storage, session, now=20.0, limit=2) == [2, 4]
        assert await claimed_waiting(storage, session, now=30.0, limit=9) == [3, 1]
        assert await claimed_waiting(storage, session, now=30.0) == []
        assert await storage.waiting(BUS) == (WaitingSummary("s", 5, 1, 40.0),)
        assert await storage.waiting(BUS, before=5) == (WaitingSummary("s", 4, 0, None),)
        assert await storage.waiting(BUS, before=1) == ()

    async def test_what_waits_comes_back_as_it_was(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {})
        rows = [
            Waiting("s", 1, 1.5, 3, 0.25, "http-503", b"\x00event"),
            Waiting("s", 2, 2.5),
        ]
        await storage.write(BUS, session, [Wait(row, held=False) for row in rows])
        assert await storage.claim_waiting(BUS, "s", session, now=9.0, limit=9) == rows

    async def test_a_held_delivery_is_free_when_its_session_is_over(
        self, storage: Storage, clock: VirtualClock
    ) -> None:
        session = await self._with_waiting(storage, {1: 0.0, 2: 0.0, 3: 0.0})
        await storage.write(BUS, session, [Wait(Waiting("s", 3, 0.0, 1), held=True)])
        other = await storage.open_session(TTL * 10)
        assert await claimed_waiting(storage, session, now=1.0, limit=1) == [1]
        assert await claimed_waiting(storage, other, now=1.0) == [2]
        assert await storage.waiting(BUS) == (WaitingSummary("s", 3, 0, None),)
        await self.pass_time(clock, TTL * 1.1)
        assert await storage.waiting(BUS) == (WaitingSummary("s", 3, 2, 0.0),)
        assert await claimed_waiting(storage, other, now=1.0) == [1, 3]
        await storage.close_session(other)
        assert await storage.waiting(BUS) == (WaitingSummary("s", 3, 3, 0.0),)

    async def test_written_again_a_delivery_is_free_or_kept(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {1: 0.0, 2: 0.0})
        assert await claimed_waiting(storage, session, now=1.0) == [1, 2]
        again = [Wait(Waiting("s", 1, 5.0, 1), held=False), Wait(Waiting("s", 2, 5.0, 1), held=True)]
        await storage.write(BUS, session, again)
        assert await storage.waiting(BUS) == (WaitingSummary("s", 2, 1, 5.0),)
        assert await claimed_waiting(storage, session, now=4.0) == []
        assert await claimed_waiting(storage, session, now=5.0) == [1]

    async def test_settling_and_burying_end_a_delivery(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {1: 0.0, 2: 0.0})
        entries: list[Entry] = [Settle("s", 1), Settle("s", 99), Bury(letter("s", 2)), Bury(letter("s", 3))]
        await storage.write(BUS, session, entries)
        assert await storage.waiting(BUS) == ()
        assert await storage.dead_letters(BUS) == [letter("s", 2), letter("s", 3)]

    async def test_entries_for_who_is_gone_are_dropped_but_not_the_claim(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {1: 0.0})
        await storage.create_bus("other")
        await storage.put_subscription("other", "elsewhere", b"d", start="latest")
        claim = await take(storage, session, limit=100)
        await storage.remove_subscription("s")
        names = ("s", "elsewhere", "never was")
        entries: list[Entry] = [Bury(letter(name, 1)) for name in names]
        entries += [Wait(Waiting(name, 2, 0.0), held=False) for name in names]
        await storage.write(BUS, session, [*entries, Settle("s", 1), Complete(claim)])
        assert await storage.waiting(BUS) == await storage.waiting("other") == ()
        assert await storage.dead_letters(BUS) == await storage.dead_letters("other") == []
        assert (await live(storage)).position == claim.end

    async def test_nothing_waiting_is_claimed_for_who_cannot_take_it(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {1: 0.0})
        await storage.create_bus("other")
        assert await storage.claim_waiting("other", "s", session, now=1.0, limit=9) == []
        assert await storage.claim_waiting(BUS, "never was", session, now=1.0, limit=9) == []
        await storage.pause_subscription("s", "because")
        assert await claimed_waiting(storage, session, now=1.0) == []
        await storage.resume_subscription("s")
        assert await claimed_waiting(storage, session, now=1.0) == [1]

    async def test_what_is_said_of_one_before_is_not_taken_for_another_of_its_id(self, storage: Storage) -> None:
        await put(storage, *[b"1"] * 5)
        await subscribe(storage, "s")
        old = (await storage.changes(BUS, 0)).version
        await storage.remove_subscription("s")
        await subscribe(storage, "s")
        session = await storage.open_session(TTL)
        rows = [Waiting("s", 1, 0.0), Waiting("s", 2, 0.0)]
        await storage.write(BUS, session, [Wait(row, held=False) for row in rows])
        await storage.write(BUS, session, [Settle("s", 1)], known=old)
        told: list[Entry] = [Wait(Waiting("s", 3, 0.0), held=False), Bury(letter("s", 2))]
        told.append(Trip(BreakerState("s", 1, opened=5.0)))
        claim = await take(storage, session, limit=3)
        await storage.write(BUS, session, [*told, Complete(claim)], known=old)
        assert await storage.claim_waiting(BUS, "s", session, now=1.0, limit=9, known=old) == []
        assert await storage.dead_letters(BUS) == []
        assert await storage.breakers(BUS) == ()
        assert (await live(storage)).position == claim.end
        new = (await storage.changes(BUS, 0)).version
        assert await storage.claim_waiting(BUS, "s", session, now=1.0, limit=9, known=new) == rows
        await storage.write(BUS, session, [Settle("s", 1)], known=new)
        await storage.write(BUS, session, told[1:], known=new)
        assert await storage.waiting(BUS) == ()
        assert await storage.dead_letters(BUS) == [letter("s", 2)]
        assert [state.serial for state in await storage.breakers(BUS)] == [1]

    # -- what several have in hand ---------------------------------------------------------------------------------

    async def test_what_is_gone_is_not_written_again(self, storage: Storage) -> None:
        """Another has come to an end with it; its event may have been trimmed since."""
        session = await self._with_waiting(storage, {1: 0.0, 2: 0.0})
        other = await storage.open_session(TTL)
        assert await claimed_waiting(storage, session, now=1.0) == [1, 2]
        await storage.write(BUS, other, [Wait(Waiting("s", offset, 0.0), held=True) for offset in (1, 2)])
        await storage.write(BUS, other, [Settle("s", 1), Bury(letter("s", 2))])
        for offset in (1, 2):
            again = Wait(Waiting("s", offset, 5.0, 1, 1.0, "timeout"), held=False, again=True)
            await storage.write(BUS, session, [again])
            await storage.write(BUS, session, [evolve(again, held=True)])
            await storage.write(BUS, session, [Bury(letter("s", offset, reason="late"), again=True)])
            await storage.write(BUS, session, [Bury(letter("s", offset, reason="late"), key=7, again=True)])
        assert await storage.waiting(BUS) == ()
        assert await storage.dead_letters(BUS) == [letter("s", 2)]

    async def test_what_another_holds_by_now_is_left_to_it(self, storage: Storage, clock: VirtualClock) -> None:
        session = await self._with_waiting(storage, {1: 0.0})
        other = await storage.open_session(TTL / 2)
        assert await claimed_waiting(storage, session, now=1.0) == [1]
        await storage.write(BUS, other, [Wait(Waiting("s", 1, 3.0), held=True)])
        late = Waiting("s", 1, 5.0, 1, 1.0, "timeout")
        told: list[Entry] = [
            Settle("s", 1),
            Wait(late, held=False, again=True),
            Bury(letter("s", 1), again=True),
            Bury(letter("s", 1), key=7, again=True),
        ]
        for entry in told:
            await storage.write(BUS, session, [entry])
            assert await storage.waiting(BUS) == (WaitingSummary("s", 1, 0, None),)
        assert await storage.dead_letters(BUS) == []
        await self.pass_time(clock, TTL * 0.6)
        await storage.write(BUS, session, told[1:2])  # nobody holds it any more
        assert await storage.claim_waiting(BUS, "s", session, now=5.0, limit=9) == [late]
        await storage.write(BUS, session, [Settle("s", 1)])
        assert await storage.waiting(BUS) == ()

    async def test_what_nobody_holds_may_be_settled_and_written_again(self, storage: Storage) -> None:
        """A power loss may undo that it was taken."""
        session = await self._with_waiting(storage, {1: 0.0, 2: 0.0, 3: 0.0})
        again = Wait(Waiting("s", 1, 5.0, 1, 1.0, "timeout"), held=False, again=True)
        await storage.write(BUS, session, [again, Settle("s", 2), Bury(letter("s", 3), again=True)])
        assert await storage.claim_waiting(BUS, "s", session, now=9.0, limit=9) == [again.waiting]
        assert await storage.dead_letters(BUS) == [letter("s", 3)]

    @pytest.mark.parametrize("again", [False, True])
    async def test_a_repeated_write_leaves_to_others_what_it_has_set_free(self, storage: Storage, again: bool) -> None:
        session = await self._with_waiting(storage, {1: 0.0, 2: 0.0, 3: 0.0} if again else {})
        other = await storage.open_session(TTL)
        rows = [Waiting("s", offset, 0.0, 1, 1.0, "busy") for offset in (1, 2, 3)]
        entries: list[Entry] = [Wait(row, held=False, again=again) for row in rows]
        if again:
            assert await claimed_waiting(storage, session, now=1.0) == [1, 2, 3]
        else:
            entries.append(Complete(await take(storage, session, limit=5)))
        await storage.write(BUS, session, entries, number=7)
        assert await claimed_waiting(storage, other, now=1.0) == [1, 2, 3]
        retried = Waiting("s", 2, 7.0, 2, 1.0, "busy")
        await storage.write(BUS, other, [Settle("s", 1), Wait(retried, held=False, again=True)])
        await storage.write(BUS, session, entries, number=7)
        assert await storage.waiting(BUS) == (WaitingSummary("s", 2, 1, 7.0),)
        assert await claimed_waiting(storage, session, now=1.0) == []
        assert await storage.claim_waiting(BUS, "s", session, now=9.0, limit=9) == [retried]
        await storage.write(BUS, session, entries, number=7)  # it has taken it again since
        assert await storage.waiting(BUS) == (WaitingSummary("s", 2, 0, None),)

    async def test_a_write_is_known_by_its_number(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {})
        other = await storage.open_session(TTL)
        for number, offset in ((3, 1), (3, 2), (2, 3), (4, 4), (1, 5)):
            await storage.write(BUS, session, [Wait(Waiting("s", offset, 0.0), held=False)], number=number)
        await storage.write(BUS, other, [Wait(Waiting("s", 6, 0.0), held=False)], number=1)
        await storage.write(BUS, session, [Wait(Waiting("s", 7, 0.0), held=False)])
        await storage.extend_session(session)
        await storage.write(BUS, session, [Wait(Waiting("s", 8, 0.0), held=False)], number=4)
        assert await claimed_waiting(storage, session, now=1.0) == [1, 4, 6, 7]

    async def test_a_write_that_is_refused_may_be_made_under_its_number(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {})
        other = await storage.open_session(TTL)
        claim = await take(storage, other, limit=5)
        wait = Wait(Waiting("s", 1, 0.0), held=False)
        with pytest.raises(LeaseLost):
            await storage.write(BUS, session, [wait, Complete(claim)], number=1)
        await storage.write(BUS, session, [wait], number=1)
        assert await claimed_waiting(storage, session, now=1.0) == [1]
        await storage.close_session(session)
        with pytest.raises(LeaseLost):
            await storage.write(BUS, session, [wait], number=1)

    async def test_a_range_is_completed_once_under_its_number(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {})
        claim = await take(storage, session, limit=5)
        half: list[Entry] = [Settle("s", 1), Advance(claim, claim.start + 2)]
        for _ in range(2):
            await storage.write(BUS, session, half, number=1)
        rest = evolve(claim, start=claim.start + 2)
        for _ in range(2):
            await storage.write(BUS, session, [Complete(rest)], number=2)
        assert [(each.position, each.claimed) for each in await storage.readers(BUS)] == [(claim.end, claim.end)]

    async def test_what_a_cancelled_replay_had_claimed_is_still_written(self, storage: Storage) -> None:
        """That its claim is gone does not tell that the write is a repeat."""
        session = await self._with_waiting(storage, {})
        await take(storage, session, limit=10)
        replay = await storage.start_replay("s", start="earliest", end=9)
        claim = await take(storage, session, limit=5, reader=replay.name)
        assert await storage.cancel_replay("s", replay.name)
        await storage.write(BUS, session, [Wait(Waiting("s", 1, 0.0), held=False), Complete(claim)])
        assert await storage.waiting(BUS) == (WaitingSummary("s", 1, 1, 0.0),)

    @pytest.mark.parametrize("again", [False, True])
    async def test_a_row_keeps_its_event(self, storage: Storage, again: bool) -> None:
        """Who had it in hand may not know that the log has lost it since, and that it is in the row."""
        session = await self._with_waiting(storage, {1: 0.0})
        (taken,) = await storage.claim_waiting(BUS, "s", session, now=1.0, limit=1)
        await storage.trim(BUS, 5, limit=9, hard=True)
        await storage.write(BUS, session, [Wait(evolve(taken, due=2.0, attempts=1), held=False, again=again)])
        (row,) = await storage.claim_waiting(BUS, "s", session, now=2.0, limit=1)
        assert row == evolve(taken, due=2.0, attempts=1, event=b"1")

    # -- dead letters ----------------------------------------------------------------------------------------------

    async def test_dead_letters_are_listed_in_order_and_by_page(self, storage: Storage) -> None:
        letters = await self._with_letters(storage)
        assert await storage.dead_letters(BUS) == letters
        pages: list[DeadLetter] = []
        after: tuple[str, int] | None = None
        while page := await storage.dead_letters(BUS, after=after, limit=2):
            pages += page
            after = (page[-1].subscription, page[-1].offset)
        assert pages == letters
        mine = [each for each in letters if each.subscription == "b"]
        assert await storage.dead_letters(BUS, subscription="b") == mine
        assert await storage.dead_letters(BUS, subscription="b", after=("b", 3), limit=1) == mine[1:2]
        assert await storage.dead_letters(BUS, subscription="never was") == []

    async def test_dead_letters_are_counted_by_reason(self, storage: Storage) -> None:
        await self._with_letters(storage)
        assert await storage.count_dead_letters(BUS) == {
            ("a", "odd"): 2,
            ("a", "even"): 2,
            ("b", "odd"): 2,
            ("b", "even"): 2,
        }

    async def test_a_dead_letter_of_the_same_delivery_overwrites(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {})
        later = letter("s", 1, reason="later", attempts=7)
        await storage.write(BUS, session, [Bury(letter("s", 1)), Bury(later)])
        assert await storage.dead_letters(BUS) == [later]

    async def test_a_redriven_letter_waits_with_its_event(self, storage: Storage) -> None:
        letters = await self._with_letters(storage)
        await storage.remove_subscription("b")
        named = [(each.subscription, each.offset) for each in letters if each.reason == "odd"]
        assert await storage.redrive(BUS, [*named, ("a", 999), ("never was", 1)], due=50.0) == 2
        assert await storage.redrive(BUS, named, due=50.0) == 0
        assert await storage.dead_letters(BUS) == [
            each for each in letters if each.subscription == "b" or each.reason != "odd"
        ]
        session = await storage.open_session(TTL)
        assert await storage.claim_waiting(BUS, "a", session, now=50.0, limit=9) == [
            Waiting("a", each.offset, 50.0, event=each.event)
            for each in letters
            if each.subscription == "a" and each.reason == "odd"
        ]

    async def test_a_letter_without_its_event_stays(self, storage: Storage) -> None:
        session = await self._with_waiting(storage, {})
        lost = evolve(letter("s", 1), event=b"")
        await storage.write(BUS, session, [Bury(lost)])
        assert await storage.redrive(BUS, [("s", 1)], due=50.0) == 0
        assert await storage.dead_letters(BUS) == [lost]

    async def test_what_is_purged_is_gone(self, storage: Storage) -> None:
        letters = await self._with_letters(storage)
        named = [(each.subscription, each.offset) for each in letters if each.reason == "odd"]
        assert await storage.purge(BUS, [*named, named[0], ("a", 999), ("never was", 1)]) == 4
        assert await storage.purge(BUS, named) == 0
        assert await storage.dead_letters(BUS) == [each for each in letters if each.reason != "odd"]
        assert await storage.redrive(BUS, named, due=50.0) == 0

    async def test_what_waits_and_what_was_given_up_outlive_the_storage(self, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as storage:
            await self._with_letters(storage)
            session = await storage.open_session(TTL)
            await put(storage, *[b"1"] * 9)
            await storage.write(BUS, session, [Wait(Waiting("a", 1, 7.0, 2, 1.0, "busy"), held=True)])
            await storage.write(BUS, session, [Complete(await take(storage, session, limit=5))])
            state = await self._state(storage)
        async with self.make_storage(clock) as storage:
            assert await self._state(storage) == state
            assert len(await read_all(storage)) == 9

    # -- what the tests above begin with ---------------------------------------------------------------------------

    async def _with_waiting(self, storage: Storage, due: dict[int, float]) -> Session:
        await subscribe(storage, "s")
        await put(storage, *[b"1"] * 10)
        session = await storage.open_session(TTL)
        await storage.write(BUS, session, [Wait(Waiting("s", key, value), held=False) for key, value in due.items()])
        return session

    async def _with_letters(self, storage: Storage) -> Sequence[DeadLetter]:
        for subscription in ("b", "a"):
            await subscribe(storage, subscription)
        session = await storage.open_session(TTL)
        letters = [letter(name, offset) for name in ("a", "b") for offset in (3, 4, 10, 11)]
        await storage.write(BUS, session, [Bury(each) for each in reversed(letters)])
        await storage.close_session(session)
        return letters


async def claimed_waiting(storage: Storage, session: Session, *, now: float, limit: int = 9) -> list[int]:
    """Claim what waits for `s`; the offsets."""
    return [waiting.offset for waiting in await storage.claim_waiting(BUS, "s", session, now=now, limit=limit)]
