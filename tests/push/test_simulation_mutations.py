"""The simulator catches what it is there for: the code is broken on purpose, and a few seeds show it each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from anyio.lowlevel import checkpoint
from attrs import evolve

from eventroute.push import forwarding, scheduler
from eventroute.push.deadlines import Deadlines
from eventroute.push.delivery import Delivery, Range
from eventroute.push.lane import lane, pace, turns
from eventroute.push.lane.pace import Pace
from eventroute.push.lane.turns import Turns
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import batch
from eventroute.push.replayed import marked
from eventroute.push.route import Route
from eventroute.push.sinks.pull import Channel, PulledEvent
from eventroute.push.worker import journal, outages, ranges, reading, retrying, worker
from eventroute.push.worker.attempt import entry_after
from eventroute.push.worker.ranges import Ranges
from eventroute.storage import claims, dedup, ledger, placement
from eventroute.storage.base import LIVE, Bury, Complete, PutOff, Settle, Wait
from eventroute.storage.memory.tables import MemoryTables
from eventroute.storage.memory.timers import MemoryTimers
from eventroute.storage.tables import Need
from eventroute.testing.simulation.profile import PROFILES
from eventroute.testing.simulation.run import simulate

WITHIN = 100
"""So many seeds are tried at most."""

Patch = pytest.MonkeyPatch


def complete_early(patch: Patch) -> None:
    """A range is completed though deliveries of it are pending."""
    patch.setattr(Range, "done", property(lambda self: self.matched))


def drop_retries(patch: Patch) -> None:
    """A failed attempt is not written down."""
    _entries(patch, lambda entry, delivery: None if isinstance(entry, Wait) else entry)


def forget_pending(patch: Patch) -> None:
    """What is pending is let go without a row."""

    def record(self: worker.Worker, lane: object, delivery: Delivery, *, held: bool) -> None:
        self.ranges.release((delivery,))

    patch.setattr(worker.Worker, "_record", record)


def let_go_without_rows(patch: Patch) -> None:
    """A stop completes the ranges, and forgets what has not begun."""

    def let_go(self: worker.Worker) -> None:
        for claimed in list(self.ranges):
            self.journal.add(Complete(claimed.claim))

    patch.setattr(worker.Worker, "let_go", let_go)


def ignore_retry_after(patch: Patch) -> None:
    """The sink asks for time, and gets none."""
    real = entry_after

    def entry(delivery: Delivery, outcome: Outcome, *args: Any, **kwargs: Any) -> Any:
        return real(delivery, _hasty(outcome), *args, **kwargs)

    patch.setattr(worker, "entry_after", entry)


def ignore_hold(patch: Patch) -> None:
    """The sink asks for time for the whole lane, and gets it for one event."""
    real = worker.Worker._hold

    def hold(self: worker.Worker, lane: lane.Lane, outcome: RetryLater) -> None:
        real(self, lane, evolve(outcome, hold_lane=False))

    patch.setattr(worker.Worker, "_hold", hold)


def left_sinks_are_heard(patch: Patch) -> None:
    """What a sink says that the subscription has left is taken for what the one that it has says."""
    real = placement.pause

    def pause(tables: Any, subscription: str, reason: str, now: float, _known: object = None) -> None:
        real(tables, subscription, reason, now)

    def settle(self: lane.Lane, deliveries: Any, outcome: Outcome, _route: object) -> None:
        self._host.settle(self, deliveries, outcome, self.route)

    patch.setattr(placement, "pause", pause)
    patch.setattr(lane.Lane, "_settle", settle)


def what_is_not_to_be_is_marked(patch: Patch) -> None:
    """What a replay delivers is marked, whatever the policy says."""

    def mark(self: reading.Reading, found: list[Delivery]) -> None:
        for delivery in found:
            delivery.raw, delivery.copied = marked(delivery.raw, self.reader), True

    patch.setattr(reading.Reading, "_mark", mark)


def one_too_many(patch: Patch) -> None:
    """One attempt more than allowed is in flight."""
    real = lane.Lane._most.fget  # type: ignore[attr-defined]
    patch.setattr(lane.Lane, "_most", property(lambda self: real(self) + 1))


def old_definition(patch: Patch) -> None:
    """A change of the filter comes into force for nothing that is in the log's span already."""
    patch.setattr(placement, "_parted", lambda tables, bus, span, before: [evolve(span, definition=before)])


