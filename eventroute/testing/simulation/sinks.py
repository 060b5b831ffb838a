"""Sinks in every mood: they answer, fail, hang, lie; and what has to hold when an attempt begins and when it ends."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

from anyio.lowlevel import checkpoint
from attrs import define, field

from eventroute.errors import Reject, Retry
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.rate import Rate
from eventroute.push.replayed import REPLAY
from eventroute.push.sinks.base import Message
from eventroute.testing.simulation.letters import SINK
from eventroute.testing.simulation.model import Ack, Fact, Fate, Timeline, name_of
from eventroute.testing.simulation.moods import MOODS
from eventroute.testing.simulation.world import Ended, Host, Sent, World

__all__ = ["Attempt", "SimulatedSink", "Sinks"]

EPSILON = 0.002

GRACE = 5.0
"""How long a process may go by what was, while nothing hinders it to know better, in seconds."""


@define(eq=False)
class Sinks:
    """All sinks of a simulation, each in a mood. A sink is named by its subscription and a variant of it."""

    world: World
    taker: Callable[[Event], Awaitable[object]] | None = None
    """Called with each event that a sink is about to take; what it raises is the outcome."""
    moods: dict[tuple[str, str], str] = field(factory=dict)

    def provider(self, host: Host) -> _Provider:
        """The way of one process to them."""
        return _Provider(self, host)

    def function(self, host: Host, name: str, policy: DeliveryPolicy) -> Callable[[Event], Awaitable[object]]:
        """An async function of one process, as a sink."""
        sink = SimulatedSink(self, host, name, 1, "a", policy, function=True)

        async def take(event: Event) -> None:
            outcome = await sink.send(event)
            if isinstance(outcome, RetryLater):
                raise Retry(outcome.reason, after=outcome.after)
            if isinstance(outcome, Rejected):
                raise Reject(outcome.error)

        return take


@define(eq=False)
class _Provider:
    """A `SinkProvider` for `sim:NAME/NUMBER/VARIANT`."""

    sinks: Sinks
    host: Host
    schemes: frozenset[str] = frozenset({"sim"})

    async def open(self) -> None:
        """Open."""
        await checkpoint()

    async def aclose(self) -> None:
        """Close."""

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Any address will do."""

    def sink(self, address: str, policy: DeliveryPolicy) -> SimulatedSink | _LetterSink:
        """The sink of an address."""
        name, number, variant = address.partition(":")[2].split("/")
        if name == SINK:
            return _LetterSink(self.sinks)
        measured = policy.rate is not None or policy.mode == "batch"
        kind = _MeasuredSink if measured else SimulatedSink
        return kind(self.sinks, self.host, name, int(number), variant, policy)


@define(eq=False)
class _LetterSink:
    """Takes dead letters."""

    sinks: Sinks

    async def send(self, event: Event) -> Outcome:
        """Take one, or not."""
        world = self.sinks.world
        outcome = await MOODS[self.sinks.moods.get((SINK, "a"), "fine")](world)
        if isinstance(outcome, Delivered):
            world.letters.came_to_sink(world, event)
        return outcome


