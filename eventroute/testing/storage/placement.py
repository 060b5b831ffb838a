"""What a storage promises of subscriptions and of the readers that serve them; a part of `StorageContract`."""
# ruff: noqa: S311 - what these tests draw by lot is no secret

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest
from attrs import evolve

from eventroute.errors import StorageConflict, UnknownSubscription
from eventroute.storage.base import (
    LIVE,
    Bury,
    Changes,
    Complete,
    Reader,
    Session,
    Span,
    Storage,
    StoredSubscription,
    Wait,
    Waiting,
)
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import TTL, letter, live, take
from eventroute.testing.storage.log import BUS, LogContract, put, subscribe

__all__ = ["Known", "PlacementContract", "fold", "spans_at"]

Known = tuple[dict[str, StoredSubscription], dict[str, frozenset[Span]]]


def fold(known: Known, changes: Changes) -> Known:
    """What a worker knows after these changes: subscriptions and their spans, by id."""
    subscriptions, spans = ({}, {}) if changes.reset else (dict(known[0]), dict(known[1]))
    for stored in changes.subscriptions:
        spans.pop(stored.id, None)
        subscriptions.pop(stored.id, None)
        if not stored.removed:
            subscriptions[stored.id] = stored
            spans[stored.id] = frozenset(span for span in changes.spans if span.subscription == stored.id)
    return subscriptions, spans