def new_definition_for_what_is_claimed(patch: Patch) -> None:
    """A change of the filter applies to what others have matched already."""
    patch.setattr(placement, "_parted", lambda tables, bus, span, before: [span])


def repeat_after_delivery(patch: Patch) -> None:
    """What was delivered stays pending, and gets a row at the next sweep or stop."""
    real = Ranges.release

    def release(self: Ranges, deliveries: Iterable[Delivery]) -> None:
        real(self, [one for one in deliveries if one.recorded or not one.begun])

    patch.setattr(Ranges, "release", release)


def no_takeover(patch: Patch) -> None:
    """What a process that died had claimed stays claimed."""
    patch.setattr(MemoryTables, "free_claim", lambda self, bus, reader: None)


def rows_stay_held(patch: Patch) -> None:
    """Waiting deliveries that a process that died had in hand are not given to others."""

    def free(self: MemoryTables, subscription: str, now: float, limit: int) -> list[Any]:
        rows = self._waiting.get(subscription, {}).values()
        return [row.waiting for row in rows if row.waiting.due <= now and row.session is None][:limit]

    patch.setattr(MemoryTables, "free_waiting", free)


def take_what_is_not_due(patch: Patch) -> None:
    """Waiting deliveries are taken before they are due."""
    real = MemoryTables.free_waiting
    patch.setattr(MemoryTables, "free_waiting", lambda self, name, now, limit: real(self, name, now + 1.0, limit))


def attempts_do_not_count(patch: Patch) -> None:
    """A failed attempt is not counted."""

    def entry(entry: Any, delivery: Delivery) -> Any:
        if isinstance(entry, Wait):
            return evolve(entry, waiting=evolve(entry.waiting, attempts=max(entry.waiting.attempts - 1, 0)))
        return entry

    _entries(patch, entry)


def wrong_reason(patch: Patch) -> None:
    """What is given up after its attempts is said to be rejected."""
    _entries(
        patch,
        lambda entry, delivery: (
            evolve(entry, letter=evolve(entry.letter, reason="rejected"))
            if isinstance(entry, Bury) and entry.letter.reason == "retries-exhausted"
            else entry
        ),
    )


def bury_nothing(patch: Patch) -> None:
    """What a sink rejects is taken for delivered."""
    _entries(patch, lambda entry, delivery: Settle(delivery.subscription, delivery.offset) if _buried(entry) else entry)


def pause_is_ignored(patch: Patch) -> None:
    """Attempts go on while a subscription is paused."""
    patch.setattr(Route, "held", property(lambda self: self.sink is None))


def no_timeout(patch: Patch) -> None:
    """Attempts may take for ever."""
    patch.setattr(Deadlines, "set", lambda self, watched, seconds: None)


def gap_on_leaving(patch: Patch) -> None:
    """A subscription that leaves the shared reader misses an offset."""
    real = placement._leave

    def leave(tables: MemoryTables, stored: Any) -> None:
        real(tables, stored)
        name = tables.subscription(stored.id).reader  # type: ignore[union-attr]
        reader = tables.reader(stored.bus, name)
        assert reader is not None
        tables.put_reader(evolve(reader, position=reader.position + 1, claimed=reader.claimed + 1))

    patch.setattr(placement, "_leave", leave)


