"""A storage and the one in memory, step by step side by side, and both beside a plain model of who is owed what.

Hypothesis draws histories (appends, claims, changes, crashes, two workers in turn) and makes those that fail short:

    class MyMachine(StorageMachine):
        def make_storage(self, clock):
            return MyStorage(self.folder / "events.mine", clock=clock)

    TestMyMachine = MyMachine.TestCase

For storages that number offsets and name readers as the one in memory does: without gaps, `SUBSCRIPTION@VERSION`. Each
history has a folder of its own. Needs the extra `testing`.
"""

from __future__ import annotations

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from eventroute.errors import LeaseLost
from eventroute.storage.base import (
    BreakerState,
    Bury,
    Claim,
    Complete,
    DeadLetter,
    Entry,
    Forward,
    Forwarded,
    PutOff,
    Reader,
    Session,
    Settle,
    Span,
    Start,
    Storage,
    Trip,
    Wait,
    Waiting,
)
from eventroute.testing.storage import model
from eventroute.testing.storage.machine_log import BUS, TTL, LogMachine
from eventroute.testing.storage.model import Owed, Replayed

__all__ = ["StorageMachine"]

names = st.sampled_from("ab")
workers = st.integers(0, 1)
offsets = st.integers(1, 12)
keys = st.sampled_from([None, 5, 5, -6])
versions = st.sampled_from([None, None, 2, 6])
"""Up to which version who writes knows the subscriptions."""


