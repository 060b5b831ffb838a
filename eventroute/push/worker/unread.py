"""What cannot be read from the log any more: a dead letter takes its place, and so nobody waits for it unawares."""

from __future__ import annotations

import logging
from collections.abc import Collection

from eventroute.errors import DamagedEvent
from eventroute.push.worker.worker import Worker
from eventroute.storage.base import Bury, DeadLetter

__all__ = ["DAMAGED", "MISSING", "bury_unread", "pass_over"]

_log = logging.getLogger("eventroute.push")

DAMAGED = "damaged"
"""The reason of a dead letter whose event is not what was written."""

MISSING = "event-missing"
"""The reason of a dead letter whose event the log no longer holds."""


def bury_unread(
    worker: Worker, subscription: str, offset: int, attempts: int, damaged: DamagedEvent | None, *, again: bool = True
) -> None:
    """Give up a delivery because its event is damaged, or (None) gone; not `again`: there is no row of it."""
    reason, error = MISSING, f"the log no longer holds offset {offset}"
    if damaged is not None:
        reason, error = DAMAGED, damaged.fault
    letter = DeadLetter(subscription, offset, worker.clock.time(), reason, error, attempts, b"")
    worker.bury(Bury(letter, again=again))


def pass_over(worker: Worker, damaged: DamagedEvent, subscriptions: Collection[str]) -> None:
    """Give up a damaged event for each of these subscriptions: nobody can tell any more which of them it was for."""
    _log.error(
        "bus %s: the event %d is passed over, with a dead letter for each of %d subscriptions: %s",
        damaged.bus,
        damaged.offset,
        len(subscriptions),
        damaged,
    )
    for subscription in subscriptions:
        bury_unread(worker, subscription, damaged.offset, 0, damaged, again=False)
