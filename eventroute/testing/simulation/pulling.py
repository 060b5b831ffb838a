"""Consumers that pull: they acknowledge, refuse, forget, extend, and leave; what they were told has to hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from attrs import define, field

from eventroute.errors import EventrouteError
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.pull import PulledEvent
from eventroute.router import Router
from eventroute.testing.simulation.model import Timeline, name_of
from eventroute.testing.simulation.sinks import Attempt, SimulatedSink, Sinks
from eventroute.testing.simulation.world import Host, World

__all__ = ["BATCHES", "consume"]

BATCHES = (1, 3, 16)
"""How many events a consumer has in hand at most; policies of what is pulled allow as many as the most."""

LOOK_EVERY = 0.5
"""How often a process looks for subscriptions to pull, in seconds."""


async def consume(world: World, sinks: Sinks, host: Host, router: Router) -> None:
    """Pull all that can be pulled, until cancelled."""
    known: set[str] = set()
    async with anyio.create_task_group() as tasks:
        while True:
            for name, timeline in list(world.model.alive.items()):
                if timeline.current.pulled and name not in known:
                    known.add(name)
                    tasks.start_soon(_Consumer(world, sinks, host, router, name).run)
            await anyio.sleep(LOOK_EVERY)


@define(eq=False)
class _Hand(SimulatedSink):
    """Attempts at a pulled subscription: an event is in the hand of its consumer, or waits for it to reach out."""

    told: dict[str, Outcome | None] = field(factory=dict)
    """By event in hand, what its consumer has said and was told to have been heard; None: nothing."""
    attempts: dict[str, Attempt] = field(factory=dict)
    """By event, its last attempt."""
    batch: int = 1
    real: Callable[[Event], Awaitable[Outcome]] | None = None
    """What hands over."""

    def _attempt(self, timeline: Timeline, event: Event) -> Attempt:
        attempt = self.attempts[name_of(event)] = super()._attempt(timeline, event)
        return attempt

    async def _answer(self, event: Event, poison: bool) -> Outcome:
        world, name = self.sinks.world, name_of(event)
        flying = self.host.requests[self.name, self.number]
        world.require(flying <= self.batch, "%s: %d in hand, %d were asked for", self.name, flying, self.batch)
        assert self.real is not None
        self.told[name] = outcome = None
        try:
            outcome = await self.real(event)
        finally:
            said = self.told.pop(name)
            right = outcome == said or (said is None and not isinstance(outcome, Delivered))
            session = self.host.sessions.get(world.model.timelines[self.name, self.number].bus, "")
            right = right or self.host.life.dead or world.over or not world.tables.has_session(session)
            world.require(
                right, "%s: the consumer of %s has said %s, and it came to %s", self.name, name, said, outcome
            )
        return outcome


@define(eq=False)
class _Consumer:
    """Pulls one subscription in one process, in the mood of its sink."""

    world: World
    sinks: Sinks
    host: Host
    router: Router
    name: str

    async def run(self) -> None:
        """Pull, leave, and pull again."""
        while True:
            try:
                await self._pull(self.world.luck.choice(BATCHES))
            except EventrouteError as error:
                self.world.note(self.host.name, "cannot pull %s: %s", self.name, error)
            await anyio.sleep(1.0)

    async def _pull(self, batch: int) -> None:
        world = self.world
        timeline = world.model.alive[self.name]
        pull = self.router.pull(self.name, batch=batch)
        channel = pull._channel  # noqa: SLF001 - what it hands over is watched
        hand = _Hand(self.sinks, self.host, self.name, timeline.number, "a", DeliveryPolicy(), batch=batch)
        hand.real, channel.send = channel.send, hand.send  # type: ignore[method-assign]
        async with pull, anyio.create_task_group() as tasks:
            async for pulled in pull:
                mood = self.sinks.moods.get((self.name, "a"), "fine")
                if mood == "gone":
                    world.fault("pull left")
                    break
                tasks.start_soon(self._handle, pulled, mood, hand)
            tasks.cancel_scope.cancel()

    async def _handle(self, pulled: PulledEvent, mood: str, hand: _Hand) -> None:
        world, luck = self.world, self.world.luck
        name = name_of(pulled.event)
        attempt = hand.attempts.get(name)
        if mood != "fine":
            world.fault(f"pull {mood}")
        if mood == "hang":
            return
        await anyio.sleep(luck.random() * (0.4 if mood == "slow" else 0.05))
        if mood == "liar" and attempt is not None:  # it takes its time, and says so
            seconds = luck.choice([0.05, 1.0, 20.0])
            if pulled.extend(seconds):
                attempt.until = world.now() + seconds
            await anyio.sleep(luck.random() * 1.2 * seconds)
        refuse = mood in ("flaky", "down") and luck.random() < 0.6
        says = RetryLater("nack", after=luck.choice([None, 0.0, 3.0])) if refuse else Delivered()
        if pulled.tell(says):
            world.require(hand.told.get(name, says) is None, "%s: %s was heard twice", self.name, name)
            hand.told[name] = says