class StorageMachine(LogMachine):
    """Two workers and a publisher on one storage. `make_storage` is to be written; `persistent` and `crash` may be."""

    # -- subscriptions ---------------------------------------------------------------------------------------------

    @rule(name=names, start=st.sampled_from(["latest", "earliest", 3, 20, 0.0]), apart=st.booleans())
    def put(self, name: str, start: Start, apart: bool) -> None:
        self.serial += 1
        definition, end = b"%d" % self.serial, self.end()
        self.both(lambda storage, _: storage.put_subscription(BUS, name, definition, start=start, apart=apart))
        if name not in self.owed:
            begin = {"latest": end, "earliest": 1, 0.0: 1}.get(start, start)
            begin = max(begin, self.first)
            self.owed[name] = Owed(int(begin), [definition])
        else:
            self.owed[name].definitions.append(definition)

    @rule(name=names, by_lot=st.integers(0, 3))
    def remove(self, name: str, by_lot: int) -> None:
        if by_lot == 0:
            self.both(lambda storage, _: storage.remove_subscription(name))
            self.owed.pop(name, None)

    @rule(name=names)
    def leave(self, name: str) -> None:
        self.both(lambda storage, _: storage.leave_live(name))

    @rule(name=names, within=st.sampled_from([0, 3, 100]))
    def join(self, name: str, within: int) -> None:
        self.both(lambda storage, _: storage.join_live(name, within=within))

    @rule(name=names, reason=st.sampled_from(["one", "two"]), known=versions)
    def pause(self, name: str, reason: str, known: int | None) -> None:
        place = None if known is None else (BUS, known)
        self.both(lambda storage, _: storage.pause_subscription(name, reason, known=place))

    @rule(name=names)
    def resume(self, name: str) -> None:
        self.both(lambda storage, _: storage.resume_subscription(name))

    @rule(name=names, start=st.sampled_from(["earliest", 2, 4, 9]), end=st.sampled_from([None, 3, 8, 99]))
    def replay(self, name: str, start: Start, end: int | None) -> None:
        replay = self.both(lambda storage, _: storage.start_replay(name, start=start, end=end))
        if isinstance(replay, Reader) and replay.position < (replay.until or 0):
            owed, until = self.owed[name], replay.until or 0
            assert replay.position == (self.first if start == "earliest" else start)
            assert until == min(end or until, self.end())
            self.replays[replay.name] = Replayed(name, owed, replay.position, until, len(owed.definitions) - 1)

    @rule(place=st.integers(0, 30))
    def cancel_replay(self, place: int) -> None:
        if place < len(self.replays):
            reader, replayed = sorted(self.replays.items())[place]
            if self.both(lambda storage, _: storage.cancel_replay(replayed.name, reader)) is True:
                del self.replays[reader]

    # -- work ------------------------------------------------------------------------------------------------------

    @rule(worker=workers, limit=st.integers(1, 6), alone=st.booleans())
    def claim(self, worker: int, limit: int, alone: bool) -> None:
        for reader in self.reader_names():
            self.take(worker, reader, limit, alone=alone)

    def take(self, worker: int, reader: str, limit: int, *, alone: bool = False) -> Claim | None:
        claim = self.both(
            lambda storage, sessions: storage.claim(BUS, reader, sessions[worker], limit=limit, alone=alone)
        )
        if not isinstance(claim, Claim):
            assert claim in (None, LeaseLost)
            return None
        self.claims.append(claim)
        for offset in range(claim.start, claim.end):
            self.cover(claim, offset)
        return claim

    def cover(self, claim: Claim, offset: int) -> None:
        """Who is served by this claim gets it from no other, and by a definition no older than it may be. Taken over,
        the claim serves the same, and by the same definition.
        """
        spans = self.both(lambda storage, _: model.sorted_spans(storage, claim.reader, offset))
        assert isinstance(spans, list)
        if claim.reader in self.replays:
            self._cover_replay(self.replays[claim.reader], claim, offset, spans)
            return
        now: dict[str, int] = {}
        for span in spans:
            owed = self.owed[span.subscription]
            assert owed.got.setdefault(offset, (claim.reader, claim.start)) == (claim.reader, claim.start)
            assert offset >= self.first or offset < self.overtaken
            definition = span.definition or b""
            assert definition in owed.definitions[owed.least.get(offset, 0) :]
            now[span.subscription] = owed.definitions.index(definition)
        assert len(now) == len(spans)
        before = self.served.setdefault((claim.reader, offset), now)
        assert now == {name: place for name, place in before.items() if offset in self.got(name)}

    def _cover_replay(self, replayed: Replayed, claim: Claim, offset: int, spans: list[Span]) -> None:
        """A replay serves its subscription alone, each offset once, by a definition no older than it is."""
        assert [span.subscription for span in spans] == [replayed.name]
        assert spans[0].definition in replayed.owed.definitions[replayed.oldest :]
        assert replayed.begin <= offset < replayed.until
        assert replayed.got.setdefault(offset, claim.start) == claim.start

    def got(self, name: str) -> dict[int, tuple[str, int]]:
        return self.owed[name].got if name in self.owed else {}

    @rule(
        place=st.integers(0, 20),
        worker=workers,
        entries=st.lists(st.tuples(st.integers(0, 5), names, offsets, keys), max_size=4),
        known=versions,
        number=st.none() | st.integers(1, 5),
    )
    def complete(
        self,
        place: int,
        worker: int,
        entries: list[tuple[int, str, int, int | None]],
        known: int | None,
        number: int | None,
    ) -> None:
        rest: list[Entry] = []
        for kind, name, offset, key in entries:
            waiting = Waiting(name, offset, float(offset % 5), attempts=max(0, offset % 3 - 1), key=key)
            sent = Forward(float(offset % 4)) if offset % 3 else None
            letter = DeadLetter(name, offset, float(offset % 5), "reason", "error", kind, b"event", sent)
            kinds: list[Entry] = [Wait(waiting, True), Wait(waiting, False), Settle(name, offset), Bury(letter, key)]
            kinds += [Wait(waiting, False, again=True), Bury(letter, key, again=True)]
            rest.append(kinds[kind])
        claim = self.claims[place] if place < len(self.claims) else None

        async def write(storage: Storage, sessions: list[Session]) -> None:
            done: list[Entry] = []
            if claim is not None:
                ids = [session.id for session in self.sessions[0]]
                if claim.session in ids:  # else its session is over, in both alike
                    done = [Complete(evolve(claim, session=sessions[ids.index(claim.session)].id))]
            for _ in range(2):  # a repeat does nothing
                await storage.write(BUS, sessions[worker], [*done, *rest], known=known, number=number)

        self.both(write)

    @rule(worker=workers, name=names, now=st.floats(0, 6), limit=st.integers(1, 3), known=versions)
    def claim_waiting(self, worker: int, name: str, now: float, limit: int, known: int | None) -> None:
        self.both(
            lambda storage, sessions: storage.claim_waiting(
                BUS, name, sessions[worker], now=now, limit=limit, known=known
            )
        )

    @rule(worker=workers, name=names, leaves=st.booleans())
    def send(self, worker: int, name: str, leaves: bool) -> None:
        self.both(lambda storage, sessions: storage.take_sending(BUS, name, sessions[worker]))
        if leaves:
            self.both(lambda storage, sessions: storage.leave_sending(BUS, name, sessions[worker]))

    @rule(name=names, offset=offsets, removed=st.booleans())
    def redrive(self, name: str, offset: int, removed: bool) -> None:
        self.both(lambda storage, _: storage.redrive(BUS, [(name, offset)], due=2.0, removed=removed))

    @rule(worker=workers, name=names, due=st.integers(0, 6), tries=st.integers(0, 3), limit=st.integers(1, 3))
    def forward(self, worker: int, name: str, due: int, tries: int, limit: int) -> None:
        """Some of what is to go elsewhere gets there, some does not."""

        async def send(storage: Storage, sessions: list[Session]) -> list[DeadLetter]:
            taken = await storage.claim_letters(BUS, name, sessions[worker], now=float(due), limit=limit)
            later = Forward(due + 1.0, tries, "no") if tries else None
            entries = [Forwarded(one) if one.offset % 2 else PutOff(one, later) for one in taken[1:]]
            await storage.write(BUS, sessions[worker], entries)
            return taken

        self.both(send)

    @rule(before=st.integers(0, 4), keep=st.sampled_from([None, 1, 3]), limit=st.integers(1, 3))
    def drop_letters(self, before: int, keep: int | None, limit: int) -> None:
        self.both(lambda storage, _: model.dropped(storage, float(before), keep, limit))

    @rule(worker=workers, name=names, serial=st.integers(1, 4), opened=st.sampled_from([None, 1.0]))
    def trip(self, worker: int, name: str, serial: int, opened: float | None) -> None:
        entry = Trip(BreakerState(name, serial, serial / 2, opened))
        self.both(lambda storage, sessions: storage.write(BUS, sessions[worker], [entry]))

    @rule(name=names, offset=offsets)
    def purge(self, name: str, offset: int) -> None:
        self.both(lambda storage, _: storage.purge(BUS, [(name, offset), (name, offset)]))

    # -- time, crashes and restarts --------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, TTL * 0.6, TTL * 1.5]))
    def wait(self, seconds: float) -> None:
        self.portal.call(self.clock.advance, seconds)

    @rule(worker=workers)
    def extend(self, worker: int) -> None:
        if self.both(lambda storage, sessions: storage.extend_session(sessions[worker])) is LeaseLost:
            self.new_session(worker)

    @rule(worker=workers)
    def take_over(self, worker: int) -> None:
        self.restart(worker)
        self.claim(1 - worker, 3, alone=True)

    def restart(self, worker: int) -> None:
        self.both(lambda storage, sessions: storage.close_session(sessions[worker]))
        self.new_session(worker)

    @rule(crashes=st.booleans())
    def reopen(self, crashes: bool) -> None:
        if self.persistent:
            storage = self.storages[1]
            self.portal.call(self.crash, storage) if crashes else self.portal.call(storage.aclose)
            self.storages[1] = self.make_storage(self.clock)
            self.portal.call(self.storages[1].open)

    # -- what must always hold -------------------------------------------------------------------------------------

    @rule(worker=workers)
    def catch_up(self, worker: int) -> None:
        changes = self.both(lambda storage, _: model.sorted_changes(storage, self.versions[worker]))
        assert isinstance(changes, tuple)
        self.versions[worker] = changes[0]

    @invariant()
    def they_agree(self) -> None:
        self.both(lambda storage, _: storage.readers(BUS))
        self.both(lambda storage, _: storage.waiting(BUS, before=8))
        self.both(self.sending)
        for name in self.owed:
            self.both(lambda storage, _, name=name: storage.waiting_keys(BUS, name))  # type: ignore[misc]
            self.both(lambda storage, _, name=name: storage.waiting_rows(BUS, name))  # type: ignore[misc]
        for offset in (1, 2, 5):
            self.both(lambda storage, _, offset=offset: model.fate(storage, offset))  # type: ignore[misc]
        self.both(lambda storage, _: storage.dead_letters(BUS))
        self.both(lambda storage, _: storage.forwards(BUS))
        self.both(lambda storage, _: storage.breakers(BUS))
        self.both(lambda storage, _: model.sorted_changes(storage, 0))
        self.both(lambda storage, _: storage.describe_bus(BUS, oldest=3))
        self.both(lambda storage, _: storage.read(BUS, 0, 99, limit=99, max_bytes=9_999))
        self.both(lambda storage, _: storage.next_timer(BUS))
        timers = self.both(lambda storage, _: model.listed_timers(storage))
        assert timers == [(due, event) for due, _, event in sorted(self.timers)]

    async def sending(self, storage: Storage, sessions: list[Session]) -> dict[str, int]:
        """Which worker sends for whom: ids of sessions are each storage's own."""
        ids = [session.id for session in sessions]
        return {name: ids.index(one) for name, one in (await storage.senders(BUS)).items() if one in ids}

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            for storage in self.storages:
                self.portal.call(storage.aclose)
            self.opened.__exit__(None, None, None)
            self._temporary.cleanup()

    def settle(self) -> None:
        """In the end everybody has got all that was appended since they began, once, or lost it to hard trimming."""
        for name in self.owed:
            self.both(lambda storage, _, name=name: storage.resume_subscription(name))  # type: ignore[misc]
        for worker in (0, 1):
            self.restart(worker)
        self.drain()
        for owed in self.owed.values():
            assert not owed.lost & set(owed.got)
            assert sorted({*owed.got, *owed.lost}) == [offset for offset in self.log if offset >= owed.begin]
        for replayed in self.replays.values():
            if self.owed.get(replayed.name) is replayed.owed:
                assert sorted({*replayed.got, *replayed.lost}) == list(range(replayed.begin, replayed.until))

    def drain(self) -> None:
        """Work until nothing is left, as a worker would."""
        readers = self.reader_names()
        while readers:
            claim = self.take(0, readers[-1], 5)
            if claim is None:
                readers.pop()
                continue
            done = Complete(claim)
            self.both(lambda storage, sessions, done=done: model.complete(storage, sessions[0], done))  # type: ignore[misc]
            readers = self.reader_names()

    def reader_names(self) -> list[str]:
        return self.both(model.reader_names)  # type: ignore[return-value]