class PlacementContract(LogContract):
    """Subscriptions: their making, changing, pausing and going, and who serves them from where to where."""

    # -- beginning -------------------------------------------------------------------------------------------------

    async def test_latest_begins_at_the_end_of_the_log(self, storage: Storage) -> None:
        await put(storage, *[b"1"] * 5)
        stored = await storage.put_subscription(BUS, "s", b"d", start="latest")
        assert stored == StoredSubscription("s", BUS, b"d", 1, None, LIVE)
        end = (await storage.bounds(BUS)).end
        assert await spans(storage) == {Span(LIVE, "s", end, None, None)}

    async def test_other_starts_have_a_reader_of_their_own(self, storage: Storage, clock: VirtualClock) -> None:
        offsets = await put(storage, *[b"1"] * 5)
        clock.jump(100)
        later = await put(storage, *[b"2"] * 5)
        far = later[-1] + 50
        starts = {
            "earliest": offsets[0],
            offsets[3]: offsets[3],
            -7: offsets[0],
            far: far,
            clock.time() - 5: later[0],
            0.0: offsets[0],
            clock.time() + 5: later[-1] + 1,
        }
        for number, (start, begin) in enumerate(starts.items()):
            name = f"s{number}"
            stored = await storage.put_subscription(BUS, name, b"d", start=start)  # type: ignore[arg-type]
            assert stored.reader != LIVE
            assert await spans(storage, name) == {Span(stored.reader, name, begin, None, None)}
            assert await reader(storage, stored.reader) == Reader(BUS, stored.reader, begin, begin, None, name)
        assert len(await storage.readers(BUS)) == 1 + len(starts)
        assert (await storage.readers(BUS))[0].name == LIVE

    async def test_an_id_belongs_to_one_bus(self, storage: Storage) -> None:
        await storage.create_bus("other")
        await subscribe(storage, "s")
        with pytest.raises(StorageConflict):
            await storage.put_subscription("other", "s", b"d", start="latest")
        await storage.remove_subscription("s")
        stored = await storage.put_subscription("other", "s", b"d", start="latest")
        assert (stored.bus, stored.revision) == ("other", 1)
        assert (await storage.changes(BUS, 0)).subscriptions == ()
        assert [each.id for each in (await storage.changes(BUS, 1)).subscriptions if each.removed] == ["s"]

    async def test_unknown_subscriptions_are_an_error(self, storage: Storage) -> None:
        for call in (
            lambda: storage.remove_subscription("no"),
            lambda: storage.pause_subscription("no", "because"),
            lambda: storage.resume_subscription("no"),
            lambda: storage.leave_live("no"),
            lambda: storage.join_live("no", within=0),
            lambda: storage.subscription("no"),
        ):
            with pytest.raises(UnknownSubscription) as caught:
                await call()
            assert caught.value.subscription == "no"

    async def test_one_is_told_as_it_is_now(self, storage: Storage) -> None:
        await storage.create_bus("other")
        await storage.put_subscription("other", "s", b"d", start="latest")
        assert await storage.subscription("s") == StoredSubscription("s", "other", b"d", 1, None, LIVE)
        await storage.put_subscription("other", "s", b"e", start="latest")
        await storage.pause_subscription("s", "because")
        stored = await storage.subscription("s")
        assert (stored.definition, stored.revision, stored.paused) == (b"e", 2, "because")
        assert stored == (await storage.changes("other", 0)).subscriptions[0]

    # -- changing --------------------------------------------------------------------------------------------------

    async def test_an_equal_definition_changes_nothing(self, storage: Storage) -> None:
        await subscribe(storage, "s")
        before = await storage.changes(BUS, 0)
        again = await storage.put_subscription(BUS, "s", b"d", start="earliest")
        assert again == before.subscriptions[0]
        assert await storage.changes(BUS, 0) == before

    async def test_a_change_begins_at_the_first_unclaimed_offset(self, storage: Storage) -> None:
        session = await self._with_backlog(storage)
        claim = await take(storage, session, limit=3)
        await storage.put_subscription(BUS, "s", b"new", start="latest")
        start = claim.start
        assert await spans(storage) == {Span(LIVE, "s", start, claim.end, b"d"), Span(LIVE, "s", claim.end, None, None)}
        assert await definition_at(storage, LIVE, claim.end - 1) == b"d"
        assert await definition_at(storage, LIVE, claim.end) == b"new"
        await storage.put_subscription(BUS, "s", b"newer", start="latest")
        assert await definition_at(storage, LIVE, claim.end - 1) == b"d"
        assert await definition_at(storage, LIVE, claim.end) == b"newer"
        await storage.write(BUS, session, [Complete(claim)])
        await storage.put_subscription(BUS, "s", b"newest", start="latest")
        assert await spans(storage) == {Span(LIVE, "s", claim.end, None, None)}

    async def test_a_change_reaches_what_an_ended_reader_has_before_it(self, storage: Storage) -> None:
        session = await self._with_backlog(storage)
        await storage.leave_live("s")
        own = (await stored_of(storage)).reader
        await take(storage, session, limit=8)
        assert await storage.join_live("s", within=100)
        claim = await take(storage, session, limit=3, reader=own)
        await storage.put_subscription(BUS, "s", b"new", start="latest")
        assert await definition_at(storage, own, claim.end - 1) == b"d"
        assert await definition_at(storage, own, claim.end) == b"new"

    async def test_a_change_leaves_an_ended_span_where_it_ended(self, storage: Storage) -> None:
        session = await self._with_backlog(storage)
        claim = await take(storage, session, limit=3)
        await storage.leave_live("s")
        own = (await stored_of(storage)).reader
        await take(storage, session, limit=3)
        await storage.put_subscription(BUS, "s", b"new", start="latest")
        assert await spans(storage) == {
            Span(LIVE, "s", claim.start, claim.end, b"d"),
            Span(own, "s", claim.end, None, None),
        }

    async def test_a_taken_over_range_keeps_its_definition(self, storage: Storage, clock: VirtualClock) -> None:
        session = await self._with_backlog(storage)
        await take(storage, session, limit=1)
        await storage.put_subscription(BUS, "s", b"new", start="latest")
        await storage.close_session(session)
        other = await storage.open_session(TTL)
        claim = await take(storage, other, limit=1)
        assert {await definition_at(storage, LIVE, offset) for offset in range(claim.start, claim.end)} == {b"d"}

    # -- removing --------------------------------------------------------------------------------------------------

    async def test_removing_takes_all_but_dead_letters(self, storage: Storage) -> None:
        await put(storage, *[b"1"] * 5)
        stored = await storage.put_subscription(BUS, "s", b"d", start="earliest")
        session = await storage.open_session(TTL)
        claim = await take(storage, session, limit=3, reader=stored.reader)
        await storage.write(BUS, session, [Wait(Waiting("s", 1, 0.0), held=False), Bury(letter("s", 2))])
        dead = await storage.dead_letters(BUS)
        await storage.remove_subscription("s")
        assert await storage.waiting(BUS) == ()
        assert [each.name for each in await storage.readers(BUS)] == [LIVE]
        assert await storage.claim(BUS, stored.reader, session, limit=3) is None
        assert await spans(storage) == set()
        await storage.write(BUS, session, [Complete(claim)])
        assert await storage.dead_letters(BUS) == dead == [letter("s", 2)]
        again = await storage.put_subscription(BUS, "s", b"d", start="earliest")
        assert (again.revision, await storage.waiting(BUS)) == (1, ())
        assert again.reader != stored.reader

    # -- leaving and joining the live reader -----------------------------------------------------------------------

    async def test_leaving_begins_where_the_live_reader_has_not_claimed(self, storage: Storage) -> None:
        session = await self._with_backlog(storage)
        claim = await take(storage, session, limit=3)
        await storage.leave_live("s")
        own = (await stored_of(storage)).reader
        assert await spans(storage) == {
            Span(LIVE, "s", claim.start, claim.end, None),
            Span(own, "s", claim.end, None, None),
        }
        assert await reader(storage, own) == Reader(BUS, own, claim.end, claim.end, None, "s")
        before = await storage.changes(BUS, 0)
        await storage.leave_live("s")
        assert await storage.changes(BUS, 0) == before

    async def test_a_span_that_has_not_begun_is_moved(self, storage: Storage) -> None:
        await put(storage, *[b"1"] * 5)
        await subscribe(storage, "s")
        end = (await storage.bounds(BUS)).end
        await storage.leave_live("s")
        own = (await stored_of(storage)).reader
        assert await spans(storage) == {Span(own, "s", end, None, None)}
        assert (await reader(storage, own)).position == end

    async def test_joining_ends_the_own_reader_where_live_goes_on(self, storage: Storage) -> None:
        session = await self._with_backlog(storage)
        begin = (await live(storage)).claimed
        await storage.leave_live("s")
        own = (await stored_of(storage)).reader
        claims = [await take(storage, session, limit=5)]
        seam = claims[0].end
        assert not await storage.join_live("s", within=4)
        assert await storage.join_live("s", within=5)
        assert await storage.join_live("s", within=0)
        assert (await stored_of(storage)).reader == LIVE
        assert await spans(storage) == {Span(own, "s", begin, seam, None), Span(LIVE, "s", seam, None, None)}
        assert (await reader(storage, own)).until == seam
        version = (await storage.changes(BUS, 0)).version
        claim = await take(storage, session, limit=100, reader=own)
        assert claim.end == seam
        assert await storage.claim(BUS, own, session, limit=100) is None
        await storage.write(BUS, session, [Complete(claim)])
        assert [each.name for each in await storage.readers(BUS)] == [LIVE]
        assert await spans(storage) == {Span(LIVE, "s", seam, None, None)}
        assert [each.id for each in (await storage.changes(BUS, version)).subscriptions] == ["s"]

    async def test_joining_ahead_of_live_begins_where_the_own_reader_is(self, storage: Storage) -> None:
        session = await self._with_backlog(storage)
        await storage.leave_live("s")
        own = (await stored_of(storage)).reader
        claim = await take(storage, session, limit=6, reader=own)
        assert await storage.join_live("s", within=0)
        assert await spans(storage) == {
            Span(own, "s", claim.start, claim.end, None),
            Span(LIVE, "s", claim.end, None, None),
        }
        await storage.write(BUS, session, [Complete(claim)])
        assert [each.name for each in await storage.readers(BUS)] == [LIVE]

    async def test_joining_with_nothing_left_to_do_takes_the_own_reader_away(self, storage: Storage) -> None:
        stored = await storage.put_subscription(BUS, "s", b"d", start="earliest")
        assert stored.reader != LIVE
        assert await storage.join_live("s", within=0)
        assert [each.name for each in await storage.readers(BUS)] == [LIVE]
        assert await spans(storage) == {Span(LIVE, "s", (await storage.bounds(BUS)).end, None, None)}

    async def test_readers_names_are_never_used_twice(self, storage: Storage) -> None:
        session = await self._with_backlog(storage)
        names = []
        for _ in range(4):
            await storage.leave_live("s")
            names.append((await stored_of(storage)).reader)
            await take(storage, session, limit=1)
            assert await storage.join_live("s", within=100)
        assert len({*names, LIVE}) == 5
        assert {each.name for each in await storage.readers(BUS)} == {*names, LIVE}
        await storage.remove_subscription("s")
        assert [each.name for each in await storage.readers(BUS)] == [LIVE]

    # -- pausing ---------------------------------------------------------------------------------------------------

    async def test_a_paused_subscription_is_left_alone(self, storage: Storage) -> None:
        session = await self._with_backlog(storage)
        claim = await take(storage, session, limit=2)
        await storage.pause_subscription("s", "because")
        stored = await stored_of(storage)
        assert stored.paused == "because"
        assert stored.reader != LIVE
        assert await storage.claim(BUS, stored.reader, session, limit=9) is None
        assert not await storage.join_live("s", within=1_000)
        await storage.write(BUS, session, [Complete(claim)])
        await storage.pause_subscription("s", "for another reason")
        assert (await stored_of(storage)).paused == "for another reason"
        await storage.resume_subscription("s")
        assert await stored_of(storage) == StoredSubscription("s", BUS, b"d", 1, None, stored.reader)
        assert (await take(storage, session, limit=9, reader=stored.reader)).start == claim.end
        before = await storage.changes(BUS, 0)
        await storage.resume_subscription("s")
        assert await storage.changes(BUS, 0) == before

    async def test_pausing_again_for_the_same_reason_changes_nothing(self, storage: Storage) -> None:
        await subscribe(storage, "s")
        await storage.pause_subscription("s", "because")
        before = await storage.changes(BUS, 0)
        await storage.pause_subscription("s", "because")
        assert await storage.changes(BUS, 0) == before

    # -- changes ---------------------------------------------------------------------------------------------------

    async def test_changes_of_an_unchanged_bus_are_empty(self, storage: Storage) -> None:
        assert await storage.changes(BUS, 0) == Changes(0, True, (), ())
        await subscribe(storage, "s")
        version = (await storage.changes(BUS, 0)).version
        assert await storage.changes(BUS, version) == Changes(version, False, (), ())

    async def test_who_may_have_missed_a_removal_begins_anew(self, storage: Storage) -> None:
        known: Known = ({}, {})
        version = 0
        for number in range(1_100):
            await subscribe(storage, f"s{number}")
            if number == 5:
                changes = await storage.changes(BUS, 0)
                known, version = fold(known, changes), changes.version
            await storage.remove_subscription(f"s{number}")
        assert list(known[0]) == ["s5"]
        assert fold(known, await storage.changes(BUS, version)) == ({}, {})

    @pytest.mark.parametrize("seed", range(4))
    async def test_changes_add_up_to_what_is_there(self, storage: Storage, seed: int) -> None:
        lot = random.Random(seed)
        known: list[tuple[int, Known]] = [(0, ({}, {}))] * 3
        session = await storage.open_session(1e6)
        for _ in range(150):
            await _something(storage, session, lot)
            worker = lot.randrange(3)
            changes = await storage.changes(BUS, known[worker][0])
            known[worker] = changes.version, fold(known[worker][1], changes)
            full = await storage.changes(BUS, 0)
            assert full.reset
            assert known[worker] == (full.version, fold(({}, {}), full))

    # -- what the tests above begin with ---------------------------------------------------------------------------

    async def _with_backlog(self, storage: Storage) -> Session:
        """The subscription `s`, served by live, with ten events before it."""
        await subscribe(storage, "s")
        await put(storage, *[b"1"] * 10)
        return await storage.open_session(TTL)


