"""What a storage does with names that are no text; a part of `StorageContract`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from attrs import evolve

from eventroute.errors import InvalidConfiguration, LeaseLost, UnknownBus, UnknownSubscription
from eventroute.storage.base import LIVE, Bury, BusSettings, Entry, Session, Settle, Storage, Wait, Waiting
from eventroute.storage.transfer import Placed
from eventroute.testing.storage.ledger import TTL, letter
from eventroute.testing.storage.log import BUS, LogContract, put, read_all, subscribe

__all__ = ["NamesContract"]

Call = Callable[[], Awaitable[object]]

NAMES = ["\ud800", "s\udfff", "\ud83d\ude00"]
"""Halves of surrogate pairs, which UTF-8 cannot say; also two that would make a pair."""


class NamesContract(LogContract):
    """Such a name is nobody's: what would be kept by it is refused, and what is looked for is not there."""

    @pytest.fixture(params=NAMES, ids=ascii)
    def nobody(self, request: pytest.FixtureRequest) -> str:
        """A name that is no text."""
        name: str = request.param
        return name

    async def test_a_name_that_is_no_text_is_given_to_nobody(self, storage: Storage, nobody: str) -> None:
        await subscribe(storage, "s")
        placed = Placed(evolve(await storage.subscription("s"), id=nobody), (), ())
        calls: list[tuple[str, Call]] = [
            ("bus", lambda: storage.create_bus(nobody)),
            ("bus", lambda: storage.create_bus(nobody, BusSettings(dedup=1.0))),
            ("subscription", lambda: storage.put_subscription(BUS, nobody, b"d", start="latest")),
            ("subscription", lambda: storage.place_subscription(BUS, placed)),
            ("append_id", lambda: storage.append(BUS, [b"1"], append_id=nobody)),
        ]
        for where, call in calls:
            message = f"^{where}: .* is no text: .* half of a surrogate pair"
            with pytest.raises(InvalidConfiguration, match=message) as caught:
                await call()
            assert caught.value.where == where
            assert str(caught.value).isascii()
        assert await storage.buses() == (BUS,)
        assert [each.id for each in (await storage.changes(BUS, 0)).subscriptions] == ["s"]
        assert await read_all(storage) == []

    async def test_there_is_no_bus_of_such_a_name(self, storage: Storage, nobody: str) -> None:
        session = await storage.open_session(TTL)
        calls: list[Call] = [
            lambda: put(storage, b"1", bus=nobody),
            lambda: storage.put_subscription(nobody, "s", b"d", start="latest"),
            lambda: storage.update_bus(nobody, BusSettings()),
            lambda: storage.describe_bus(nobody),
            lambda: storage.delete_bus(nobody),
            lambda: storage.read(nobody, 1, 9, limit=9, max_bytes=9),
            lambda: storage.trim(nobody, 9, limit=9),
            lambda: storage.bounds(nobody),
            lambda: storage.offset_at(nobody, 1.0),
            lambda: storage.watch(nobody, end=0, version=0, timeout=1.0),
            lambda: storage.changes(nobody, 0),
            lambda: storage.readers(nobody),
            lambda: storage.claims(nobody),
            lambda: storage.claim(nobody, LIVE, session, limit=1),
            lambda: storage.claim_waiting(nobody, "s", session, now=1.0, limit=1),
            lambda: storage.write(nobody, session, [Settle("s", 1)]),
            lambda: storage.breakers(nobody),
            lambda: storage.timers(nobody),
            lambda: storage.fire_timers(nobody, now=1.0, limit=1),
            lambda: storage.cancel_timer(nobody, "1"),
            lambda: storage.dead_letters(nobody),
            lambda: storage.count_dead_letters(nobody),
            lambda: storage.waiting(nobody),
            lambda: storage.fates(nobody, 1),
        ]
        for call in calls:
            with pytest.raises(UnknownBus):
                await call()

    async def test_there_is_no_subscription_of_such_a_name(self, storage: Storage, nobody: str) -> None:
        calls: list[Call] = [
            lambda: storage.subscription(nobody),
            lambda: storage.remove_subscription(nobody),
            lambda: storage.pause_subscription(nobody, "because"),
            lambda: storage.resume_subscription(nobody),
            lambda: storage.leave_live(nobody),
            lambda: storage.join_live(nobody, within=1),
            lambda: storage.start_replay(nobody, start="earliest", end=None),
            lambda: storage.cancel_replay(nobody, "s@1"),
        ]
        for call in calls:
            with pytest.raises(UnknownSubscription):
                await call()

    async def test_what_is_for_nobody_is_dropped(self, storage: Storage, nobody: str) -> None:
        await subscribe(storage, "s")
        session = await storage.open_session(TTL)
        entries: list[Entry] = [
            Wait(Waiting(nobody, 1, 5.0), held=False),
            Bury(letter(nobody, 1)),
            Settle(nobody, 1),
            Bury(letter("s", 1)),
        ]
        await storage.write(BUS, session, entries)
        assert await storage.dead_letters(BUS) == [letter("s", 1)]
        assert await storage.dead_letters(BUS, subscription=nobody) == []
        assert await storage.waiting_rows(BUS, nobody) == []
        assert await storage.claim_waiting(BUS, nobody, session, now=9.0, limit=9) == []
        assert await storage.claim_letters(BUS, nobody, session, now=9.0, limit=9) == []
        assert await storage.redrive(BUS, [(nobody, 1)], due=1.0) == 0
        assert await storage.purge(BUS, [(nobody, 1)]) == 0
        assert await storage.claim(BUS, nobody, session, limit=1) is None
        assert not await storage.cancel_replay("s", nobody)

    async def test_there_is_no_session_of_such_a_name(self, storage: Storage, nobody: str) -> None:
        other: Session = evolve(await storage.open_session(TTL), id=nobody)
        with pytest.raises(LeaseLost):
            await storage.extend_session(other)
        with pytest.raises(LeaseLost):
            await storage.claim(BUS, LIVE, other, limit=1)
        await storage.close_session(other)
