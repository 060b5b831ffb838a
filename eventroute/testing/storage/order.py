"""What a storage promises to those that keep events of one key in order; a part of `StorageContract`."""

from __future__ import annotations

import pytest

from eventroute.errors import LeaseLost
from eventroute.storage.base import (
    LIVE,
    Bury,
    Complete,
    Session,
    Settle,
    Storage,
    Wait,
    Waiting,
    WaitingKey,
    WaitingSummary,
)
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL, letter, take
from eventroute.testing.storage.log import BUS, LogContract, put
from eventroute.testing.storage.waiting import claimed_waiting

__all__ = ["OrderContract"]


class OrderContract(LogContract):
    """Readers that are worked on alone, subscriptions that keep apart, and keys of what waits."""

    # -- apart -----------------------------------------------------------------------------------------------------

    async def test_apart_it_has_a_reader_of_its_own_from_the_start(self, storage: Storage) -> None:
        offsets = await put(storage, b"1", b"2")
        stored = await storage.put_subscription(BUS, "s", b"d", start="latest", apart=True)
        assert stored.apart
        assert stored.reader != LIVE
        reader = next(one for one in await storage.readers(BUS) if one.subscription == "s")
        assert reader.position > offsets[1]
        assert not await storage.join_live("s", within=100)
        assert await storage.subscription("s") == stored

    async def test_made_apart_it_leaves_live_at_once(self, storage: Storage) -> None:
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        session = await storage.open_session(TTL)
        offsets = await put(storage, *[b"1"] * 5)
        claim = await take(storage, session, limit=2)
        stored = await storage.put_subscription(BUS, "s", b"d", start="latest", apart=True)
        assert (stored.revision, stored.apart) == (2, True)
        reader = next(one for one in await storage.readers(BUS) if one.subscription == "s")
        assert (reader.name, reader.position) == (stored.reader, claim.end)
        assert offsets[2] == claim.end
        again = await storage.put_subscription(BUS, "s", b"d", start="latest", apart=True)
        assert again == stored
        shared = await storage.put_subscription(BUS, "s", b"d", start="latest")
        assert (shared.reader, shared.apart) == (stored.reader, False)
        assert await storage.join_live("s", within=100)

    # -- alone -----------------------------------------------------------------------------------------------------

    async def test_alone_no_other_works_on_the_reader(self, storage: Storage, clock: VirtualClock) -> None:
        reader, offsets = await self._apart(storage)
        one, two = await storage.open_session(TTL), await storage.open_session(TTL * 9)
        first = await storage.claim(BUS, reader, one, limit=2, alone=True)
        second = await storage.claim(BUS, reader, one, limit=2, alone=True)
        assert first is not None
        assert second is not None
        assert (first.start, first.end, second.end) == (offsets[0], second.start, second.start + 2)
        assert not first.shared
        assert await storage.claim(BUS, reader, two, limit=2, alone=True) is None
        await storage.write(BUS, one, [Complete(first)])
        assert await storage.claim(BUS, reader, two, limit=2, alone=True) is None
        await self.pass_time(clock, TTL * 1.1)
        taken = [await storage.claim(BUS, reader, two, limit=2, alone=True) for _ in range(2)]
        assert [claim and (claim.start, claim.shared) for claim in taken] == [
            (second.start, False),
            (second.end, False),
        ]

    async def test_who_asks_for_a_reader_alone_shares_it(self, storage: Storage) -> None:
        reader, _ = await self._apart(storage)
        one, two = await storage.open_session(TTL), await storage.open_session(TTL)
        claims = [await storage.claim(BUS, reader, one, limit=1, alone=True)]
        assert await storage.claim(BUS, reader, two, limit=1, alone=True) is None
        claims.append(await storage.claim(BUS, reader, one, limit=1, alone=True))
        await storage.close_session(two)
        claims.append(await storage.claim(BUS, reader, one, limit=1, alone=True))
        assert [claim and claim.shared for claim in claims] == [False, True, False]

    async def test_alone_waits_for_claims_that_were_made_otherwise(self, storage: Storage) -> None:
        reader, _ = await self._apart(storage)
        one, two = await storage.open_session(TTL), await storage.open_session(TTL)
        claim = await storage.claim(BUS, reader, one, limit=1)
        assert claim is not None
        assert await storage.claim(BUS, reader, two, limit=1, alone=True) is None
        await storage.write(BUS, one, [Complete(claim)])
        assert await storage.claim(BUS, reader, two, limit=1, alone=True) is not None

    # -- keys ------------------------------------------------------------------------------------------------------

    async def test_of_one_key_the_first_has_to_go_first(self, storage: Storage) -> None:
        session = await self._with_keys(storage, Waiting("s", 1, 5.0, key=7), *_of(7, 2, 3), *_of(8, 4, 5))
        other = await storage.open_session(TTL)
        assert await storage.waiting(BUS) == (WaitingSummary("s", 5, 5, 1.0),)
        assert await claimed_waiting(storage, session, now=1.0, limit=1) == [4]
        assert await storage.waiting(BUS) == (WaitingSummary("s", 5, 4, 5.0),)
        assert await claimed_waiting(storage, other, now=1.0) == []
        assert await claimed_waiting(storage, session, now=1.0) == [5]
        assert await claimed_waiting(storage, other, now=5.0, limit=2) == [1, 2]
        assert await claimed_waiting(storage, session, now=5.0) == []
        await storage.write(BUS, other, [Settle("s", 1), Settle("s", 2)])
        assert await claimed_waiting(storage, session, now=5.0) == [3]

    async def test_what_has_failed_goes_alone(self, storage: Storage) -> None:
        tried = Waiting("s", 1, 1.0, attempts=1, first_attempt=0.5, reason="timeout", key=-(2**63))
        session = await self._with_keys(storage, tried, *_of(-(2**63), 2, 3))
        assert await storage.claim_waiting(BUS, "s", session, now=1.0, limit=9) == [tried]
        assert await claimed_waiting(storage, session, now=1.0) == []
        await storage.write(BUS, session, [Settle("s", 1)])
        assert await claimed_waiting(storage, session, now=1.0) == [2, 3]

    async def test_keys_are_of_one_subscription_and_what_has_none_is_free(self, storage: Storage) -> None:
        await storage.put_subscription(BUS, "t", b"d", start="latest")
        session = await self._with_keys(storage, *_of(7, 2, 3), Waiting("s", 5, 1.0), Waiting("s", 4, 0.5))
        await storage.write(BUS, session, [Wait(Waiting("t", 1, 9.0, key=7), held=False)])
        other = await storage.open_session(TTL)
        assert await claimed_waiting(storage, session, now=1.0, limit=1) == [2]
        assert await claimed_waiting(storage, other, now=1.0) == [4, 5]
        assert await storage.waiting_keys(BUS, "s") == [WaitingKey(2, 7, False), WaitingKey(3, 7, False)]
        assert await storage.waiting_keys(BUS, "t") == [WaitingKey(1, 7, False)]
        assert await storage.waiting_keys(BUS, "never was") == []
        await storage.create_bus("other")
        assert await storage.waiting_keys("other", "s") == []

    async def test_the_keys_of_one_who_died_are_free(self, storage: Storage, clock: VirtualClock) -> None:
        session = await self._with_keys(storage, *_of(7, 1, 2, 3))
        assert await claimed_waiting(storage, session, now=1.0, limit=2) == [1, 2]
        other = await storage.open_session(TTL * 9)
        assert await claimed_waiting(storage, other, now=1.0) == []
        await self.pass_time(clock, TTL * 1.1)
        assert await claimed_waiting(storage, other, now=1.0) == [1, 2, 3]

    # -- stuck keys ------------------------------------------------------------------------------------------------

    async def test_a_buried_delivery_may_hold_its_key(self, storage: Storage) -> None:
        session = await self._with_keys(storage, *_of(7, 1, 2), *_of(8, 3))
        dead = letter("s", 1)
        assert await claimed_waiting(storage, session, now=1.0, limit=1) == [1]
        for _ in range(2):
            await storage.write(BUS, session, [Bury(dead, key=7)])
        assert await storage.dead_letters(BUS) == [dead]
        assert await storage.waiting(BUS) == (WaitingSummary("s", 3, 3, 1.0, stuck=2),)
        assert await storage.waiting_keys(BUS, "s") == [
            WaitingKey(1, 7, True),
            WaitingKey(2, 7, False),
            WaitingKey(3, 8, False),
        ]
        assert await claimed_waiting(storage, session, now=1e15) == [3]
        assert await storage.waiting(BUS, before=3) == (WaitingSummary("s", 2, 2, None, stuck=2),)

    async def test_a_redriven_letter_goes_before_what_it_held(self, storage: Storage) -> None:
        session = await self._with_keys(storage, *_of(7, 1, 2))
        dead = letter("s", 1)
        await storage.write(BUS, session, [Bury(dead, key=7)])
        assert await storage.redrive(BUS, [("s", 1)], due=3.0) == 1
        assert await claimed_waiting(storage, session, now=2.0) == []
        first, second = await storage.claim_waiting(BUS, "s", session, now=3.0, limit=9)
        assert first == Waiting("s", 1, 3.0, event=dead.event, key=7)
        assert second == Waiting("s", 2, 1.0, key=7)

    async def test_a_purged_letter_lets_its_key_go(self, storage: Storage) -> None:
        session = await self._with_keys(storage, *_of(7, 1, 2))
        await storage.write(BUS, session, [Bury(letter("s", 1), key=7), Bury(letter("s", 3))])
        assert await storage.purge(BUS, [("s", 1), ("s", 3)]) == 2
        assert await claimed_waiting(storage, session, now=1.0) == [2]
        assert await storage.waiting(BUS) == (WaitingSummary("s", 1, 0, None),)

    async def test_a_purged_letter_takes_nothing_that_is_not_stuck(self, storage: Storage) -> None:
        session = await self._with_keys(storage)
        await storage.write(BUS, session, [Bury(letter("s", 1)), Wait(Waiting("s", 1, 1.0, key=7), held=False)])
        assert await storage.purge(BUS, [("s", 1)]) == 1
        assert await claimed_waiting(storage, session, now=1.0) == [1]

    # -- one at a time ---------------------------------------------------------------------------------------------

    async def test_one_session_at_a_time_sends(self, storage: Storage, clock: VirtualClock) -> None:
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        one, two = await storage.open_session(TTL), await storage.open_session(TTL * 9)
        assert await storage.senders(BUS) == {}
        assert await storage.take_sending(BUS, "s", one) == "first"
        assert await storage.take_sending(BUS, "s", one) == "again"
        assert await storage.take_sending(BUS, "s", two) is None
        await storage.leave_sending(BUS, "s", two)
        assert await storage.senders(BUS) == {"s": one.id}
        await self.pass_time(clock, TTL * 1.1)
        assert await storage.senders(BUS) == {}
        assert await storage.take_sending(BUS, "s", two) == "after another"
        assert await storage.senders(BUS) == {"s": two.id}

    async def test_who_leaves_lets_others_send(self, storage: Storage) -> None:
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        one, two = await storage.open_session(TTL), await storage.open_session(TTL)
        assert await storage.take_sending(BUS, "s", one) == "first"
        await storage.leave_sending(BUS, "s", one)
        assert await storage.senders(BUS) == {}
        assert await storage.take_sending(BUS, "s", two) == "after another"
        await storage.close_session(two)
        assert await storage.take_sending(BUS, "s", one) == "after another"
        with pytest.raises(LeaseLost):
            await storage.take_sending(BUS, "s", two)

    async def test_nobody_sends_for_who_is_not_there(self, storage: Storage) -> None:
        session = await storage.open_session(TTL)
        assert await storage.take_sending(BUS, "s", session) is None
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        await storage.create_bus("other")
        assert await storage.take_sending("other", "s", session) is None
        assert await storage.take_sending(BUS, "s", session) == "first"
        assert await storage.senders("other") == {}
        await storage.remove_subscription("s")
        assert await storage.senders(BUS) == {}
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        assert await storage.take_sending(BUS, "s", session) == "first"

    # -- what the tests above begin with ---------------------------------------------------------------------------

    async def _apart(self, storage: Storage) -> tuple[str, tuple[int, ...]]:
        stored = await storage.put_subscription(BUS, "s", b"d", start="latest", apart=True)
        return stored.reader, await put(storage, *[b"1"] * 10)

    async def _with_keys(self, storage: Storage, *rows: Waiting) -> Session:
        await storage.put_subscription(BUS, "s", b"d", start="latest", apart=True)
        await put(storage, *[b"1"] * 10)
        session = await storage.open_session(TTL)
        await storage.write(BUS, session, [Wait(row, held=False) for row in rows])
        return session


def _of(key: int, *offsets: int) -> list[Waiting]:
    """Deliveries of one key, due at 1.0."""
    return [Waiting("s", offset, 1.0, key=key) for offset in offsets]
