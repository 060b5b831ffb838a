"""What has to hold once faults have ended: everything comes to an end, in bounded time, and nothing was forgotten."""

from __future__ import annotations

import anyio

from eventroute.router import Router
from eventroute.storage.base import DeadLetter
from eventroute.testing.simulation.acts import DELAY, Stage
from eventroute.testing.simulation.model import Fate, Timeline
from eventroute.testing.simulation.world import World

__all__ = ["at_rest", "drained", "held", "in_hand", "judge_end", "judge_stop", "patience"]


def patience(stage: Stage) -> float:
    """How long it may take at most until everything is drained, in seconds, once nothing fails any more."""
    world = stage.world
    waits = [0.0]
    for timeline in world.model.timelines.values():
        for definition in timeline.since(-1.0):
            policy = definition.policy
            probe = 0.0 if policy.breaker is None else policy.breaker.delay.limit
            turns = 0.0 if policy.rate is None else len(world.model.facts) / policy.rate.events
            alone = {"QUEUE_EVENTS", "QUEUE_BYTES", "FETCH"} & world.knobs.keys()  # no batch may get full then
            linger = policy.batch.linger * (len(world.model.facts) if alone else 1)
            waits.append(policy.backoff.limit + probe + policy.timeout + linger + turns)
    asked = (10.0 + DELAY) * world.stretch
    return 2 * max(waits) + asked + 3 * stage.lease + world.jumped_back + 2 * world.profile.skew + 60.0 * world.stretch


def stuck(world: World) -> dict[str, bool]:
    """The subscriptions of which all that waits is held by dead letters, and whether that is as much as may wait."""
    summaries = [summary for bus in world.tables.buses() for summary in world.tables.waiting(bus, None, world.now())]
    return {
        one.subscription: one.count >= world.model.alive[one.subscription].current.policy.max_waiting
        for one in summaries
        if one.stuck == one.count
    }


def drained(world: World) -> bool:
    """Whether nothing is left to be done, but for what is paused, or held by dead letters."""
    held_back = stuck(world)
    for bus in world.tables.buses():
        if world.tables.timers(bus).next_due is not None or world.tables.forwards(bus, world.now()):
            return False
        end = world.tables.bounds(bus).end
        for reader in world.tables.readers(bus):
            goal = end if reader.until is None else min(end, reader.until)
            name = reader.subscription
            if reader.position < goal and not (name and (world.model.alive[name].paused or held_back.get(name))):
                return False
    return all(
        timeline.paused or name in held_back or not world.rows(name) for name, timeline in world.model.alive.items()
    )


def at_rest(stage: Stage) -> bool:
    """Whether nothing is left to be done, and nothing under way brings more: an append may take long and fail first."""
    return drained(stage.world) and not any(server is not None and server.has_calls for server in stage.slots)


def undone(stage: Stage) -> str:
    """What is left to be done, in words."""
    world = stage.world
    calls = sum(server.asked for server in stage.slots if server is not None and server.has_calls)
    rows = {name: world.rows(name) for name in world.model.alive if world.rows(name)}
    readers = [
        f"{reader.name}@{reader.position}/{world.tables.bounds(bus).end}"
        for bus in world.tables.buses()
        for reader in world.tables.readers(bus)
        if reader.position < world.tables.bounds(bus).end
    ]
    return f"rows {rows}, readers {readers}, calls {calls}"


def held(world: World) -> int:
    """How many deliveries are held back, since their subscriptions are paused, or a dead letter holds their key."""
    held_back = stuck(world)
    return sum(
        (fact.offset >= timeline.first and _is_owed(timeline.fate(fact.offset), timeline.current.matches(fact)))
        or world.row(timeline.id, fact.offset) is not None
        for timeline in world.model.alive.values()
        if timeline.paused or timeline.id in held_back
        for fact in world.model.of_bus(timeline.bus)
    )


def in_hand(world: World) -> int:
    """How much lies in ranges of processes that are gone, which nobody takes over while their subscriptions are paused.

    What these had delivered of them, and which ranges between them were completed, nobody knows, and so `idle` counts
    it as held. And how much is left of replays.
    """
    left = {(claim.bus, claim.reader) for claim in world.claims() if _is_gone(world, claim.session)}
    readers = [reader for bus in world.tables.buses() for reader in world.tables.readers(bus)]
    gone = sum(one.claimed - one.position for one in readers if (one.bus, one.name) in left)
    replayed = sum((one.until or 0) - one.position for one in readers if one.replayed_from is not None)
    return int(gone + replayed)


