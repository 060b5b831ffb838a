"""Sees every effect on the storage as it happens, keeps the model up to it, and checks what has to hold at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventroute.errors import LeaseLost
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Rejected, RetryLater
from eventroute.storage.base import (
    Advance,
    BreakerState,
    Bury,
    Complete,
    Forwarded,
    PutOff,
    Reader,
    Settle,
    Trip,
    Wait,
    Waiting,
)
from eventroute.testing.simulation.ages import is_spent
from eventroute.testing.simulation.entries import key_of, short
from eventroute.testing.simulation.letters import LETTERS
from eventroute.testing.simulation.model import Timeline
from eventroute.testing.simulation.passing import Passing, judge_passing
from eventroute.testing.simulation.world import Ended, Host, Lease, World

__all__ = ["Witness"]

EPSILON = 0.002


_Before = tuple[list[Passing], dict[tuple[str, int], Waiting | None]]


class Witness:
    """One process's effects. `before_X` and `after_X` are called around the call X."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self._host = host

    # -- the log and the subscriptions -----------------------------------------------------------------------------

    def after_append(
        self, _: object, offsets: tuple[int, ...], bus: str, events: Sequence[bytes], **given: Any
    ) -> None:
        """Events are in the log, and others are to be."""
        for one in given.get("delayed", ()):
            self._world.model.delayed[Event.from_log(one.event).id] = one.due
        if bus == LETTERS:
            self._world.letters.came_to_bus(self._world, offsets, events)
            return
        wrong = self._world.model.appended(bus, offsets, list(events), self._world.seq)
        self._world.require(wrong is None, "%s", wrong)
        self._world.note(self._host.name, "appended to %s: %s", bus, list(offsets))

    def before_fire_timers(self, bus: str, **given: Any) -> int:
        """Where the log ends."""
        return self._world.tables.bounds(bus).end  # type: ignore[no-any-return]

    def after_fire_timers(self, end: int, fired: Any, bus: str, **given: Any) -> None:
        """Delayed events were appended: each once, and none before its time."""
        world, now = self._world, self._host.clock.time()
        records = world.tables.read(bus, end, world.tables.bounds(bus).end, 100_000, 1 << 30)
        wrong = world.model.appended(
            bus, tuple(one.offset for one in records), [one.event for one in records], world.seq
        )
        world.require(wrong is None, "%s", wrong)
        world.require(len(records) == fired.count, "%d timers fired, %d events came of it", fired.count, len(records))
        for record in records:
            name = Event.from_log(record.event).id
            due = world.model.delayed.get(name)
            right = due is not None and due <= now + world.jumped_back
            world.require(right, "%s was appended at %s, and is due at %s", name, now, due)
        if records:
            world.fault("delayed")
            world.note(self._host.name, "timers fired on %s: %s", bus, [record.offset for record in records])

    def after_put_subscription(
        self, _: object, result: Any, bus: str, name: str, definition: bytes, *, start: Any, **rest: Any
    ) -> None:
        """A subscription is there, or has changed."""
        world, model = self._world, self._world.model
        number, known = world.definitions[name, definition]
        timeline = model.alive.get(name)
        if timeline is None:
            bounds = world.tables.bounds(bus)
            if start == "latest":
                first = bounds.end
            elif start == "earliest":
                first = bounds.first
            else:
                first = world.tables.offset_at(bus, start) if isinstance(start, float) else max(start, bounds.first)
            timeline = Timeline(name, number, bus, first, [(world.now(), known)])
            model.alive[name] = model.timelines[name, number] = timeline
            if known.policy.order_by is not None:
                timeline.in_order_from = first
            world.note(self._host.name, "subscribed %s/%d on %s from %d", name, number, bus, first)
        elif timeline.current is not known:
            if known.policy.order_by is None:
                timeline.in_order_from = float("inf")
            elif timeline.current.policy.order_by is None:
                timeline.in_order_from = max(timeline.first, world.tables.bounds(bus).end)
            timeline.versions.append((world.now(), known))
            world.note(self._host.name, "changed %s/%d: filter %d", name, number, known.filter)

    def after_remove_subscription(self, _: object, __: object, name: str) -> None:
        """A subscription is gone."""
        timeline = self._world.model.alive.pop(name)
        timeline.removed_at = self._world.now()
        self._world.note(self._host.name, "removed %s/%d", name, timeline.number)

    def after_pause_subscription(self, _: object, __: object, name: str, reason: str) -> None:
        """A subscription is paused."""
        timeline = self._world.model.alive[name]
        if not timeline.paused:
            timeline.paused, timeline.paused_at = True, self._world.now()
        self._world.note(self._host.name, "paused %s: %s", name, reason)

    def after_resume_subscription(self, _: object, __: object, name: str) -> None:
        """A subscription goes on."""
        timeline = self._world.model.alive[name]
        timeline.paused, timeline.paused_at = False, self._world.now()
        self._world.note(self._host.name, "resumed %s", name)

    def after_start_replay(self, _: object, replay: Reader, name: str, **rest: Any) -> None:
        """Some is owed again, once it is claimed."""
        self._world.fault("replay")
        self._world.note(self._host.name, "replays %s: %s [%d, %s)", name, replay.name, replay.position, replay.until)

    def after_redrive(self, _: object, count: int, bus: str, letters: Sequence[tuple[str, int]], **rest: Any) -> None:
        """Dead letters wait again: those of the subscriptions that are there, not of ones before of the same id."""
        redriven = 0
        for name, offset in letters:
            timeline = self._world.model.alive.get(name)
            fate = None if timeline is None else timeline.fates.get(offset)
            if fate is not None and fate.letter is not None and not fate.forwarded:
                redriven += 1
                fate.redriven, fate.letter, fate.expected = self._world.seq, None, True
                if fate.holds:
                    fate.holds, fate.owed_since = False, self._world.seq
        self._world.require(redriven == count, "%d letters were redriven, and %d are known", count, redriven)
        self._world.note(self._host.name, "redrove %d on %s", count, bus)

    def before_purge(self, bus: str, letters: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Which of them are there."""
        return [name for name in letters if self._world.tables.dead_letter(bus, *name) is not None]

    def after_purge(self, there: list[tuple[str, int]], count: int, bus: str, letters: Any) -> None:
        """Dead letters are gone, and what they held goes on."""
        self._world.require(count == len(there), "purged %d dead letters, and %d were there", count, len(there))
        for name, offset in there:
            timeline = self._world.model.alive.get(name)
            fate = None if timeline is None else timeline.fates.get(offset)
            if fate is not None and fate.letter is not None:
                fate.ended = self._world.seq if fate.holds else fate.ended
                fate.letter, fate.holds, fate.purged = None, False, True
        self._world.note(self._host.name, "purged on %s: %s", bus, there)

    # -- sessions and claims ---------------------------------------------------------------------------------------

    def after_open_session(self, _: object, session: Any, ttl: float) -> None:
        """A lease begins."""
        self._world.leases[session.id] = Lease(self._host, ttl, self._world.now())

    def after_extend_session(self, _: object, __: object, session: Any) -> None:
        """A lease goes on."""
        self._world.leases[session.id].extended = self._world.now()

    def before_close_session(self, session: Any) -> bool:
        """Whether it holds anything."""
        return bool(self._world.claims_of(session.id) or self._world.held_rows(session.id))

    def after_close_session(self, held: bool, _: object, session: Any) -> None:
        """A lease ends. Where it still held something, whatever it did may be done again."""
        world, lease = self._world, self._world.leases[session.id]
        lease.closed = True
        lease.lost = lease.lost or held
        world.require(
            not held or lease.lost or not world.calm_for(20.0),
            "%s has closed its session with claims or rows in hand, and nothing had failed",
            self._host.name,
        )
        world.note(self._host.name, "closed its session%s", " with something in hand" if held else "")

    def lost(self, args: tuple[Any, ...], error: LeaseLost) -> None:
        """A call was refused, since the lease is over; there has to be a cause."""
        world = self._world
        for session in [arg for arg in args if getattr(arg, "id", None) in world.leases]:
            lease = world.leases[session.id]
            late = world.now() - lease.extended >= lease.ttl - EPSILON
            world.require(late or lease.closed, "%s lost its lease, and was not late: %s", self._host.name, error)
            lease.lost = True
        world.fault("lease lost")
        world.note(self._host.name, "lost its lease")

    def before_claim(self, bus: str, reader: str, session: Any, **rest: Any) -> Reader | None:
        """How far the reader is."""
        self._host.sessions[bus] = session.id
        return self._world.tables.reader(bus, reader)  # type: ignore[no-any-return]

    def after_claim(self, before: Reader | None, claim: Any, bus: str, reader: str, *rest: Any, **kwargs: Any) -> None:
        """A range was claimed: what matches now is what has to be delivered."""
        if claim is None or before is None:
            return
        self._world.note(self._host.name, "claimed %s %s [%d, %d)", bus, reader, claim.start, claim.end)
        if claim.start < before.claimed:
            self._world.fault("claim taken over")
        for timeline, start, until in self._served(bus, reader):
            for offset in range(max(claim.start, start), int(min(claim.end, until))):
                if before.replayed_from is not None:
                    self._replayed(timeline, offset, reader)
                elif claim.start < before.claimed:
                    self._taken_over(timeline, offset)
                else:
                    self._expect(timeline, offset)

    def _replayed(self, timeline: Timeline, offset: int, reader: str) -> None:
        """It is owed again, where it matches now."""
        fate = timeline.fate(offset)
        if timeline.current.matches(self._world.model.facts[timeline.bus, offset]):
            fate.again[reader], fate.expected = self._world.seq, True

    def _taken_over(self, timeline: Timeline, offset: int) -> None:
        """It is matched again, and so there may be nothing of it in the ledger: that would be done twice."""
        fate, where = timeline.fate(offset), (timeline.id, timeline.number, offset)
        fate.taken = self._world.seq
        clean = self._world.row(timeline.id, offset) is None and fate.letter is None
        self._world.require(clean, "%s/%d: offset %d is taken over, and there is a row of it", *where)

    def _expect(self, timeline: Timeline, offset: int) -> None:
        world, fate = self._world, timeline.fate(offset)
        where = (timeline.id, timeline.number, offset)
        world.require(not fate.claimed, "%s/%d: offset %d is claimed a second time", *where)
        world.require(offset >= timeline.first, "%s/%d: offset %d lies before its start", *where)
        fate.claimed = True
        fate.expected = timeline.current.matches(world.model.facts[timeline.bus, offset])

    def _served(self, bus: str, reader: str) -> list[tuple[Timeline, int, float]]:
        """Whom a reader serves, from where to where."""
        return [
            (timeline, span.start, float("inf") if span.until is None else span.until)
            for timeline in self._world.model.alive.values()
            if timeline.bus == bus
            for span in self._world.tables.spans(timeline.id)
            if span.reader == reader
        ]

    def after_claim_waiting(
        self, _: object, rows: list[Waiting], bus: str, name: str, session: Any, *, now: float, limit: int
    ) -> None:
        """Waiting deliveries were taken."""
        self._host.sessions[bus] = session.id
        for row in rows:
            self._world.require(row.due <= now, "%s: offset %d was taken before it was due", name, row.offset)
        if rows:
            self._world.note(self._host.name, "took what waits for %s: %s", name, [row.offset for row in rows])

    # -- writing ---------------------------------------------------------------------------------------------------

    def before_write(self, bus: str, session: Any, entries: Sequence[Any]) -> _Before:
        """How far each reader is that will be moved, whom it serves, and what waits so far."""
        self._host.sessions[bus] = session.id
        world = self._world
        passing: list[Passing] = []
        for name in {entry.claim.reader: None for entry in entries if isinstance(entry, Advance | Complete)}:
            reader = world.tables.reader(bus, name)
            if reader is not None:
                passing.append(Passing(reader, self._served(bus, name)))
        keys = [key_of(entry) for entry in entries if isinstance(entry, Bury | Settle | Wait)]
        rows = {key: world.row(*key) for key in keys}
        return passing, {key: None if row is None else row[0] for key, row in rows.items()}

    def after_write(self, before: _Before, _: object, bus: str, session: Any, entries: Sequence[Any]) -> None:
        """Entries are durable."""
        world, (passing, rows) = self._world, before
        for entry in entries:
            if isinstance(entry, Trip):
                self._tripped(entry.state)
            elif isinstance(entry, Forwarded | PutOff):
                self._world.letters.left(self._world, bus, entry)
        for entry in entries:
            if not isinstance(entry, Bury | Settle | Wait):
                continue
            key = key_of(entry)
            timeline = self._world.model.alive.get(key[0])
            if timeline is not None and timeline.bus == bus:
                self._written(timeline, entry, rows[key])
            rows[key] = entry.waiting if isinstance(entry, Wait) else None
        for passed in passing:
            judge_passing(world, bus, passed)
        self._world.note(self._host.name, "wrote %s", [short(entry) for entry in entries])

    def _written(self, timeline: Timeline, entry: Any, row: Waiting | None) -> None:
        if isinstance(entry, Settle):
            self._ended(timeline, entry.offset)
            settled = bool(timeline.fate(entry.offset).acks) or row is None
            where = (timeline.id, timeline.number, entry.offset)
            self._world.require(settled, "%s/%d: offset %d was settled, and no sink has it", *where)
        elif isinstance(entry, Bury):
            self._buried(timeline, entry, row)
        elif isinstance(entry, Wait) and entry.waiting != row and entry.waiting.reason:
            self._put_off(timeline, entry.waiting, row)

    def _tripped(self, state: BreakerState) -> None:
        """A breaker has opened, waits for its next probe, or has closed."""
        world = self._world
        world.fault("breaker opens" if state.trips == 1 else "breaker waits" if state.trips else "breaker closes")
        world.tripped_at[state.subscription] = world.now()

    def _ended(self, timeline: Timeline, offset: int) -> Ended | None:
        """The last attempt of a delivery by this process that is not written down."""
        return self._host.ended.pop((timeline.id, timeline.number, offset), None)

    def _buried(self, timeline: Timeline, entry: Bury, row: Waiting | None) -> None:
        world, letter = self._world, entry.letter
        fact = world.model.facts[timeline.bus, letter.offset]
        where = (timeline.id, timeline.number, letter.offset)
        ended = self._ended(timeline, letter.offset)
        outcome = None if ended is None else ended.outcome
        fate = timeline.fate(letter.offset)
        fate.letter, fate.holds, fate.forwarded = letter.reason, entry.key is not None, False
        world.letters.buried(letter)
        fate.ended = fate.ended if fate.holds else world.seq
        policies = [definition.policy for definition in timeline.since(world.now() - 60.0)]
        keyed = fact.key is not None and (row is None or row.key is not None)  # before there was order, none was kept
        holding = keyed and all(policy.when_stuck == "hold" for policy in policies)
        world.require(
            fate.holds or not holding or (fate.redriven > 0 and not fate.owed_since),
            "%s/%d: the dead letter of offset %d does not hold its key",
            *where,
        )
        world.require(letter.event == fact.raw, "%s/%d: the dead letter of offset %d has another event", *where)
        if fate.again:  # of attempts side by side, by a replay, it is not known whose this is
            return
        if letter.reason == "expired":
            right = fact.expires <= self._host.clock.time() + world.jumped_back + EPSILON
        elif letter.reason == "transform-error":
            right = not fact.must
        elif letter.reason == "retries-exhausted":
            failed = ended is not None and not isinstance(outcome, Delivered | Rejected)
            spent = is_spent(world, self._host, timeline, letter.attempts, row, ended)
            split = ended is not None and not ended.alone and letter.error.startswith("batch-rejected")
            right = (failed and spent) or split or self._may_fail_before(letter.error)
        else:
            right = isinstance(outcome, Rejected) and outcome.reason == letter.reason
            blamed = ended is not None and (
                ended.alone or (isinstance(outcome, Rejected) and outcome.pause is not None)
            )
            world.require(blamed, "%s/%d: offset %d was buried for what may be another one's fault", *where)
        world.require(right, "%s/%d: offset %d was buried as %s after %s", *where, letter.reason, outcome)

    def _may_fail_before(self, reason: str) -> bool:
        """Where its process stood still, an attempt may be cut off before it has reached the sink, or reach it late."""
        return reason.startswith("timeout") and not self._world.calm_for(60.0)

    def _put_off(self, timeline: Timeline, row: Waiting, before: Waiting | None) -> None:
        """A failed attempt was written down."""
        world = self._world
        where = (timeline.id, timeline.number, row.offset)
        if row.reason in ("no-sink", "lease-late", "released"):
            self._ended(timeline, row.offset)
            return
        ended = self._ended(timeline, row.offset)
        if timeline.fate(row.offset).again:  # as for dead letters
            return
        if ended is None and self._may_fail_before(row.reason):
            return
        split = row.reason == "batch-rejected" and ended is not None and not ended.alone
        if ended is None or (isinstance(ended.outcome, Delivered | Rejected) and not split):
            world.violate(f"{where}: an attempt is written down as {row.reason}, and came to {ended}")
            return
        count = 0 if before is None else before.attempts
        counted = row.attempts == count + 1
        world.require(counted, "%s/%d: offset %d: attempt %d follows %d", *where, row.attempts, count)
        after = (ended.outcome.after or 0.0) if isinstance(ended.outcome, RetryLater) else 0.0
        early = row.due < ended.wall + after - EPSILON - world.jumped_back
        world.require(not early, "%s/%d: offset %d is due before the sink wants it", *where)
        policies = [definition.policy for definition in timeline.since(world.now() - 60.0)]
        longest = max(policy.backoff.ceiling(row.attempts) for policy in policies)
        late = row.due > self._host.clock.time() + after + longest + EPSILON + world.jumped_back
        world.require(not late, "%s/%d: offset %d is due later than the backoff allows", *where)
        bounds = [policy.max_attempts for policy in policies if policy.max_attempts is not None]
        spent = len(bounds) == len(policies) and row.attempts >= max(bounds)
        world.require(not spent, "%s/%d: offset %d has had its %d attempts and waits", *where, row.attempts)
        limit = timeline.most_rows
        world.require(
            world.rows(timeline.id) <= limit,
            "%s: %d rows wait, the bound is %d",
            timeline.id,
            world.rows(timeline.id),
            limit,
        )
