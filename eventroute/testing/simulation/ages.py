"""How old a delivery is, as a simulation reckons it: the time of outages does not count."""

from __future__ import annotations

from eventroute.storage.base import Waiting
from eventroute.testing.simulation.model import Timeline
from eventroute.testing.simulation.world import Ended, Host, World

__all__ = ["is_spent"]


def is_spent(
    world: World, host: Host, timeline: Timeline, attempts: int, row: Waiting | None, ended: Ended | None
) -> bool:
    """Whether a delivery has had its attempts or its time, by a definition that may have been in force."""
    age = host.clock.time() + world.jumped_back
    if row is None or row.first_attempt is None:
        age -= 0.0 if ended is None else ended.began
    else:
        age -= row.first_attempt + _spared(world, host, timeline)
    lasted = 0.0 if ended is None else host.clock.time() - ended.began
    if world.now() - timeline.paused_at <= lasted:
        age += lasted  # of an attempt under way a process does not know that a pause has moved its row's first one
    return any(
        (definition.policy.max_attempts is not None and attempts >= definition.policy.max_attempts)
        or age >= definition.policy.max_age - 0.002
        for definition in timeline.since(world.now() - 60.0)
    )


def _spared(world: World, host: Host, timeline: Timeline) -> float:
    """How many seconds up to now at the least do not count towards ages, as every process must know."""
    breaker = world.tables.breaker(timeline.id)
    heard = 60.0 + world.profile.stretch  # so often at the least a process looks what others say of outages
    if breaker is None or not world.calm_for(60.0) or world.now() - world.tripped_at[timeline.id] < heard:
        return 0.0
    lasts = 0.0 if breaker.opened is None else host.clock.time() - breaker.opened
    return max(0.0, breaker.spared + lasts - 10.0 - 2 * world.profile.skew)  # type: ignore[no-any-return]