@define(eq=False)
class SimulatedSink:
    """A sink as one process has it."""

    sinks: Sinks
    host: Host
    name: str
    number: int
    variant: str
    policy: DeliveryPolicy
    function: bool = False

    async def send(self, event: Event) -> Outcome:
        """Make an attempt."""
        return await self._request([event])

    async def _request(self, events: Sequence[Event]) -> Outcome:
        """Make an attempt for each of these events, all at once."""
        world, host = self.sinks.world, self.host
        timeline = world.model.timelines[self.name, self.number]
        attempts = [self._attempt(timeline, event) for event in events]
        key = self.name, self.number
        host.requests[key] += 1
        for attempt, event in zip(attempts, events, strict=True):
            attempt.begin()
            attempt.check_mark(event.attributes.get(REPLAY))
        outcome = None
        try:
            outcome = await self._answer(events[0], any(attempt.fact.poison for attempt in attempts))
        except ZeroDivisionError:
            outcome = RetryLater("sink-fault")
            raise
        finally:
            host.requests[key] -= 1
            for attempt in attempts:
                attempt.end(outcome, alone=len(attempts) == 1)
        return outcome

    def _attempt(self, timeline: Timeline, event: Event) -> Attempt:
        world = self.sinks.world
        return Attempt(world, self.host, timeline, world.model.by_id[name_of(event)], self.variant, self.policy)

    async def _answer(self, event: Event, poison: bool) -> Outcome:
        world = self.sinks.world
        mood = self.sinks.moods.get((self.name, self.variant), "fine")
        if mood != "fine":
            world.fault(f"sink {mood}")
        if poison and mood in ("fine", "slow"):
            await checkpoint()
            return Rejected("rejected", "poison")
        outcome = await MOODS[mood](world)
        if self.function:
            outcome = _as_function(outcome)
        if self.sinks.taker is not None and isinstance(outcome, Delivered):
            return await self._ask_taker(event, self.sinks.taker)
        return outcome

    async def _ask_taker(self, event: Event, taker: Callable[[Event], Awaitable[object]]) -> Outcome:
        try:
            await taker(event)
        except Retry as retry:
            return RetryLater("retry", retry.reason, retry.after)
        except Reject as reject:
            return Rejected("rejected", reject.reason)
        return Delivered()


class _MeasuredSink(SimulatedSink):
    """A sink that takes messages, as many as the policy allows."""

    rate = None

    async def send_messages(self, messages: Sequence[Message]) -> Outcome:
        """Make a request."""
        world, policy = self.sinks.world, self.policy
        most = policy.batch.events if policy.mode == "batch" else 1
        world.require(len(messages) <= most, "%s: %d events at once, %d are allowed", self.name, len(messages), most)
        if policy.rate is not None:
            self._keep_to(_measure(policy), len(messages))
        if len(messages) > 1:
            world.fault("batch")
        return await self._request([message.event for message in messages])

    def _keep_to(self, rate: Rate | None, events: int) -> None:
        """Check that no span of time has more than the rate allows, whoever sends."""
        world, key = self.sinks.world, (self.name, self.number)
        if rate is None or _measure(world.model.timelines[key].current.policy) != rate:
            world.sent.pop(key, None)  # the halves of a batch go by the rate that is in force when their turn comes
            return
        session = self.host.sessions.get(world.model.timelines[key].bus, "")
        if world.forgot_at > 0 and not world.tables.has_session(session):
            return  # it cannot know yet that its lease was forgotten, and that another may send
        sent, late = world.sent.get(key), world.now() - self.host.stalled_at < 1.0  # it may be late to begin
        if sent is None or sent.rate != rate or late or self._may_not_know(sent):
            sent = world.sent[key] = Sent(rate, self.host)
        sent.host = self.host
        over = sent.exceeds(world.now(), events)
        world.require(over <= EPSILON * (1 + rate.events), "%s: %g events above its rate", self.name, over)

    def _may_not_know(self, sent: Sent) -> bool:
        """Whether another process has sent before, and the storage has forgotten that anybody did."""
        return sent.host is not self.host and sent.requests[-1][0] <= self.sinks.world.forgot_at


