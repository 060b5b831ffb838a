"""Sees every effect on the storage as it happens, keeps the model up to it, and checks what has to hold at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventroute.errors import LeaseLost
from eventroute.event import Event
from eventroute.storage.base import DEFAULT_BUS, Reader, Trimmed, Waiting
from eventroute.testing.simulation.letters import LETTERS
from eventroute.testing.simulation.model import Fate, Timeline
from eventroute.testing.simulation.passing import judge_takeover, judge_trim, served
from eventroute.testing.simulation.world import Lease
from eventroute.testing.simulation.writing import EPSILON, Writing

__all__ = ["Witness"]


class Witness(Writing):
    """One process's effects. `before_X` and `after_X` are called around the call X."""

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
        duplicates, raws = self._world.duplicates, list(events)
        if duplicates is not None and bus == DEFAULT_BUS:
            offsets, raws = duplicates.told(self._world, given["append_id"], offsets, raws)
        wrong = self._world.model.appended(bus, offsets, raws, self._world.seq)
        self._world.require(wrong is None, "%s", wrong)
        self._world.note(self._host.name, "appended to %s: %s", bus, list(offsets))

    def before_trim(self, bus: str, *rest: Any, **given: Any) -> int:
        """Where the log begins."""
        return self._world.tables.bounds(bus).first  # type: ignore[no-any-return]

    def after_trim(self, first: int, trimmed: Trimmed, bus: str, *rest: Any, **given: Any) -> None:
        """Events are gone."""
        judge_trim(self._world, bus, first, trimmed)

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
            timeline = Timeline(name, number, bus, first, [(world.now(), known)], born=result.born)
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

    def after_pause_subscription(self, _: object, __: object, name: str, reason: str, **___: object) -> None:
        """A subscription is paused."""
        timeline = self._world.model.alive[name]
        recent = {definition.variant for definition in timeline.since(self._world.now() - EPSILON)}
        right = reason != "gone" or bool(recent & timeline.gone)
        self._world.require(right, "%s is paused for what another sink has said", name)
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
            fate = self._fate_there(bus, name, offset)
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
            fate = self._fate_there(bus, name, offset)
            if fate is not None and fate.letter is not None:
                fate.ended = self._world.seq if fate.holds else fate.ended
                fate.letter, fate.holds, fate.purged = None, False, True
        self._world.note(self._host.name, "purged on %s: %s", bus, there)

    def _fate_there(self, bus: str, name: str, offset: int) -> Fate | None:
        """That of a delivery on a bus; a letter may be of one of the same id that was removed, from another bus too."""
        timeline = self._world.model.alive.get(name)
        return timeline.fates.get(offset) if timeline is not None and timeline.bus == bus else None

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
            world.require(
                late or lease.closed or lease.lost, "%s lost its lease, and was not late: %s", self._host.name, error
            )
            lease.lost, lease.unaware = True, min(lease.unaware, world.now())
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
        for timeline, start, until in served(self._world, bus, reader):
            for offset in range(max(claim.start, start), int(min(claim.end, until))):
                if before.replayed_from is not None:
                    self._replayed(timeline, offset, reader, again=claim.start < before.claimed)
                elif claim.start < before.claimed:
                    judge_takeover(self._world, timeline, offset)
                else:
                    self._expect(timeline, offset)

    def _replayed(self, timeline: Timeline, offset: int, reader: str, *, again: bool) -> None:
        """It is owed again, where it matches now; where it is claimed again, as it did when that was first done."""
        fate, fact = timeline.fate(offset), self._world.model.facts[timeline.bus, offset]
        if reader in fate.again if again else timeline.current.matches(fact):
            fate.again[reader], fate.expected = self._world.seq, True

    def _expect(self, timeline: Timeline, offset: int) -> None:
        world, fate = self._world, timeline.fate(offset)
        where = (timeline.id, timeline.number, offset)
        world.require(not fate.claimed, "%s/%d: offset %d is claimed a second time", *where)
        world.require(offset >= timeline.first, "%s/%d: offset %d lies before its start", *where)
        fate.claimed = True
        fate.matched = fate.expected = timeline.current.matches(world.model.facts[timeline.bus, offset])

    def after_claim_waiting(
        self, _: object, rows: list[Waiting], bus: str, name: str, session: Any, *, now: float, **given: Any
    ) -> None:
        """Waiting deliveries were taken."""
        self._host.sessions[bus] = session.id
        world, timeline = self._world, self._world.timeline(name)
        for row in rows:
            world.require(row.due <= now, "%s: offset %d was taken before it was due", name, row.offset)
            if timeline is not None and timeline.bus == bus:  # `now` may be of before the clock went back
                timeline.fate(row.offset).jumped = world.jumped_back - max(0.0, now - self._host.clock.time())
        if rows:
            self._world.note(self._host.name, "took what waits for %s: %s", name, [row.offset for row in rows])