def overlap_on_joining(patch: Patch) -> None:
    """A subscription that joins the shared reader goes on with its own reader for one offset."""
    real = placement.join_live

    def join(tables: MemoryTables, subscription: str, within: int) -> bool:
        joined = real(tables, subscription, within)
        spans = tables.spans(subscription)
        moved = [
            evolve(span, start=span.start - 1) if span.reader == LIVE and span.until is None else span for span in spans
        ]
        tables.put_spans(subscription, moved)
        return joined

    patch.setattr(placement, "join_live", join)


def no_fence(patch: Patch) -> None:
    """A process whose lease has lapsed may go on writing."""
    patch.setattr(ledger, "_there", lambda tables, session: None)
    patch.setattr(claims, "check", lambda tables, bus, done, session: True)


def timers_stay(patch: Patch) -> None:
    """A delayed event is appended, and its timer fires again."""
    patch.setattr(MemoryTimers, "drop", lambda self, count: None)


def no_recount(patch: Patch) -> None:
    """A process goes on counting rows that another one has settled."""
    real = worker.Worker.recount
    patch.setattr(worker.Worker, "recount", lambda self, lane, waiting: real(self, lane, waiting) if waiting else None)


def outages_are_forgotten(patch: Patch) -> None:
    """What breakers have written down is read by nobody."""

    async def look(self: outages.Outages) -> None:
        return

    patch.setattr(outages.Outages, "look", look)


def rows_before_their_range(patch: Patch) -> None:
    """What came of a delivery is written at once, and its range completed later."""
    patch.setattr(ranges.Ranges, "note", lambda self, delivery, entry: self._journal.add(entry))


def letters_go_before_they_are_there(patch: Patch) -> None:
    """A dead letter is taken for handed over, whatever its target says."""

    async def send(self: forwarding.Forwarding, letter: Any, target: Any) -> Outcome:
        await real(self, letter, target)
        return Delivered()

    real = forwarding.Forwarding._try
    patch.setattr(forwarding.Forwarding, "_try", send)


def letters_are_given_up(patch: Patch) -> None:
    """A dead letter that a target does not take is not tried again."""
    patch.setattr(forwarding, "PutOff", lambda letter, forward: PutOff(letter, None))


def no_rate(patch: Patch) -> None:
    """Whatever waits for its rate goes at once."""
    patch.setattr(pace.Pace, "take", lambda self, now, events: 0.0)


def rate_is_refilled(patch: Patch) -> None:
    """With a new lease the rate begins anew."""
    real = worker.Worker.attach

    def attach(self: worker.Worker, tasks: Any) -> None:
        self._paces = {}
        real(self, tasks)

    patch.setattr(worker.Worker, "attach", attach)


def whole_batch_is_blamed(patch: Patch) -> None:
    """Where one event of a batch is rejected, all are."""
    patch.setattr(batch, "blames_one", lambda outcome: False)


def no_survey(patch: Patch) -> None:
    """A process looks only after what it has written itself."""

    async def survey(self: retrying.Retrying) -> None:
        self._worker.resurvey = False
        self._next_survey = self._worker.clock.monotonic() + 1.0

    patch.setattr(retrying.Retrying, "_survey", survey)


def lease_is_not_kept(patch: Patch) -> None:
    """A process lets its lease lapse."""

    async def keep(self: scheduler.Scheduler, session: Any, worker: Any) -> None:
        await self._clock.sleep(1e9)

    patch.setattr(scheduler.Scheduler, "_keep_lease", keep)


def reorder_a_key(patch: Patch) -> None:
    """Of what waits for its turn the newest goes first."""
    patch.setattr(turns, "_offset", lambda delivery: -delivery.offset)


def two_of_a_key(patch: Patch) -> None:
    """The next of a key begins while one is under way."""
    real = Turns.add

    def add(self: Turns, delivery: Delivery) -> None:
        line = self._line(delivery.key or 0)
        line.out = None
        real(self, delivery)

    patch.setattr(Turns, "add", add)