@define(eq=False)
class Attempt:
    """One attempt for one event, and what has to hold when it begins and when it ends."""

    world: World
    host: Host
    timeline: Timeline
    fact: Fact
    variant: str
    policy: DeliveryPolicy
    began: float = 0.0
    began_wall: float = 0.0
    until: float = 0.0
    """Until when it may take (monotonic), where who pulls has asked for more than the timeout."""

    @property
    def _key(self) -> tuple[str, int]:
        return self.timeline.id, self.timeline.number

    def _require(self, holds: bool, what: str, *details: object) -> None:
        if not holds:
            where = f"{self.timeline.id}/{self.timeline.number} offset {self.fact.offset}"
            self.world.violate(f"{where}: {what % details if details else what}")

    def begin(self) -> None:
        """Check that this attempt may be made, here and now."""
        world, host, timeline, fact = self.world, self.host, self.timeline, self.fact
        world.attempts += 1
        self.began, self.began_wall = world.now(), host.clock.time()
        world.note(host.name, "attempt: %s/%d offset %d (%s)", *self._key, fact.offset, fact.id)
        fate = timeline.fate(fact.offset)
        self._require(fate.expected is True, "an attempt, and it does not match")
        host.flying[self._key] += 1
        most = max(definition.policy.concurrency for definition in timeline.since(self.began - 120.0))
        flying = host.requests[self._key]
        self._require(flying <= most, "%d attempts in flight, %d allowed", flying, most)
        late = fact.expires <= self.began_wall and world.jumped_back == 0 and world.calm_for(60.0)
        self._require(not late, "an attempt after it has expired")
        self._check_news()
        self._check_hold()
        self._check_order()
        session = host.sessions.get(timeline.bus, "")
        if timeline.removed_at == math.inf and world.tables.has_session(session):
            # One whose lease has lapsed unnoticed may do what it had in hand, and others do it too.
            self._check_right(session)
            for ack in fate.acks:
                self._check_repeat(ack, fate)

    def check_mark(self, replay: object) -> None:
        """Only what comes by a replay is marked with its name, where the policy says so."""
        if replay is not None:
            self.world.fault("marked as replayed")
            self._require(replay in self.timeline.fate(self.fact.offset).again, "it is marked with %s", replay)
            marks = any(definition.policy.mark_replays for _, definition in self.timeline.versions)
            self._require(marks, "it is marked, and is not to be")

    def _check_order(self) -> None:
        """Of one key, what is older has come to its end, and nothing else is under way."""
        world, timeline, key = self.world, self.timeline, self.fact.key
        if key is None or self.fact.offset < timeline.in_order_from or timeline.removed_at < math.inf:
            return
        stale = not world.tables.has_session(self.host.sessions.get(timeline.bus, ""))
        excused = stale and (self.host.stalled_at >= 0 or self._is_unaware(self.host))
        for fact in world.model.of_bus(timeline.bus):
            if fact.key != key or not timeline.in_order_from <= fact.offset < self.fact.offset:
                continue
            fate = timeline.fate(fact.offset)
            done = fate.over or (fate.claimed and not fate.expected)
            self._require(done or excused, "an attempt before offset %d of its key has come to its end", fact.offset)
        for other in world.under_way.setdefault((*self._key, key), []):
            beside = excused or self._may_be_beside(other)
            self._require(beside, "an attempt beside %s's at %d", other.host.name, other.fact.offset)
        world.under_way[*self._key, key].append(self)

    def _may_be_beside(self, other: Attempt) -> bool:
        """Whether nothing could hinder two attempts of a key: one is dead or stood still, lost its lease unseen, or
        came out of its order.
        """
        dead = other.host.life.dead or other.host.life.stalled or other.host.stalled_at >= other.began
        fates = [self.timeline.fate(one.fact.offset) for one in (self, other)]
        return dead or self._is_unaware(other.host) or any(fate.redriven and not fate.owed_since for fate in fates)

    def _is_unaware(self, host: Host) -> bool:
        """Whether a process cannot know yet that its lease was forgotten, and that another may have taken over."""
        lease = self.world.leases.get(host.sessions.get(self.timeline.bus, ""))
        return lease is not None and self.world.now() <= lease.unaware

    def _check_news(self) -> None:
        """What is paused, gone or changed must be known before long."""
        world, timeline = self.world, self.timeline
        if not world.calm_for(GRACE):
            return
        known = self.began - GRACE
        self._require(timeline.removed_at > known, "an attempt for a subscription that was removed")
        self._require(not timeline.paused or timeline.paused_at > known, "an attempt for a paused subscription")
        variants = {definition.variant for definition in timeline.since(known)}
        self._require(self.variant in variants, "an attempt at an old sink: %s", self.variant)

    def _check_hold(self) -> None:
        """It is not known any more where the subscription has had another sink meanwhile."""
        session, variant, asked, until = self.host.holds.get(self._key, ("", "", 0.0, 0.0))
        elsewhere = any(definition.variant != variant for definition in self.timeline.since(asked))
        if session == self.host.sessions.get(self.timeline.bus) and variant == self.variant and not elsewhere:
            self._require(self.began >= until - EPSILON, "an attempt, and the sink has asked for time until %s", until)

    def _check_right(self, session: str) -> None:
        """Whoever attempts has the delivery in hand: by its row, where there is one, else by a claimed range."""
        world, timeline, offset = self.world, self.timeline, self.fact.offset
        if timeline.fate(offset).again:  # a replay and what else there is of it share a row
            return
        row = world.row(timeline.id, offset)
        if row is None:
            claims = [
                reader
                for bus, reader, start, end in world.claims_of(session)
                if bus == timeline.bus and start <= offset < end
            ]
            self._require(bool(claims), "an attempt by one who has neither claimed it nor taken its row")
            return
        self._require(row[1] == session, "an attempt by one who does not hold its row")
        jumped = world.jumped_back - timeline.fate(offset).jumped
        early = row[0].reason != "" and row[0].due > self.began_wall + jumped + EPSILON
        self._require(not early, "an attempt before it is due: %s at %s", row[0].due, self.began_wall)

    def _check_repeat(self, ack: Ack, fate: Fate) -> None:
        world, lease = self.world, self.world.leases[ack.session]
        gone = not lease.closed and not world.tables.has_session(ack.session)
        owed_again = fate.redriven > ack.seq or len(fate.acks) <= 2 * len(fate.again) or fate.taken > 0
        excused = lease.lost or gone or lease.host.life.dead or owed_again
        self._require(excused, "a repeat: %s has delivered it, and nothing happened to it", lease.host.name)
        if fate.redriven < ack.seq and not fate.again:
            world.repeats += 1
            self._require(not world.profile.exact, "a repeat, where nothing goes wrong")

    def end(self, outcome: Outcome | None, *, alone: bool) -> None:
        """Note what came of it; None: it was cut off."""
        world, host, timeline, offset = self.world, self.host, self.timeline, self.fact.offset
        if world.over or host.life.dead:
            return
        flying = world.under_way.get((*self._key, self.fact.key or 0), [])
        if self in flying:
            flying.remove(self)
        now = world.now()
        host.flying[self._key] -= 1
        world.note(host.name, "outcome: %s/%d offset %d: %s", *self._key, offset, outcome or "cut off")
        timeout = max(definition.policy.timeout for definition in timeline.since(self.began - 120.0))
        if host.stalled_at < self.began:
            right = now <= max(self.began + timeout, self.until) + EPSILON
            self._require(right, "it took %s s, %s are allowed", now - self.began, timeout)
        whole = host.ended.get((*self._key, offset))  # it may be a part of a batch, of which all is one attempt
        began = self.began_wall if whole is None or whole.alone else whole.began
        host.ended[(*self._key, offset)] = Ended(outcome, host.clock.time(), began, alone)
        if isinstance(outcome, Delivered):
            world.delivered += 1
            fate = timeline.fate(offset)
            fate.acks.append(Ack(host.sessions.get(timeline.bus, ""), world.tick()))
            fate.ended = world.seq
        elif isinstance(outcome, Rejected) and outcome.pause is not None:
            timeline.gone.add(self.variant)
        elif isinstance(outcome, RetryLater) and outcome.hold_lane and outcome.after is not None:
            session = host.sessions.get(timeline.bus, "")
            host.holds[self._key] = (session, self.variant, now, now + outcome.after)


def _measure(policy: DeliveryPolicy) -> Rate | None:
    """The rate that holds for what goes to a sink by this policy."""
    rate = policy.rate
    return rate.in_batches(policy.batch.events) if rate is not None and policy.mode == "batch" else rate


def _as_function(outcome: Outcome) -> Outcome:
    """What a function can say of it: it can neither hold its lane nor pause its subscription."""
    if isinstance(outcome, RetryLater):
        return RetryLater("retry", outcome.error, outcome.after)
    return Rejected("rejected", outcome.error) if isinstance(outcome, Rejected) else outcome
