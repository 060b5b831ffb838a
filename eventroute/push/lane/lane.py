"""A lane: the deliveries of one subscription that are in memory, with bounds of its own, and the attempts under way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import anyio
from anyio.lowlevel import checkpoint

from eventroute.push.bell import Bell
from eventroute.push.delivery import Delivery
from eventroute.push.lane.host import Host
from eventroute.push.lane.measured import Measured
from eventroute.push.lane.room import QUEUE_BYTES
from eventroute.push.lane.sending import fault, made_ready, message_of, timed_out
from eventroute.push.lane.stretch import Hand
from eventroute.push.lane.tempo import Tempo
from eventroute.push.outcome import Delivered, Outcome, RetryLater
from eventroute.push.policy.breaker import UNTROUBLED, Circuit
from eventroute.push.policy.keys import KeyReader, key_reader
from eventroute.push.route import Route
from eventroute.push.sinks.base import takes_messages

__all__ = ["Lane"]

_DELIVERED = Delivered()

TURN = 100
"""The most attempts that a task makes, one behind the other, before other tasks get their turn."""


class Lane(Measured):
    """Makes the attempts of one subscription: `policy.concurrency` at once at the most. It waits for no other lane."""

    __slots__ = (  # there are very many lanes, and dictionaries of so many names share nothing
        "_asleep",
        "_at_once",
        "_batch",
        "_measured",
        "_messages",
        "_rate",
        "_settled",
        "_tempo",
        "_workers",
        "attempted",
        "circuit",
        "delivered",
        "held_until",
        "key",
        "leased",
        "limited",
        "pausing",
        "route",
        "sends",
        "shared",
        "waiting",
    )

    def __init__(self, route: Route, host: Host[Lane], circuit: Circuit = UNTROUBLED) -> None:
        super().__init__(host)
        self.route = route
        self.waiting = 0
        """Rows in the ledger, those of deliveries in memory included."""
        self.attempted = 0
        """Attempts that have ended, since this process began with it."""
        self.delivered = 0
        self.held_until = 0.0
        """No attempt begins before this (monotonic) time."""
        self.circuit = circuit
        self._settled: Bell | None = None
        self.shared = False
        """Whether other processes work on what is in order here, too."""
        self.key: KeyReader | None = None
        """What reads the key of an event, where the policy asks for order."""
        self.sends = False
        """Where limits hold for all processes together: whether this is the one that sends."""
        self.pausing = False
        """Whether its sink has had the subscription paused, which the storage is about to be told."""
        self._workers = 0
        self._tempo = Tempo()
        self._learn(route)

    def take(self, route: Route) -> None:
        """Go by this route from now on. Another sink is not to blame for what the one before did."""
        if route.address != self.route.address:
            self.held_until = 0.0
            self.circuit.succeed(self._host.clock.time())
        self.route = route
        self._learn(route)
        self._call_waiting()
        if self.held:  # whoever can send is to have what is queued, and the time of a pause must not count for it
            for delivery in self.clear():
                self._settle((delivery,), RetryLater("released", counts=False), route)

    def _learn(self, route: Route) -> None:
        policy, sink = route.policy, route.sink
        self._asleep, self._at_once = route.held or self.pausing, policy.at_once  # asked for at every attempt
        self._messages = sink if sink is not None and takes_messages(sink) else None
        self._batch = policy.batch if policy.mode == "batch" and self._messages is not None else None
        rate, batch = policy.rate, self._batch
        self._rate = rate if rate is None or batch is None else rate.in_batches(batch.events)
        self._measured = self._batch is not None or policy.rate is not None or policy.handshake is not None
        self.key = None if policy.order_by is None else key_reader(policy.order_by)
        self._keep_order(self.key)
        self.limited = policy.rate is not None or policy.handshake is not None or policy.max_in_flight is not None
        self.sends = self.sends and self.limited
        self.leased = self.limited or self.turns is not None
        self._reckon()

    def fall_asleep(self) -> None:
        """Begin nothing more: the subscription is about to be paused, or is gone."""
        self.pausing = self._asleep = True

    def wake(self) -> None:
        """The pause is written down, and known here: go by the route again."""
        self.pausing, self._asleep = False, self.route.held
        self.start()

    def begin_to_send(self, *, after_another: bool) -> None:
        """No other process sends now. What another has sent last is not known, so there is nothing to spend yet."""
        self.sends = True
        if after_another:
            self.pace.empty(self._host.clock.monotonic())
        self.call_reader()

    @property
    def settled(self) -> Bell:
        """Rings when an attempt has ended, for the own reader that waits for room."""
        if self._settled is None:
            self._settled = Bell()
        return self._settled

    def call_reader(self) -> None:
        """Have the own reader look whether there is room, if there is one and it waits."""
        if self._settled is not None:
            self._settled.ring()

    @property
    def held(self) -> bool:
        """Whether this process makes no attempts now."""
        return self._asleep or (self.limited and not self.sends)

    @property
    def over(self) -> bool:
        """Whether so much waits that the subscription has to leave the shared reader."""
        return self.waiting >= self.route.policy.max_waiting

    @property
    def idle(self) -> bool:
        """Whether nothing of the lane is in memory."""
        return self.in_flight == 0 and not self.queued

    @property
    def calm(self) -> bool:
        """Whether so little waits that it can go back to the shared reader."""
        return not self.held and self.waiting + self.queued <= self.route.policy.max_waiting // 4

    @property
    def ready(self) -> bool:
        """Whether an attempt may begin now, as far as the lane is concerned."""
        return not self.held and (self.held_until == 0.0 or self._host.clock.monotonic() >= self.held_until)

    def count(self, deliveries: Sequence[Delivery], outcome: Outcome) -> None:
        """Count what came of an attempt, and call the own reader where it is time to read more."""
        now = self._host.clock.monotonic()
        self.attempted += outcome.counts * len(deliveries)
        if isinstance(outcome, Delivered):
            self.delivered += len(deliveries)
            self._tempo.deliver(len(deliveries), now)
        if self._tempo.end(len(deliveries), now):
            self._reckon()
        if self._settled is not None and self.wants_more:
            self._settled.ring()

    @property
    def rate(self) -> float:
        """Deliveries a second, lately."""
        return self._tempo.lately(self._host.clock.monotonic())

    def offer(self, deliveries: list[Delivery]) -> int:
        """Take deliveries as far as there is room, and tell how many; the others have to wait in the ledger. The list
        is the lane's from now on.
        """
        places = self.places
        if places <= 0:
            return 0
        if self.idle:
            self._tempo.begin(self._host.clock.monotonic())
        return self._put(deliveries if len(deliveries) <= places else deliveries[:places], QUEUE_BYTES)

    def _came(self) -> None:
        if not self._gathering:
            self.start()
        elif self._lingering and self._full:
            self._call_waiting()

    def start(self) -> None:
        """Have as many workers as are wanted and allowed."""
        if self._workers >= self._at_once:  # as for most that come, where many do
            return
        # Where attempts wait for their turn, each that begins has the next worker started.
        ready = len(self._next)
        wanted = min(self._attempting + (1 if self._measured and ready else ready), self._most)
        while self._workers < wanted and self.ready and not self._gathering and not self._stopped():
            self._workers += 1
            self._host.crew.start_soon(self)

    @property
    def _most(self) -> int:
        """How many attempts there may be at once: one while the breaker is open."""
        return 1 if self.circuit.is_open else self._at_once

    def clear(self) -> list[Delivery]:
        """Forget what is queued, and return it: whoever asks has it written down."""
        self._gathered_since = math.inf
        return self._drain()

    async def work(self, hand: Hand) -> None:
        """See `Work`."""
        try:
            while True:
                if not self._measured:
                    await self._make_attempts(hand)
                elif self._goes_on:
                    await self._work_in_measure()
                if hand.watched.scope.cancel_called or not self._goes_on:
                    return
                await checkpoint()
        finally:
            self._workers -= 1

    @property
    def _goes_on(self) -> bool:
        """Whether a worker begins one more attempt; while one of them waits for its turn, no other does."""
        return (
            bool(self._next)
            and self._workers <= self._most
            and self.ready
            and not self._gathering
            and not self._stopped()
        )

    def _stopped(self) -> bool:
        """Whether nothing is to begin, whatever the lane has."""
        return self._host.blocked(self) or (self.leased and self._host.deadlines.lapsed)

    async def _make_attempts(self, hand: Hand) -> None:
        """Make attempts, one after another, until one is cut off at its deadline, there is nothing more to do, or it is
        time to let others run.
        """
        host, watched, monotonic = self._host, hand.watched, self._host.clock.monotonic
        singly = host.singly or self.turns is not None
        route, messages, circuit, since, time = self.route, self._messages, self.circuit, 0.0, 0.0
        try:
            for _ in range(TURN):
                if not hand.alone:
                    self._end_stretch(hand)
                    if watched.scope.cancel_called or self._measured or not self._goes_on:
                        return
                    watched.leased = self.leased
                    route, messages, circuit = self.route, self._messages, self.circuit
                    since, time, hand.route = monotonic(), host.clock.time(), route
                    self._begin_stretch(hand)
                elif self.leased and host.deadlines.lapsed:  # time passes without a wait, too
                    return
                if not hand.todo and not self._take_more(hand):
                    return
                hand.current = delivery = hand.todo.pop()
                delivery.begun = True
                hand.began = began = monotonic()
                ready = made_ready(delivery, route, circuit, time + (began - since))
                if isinstance(ready, tuple):
                    sink, event, original = ready
                    try:
                        if messages is None:
                            outcome = await sink.send(event)
                        else:
                            outcome = await messages.send_messages([message_of(delivery, event, original)])
                    except (Exception, anyio.get_cancelled_exc_class()) as error:  # noqa: BLE001 - `fault` tells them apart
                        outcome = fault(error, route.subscription)
                    watched.deadline = math.inf
                else:
                    outcome = ready
                hand.current = None
                if isinstance(outcome, Delivered) and not singly:
                    hand.delivered.append(delivery)
                    continue
                self._end_stretch(hand)
                self._settle((delivery,), outcome, route)
        finally:
            self._end_stretch(hand)

    def _begin_stretch(self, hand: Hand) -> None:
        """Attempts begin, one of which at a time is under way."""
        hand.alone = hand.under_way = True
        self.in_flight += 1
        self._attempting += 1

    def _take_more(self, hand: Hand) -> bool:
        """Take what begins next, twice as many each time while nothing waits; whether there was anything."""
        if not self._next:
            return False
        hand.todo, hand.at_once = self._take(hand.at_once), 2 * hand.at_once
        return True

    def _end_stretch(self, hand: Hand) -> None:
        """No attempt is under way."""
        self._let_others_see(hand)
        if hand.under_way:
            hand.under_way = False
            self.in_flight -= 1
            self._attempting -= 1
        self._tell_delivered(hand)

    def wait(self, hand: Hand) -> None:
        """See `Work`: now the time of the attempt runs, and others see what was delivered before it."""
        self._let_others_see(hand)
        self._tell_delivered(hand)
        if hand.watched.deadline == math.inf:  # else the sink has asked for its own already
            spent = self._host.clock.monotonic() - hand.began
            self._host.deadlines.set(hand.watched, self.route.policy.timeout - spent)

    def cut_off(self, hand: Hand) -> None:
        """See `Work`."""
        route = hand.route or self.route
        if hand.current is not None:  # else it ended at that very moment
            self._settle((hand.current,), timed_out(route, hand.watched), route)
        self.start()

    def _let_others_see(self, hand: Hand) -> None:
        """Others get their turn, or look: what has not begun is where they look for it."""
        hand.alone, hand.at_once = False, 1
        if hand.todo:
            self._give_back(hand.todo)
            hand.todo = []

    def _tell_delivered(self, hand: Hand) -> None:
        if hand.delivered:
            delivered, hand.delivered = hand.delivered, []
            self._settle(delivered, _DELIVERED, hand.route or self.route)

    def _settle(self, deliveries: Sequence[Delivery], outcome: Outcome, route: Route) -> None:
        self._host.settle(self, deliveries, outcome, route)
