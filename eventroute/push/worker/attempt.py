"""What is to be written down after an attempt: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence

from eventroute.push.delivery import Delivery
from eventroute.push.outcome import Delivered, Outcome, Rejected
from eventroute.push.policy import DeliveryPolicy
from eventroute.storage.base import Bury, DeadLetter, Entry, Forward, Settle, Trip, Wait, Waiting

__all__ = ["RETRIES_EXHAUSTED", "entry_after", "named", "without"]

RETRIES_EXHAUSTED = "retries-exhausted"


def entry_after(
    delivery: Delivery, outcome: Outcome, policy: DeliveryPolicy, *, now: float, draw: float, spared: float = 0.0
) -> Settle | Wait | Bury | None:
    """The ledger entry that an attempt's outcome asks for, or None where nothing needs to be written.

    `delivery` counts this attempt already and knows its first one. `now` is the wall clock in seconds, `draw` a random
    number in [0, 1), `spared` how many seconds up to now do not count towards an age (`Circuit.spared`). A retry that
    would come after `max_age` is made at `max_age`, unless the sink asked for longer: so the last attempt uses the time
    there is.
    """
    if isinstance(outcome, Delivered):
        return Settle(delivery.subscription, delivery.offset) if delivery.recorded else None
    if isinstance(outcome, Rejected):
        return _bury(delivery, policy, now, outcome.reason, outcome.error)
    copy = delivery.raw if delivery.copied else None
    if not outcome.counts:
        attempts = max(delivery.attempts - delivery.begun, 0)
        first_attempt = delivery.first_attempt if attempts else None
        row = Waiting(
            delivery.subscription, delivery.offset, now, attempts, first_attempt, outcome.reason, copy, delivery.row_key
        )
        return Wait(row, held=False, again=delivery.recorded)
    first = now - spared if delivery.first_attempt is None else delivery.first_attempt
    last = first + spared + policy.max_age
    spent = policy.max_attempts is not None and delivery.attempts >= policy.max_attempts
    if spent or now >= last:
        why = f"{outcome.reason}: {outcome.error}" if outcome.error else outcome.reason
        return _bury(delivery, policy, now, RETRIES_EXHAUSTED, why)
    wait = policy.backoff.wait(delivery.attempts, draw, at_least=outcome.after)
    due = max(now + (outcome.after or 0.0), min(now + wait, last))
    reason, key = outcome.reason, delivery.row_key
    row = Waiting(delivery.subscription, delivery.offset, due, delivery.attempts, first, reason, copy, key)
    return Wait(row, held=False, again=delivery.recorded)


def named(entry: Settle | Wait | Bury) -> tuple[str, int]:
    """The subscription and the offset that an entry is about."""
    match entry:
        case Settle(subscription, offset):
            return subscription, offset
        case Wait(row):
            return row.subscription, row.offset
        case Bury(letter):
            return letter.subscription, letter.offset


def without(entries: Sequence[Entry], subscription: str) -> Sequence[Entry]:
    """The entries but for those about deliveries and the breaker of a subscription; its dead letters outlive it."""
    return [entry for entry in entries if _whose(entry) != subscription]


def _whose(entry: Entry) -> str | None:
    if isinstance(entry, Settle | Wait | Bury):
        return named(entry)[0]
    return entry.state.subscription if isinstance(entry, Trip) else None


def _bury(delivery: Delivery, policy: DeliveryPolicy, now: float, reason: str, error: str) -> Bury:
    forward = None if policy.dead_letter is None else Forward(now)
    letter = DeadLetter(
        delivery.subscription, delivery.offset, now, reason, error, delivery.attempts, delivery.raw, forward
    )
    return Bury(letter, delivery.row_key if policy.when_stuck == "hold" else None, again=delivery.recorded)