def _is_gone(world: World, session: str) -> bool:
    """Whether nobody works under it any more; the lease of a process that was killed may have to lapse yet."""
    lease = world.leases.get(session)
    return not world.tables.has_session(session) or (lease is not None and (lease.lost or lease.host.life.dead))


def _is_of(world: World, letter: DeadLetter, bus: str) -> bool:
    """Whether its subscription is there, on that bus; it may be another one of the same id."""
    served = world.model.alive.get(letter.subscription)
    return served is not None and served.bus == bus


def _is_owed(fate: Fate, matches: bool) -> bool:
    if fate.letter is not None or fate.purged:
        return False
    acked = any(ack.seq > fate.redriven for ack in fate.acks)
    return not acked and (matches if fate.expected is None else fate.expected)


async def judge_end(stage: Stage, router: Router) -> None:
    """Everything is drained: look at each delivery, and ask the router whether it thinks so too."""
    world = stage.world
    for timeline in world.model.alive.values():
        for fact in list(world.model.of_bus(timeline.bus)):
            _judge(world, timeline, fact.offset)
    late = [event for event in world.model.delayed if event not in world.model.by_id]
    world.require(not late, "delayed events never came: %s", late)
    expected = held(world)
    with anyio.move_on_after(60.0) as scope:
        count = await router.idle()
        right = expected <= count <= expected + in_hand(world)
        world.require(right, "idle() says %d are held, and %d are", count, expected)
    world.require(not scope.cancelled_caught, "idle() does not return, and all is drained")
    letters = []
    for bus in world.tables.buses():
        letters += [letter for letter in await router.deadletters(bus, limit=100_000) if _is_of(world, letter, bus)]
    for letter in letters:
        known = world.model.alive[letter.subscription].fate(letter.offset).letter in (letter.reason, None)
        world.require(known, "the dead letter %s of %s was not seen when written", letter.offset, letter.subscription)
    for timeline in world.model.alive.values():
        kept = {letter.offset for letter in letters if letter.subscription == timeline.id}
        for offset, fate in timeline.fates.items():
            world.require(
                fate.letter is None or fate.forwarded or offset in kept,
                "the dead letter %d of %s is gone",
                offset,
                timeline.id,
            )


def _judge(world: World, timeline: Timeline, offset: int) -> None:
    fate = timeline.fate(offset)
    where = (timeline.id, timeline.number, offset)
    waits = world.row(timeline.id, offset) is not None
    if offset < timeline.first:
        owed = bool(fate.again) or (not fate.acks and not waits)
        world.require(owed, "%s/%d has got offset %d, before its start", *where)
        return
    held_back = stuck(world)
    if not fate.claimed and (timeline.paused or held_back.get(timeline.id)):
        return
    world.require(fate.claimed, "%s/%d: offset %d was never claimed", *where)
    kept = (
        bool(fate.acks)
        or fate.letter is not None
        or fate.purged
        or (waits and (timeline.paused or timeline.id in held_back))
        or _is_claimed(world, timeline, offset)
    )
    world.require(not fate.expected or kept, "%s/%d: offset %d is lost", *where)


def _is_claimed(world: World, timeline: Timeline, offset: int) -> bool:
    """Whether it lies in a range of its own reader that somebody has claimed, and it is paused or held."""
    return (timeline.paused or timeline.id in stuck(world)) and any(
        reader.subscription == timeline.id and reader.position <= offset < reader.claimed
        for reader in world.tables.readers(timeline.bus)
    )


def judge_stop(stage: Stage) -> None:
    """All processes have stopped by themselves: they have left nothing in anybody's hands."""
    world = stage.world
    for session, lease in world.leases.items():
        if not lease.lost and not lease.host.life.dead and lease.host.clean:
            world.require(lease.closed, "%s has ended, and its lease is open", lease.host.name)
            world.require(not world.claims_of(session), "%s has left claims behind", lease.host.name)
