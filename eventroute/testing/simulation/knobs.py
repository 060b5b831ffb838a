"""Bounds that a run turns down, so that a few events reach what else takes a hundred thousand."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eventroute.push.policy.backoff import Backoff

__all__ = ["knobs"]

_SMALL: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    ("eventroute.push.worker.reading", "CLAIM", (1, 3, 10)),
    ("eventroute.push.worker.reading", "ENTER", (1, 5)),
    ("eventroute.push.worker.reading", "JOIN_WITHIN", (0, 2, 10)),
    ("eventroute.push.worker.reading", "PAGE_BYTES", (1, 600)),
    ("eventroute.push.lane.room", "QUEUE_EVENTS", (1, 2, 5)),
    ("eventroute.push.lane.room", "QUEUE_BYTES", (1, 400)),
    ("eventroute.push.worker.worker", "DELIVERIES", (1, 5, 20)),
    ("eventroute.push.worker.journal", "BATCH", (1, 2, 7)),
    ("eventroute.push.worker.journal", "LIMIT", (1, 3, 10)),
    ("eventroute.push.worker.retrying", "FETCH", (1, 3)),
    ("eventroute.push.worker.retrying", "READ_BYTES", (1, 600)),
    ("eventroute.push.firing", "FIRE", (1, 2)),
    ("eventroute.storage.memory.tables", "REMOVED_KEPT", (0, 1)),
    ("eventroute.push.worker.reading", "NOTED", (1, 3, 10)),
)

_LONG: tuple[tuple[str, str], ...] = (
    ("eventroute.push.worker.retrying", "SURVEY_EVERY"),
    ("eventroute.retaining", "LOOK_EVERY"),
    ("eventroute.router", "LOOK_EVERY"),
    ("eventroute.push.firing", "LOOK_EVERY"),
    ("eventroute.push.forwarding", "LOOK_EVERY"),
)


@contextmanager
def knobs(lot: random.Random, stretch: float) -> Iterator[dict[str, Any]]:
    """Turn some bounds down, drawn by lot, and waits that cost much up by `stretch`; both are undone at the end."""
    chosen: dict[tuple[str, str], Any] = {
        (module, name): lot.choice(values) for module, name, values in _SMALL if lot.random() < 0.3
    }
    chosen["eventroute.push.forwarding", "BACKOFF"] = Backoff(0.5 * stretch, 5.0 * stretch)
    if stretch > 1:
        chosen |= dict.fromkeys(_LONG, stretch)
    before = {key: getattr(sys.modules[key[0]], key[1]) for key in chosen}
    for (module, name), value in chosen.items():
        setattr(sys.modules[module], name, value)
    try:
        yield {name: value for (_, name), value in chosen.items()}
    finally:
        for (module, name), value in before.items():
            setattr(sys.modules[module], name, value)