def go_on_while_one_waits(patch: Patch) -> None:
    """A key goes on while its first event waits for its next attempt."""
    patch.setattr(turns, "_may_go", lambda line, delivery: True)


def go_on_before_it_is_written(patch: Patch) -> None:
    """A key goes on as soon as its first event is given up, before that is durable."""
    patch.setattr(Turns, "end_when_written", Turns.done)


def forget_order_on_takeover(patch: Patch) -> None:
    """Who takes over does not look for what waits in the ledger."""

    async def learn(self: worker.Worker, subscription: str) -> None:
        return

    patch.setattr(worker.Worker, "learn", learn)


def hand_out_any_row(patch: Patch) -> None:
    """The ledger does not look for older deliveries of a key."""
    patch.setattr(MemoryTables, "has_keys", lambda self, subscription: False)


def read_in_order_by_two(patch: Patch) -> None:
    """Two processes read at once what is to stay in order."""
    patch.setattr(MemoryTables, "claimed_by_others", lambda self, bus, reader, session: False)


def attempt_without_a_lease(patch: Patch) -> None:
    """Attempts of what is in order go on when others may have taken over."""
    patch.setattr(Deadlines, "lapsed", property(lambda self: False))
    patch.setattr(Deadlines, "_end_of", lambda self, watched: watched.deadline)


def forget_what_has_not_begun(patch: Patch) -> None:
    """What was taken from a lane, and has not begun when others get their turn, is not given back."""
    patch.setattr(lane.Lane, "_give_back", lambda self, taken: None)


def stuck_keys_go_on(patch: Patch) -> None:
    """A dead letter that is to hold its key does not."""
    _entries(patch, lambda entry, delivery: evolve(entry, key=None) if isinstance(entry, Bury) else entry)


def everybody_sends(patch: Patch) -> None:
    """All processes send for a subscription at once, each by its own rate."""
    patch.setattr(lane.Lane, "held", property(lambda self: self.route.held))


def spend_what_another_spent(patch: Patch) -> None:
    """Who begins to send after another begins with a full bucket."""
    patch.setattr(Pace, "empty", lambda self, now: None)


def trim_what_waits(patch: Patch) -> None:
    """Retention looks at what readers have passed, and not at what waits behind them."""
    patch.setattr(MemoryTables, "first_need", _first_unread)


def trim_what_is_claimed(patch: Patch) -> None:
    """Retention goes by what readers have claimed, not by what they have completed."""
    real = MemoryTables.needs

    def needs(self: MemoryTables, bus: str, before: int) -> list[Need]:
        claimed = min(reader.claimed for reader in self.readers(bus))
        return [evolve(need, start=max(need.start, claimed)) for need in real(self, bus, before)]

    patch.setattr(MemoryTables, "needs", needs)


def duplicates_are_stored(patch: Patch) -> None:
    """A duplicate is stored within the window."""
    patch.setattr(dedup, "counts", lambda seen, **given: False)


def duplicates_for_ever(patch: Patch) -> None:
    """What came once is not stored again, however long ago that was."""
    patch.setattr(dedup, "counts", lambda seen, **given: seen is not None)


def pulled_is_done(patch: Patch) -> None:
    """What is handed to who pulls counts as delivered before it is acknowledged."""

    async def outcome(self: PulledEvent) -> Outcome:
        await checkpoint()
        return Delivered()

    patch.setattr(PulledEvent, "outcome", outcome)


def given_back_is_done(patch: Patch) -> None:
    """What is in hand when a pull is left counts as delivered."""

    def close(self: Channel) -> None:
        for pulled in list(self._open):
            pulled.tell(Delivered())
        real(self)

    real = Channel.close
    patch.setattr(Channel, "close", close)


def ack_is_forgotten(patch: Patch) -> None:
    """Who pulls is told that an event is done, and it comes again."""
    patch.setattr(PulledEvent, "tell", lambda self, outcome: True)


