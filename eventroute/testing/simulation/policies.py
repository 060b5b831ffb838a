"""Policies of simulated subscriptions, and what buses keep, drawn by lot."""

from __future__ import annotations

import random
from typing import Any

from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.batch import Batch
from eventroute.push.policy.breaker import Breaker
from eventroute.push.policy.rate import Rate
from eventroute.storage.base import Retention
from eventroute.testing.simulation.letters import LETTERS, SINK
from eventroute.testing.simulation.model import KEY
from eventroute.testing.simulation.world import World

__all__ = ["draw_dedup", "draw_policy", "draw_retention"]


def draw_policy(world: World) -> DeliveryPolicy:
    """Any policy."""
    lot, stretch = world.lot, world.stretch
    first = lot.choice([0.01, 0.2, 1.0]) * stretch
    breaker = None
    if lot.random() < 0.6:
        breaker = Breaker(lot.choice([1, 3, 10]), Backoff(lot.choice([0.1, 1.0]) * stretch, 5.0 * stretch))
    calm = world.profile.exact
    ordered = world.profile.ordered > 0 and lot.random() < world.profile.ordered
    measure = _measure(world) if world.profile.measured else {}
    letters = world.profile.letters
    marks = "replay" in world.profile.acts and lot.random() < 0.4
    targets = [None, f"bus:{LETTERS}", f"sim:{SINK}/0/a", f"sim:{SINK}/0/a"]
    return DeliveryPolicy(
        timeout=lot.choice([1.0, 3.0, 10.0]) if calm else lot.choice([0.1, 0.5, 2.0, 10.0]),
        backoff=Backoff(first, max(first, lot.choice([0.5, 5.0, 20.0]) * stretch)),
        max_attempts=lot.choice([None, 1, 1, 2] if letters else [None, None, 1, 2, 5]),
        max_age=86_400.0 if calm else min(31_536_000.0, lot.choice([1.0, 30.0, 86_400.0, 86_400.0]) * stretch),
        concurrency=16 if world.profile.pulled else lot.choice([1, 2, 3, 16]),
        max_waiting=lot.choice([1, 2, 5, 20, 1_000]),
        breaker=breaker,
        order_by=KEY if ordered else None,
        when_stuck="hold" if ordered and lot.random() < 0.4 else "go-on",
        dead_letter=lot.choice(targets) if letters else None,
        mark_replays=marks,
        **measure,
    )


def _measure(world: World) -> dict[str, Any]:
    """A rate and batches, or one of the two, or none."""
    lot = world.lot
    drawn: dict[str, Any] = {}
    if lot.random() < 0.6:
        drawn["rate"] = Rate(lot.choice([0.5, 2.0, 20.0]), lot.choice([None, 1, 3, 10]))
    if lot.random() < 0.6:
        batch = Batch(
            events=lot.choice([1, 3, 10]), bytes=lot.choice([1, 400, 1 << 20]), linger=lot.choice([0.0, 0.5, 3.0])
        )
        drawn |= {"mode": "batch", "batch": batch}
    return drawn


def draw_dedup(lot: random.Random) -> tuple[float, int]:
    """For how long duplicates are told, and among how many."""
    return lot.choice([0.5, 3.0, 20.0]), lot.choice([3, 20, 1_000])


def draw_retention(lot: random.Random) -> Retention:
    """Less than is published; what somebody needs stays."""
    return Retention(
        max_age=lot.choice([None, 1.0, 20.0]),
        max_events=lot.choice([None, 1, 10]),
        max_bytes=lot.choice([None, 1, 1_000]),
        until_settled=lot.random() < 0.5,
    )
