"""What a storage promises of what moves in and out; a part of `StorageContract`."""

from __future__ import annotations

import pytest
from attrs import evolve

from eventroute.errors import StorageConflict, UnknownBus
from eventroute.storage.base import (
    LIVE,
    Advance,
    BreakerState,
    Bury,
    BusSettings,
    Claim,
    Complete,
    Reader,
    Span,
    Storage,
    StoredSubscription,
)
from eventroute.storage.transfer import Imported, Placed
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL, LedgerContract, letter, live, take
from eventroute.testing.storage.log import BUS, put, read_all

__all__ = ["TransferContract"]


class TransferContract(LedgerContract):
    """How a bus is read as it is, and made as it was elsewhere."""

    # -- reading ---------------------------------------------------------------------------------------------------

    async def test_sessions_count_while_they_live(self, storage: Storage, clock: VirtualClock) -> None:
        assert await storage.sessions() == 0
        session = await storage.open_session(TTL)
        await storage.open_session(TTL * 3)
        assert await storage.sessions() == 2
        await self.pass_time(clock, TTL * 1.5)
        assert await storage.sessions() == 1
        await storage.close_session(session)
        assert await storage.sessions() == 1

    async def test_open_claims_are_told(self, storage: Storage) -> None:
        await put(storage, *[b"1"] * 10)
        own = (await storage.put_subscription(BUS, "s", b"d", start="earliest")).reader
        session = await storage.open_session(TTL)
        one, two = await take(storage, session, limit=2, reader=own), await take(storage, session, limit=3, reader=own)
        shared = await take(storage, session, limit=4)
        first = one.start
        await storage.write(BUS, session, [Advance(one, first + 1)])
        await storage.close_session(session)
        assert await storage.claims(BUS) == tuple(
            sorted([shared, evolve(one, start=first + 1), two], key=lambda claim: (claim.reader, claim.start))
        )
        await storage.create_bus("other")
        assert await storage.claims("other") == ()
        with pytest.raises(UnknownBus):
            await storage.claims("no")

    async def test_a_dead_letter_tells_whose_it_was(self, storage: Storage) -> None:
        session = await storage.open_session(TTL)
        first = await storage.put_subscription(BUS, "s", b"d", start="latest")
        await storage.write(BUS, session, [Bury(letter("s", 1))])
        await storage.remove_subscription("s")
        second = await storage.put_subscription(BUS, "s", b"d", start="latest")
        await storage.write(BUS, session, [Bury(letter("s", 2))])
        assert [one.born for one in await storage.dead_letters(BUS)] == [first.born, second.born]

    # -- events ----------------------------------------------------------------------------------------------------

    async def test_events_come_with_their_times(self, storage: Storage, clock: VirtualClock) -> None:
        bounds = await storage.bounds(BUS)
        await storage.import_events(
            BUS, [Imported(10.5, b"1"), Imported(9.0, b"2"), Imported(20.25, b"3")], end=bounds.end, first=bounds.first
        )
        records = await read_all(storage)
        assert [(record.time, record.event) for record in records] == [(10.5, b"1"), (10.5, b"2"), (20.25, b"3")]
        assert await storage.offset_at(BUS, 10.6) == records[2].offset
        info = await storage.describe_bus(BUS)
        assert (info.events, info.size, info.newest) == (3, 3, 20.25)
        (later,) = await put(storage, b"4")
        assert later > records[-1].offset
        assert (await read_all(storage))[-1].time == pytest.approx(max(20.25, clock.time()))

    async def test_an_import_that_comes_twice_is_refused(self, storage: Storage) -> None:
        bounds = await storage.bounds(BUS)
        await storage.import_events(BUS, [Imported(1.0, b"1")], end=bounds.end, first=bounds.first)
        with pytest.raises(StorageConflict):
            await storage.import_events(BUS, [Imported(1.0, b"1")], end=bounds.end, first=bounds.first)
        assert [record.event for record in await read_all(storage)] == [b"1"]
        with pytest.raises(UnknownBus):
            await storage.import_events("no", [Imported(1.0, b"1")], end=1, first=1)

    async def test_an_empty_log_goes_on_where_it_is_told(self, storage: Storage) -> None:
        end = (await storage.bounds(BUS)).end
        await storage.import_events(BUS, [Imported(1.0, b"1")], end=end, first=end + 500)
        bounds = await storage.bounds(BUS)
        assert bounds.first >= end + 500
        assert [record.offset for record in await read_all(storage)] == [bounds.first]
        await storage.import_events(BUS, [Imported(1.0, b"2")], end=bounds.end, first=end + 9_000)
        assert (await storage.bounds(BUS)).first == bounds.first
        assert [record.event for record in await read_all(storage)] == [b"1", b"2"]

    async def test_an_empty_log_goes_on_there_without_an_event_too(self, storage: Storage) -> None:
        end = (await storage.bounds(BUS)).end
        await storage.import_events(BUS, [], end=end, first=end + 500)
        bounds = await storage.bounds(BUS)
        assert bounds.first == bounds.end >= end + 500
        assert (await live(storage)).claimed == bounds.end
        assert (await put(storage, b"1"))[0] >= bounds.end

    async def test_the_live_reader_goes_behind_what_is_imported(self, storage: Storage) -> None:
        bounds = await storage.bounds(BUS)
        await storage.import_events(BUS, [Imported(1.0, b"1")], end=bounds.end, first=7)
        end = (await storage.bounds(BUS)).end
        reader = await live(storage)
        assert (reader.position, reader.claimed) == (end, end)
        await put(storage, b"2")
        unread = (await storage.bounds(BUS)).end
        await storage.import_events(BUS, [Imported(1.0, b"3")], end=unread, first=7)
        assert (await live(storage)).claimed == end

    async def test_imported_identities_tell_duplicates(self, storage: Storage, clock: VirtualClock) -> None:
        bounds, now = await storage.bounds(BUS), clock.time()
        events = [Imported(now - 50, b"old", b"old"), Imported(now - 5, b"a", b"a"), Imported(now - 4, b"a2", b"a")]
        await storage.import_events(BUS, [*events, Imported(now, b"none")], end=bounds.end, first=bounds.first)
        await storage.update_bus(BUS, BusSettings(dedup=10.0))
        offsets = [record.offset for record in await read_all(storage)]
        told = await storage.append(BUS, [b"a", b"old"], append_id="again", identities=[b"a", b"old"])
        assert told[0] == offsets[1]
        assert told[1] > offsets[-1]

    # -- subscriptions ---------------------------------------------------------------------------------------------

    async def test_a_subscription_is_placed_as_it_was(self, storage: Storage) -> None:
        first, *_ = await put(storage, *[b"%d" % number for number in range(30)])
        placed = self._placed(first)
        made = await storage.place_subscription(BUS, placed)
        stored = await storage.subscription("s")
        assert stored == made == evolve(placed.stored, reader=stored.reader, bus=BUS)
        assert stored.born > 0
        readers = {reader.replayed_from: reader for reader in await storage.readers(BUS) if reader.subscription == "s"}
        own, replay = readers[None], readers[first]
        assert own.name == stored.reader != LIVE
        assert (own.position, own.claimed, own.until) == (first + 5, first + 20, None)
        assert (replay.position, replay.claimed, replay.until) == (first, first, first + 4)
        assert [(one.reader, one.start, one.end) for one in await storage.claims(BUS)] == [
            (own.name, first + 5, first + 8),
            (own.name, first + 12, first + 20),
        ]
        changes = await storage.changes(BUS, 0)
        assert {*changes.spans} == {
            Span(own.name, "s", first, first + 10, b"before"),
            Span(own.name, "s", first + 10, None, None),
            Span(replay.name, "s", first, first + 4, None),
        }
        (breaker,) = await storage.breakers(BUS)
        assert evolve(breaker, number=0) == placed.breaker

    async def test_what_is_placed_goes_on(self, storage: Storage) -> None:
        first, *_ = await put(storage, *[b"%d" % number for number in range(30)])
        await storage.place_subscription(BUS, self._placed(first))
        reader = (await storage.subscription("s")).reader
        session = await storage.open_session(TTL)
        assert await storage.claim(BUS, reader, session, limit=9) is None
        await storage.resume_subscription("s")
        taken = [await take(storage, session, limit=100, reader=reader) for _ in range(3)]
        version = (await storage.changes(BUS, 0)).version
        assert [(one.start - first, one.end - first) for one in taken] == [(5, 8), (12, 20), (20, 30)]
        assert max(one.version for one in taken) <= version
        await storage.write(BUS, session, [Complete(one) for one in taken])
        assert await storage.join_live("s", within=100)

    async def test_a_place_that_is_taken_is_refused(self, storage: Storage) -> None:
        await storage.create_bus("other")
        await storage.put_subscription("other", "s", b"d", start="latest")
        placed = self._placed((await storage.bounds(BUS)).end)
        with pytest.raises(StorageConflict):
            await storage.place_subscription(BUS, placed)
        with pytest.raises(StorageConflict):
            await storage.place_subscription("other", placed)
        with pytest.raises(UnknownBus):
            await storage.place_subscription("no", placed)
        assert len(await storage.readers(BUS)) == 1

    def _placed(self, first: int) -> Placed:
        """One that has settled some, was changed, is replayed, and is paused."""
        return Placed(
            StoredSubscription("s", "elsewhere", b"d", 4, "because", "here", paused_at=5.0),
            (
                Span("here", "s", first, first + 10, b"before"),
                Span("here", "s", first + 10, None, None),
                Span("again", "s", first, first + 4, None),
            ),
            (
                Reader("elsewhere", "here", first + 5, first + 20, None, None),
                Reader("elsewhere", "again", first, first, first + 4, None, first),
            ),
            (
                Claim("elsewhere", "here", first + 5, first + 8, 77, "gone"),
                Claim("elsewhere", "here", first + 12, first + 20, 78, "gone"),
            ),
            BreakerState("s", 3, 12.5, 100.0, 2, 130.0),
        )
