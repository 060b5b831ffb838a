"""The log's part of `StorageMachine`: a model of what is appended, told apart, delayed and trimmed."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from eventroute.errors import StorageError, StorageFull, UnknownSubscription
from eventroute.storage.base import (
    DEFAULT_BUS,
    BusSettings,
    Claim,
    Delayed,
    Fired,
    Session,
    Storage,
    Trimmed,
)
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage import model
from eventroute.testing.storage.model import Owed, Replayed

__all__ = ["BUS", "TTL", "LogMachine"]

BUS = DEFAULT_BUS
TTL = 10.0
T = TypeVar("T")


class LogMachine(RuleBasedStateMachine):
    """A publisher, and whoever sets and trims the bus; beside two sessions for the workers of `StorageMachine`."""

    persistent = True
    """Whether a second storage that is made in the folder sees what the first one holds."""

    def make_storage(self, clock: VirtualClock) -> Storage:
        """A storage in `folder` that is not open yet."""
        raise NotImplementedError

    async def crash(self, storage: Storage) -> None:
        """End the storage as the death of its process does, in as far as that can be had: here it is only closed. What
        it leaves must be in `folder`, which may become another.
        """
        await storage.aclose()

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self.opened = start_blocking_portal("asyncio")
        self.portal: BlockingPortal = self.opened.__enter__()
        self.clock = VirtualClock()
        self.storages: list[Storage] = [MemoryStorage(self.clock), self.make_storage(self.clock)]
        for storage in self.storages:
            self.portal.call(storage.open)
        self.sessions: list[list[Session]] = [[], []]
        self.claims: list[Claim] = []
        self.log, self.owed = list[int](), dict[str, Owed]()
        self.served: dict[tuple[str, int], dict[str, int]] = {}
        """Reader and offset -> who was served there when it was first claimed, and by which definition."""
        self.timers: list[tuple[float, int, bytes]] = []
        """Due time, when it was put, and event, of what is delayed."""
        self.replays: dict[str, Replayed] = {}
        """Reader -> what it must serve."""
        self.first = 1
        self.overtaken = 1
        """All that hard trimming took is below."""
        self.settings = BusSettings(dedup_limit=100)
        self.versions = [0, 0]
        self.serial = 0

    def both(
        self, call: Callable[[Storage, list[Session]], Awaitable[T]]
    ) -> T | type[StorageError | UnknownSubscription]:
        """Ask both; the same answer, or the same error, whose type is then returned."""
        answers = [
            self.portal.call(self.answer, call, *each) for each in zip(self.storages, self.sessions, strict=True)
        ]
        assert answers[0] == self.same_session(answers[1])
        return answers[0]

    async def answer(
        self, call: Callable[[Storage, list[Session]], Awaitable[T]], storage: Storage, sessions: list[Session]
    ) -> T | type[StorageError | UnknownSubscription]:
        try:
            return await call(storage, sessions)
        except (StorageError, UnknownSubscription) as error:
            return type(error)

    def same_session(self, answer: T) -> T:
        """A claim as the other storage would give it: session ids are each storage's own."""
        if not isinstance(answer, Claim):
            return answer
        ids = [session.id for session in self.sessions[1]]
        return evolve(answer, session=self.sessions[0][ids.index(answer.session)].id)

    @initialize()
    def begin(self) -> None:
        for worker in (0, 1):
            self.new_session(worker)

    def new_session(self, worker: int) -> None:
        for storage, sessions in zip(self.storages, self.sessions, strict=True):
            sessions[worker : worker + 1] = [self.portal.call(storage.open_session, TTL)]

    # -- the log ---------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 5))
    def append(self, count: int) -> None:
        self.serial += 1
        events, append_id = [b"%d" % self.serial] * count, f"{self.serial}"
        new = self.both(lambda storage, _: storage.append(BUS, events, append_id=append_id))
        if not isinstance(new, tuple):
            assert new is StorageFull
            return
        assert self.both(lambda storage, _: storage.append(BUS, events, append_id=append_id)) == new
        self.appended(new)

    @rule(identities=st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), min_size=1, max_size=4))
    def append_once(self, identities: list[bytes]) -> None:
        self.serial += 1
        append_id, end = f"{self.serial}", self.end()
        offsets: object = ()
        for _ in range(2):
            offsets = self.both(
                lambda storage, _: storage.append(BUS, identities, append_id=append_id, identities=identities)
            )
        if isinstance(offsets, tuple):
            new = range(end, self.end())
            assert sorted({offset for offset in offsets if offset >= end}) == list(new)
            self.appended(tuple(new))
        else:
            assert offsets is StorageFull

    @rule(
        dedup=st.sampled_from([1.5, 8.0, 100.0]),
        limit=st.integers(1, 5),
        max_bytes=st.sampled_from([None, None, None, 12]),
    )
    def set_bus(self, dedup: float, limit: int, max_bytes: int | None) -> None:
        """The window and its bound only shrink: when a storage forgets what counts no longer is its own affair."""
        before = self.settings
        window = dedup if before.dedup is None else min(dedup, before.dedup)
        limit = min(limit, before.dedup_limit)
        self.settings = BusSettings(dedup=window, dedup_limit=limit, max_bytes=max_bytes)
        self.both(lambda storage, _: storage.update_bus(BUS, self.settings))

    @rule(before=st.integers(1, 24), limit=st.integers(1, 6), by_lot=st.integers(0, 3))
    def trim(self, before: int, limit: int, by_lot: int) -> None:
        """What is needed stays, but for hard trimming, which counts no less than what it takes from somebody."""
        hard = by_lot == 0
        trimmed = self.both(lambda storage, _: storage.trim(BUS, before, limit=limit, hard=hard))
        assert isinstance(trimmed, Trimmed)
        gone = range(self.first, trimmed.first)
        assert len(gone) == trimmed.events <= limit
        assert trimmed.first <= max(self.first, before)
        told = dict(trimmed.lost)
        for name, owed in self.owed.items():
            taken = {offset for offset in gone if offset >= owed.begin and offset not in owed.got}
            assert len(taken) <= told.get(name, 0)
            assert hard or not taken
            owed.lost |= taken
        for replayed in self.replays.values():
            taken = {offset for offset in gone if replayed.begin <= offset < replayed.until} - set(replayed.got)
            assert hard or not taken or self.owed.get(replayed.name) is not replayed.owed
            replayed.lost |= taken
        self.first = trimmed.first
        if hard:
            self.overtaken = max(self.overtaken, self.first)

    @rule(count=st.integers(0, 2), dues=st.lists(st.integers(0, 9), min_size=1, max_size=4))
    def delay(self, count: int, dues: list[int]) -> None:
        self.serial += 1
        append_id, events = f"{self.serial}", [b"%d" % self.serial] * count
        delayed = [Delayed(float(due), b"%d delayed %d" % (self.serial, place)) for place, due in enumerate(dues)]
        new: object = ()
        for _ in range(2):
            new = self.both(lambda storage, _: storage.append(BUS, events, append_id=append_id, delayed=delayed))
        if not isinstance(new, tuple):
            assert new is StorageFull
            return
        self.appended(new)
        self.timers += [(each.due, 10 * self.serial + place, each.event) for place, each in enumerate(delayed)]

    @rule(now=st.integers(0, 9), limit=st.integers(1, 5))
    def fire(self, now: int, limit: int) -> None:
        before = self.end()
        fired = self.both(lambda storage, _: storage.fire_timers(BUS, now=float(now), limit=limit))
        due = sorted(timer for timer in self.timers if timer[0] <= now)[:limit]
        for timer in due:
            self.timers.remove(timer)
        assert fired == Fired(len(due), min(self.timers, default=(None,))[0])
        self.appended(tuple(range(before, self.end())))
        records = self.both(lambda storage, _: storage.read(BUS, before, before + 9, limit=9, max_bytes=999))
        assert [record.event for record in records] == [event for _, _, event in due]  # type: ignore[union-attr]

    @rule(place=st.integers(0, 9))
    def cancel(self, place: int) -> None:
        if place < len(self.timers):
            timer = sorted(self.timers)[place]
            self.timers.remove(timer)
            assert self.both(lambda storage, _: model.cancel_at(storage, place)) is True

    def end(self) -> int:
        return self.both(lambda storage, _: storage.bounds(BUS)).end  # type: ignore[union-attr]

    def appended(self, new: tuple[int, ...]) -> None:
        for owed in self.owed.values():
            owed.least.update(dict.fromkeys(new, len(owed.definitions) - 1))
        self.log += new