async def _something(storage: Storage, session: Session, lot: random.Random) -> None:
    """One thing that may happen, drawn by lot."""
    name, definition = lot.choice("abc"), b"%d" % lot.randrange(3)
    start = lot.choice(["latest", "earliest", 7])
    act = lot.randrange(9)
    if act in (0, 1):
        await put(storage, *[b"1"] * lot.randrange(8))
    elif act in (2, 3):
        for row in await storage.readers(BUS):
            claim = await storage.claim(BUS, row.name, session, limit=lot.randrange(1, 9))
            if claim is not None and lot.random() < 0.8:
                await storage.write(BUS, session, [Complete(claim)])
    elif act == 4:
        await storage.put_subscription(BUS, name, definition, start=start)  # type: ignore[arg-type]
    else:
        calls: dict[int, Callable[[], Awaitable[object]]] = {
            5: lambda: storage.leave_live(name),
            6: lambda: storage.join_live(name, within=5),
            7: lambda: storage.pause_subscription(name, "because"),
            8: lambda: storage.remove_subscription(name) if lot.random() < 0.2 else storage.resume_subscription(name),
        }
        there = {stored.id for stored in (await storage.changes(BUS, 0)).subscriptions}
        if name in there:
            await calls[act]()


async def spans_at(storage: Storage, name: str, offset: int) -> list[Span]:
    """The spans of a reader that hold at an offset (its position or above), with their definitions filled in."""
    changes = await storage.changes(BUS, 0)
    current = {stored.id: stored.definition for stored in changes.subscriptions}
    return [
        evolve(span, definition=current[span.subscription] if span.definition is None else span.definition)
        for span in changes.spans
        if span.reader == name and span.start <= offset and (span.until is None or offset < span.until)
    ]


async def spans(storage: Storage, subscription: str = "s") -> set[Span]:
    """The spans of a subscription."""
    return {span for span in (await storage.changes(BUS, 0)).spans if span.subscription == subscription}


async def stored_of(storage: Storage) -> StoredSubscription:
    """The subscription `s`."""
    (stored,) = (await storage.changes(BUS, 0)).subscriptions
    return stored


async def reader(storage: Storage, name: str) -> Reader:
    """One reader, which must be there."""
    (row,) = [row for row in await storage.readers(BUS) if row.name == name]
    return row


async def definition_at(storage: Storage, name: str, offset: int) -> bytes | None:
    """By what definition a reader serves `s` at an offset."""
    (span,) = await spans_at(storage, name, offset)
    return span.definition
