"""The part of a `Witness` that sees what is written: each entry follows from an attempt that was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve

from eventroute.push.outcome import Delivered, Rejected, RetryLater
from eventroute.storage.base import (
    Advance,
    BreakerState,
    Bury,
    Complete,
    Forwarded,
    PutOff,
    Settle,
    Trip,
    Wait,
    Waiting,
)
from eventroute.testing.simulation.ages import is_spent
from eventroute.testing.simulation.entries import key_of, short, unmarked
from eventroute.testing.simulation.model import Timeline
from eventroute.testing.simulation.passing import Passing, judge_passing, served
from eventroute.testing.simulation.world import Ended, Host, World

__all__ = ["EPSILON", "Writing"]

EPSILON = 0.002
"""What clocks may differ by through rounding, in seconds."""

_Row = tuple[Waiting, str | None]
"""What waits, and the session that has it."""

_Rows = dict[tuple[str, int], _Row | None]
_Before = tuple[list[Passing], _Rows]


class Writing:
    """Called around the writes of one process."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self._host = host

    def before_write(self, bus: str, session: Any, entries: Sequence[Any], **given: int) -> _Before:
        """How far each reader is that will be moved, whom it serves, and what waits so far."""
        self._host.sessions[bus] = session.id
        world = self._world
        passing: list[Passing] = []
        for name in {entry.claim.reader: None for entry in entries if isinstance(entry, Advance | Complete)}:
            reader = world.tables.reader(bus, name)
            if reader is not None:
                passing.append(Passing(reader, served(world, bus, name)))
        return passing, self._rows(entries)

    def _rows(self, entries: Sequence[Any]) -> _Rows:
        """What waits of what is written about, and who holds it."""
        keys = [key_of(entry) for entry in entries if isinstance(entry, Bury | Settle | Wait)]
        return {key: self._world.row(*key) for key in keys}

    def after_repeat(self, before: Any, *_call: Any, **_given: Any) -> None:
        """A write was made again, whose answer was lost: nobody is to notice."""
        world = self._world
        world.fault("write repeated")
        for key, row in before[1].items():
            world.require(world.row(*key) == row, "a write that was repeated has changed the row %s from %s", key, row)

    def after_write(
        self,
        before: _Before,
        _: object,
        bus: str,
        session: Any,
        entries: Sequence[Any],
        *,
        known: int,
        number: int,
    ) -> None:
        """Entries are durable. What is about a subscription that its process does not know is about one before."""
        world, (passing, rows) = self._world, before
        for entry in entries:
            if isinstance(entry, Trip):
                self._tripped(entry.state, known)
            elif isinstance(entry, Forwarded | PutOff):
                self._world.letters.left(self._world, bus, entry)
        self._judge_rows(
            bus, session.id, [one for one in entries if isinstance(one, Bury | Settle | Wait)], rows, known
        )
        for passed in passing:
            judge_passing(world, bus, passed)
        if world.tracing:
            world.note(self._host.name, "wrote %s", [short(entry) for entry in entries])

    def _judge_rows(self, bus: str, session: str, entries: Sequence[Any], rows: _Rows, known: int) -> None:
        late: _Rows = {}
        for entry in entries:
            key = key_of(entry)
            timeline, row = self._world.model.alive.get(key[0]), rows[key]
            if timeline is not None and timeline.born > known:
                self._judge_ignored(timeline, key[1], row)
                continue
            if self._comes_late(session, entry, row):
                late[key] = row
                if timeline is not None:
                    self._ended(timeline, key[1])
                continue
            if timeline is not None and timeline.bus == bus:
                self._written(timeline, entry, None if row is None else row[0])
            late.pop(key, None)
            rows[key] = (entry.waiting, session if entry.held else None) if isinstance(entry, Wait) else None
        for key, row in late.items():
            self._world.fault("told too late")
            same = _what(self._world.row(*key)) == _what(row)
            self._world.require(same, "the row %s was changed by one who has lost it, from %s", key, row)

    def _comes_late(self, session: str, entry: Any, row: _Row | None) -> bool:
        """Whether another one has come to an end with a row since its process had it in hand, or has it now."""
        if row is None or isinstance(entry, Settle):
            return row is not None and self._is_held(row[1], session) if isinstance(entry, Settle) else entry.again
        if not entry.again:
            return False
        return self._is_held(row[1], session) or (isinstance(entry, Wait) and row[0].attempts > entry.waiting.attempts)

    def _is_held(self, holder: str | None, session: str) -> bool:
        return holder not in (None, session) and self._world.tables.has_session(holder)

    def _judge_ignored(self, timeline: Timeline, offset: int, before: _Row | None) -> None:
        """What is about one before of the same id has changed nothing."""
        world, where = self._world, (timeline.id, timeline.number, offset)
        world.fault("told of one before")
        same = _what(world.row(timeline.id, offset)) == _what(before)
        world.require(same, "%s/%d: the row of offset %d was changed for one before of its id", *where)

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

    def _tripped(self, state: BreakerState, known: int) -> None:
        """A breaker has opened, waits for its next probe, or has closed."""
        world, timeline = self._world, self._world.timeline(state.subscription)
        if timeline is not None and timeline.born > known:
            return
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
        right = unmarked(letter.event) == fact.raw
        if right:  # else that is what is wrong
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
        world.require(right, "%s/%d: the dead letter of offset %d has another event", *where)
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


def _what(row: _Row | None) -> Waiting | None:
    """What waits, whoever holds it."""
    return None if row is None else evolve(row[0], event=None)
