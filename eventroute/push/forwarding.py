"""Forwarding: one task a bus hands dead letters over to where policies want them; each stays until it is there."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import anyio
from anyio.abc import TaskGroup
from attrs import define, evolve

from eventroute.deadletters import letter_event
from eventroute.errors import InvalidEvent
from eventroute.hooks import DeadLetterForwarded, DeadLetterHeldUp
from eventroute.push.lane.sending import guarded
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.patience import patiently
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.reply import TOO_MANY_HOPS
from eventroute.push.sinks.base import Message, Sink, takes_messages
from eventroute.push.worker import Worker
from eventroute.storage.base import DeadLetter, Forward, Forwarded, PutOff

__all__ = ["Forwarding"]

_log = logging.getLogger("eventroute.push")

LOOK_EVERY = 1.0
"""How often it is looked for dead letters that are to go, in seconds; other processes may have left some."""

LOOK_SHARE = 0.02
"""The most of the time that looking may take: where it is slow it is done less often."""

LOOK_LATEST = 60.0
"""The longest time between two looks, in seconds."""

FETCH = 100
"""The most dead letters of one subscription that are claimed at once."""

AT_ONCE = 8
"""How many of one subscription are under way at once; one while its target is down."""

TIMEOUT = 30.0
"""How long one try may take, in seconds."""

BACKOFF = Backoff(first=1.0, limit=3_600.0)
"""Between the tries of a dead letter, and between those of a target that takes none."""

LEAST_HOLD = 0.1
"""The least time for which a target that is down is left alone, in seconds."""

FOR_GOOD = frozenset({"invalid-event", TOO_MANY_HOPS})
"""Why a dead letter can go nowhere: it stays in the ledger, and is not tried again."""

STAYS = Rejected("no-target", "no policy wants it elsewhere any more")
"""What becomes of a dead letter whose subscription is gone, or has no target by now: it stays in the ledger."""


@define(eq=False)
class _Target:
    """Where the dead letters of one subscription go, as far as this process has tried."""

    address: str
    sink: Sink | None
    """None: nowhere, they stay."""
    failures: int = 0
    """In a row, that were not about one dead letter."""
    held_until: float = 0.0
    """None is tried before this (wall clock) time."""
    serving: bool = False


class Forwarding:
    """Claims what is due, subscription by subscription, so that a target which is down delays no other."""

    def __init__(self, worker: Worker, tasks: TaskGroup) -> None:
        self.in_flight = 0
        """Tries under way."""
        self.errors: dict[str, str] = {}
        """By subscription, why its target did not take the last dead letter that was tried."""
        self._worker = worker
        self._tasks = tasks
        self._targets: dict[str, _Target] = {}

    async def run(self) -> None:
        """Run until cancelled; what is claimed then is freed with the session."""
        worker, clock = self._worker, self._worker.clock
        while not worker.stopping:
            began = clock.monotonic()
            found = await patiently(clock, worker.storage.forwards, worker.bus)
            took = clock.monotonic() - began
            self._forget_all_but({each.subscription for each in found})
            now = clock.time()
            for each in found:
                if each.next_due is not None and each.next_due <= now:
                    self._begin(each.subscription, now)
            await clock.sleep(max(LOOK_EVERY, min(took / LOOK_SHARE, LOOK_LATEST)))

    def _forget_all_but(self, subscriptions: set[str]) -> None:
        for name in self._targets.keys() - subscriptions:
            if not self._targets[name].serving:
                del self._targets[name]
                self.errors.pop(name, None)

    def _begin(self, subscription: str, now: float) -> None:
        """Have the dead letters of a subscription handed over, where this process can do so now."""
        route = self._worker.table.route(subscription)
        address = None if route is None else route.policy.dead_letter
        if route is not None and (not route.address or (address is not None and route.letters is None)):
            return  # its definition cannot be understood here, or its target not be reached: others may
        target = self._targets.get(subscription)
        if target is not None and target.serving:
            return
        sink = None if route is None else route.letters
        if target is None or target.address != (address or ""):
            target = self._targets[subscription] = _Target(address or "", sink)
        target.sink = sink
        if target.held_until <= now:
            target.serving = True
            self._tasks.start_soon(self._serve, subscription, target)

    async def _serve(self, subscription: str, target: _Target) -> None:
        """Hand over what is due, until nothing is or the target takes nothing."""
        worker, clock = self._worker, self._worker.clock
        try:
            while not worker.stopping and target.held_until <= clock.time():
                letters = await patiently(
                    clock,
                    worker.storage.claim_letters,
                    worker.bus,
                    subscription,
                    worker.session,
                    now=clock.time(),
                    limit=FETCH,
                )
                if not letters:
                    return
                left = iter(letters)
                async with anyio.create_task_group() as tasks:
                    for _ in range(1 if target.failures else AT_ONCE):
                        tasks.start_soon(self._hand_over, left, target)
                await worker.breathe()
        finally:
            target.serving = False

    async def _hand_over(self, letters: Iterator[DeadLetter], target: _Target) -> None:
        worker = self._worker
        for letter in letters:
            if worker.stopping or target.held_until > worker.clock.time():
                due = max(target.held_until, worker.clock.time())
                worker.journal.add(PutOff(letter, evolve(_forward(letter), due=due)))
                continue
            self.in_flight += 1
            try:
                outcome = await self._try(letter, target)
            finally:
                self.in_flight -= 1
                worker.quiet.ring()
            self._settle(letter, target, outcome)

    async def _try(self, letter: DeadLetter, target: _Target) -> Outcome:
        """Make one try; whatever goes wrong is an outcome."""
        sink = target.sink
        if sink is None:
            return STAYS
        try:
            event = letter_event(letter)
        except InvalidEvent as error:  # damaged: whoever reads the dead letter sees what is left of it
            return Rejected("invalid-event", str(error))
        outcome: Outcome = RetryLater("timeout", f"no answer within {TIMEOUT:g} s")
        with self._worker.clock.move_on_after(TIMEOUT):
            if takes_messages(sink):
                place = f"{letter.subscription}/{letter.offset}/{letter.time!r}"
                message = Message(event, event, f"deadletter/{place}/{event.source} {event.id}")
                outcome = await guarded(sink.send_messages, [message], letter.subscription)
            else:
                outcome = await guarded(sink.send, event, letter.subscription)
        return outcome

    def _settle(self, letter: DeadLetter, target: _Target, outcome: Outcome) -> None:
        worker = self._worker
        tries = _forward(letter).tries + (target.sink is not None)
        if isinstance(outcome, Delivered):
            target.failures = 0
            self.errors.pop(letter.subscription, None)
            worker.journal.add(Forwarded(letter))
            if worker.hooks:
                name = letter.subscription
                worker.hooks.tell(DeadLetterForwarded(worker.bus, name, letter.offset, target.address, tries))
            return
        why = f"{outcome.reason}: {outcome.error}" if outcome.error else outcome.reason
        due = None
        if not (isinstance(outcome, Rejected) and (outcome is STAYS or outcome.reason in FOR_GOOD)):
            due = worker.clock.time() + self._wait(target, outcome, tries)
        worker.journal.add(PutOff(letter, None if due is None else Forward(due, tries, why)))
        if outcome is not STAYS:
            self._say(letter, target, why, tries, due)

    def _wait(self, target: _Target, outcome: RetryLater | Rejected, tries: int) -> float:
        """For how long a dead letter waits, and with it the others, unless the fault may be its own."""
        draw = random.random()  # noqa: S311 - jitter
        if isinstance(outcome, Rejected):
            return BACKOFF.wait(tries, draw)
        now = self._worker.clock.time()
        if target.held_until > now:  # another one was there first: what was under way says nothing new
            return max(target.held_until - now, outcome.after or 0.0)
        target.failures += 1
        wait = max(BACKOFF.wait(target.failures, draw, at_least=outcome.after), LEAST_HOLD)
        target.held_until = now + wait
        return wait

    def _say(self, letter: DeadLetter, target: _Target, why: str, tries: int, due: float | None) -> None:
        worker, name = self._worker, letter.subscription
        if name not in self.errors:
            _log.warning("subscription %s: its dead letters do not get to %s: %s", name, target.address, why)
        self.errors[name] = why
        if worker.hooks:
            worker.hooks.tell(DeadLetterHeldUp(worker.bus, name, letter.offset, target.address, tries, why, due))


def _forward(letter: DeadLetter) -> Forward:
    return Forward(0.0) if letter.forward is None else letter.forward
