"""What a storage promises of dead letters beyond keeping them, and of breakers; a part of `StorageContract`."""

from __future__ import annotations

import pytest
from attrs import evolve

from eventroute.errors import LeaseLost
from eventroute.storage.base import (
    BreakerState,
    Bury,
    DeadLetter,
    Dropped,
    Entry,
    Forward,
    Forwarded,
    Forwards,
    PutOff,
    Session,
    Storage,
    Trip,
    Wait,
    Waiting,
)
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL, LedgerContract, letter
from eventroute.testing.storage.log import BUS, subscribe

__all__ = ["LettersContract"]


class LettersContract(LedgerContract):
    """Dead letters that go: elsewhere, beyond their bound, back to their subscription; and breakers."""

    # -- redriving -------------------------------------------------------------------------------------------------

    async def test_letters_of_a_removed_subscription_are_not_its_successors(self, storage: Storage) -> None:
        session = await self._with(storage, letter("s", 1))
        await storage.remove_subscription("s")
        await subscribe(storage, "s")
        assert await storage.redrive(BUS, [("s", 1)], due=1.0) == 0
        await storage.write(BUS, session, [Bury(letter("s", 2))])
        assert await storage.redrive(BUS, [("s", 1), ("s", 2)], due=1.0) == 1
        assert await storage.dead_letters(BUS) == [letter("s", 1)]
        assert await storage.redrive(BUS, [("s", 1)], due=1.0, removed=True) == 1
        assert [each.offset for each in await storage.claim_waiting(BUS, "s", session, now=1.0, limit=9)] == [1, 2]

    async def test_a_change_makes_no_other_subscription_of_it(self, storage: Storage) -> None:
        await self._with(storage, letter("s", 1))
        await storage.put_subscription(BUS, "s", b"changed", start="latest")
        await storage.pause_subscription("s", "because")
        assert await storage.redrive(BUS, [("s", 1)], due=1.0) == 1

    # -- their bound -----------------------------------------------------------------------------------------------

    async def test_the_oldest_go_by_age_and_by_number(self, storage: Storage) -> None:
        times = {5: 10.0, 1: 20.0, 3: 20.0, 2: 30.0, 4: 40.0}
        await self._with(storage, *[evolve(letter("s", offset), time=time) for offset, time in times.items()])
        info = await storage.describe_bus(BUS)
        assert (info.dead_letters, info.oldest_dead_letter) == (5, 10.0)
        assert await storage.drop_dead_letters(BUS, before=10.0, keep=5, limit=9) == ()
        assert await storage.drop_dead_letters(BUS, before=10.1, keep=None, limit=9) == (Dropped("s", 1, "age"),)
        gone = await storage.drop_dead_letters(BUS, before=20.5, keep=1, limit=3)
        assert sorted((each.reason, each.letters) for each in gone) == [("age", 2), ("limit", 1)]
        assert await storage.dead_letters(BUS) == [evolve(letter("s", 4), time=40.0)]
        info = await storage.describe_bus(BUS)
        assert (info.dead_letters, info.dead_letters_dropped) == (1, 4)
        assert [(lost.subscription, lost.events, lost.letters) for lost in info.lost] == [("s", 0, 4)]

    async def test_they_go_in_steps(self, storage: Storage) -> None:
        await self._with(storage, *[evolve(letter("s", offset), time=float(offset)) for offset in range(1, 10)])
        left = 9
        while gone := await storage.drop_dead_letters(BUS, before=8.0, keep=None, limit=3):
            assert 1 <= sum(each.letters for each in gone) <= 3
            left -= sum(each.letters for each in gone)
        assert left == 2
        assert [each.offset for each in await storage.dead_letters(BUS)] == [8, 9]

    async def test_of_removed_subscriptions_only_their_number_is_kept(self, storage: Storage) -> None:
        await self._with(storage, letter("s", 1))
        await storage.remove_subscription("s")
        assert await storage.drop_dead_letters(BUS, before=1e9, keep=None, limit=9) == (Dropped("s", 1, "age"),)
        info = await storage.describe_bus(BUS)
        assert (info.dead_letters_dropped, info.lost) == (1, ())

    async def test_their_number_is_kept_however_they_come_and_go(self, storage: Storage) -> None:
        session = await self._with(storage, letter("s", 1), letter("s", 1, reason="again"), letter("s", 2))
        await storage.create_bus("other")
        assert (await storage.describe_bus(BUS)).dead_letters == 2
        await storage.redrive(BUS, [("s", 1)], due=1.0)
        await storage.purge(BUS, [("s", 2), ("s", 2)])
        assert (await storage.describe_bus(BUS)).dead_letters == 0
        sent = evolve(letter("s", 3), forward=Forward(1.0))
        await storage.write(BUS, session, [Bury(sent), Bury(letter("s", 4)), Forwarded(sent)])
        assert (await storage.describe_bus(BUS)).dead_letters == 1
        assert (await storage.describe_bus("other")).dead_letters == 0

    # -- those that are to go elsewhere ----------------------------------------------------------------------------

    async def test_what_is_to_go_elsewhere_is_taken_when_due(self, storage: Storage, clock: VirtualClock) -> None:
        sent = [evolve(letter("s", offset), forward=Forward(due)) for offset, due in ((1, 30.0), (2, 10.0), (3, 20.0))]
        session = await self._with(storage, *sent, letter("s", 4))
        assert await storage.forwards(BUS) == (Forwards("s", 3, 10.0),)
        assert await storage.claim_letters(BUS, "s", session, now=9.9, limit=9) == []
        assert await storage.claim_letters(BUS, "other", session, now=99.0, limit=9) == []
        assert await storage.claim_letters(BUS, "s", session, now=20.0, limit=9) == [sent[1], sent[2]]
        assert await storage.forwards(BUS) == (Forwards("s", 3, 30.0),)
        other = await storage.open_session(TTL * 10)
        assert await storage.claim_letters(BUS, "s", other, now=20.0, limit=9) == []
        await self.pass_time(clock, TTL * 1.1)
        assert await storage.claim_letters(BUS, "s", other, now=20.0, limit=1) == [sent[1]]
        with pytest.raises(LeaseLost):
            await storage.claim_letters(BUS, "s", session, now=20.0, limit=9)

    async def test_it_goes_once_it_is_there_and_waits_where_it_is_not(self, storage: Storage) -> None:
        sent = [evolve(letter("s", offset), forward=Forward(1.0)) for offset in (1, 2, 3)]
        session = await self._with(storage, *sent)
        await storage.remove_subscription("s")  # what is on its way does not depend on it
        assert await storage.claim_letters(BUS, "s", session, now=1.0, limit=9) == sent
        later = Forward(5.0, 1, "http-503")
        entries: list[Entry] = [Forwarded(sent[0]), PutOff(sent[1], later), PutOff(sent[2], None)]
        for _ in range(2):
            await storage.write(BUS, session, entries)
        kept = evolve(sent[2], forward=None)
        assert await storage.dead_letters(BUS) == [evolve(sent[1], forward=later), kept]
        assert await storage.forwards(BUS) == (Forwards("s", 1, 5.0),)
        assert await storage.claim_letters(BUS, "s", session, now=5.0, limit=9) == [evolve(sent[1], forward=later)]

    async def test_another_letter_of_the_same_delivery_is_left_alone(self, storage: Storage) -> None:
        sent = evolve(letter("s", 1), forward=Forward(1.0))
        session = await self._with(storage, sent)
        await storage.claim_letters(BUS, "s", session, now=1.0, limit=9)
        again = evolve(sent, time=sent.time + 1, forward=Forward(2.0))
        await storage.write(BUS, session, [Bury(again), Forwarded(sent), PutOff(sent, None)])
        assert await storage.claim_letters(BUS, "s", session, now=2.0, limit=9) == [again]

    async def test_a_letter_that_another_holds_by_now_is_left_to_it(
        self, storage: Storage, clock: VirtualClock
    ) -> None:
        """A power loss may undo that it was taken; and a write without a number may be made again."""
        sent, later = evolve(letter("s", 1), forward=Forward(1.0)), Forward(1.0, 1, "http-503")
        session = await self._with(storage, sent)
        other, third = await storage.open_session(TTL / 2), await storage.open_session(TTL)
        assert await storage.claim_letters(BUS, "s", session, now=1.0, limit=9) == [sent]
        await storage.write(BUS, session, [PutOff(sent, sent.forward)])
        assert await storage.claim_letters(BUS, "s", other, now=1.0, limit=9) == [sent]
        for forward in (sent.forward, later, None):
            await storage.write(BUS, session, [PutOff(sent, forward)])
            assert await storage.dead_letters(BUS) == [sent]
            assert await storage.claim_letters(BUS, "s", third, now=9.0, limit=9) == []
        await self.pass_time(clock, TTL * 0.6)
        await storage.write(BUS, session, [PutOff(sent, later)])  # nobody holds it any more
        assert await storage.claim_letters(BUS, "s", third, now=1.0, limit=9) == [evolve(sent, forward=later)]

    async def test_a_letter_that_was_in_other_hands_is_put_off_by_them_alone(self, storage: Storage) -> None:
        sent = evolve(letter("s", 1), forward=Forward(1.0))
        session = await self._with(storage, sent)
        other = await storage.open_session(TTL)
        for told in (Forward(5.0, 1, "http-503"), None):
            taken = await storage.claim_letters(BUS, "s", other, now=9.0, limit=9)
            await storage.write(BUS, other, [PutOff(each, told) for each in taken])
            for late in (Forward(9.0, 1, "timeout"), None):
                await storage.write(BUS, session, [PutOff(sent, late)])
                assert await storage.dead_letters(BUS) == [evolve(sent, forward=told)]
        await storage.write(BUS, session, [Forwarded(sent)])  # its target has it, whatever others say
        assert await storage.dead_letters(BUS) == []

    async def test_a_letter_that_holds_a_key_stays_to_be_acted_on(self, storage: Storage) -> None:
        sent = evolve(letter("s", 1), forward=Forward(1.0))
        session = await self._with(storage)
        await storage.write(BUS, session, [Bury(sent, key=7), Forwarded(sent)])
        assert await storage.dead_letters(BUS) == [evolve(sent, forward=None)]
        assert await storage.forwards(BUS) == ()
        assert [row.stuck for row in await storage.waiting_keys(BUS, "s")] == [True]
        await storage.drop_dead_letters(BUS, before=1e9, keep=None, limit=9)
        assert await storage.waiting_keys(BUS, "s") == []

    # -- breakers --------------------------------------------------------------------------------------------------

    async def test_a_breaker_is_as_it_was_last_written(self, storage: Storage) -> None:
        session = await self._with(storage)
        await subscribe(storage, "t")
        await storage.create_bus("other")
        assert await storage.breakers(BUS) == ()
        one = BreakerState("s", 1, 0.0, 100.0, 1, 101.0)
        two = BreakerState("t", 3, 12.5, None, 0, 0.0)
        for _ in range(2):
            await storage.write(
                BUS, session, [Trip(one), Trip(two), Trip(evolve(one, trips=9)), Trip(evolve(two, serial=2))]
            )
        found = await storage.breakers(BUS)
        assert [evolve(each, number=0) for each in found] == [one, two]
        assert 0 < found[0].number < found[1].number
        assert await storage.breakers("other") == await storage.breakers(BUS, after=found[1].number) == ()
        await storage.write(BUS, session, [Trip(evolve(one, serial=2, opened=None, spared=7.0))])
        (changed,) = await storage.breakers(BUS, after=found[1].number)
        assert (changed.subscription, changed.spared, changed.opened) == ("s", 7.0, None)
        assert await storage.breakers(BUS) == (found[1], changed)

    async def test_a_breaker_goes_with_its_subscription(self, storage: Storage) -> None:
        session = await self._with(storage)
        await storage.write(BUS, session, [Trip(BreakerState("s", 5))])
        (found,) = await storage.breakers(BUS)
        await storage.remove_subscription("s")
        await storage.write(BUS, session, [Trip(BreakerState("s", 6))])
        assert await storage.breakers(BUS) == ()
        await subscribe(storage, "s")
        await storage.write(BUS, session, [Trip(BreakerState("s", 1))])
        (fresh,) = await storage.breakers(BUS, after=found.number)
        assert fresh.serial == 1

    async def test_a_pause_spares_only_what_an_open_breaker_does_not(
        self, storage: Storage, clock: VirtualClock
    ) -> None:
        session = await self._with(storage)
        tried = Waiting("s", 1, 0.0, attempts=2, first_attempt=1_000.0, reason="timeout")
        await storage.write(BUS, session, [Wait(tried, held=False), Trip(BreakerState("s", 1, 0.0, clock.time()))])
        await storage.pause_subscription("s", "because")
        await self.pass_time(clock, TTL)
        await storage.resume_subscription("s")
        session = await storage.open_session(TTL)
        (row,) = await storage.claim_waiting(BUS, "s", session, now=1.0, limit=9)
        assert row.first_attempt is not None
        assert abs(row.first_attempt - 1_000.0) < TTL / 10

    async def test_letters_and_breakers_outlive_the_storage(self, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        sent = evolve(letter("s", 1), forward=Forward(5.0, 3, "no\x00"))
        async with self.make_storage(clock) as storage:
            session = await self._with(storage, sent, letter("s", 2))
            await storage.write(BUS, session, [Trip(BreakerState("s", 2, 0.5, 7.25, 3, 9.0))])
            await storage.drop_dead_letters(BUS, before=0.0, keep=1, limit=1)
            state = await self._kept(storage)
        async with self.make_storage(clock) as storage:
            assert await self._kept(storage) == state

    async def _kept(self, storage: Storage) -> object:
        info = await storage.describe_bus(BUS)
        letters, breakers = await storage.dead_letters(BUS), await storage.breakers(BUS)
        return letters, breakers, info.dead_letters, info.dead_letters_dropped, info.lost

    async def _with(self, storage: Storage, *letters: DeadLetter) -> Session:
        await subscribe(storage, "s")
        session = await storage.open_session(TTL)
        await storage.write(BUS, session, [Bury(each) for each in letters])
        return session