def late_ack_is_heard(patch: Patch) -> None:
    """Who acknowledges too late is told that it was in time."""

    def tell(self: PulledEvent, outcome: Outcome) -> bool:
        return real(self, outcome) or self._over

    real = PulledEvent.tell
    patch.setattr(PulledEvent, "tell", tell)


def one_before_is_heard(patch: Patch) -> None:
    """What a process says of a subscription that was removed is taken for the one that has its id now."""
    patch.setattr(ledger, "_is_newer", lambda stored, known: False)


def one_before_is_written(patch: Patch) -> None:
    """What came of a subscription that was removed is written all the same, once the new one is known."""
    patch.setattr(ranges, "without", lambda entries, subscription: entries)
    patch.setattr(journal, "without", lambda entries, subscription: entries)


def late_word_is_written(patch: Patch) -> None:
    """What another has by now, or has come to an end with, is written once more."""
    patch.setattr(MemoryTables, "may_end", lambda self, subscription, offset, by: True)
    patch.setattr(
        MemoryTables, "put_waiting_again", lambda self, waiting, session, by: self.put_waiting(waiting, session)
    )


def repeats_are_applied(patch: Patch) -> None:
    """What was done already is done again where the answer was lost."""
    patch.setattr(MemoryTables, "last_write", lambda self, session: 0)


LEASES = evolve(
    PROFILES["order"],
    acts={"trouble": 6, "mood": 2, "publish": 4},
    moods=("slow", "slow", "hang"),
    processes=(2, 3),
    subscriptions=(3, 5),
    pace=1.0,
    ordered=1.0,
)
"""Storages that fail for longer than a lease, which is rare elsewhere."""

RATES = evolve(
    PROFILES["measure"],
    acts={"power": 2, "mood": 1, "publish": 6},
    moods=("fine", "slow"),
    processes=(1, 1),
    subscriptions=(2, 4),
    duration=(30.0, 60.0),
    pace=1.0,
)
"""Backlogs that wait for their rate, while the storage forgets who has sent."""

OUTAGES = evolve(
    PROFILES["days"],
    acts={"mood": 4, "crash": 1.5, "publish": 3},
    moods=("down", "down", "down", "fine"),
    duration=(80_000.0, 200_000.0),
)
"""Sinks that are down for longer than events may wait, while processes come and go."""

TAKEOVERS = evolve(
    PROFILES["changes"],
    acts={"change": 6, "crash": 3, "stall": 2, "publish": 6, "mood": 3},
    moods=("slow", "hang", "hang"),
    processes=(2, 3),
    subscriptions=(2, 4),
    downtime=(0.0, 2.0),
)
"""Ranges that are matched by one process and taken over by another, while filters change."""

MOVES = evolve(
    PROFILES["changes"],
    acts={"change": 12, "resume": 6, "mood": 2, "publish": 6},
    moods=("gone", "fine"),
    pace=0.1,
)
"""Sinks that are gone, while subscriptions go elsewhere."""

LATECOMERS = evolve(
    PROFILES["anew"],
    acts={"remove": 6, "create": 9, "stall": 2, "trouble": 4, "mood": 3, "publish": 6},
    pace=0.1,
)
"""Processes that speak late, of subscriptions whose ids others have by then."""

CROWDS = evolve(
    PROFILES["sinks"],
    acts={"mood": 4, "publish": 8},
    moods=("slow", "flaky", "hang", "down"),
    processes=(3, 3),
    subscriptions=(5, 7),
    events=(100, 200),
    pace=0.8,
)
"""Processes that settle what others have left in the ledger, while it is full."""

RUNS = {
    **PROFILES,
    "leases": LEASES,
    "rates": RATES,
    "outages": OUTAGES,
    "takeovers": TAKEOVERS,
    "crowds": CROWDS,
    "moves": MOVES,
    "latecomers": LATECOMERS,
}

MUTATIONS: dict[Callable[[Patch], None], tuple[str, ...]] = {
    complete_early: ("calm",),
    drop_retries: ("sinks",),
    forget_pending: ("calm",),
    let_go_without_rows: ("storage",),
    ignore_retry_after: ("sinks",),
    ignore_hold: ("sinks",),
    left_sinks_are_heard: ("moves",),
    what_is_not_to_be_is_marked: ("replays",),
    one_too_many: ("calm",),
    old_definition: ("changes",),
    new_definition_for_what_is_claimed: ("takeovers",),
    repeat_after_delivery: ("calm",),
    no_takeover: ("crashes",),
    rows_stay_held: ("crashes",),
    take_what_is_not_due: ("sinks",),
    attempts_do_not_count: ("sinks",),
    wrong_reason: ("sinks",),
    bury_nothing: ("sinks",),
    pause_is_ignored: ("changes",),
    no_timeout: ("sinks",),
    gap_on_leaving: ("sinks", "changes"),
    overlap_on_joining: ("sinks", "changes"),
    no_fence: ("crashes", "storage"),
    timers_stay: ("calm",),
    no_recount: ("crowds",),
    outages_are_forgotten: ("outages",),
    rows_before_their_range: ("crashes",),
    letters_go_before_they_are_there: ("letters",),
    letters_are_given_up: ("letters",),
    no_rate: ("measure",),
    rate_is_refilled: ("rates",),
    whole_batch_is_blamed: ("measure",),
    no_survey: ("crashes", "calm"),
    lease_is_not_kept: ("calm",),
    reorder_a_key: ("order",),
    two_of_a_key: ("order",),
    go_on_while_one_waits: ("order",),
    go_on_before_it_is_written: ("order",),
    forget_order_on_takeover: ("order",),
    hand_out_any_row: ("order",),
    read_in_order_by_two: ("order",),
    attempt_without_a_lease: ("leases",),
    forget_what_has_not_begun: ("calm",),
    stuck_keys_go_on: ("order",),
    everybody_sends: ("measure",),
    spend_what_another_spent: ("measure",),
    trim_what_waits: ("retention",),
    trim_what_is_claimed: ("retention",),
    duplicates_are_stored: ("doubles",),
    duplicates_for_ever: ("doubles",),
    pulled_is_done: ("pulls",),
    given_back_is_done: ("pulls",),
    ack_is_forgotten: ("pulls",),
    late_ack_is_heard: ("pulls",),
    one_before_is_heard: ("latecomers",),
    one_before_is_written: ("anew",),
    late_word_is_written: ("replays",),
    repeats_are_applied: ("storage",),
}
"""How the code is broken, and the profiles that have to show it."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_it_is_caught(mutation: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutation(monkeypatch)
    profiles = MUTATIONS[mutation]
    for seed in range(WITHIN):
        report = simulate(seed, RUNS[profiles[seed % len(profiles)]])
        if report.violation is not None:
            return
    raise AssertionError(f"{WITHIN} seeds of {profiles} have not shown that: {mutation.__doc__}")


def test_whole_code_is_not_caught() -> None:
    for name in {profile for profiles in MUTATIONS.values() for profile in profiles}:
        assert simulate(0, RUNS[name]).violation is None


def _entries(patch: Patch, change: Callable[[Any, Delivery], Any]) -> None:
    """Change what is written after an attempt."""

    def entry(delivery: Delivery, *args: Any, **kwargs: Any) -> Any:
        return change(entry_after(delivery, *args, **kwargs), delivery)

    patch.setattr(worker, "entry_after", entry)


def _first_unread(self: MemoryTables, bus: str) -> tuple[int, str] | None:
    needs = self.needs(bus, self.bounds(bus).end)
    return min(((need.start, need.subscription) for need in needs), default=None)


def _hasty(outcome: Outcome) -> Outcome:
    return outcome if isinstance(outcome, Delivered | Rejected) else evolve(outcome, after=None)


def _buried(entry: Any) -> bool:
    return isinstance(entry, Bury)
