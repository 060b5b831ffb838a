"""What happens in a simulation besides time: each act is a function of the stage, drawn by lot from the profile."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import anyio
from anyio.abc import TaskGroup
from attrs import define, evolve, field

from eventroute.definitions import Vocabulary, compile_subscription, definition_of
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.testing.simulation.letters import LETTERS, SINK
from eventroute.testing.simulation.model import FILTERS, TYPES, Definition, make_event
from eventroute.testing.simulation.policies import draw_policy
from eventroute.testing.simulation.server import FUNCTION, Server
from eventroute.testing.simulation.sinks import Sinks
from eventroute.testing.simulation.world import Trouble, World

__all__ = ["ACTS", "DELAY", "Stage", "create", "publish"]

NAMES = tuple(f"s{number}" for number in range(7))
VARIANTS = "ab"

DELAY = 30.0
"""How far ahead events are delayed at most, in seconds."""


@define(eq=False)
class Stage:
    """The processes, and what can be done to them."""

    world: World
    sinks: Sinks
    tasks: TaskGroup
    policies: tuple[DeliveryPolicy, ...] = ()
    """What subscriptions have; none: drawn."""
    slots: list[Server | None] = field(factory=list)
    """The processes; None: away."""
    lease: float = 5.0
    function: DeliveryPolicy | None = None
    numbers: dict[str, int] = field(factory=dict)
    published: int = 0
    lives: int = 0
    closing: bool = False
    _next: list[Callable[[], None]] = field(factory=list)
    _fire: anyio.Event = field(factory=anyio.Event)

    # -- processes -------------------------------------------------------------------------------------------------

    def up(self) -> list[Server]:
        """The processes that can be asked for something."""
        return [server for server in self.slots if server is not None and server.up]

    def launch(self, slot: int) -> None:
        """Start a process, where there is none."""
        server = self.slots[slot]
        if server is not None and not server.finished:
            return
        world = self.world
        skew = world.lot.uniform(-1, 1) * world.profile.skew
        self.lives += 1
        serves = self.function if slot == 0 else None
        name = f"p{slot}.{self.lives}"
        server = Server(world, self.sinks, name, lease=self.lease, skew=round(skew, 3), policy=serves)
        self.slots[slot] = server
        server.start(self.tasks)

    async def keep(self) -> None:
        """Do what was asked for by `later`, which may have been called in a task of a process, or in none."""
        while True:
            await self._fire.wait()
            self._fire = anyio.Event()
            while self._next:
                self._next.pop(0)()

    def burn(self, server: Server, then: Callable[[], None]) -> None:
        """Do something to a process, `then` more, after some of its steps from now, wherever it is by then."""

        def burnt() -> None:
            if not server.finished:
                then()

        if self.world.backend == "asyncio":
            server.host.life.burnt = burnt
            server.host.life.fuse = self.world.lot.choice([1, 3, 10, 40, 150, 600]) + self.world.lot.randrange(20)
        else:
            burnt()

    def later(self, seconds: float, then: Callable[[], None]) -> None:
        """Do something after a while; may be called from anywhere."""

        async def wait() -> None:
            await anyio.sleep(seconds)
            then()

        self._next.append(lambda: self._start(wait))
        self._fire.set()

    def _start(self, wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.tasks.start_soon(wait)

    def away(self, slot: int) -> None:
        """A process is gone: it comes back after a while."""
        least, most = self.world.profile.downtime
        draw = self.world.lot.random()

        def back() -> None:
            if self.closing:
                return
            server = self.slots[slot]
            if server is None or server.finished:
                self.launch(slot)
            else:
                self.later(1.0, back)

        self.later(least + (most - least) * draw**2, back)

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def free(self) -> list[str]:
        """The subscriptions that are there and that nobody is changing, but for the function's."""
        return [name for name in self.world.model.alive if name != FUNCTION and not self.is_busy(name)]

    def is_busy(self, name: str) -> bool:
        """Whether somebody is changing it."""
        return any(server is not None and name in server.busy for server in self.slots)

    def subscribe(self, server: Server, name: str, definition: Definition, bus: str, start: Any) -> None:
        """Have a process create or change a subscription."""
        timeline = self.world.timeline(name)
        number = self.numbers.get(name, 0) if timeline is not None else self.numbers.get(name, 0) + 1
        subscription = definition.subscription(name, number, bus, start)
        key = (name, definition_of(compile_subscription(subscription, Vocabulary())))
        known = self.world.definitions.setdefault(key, (number, definition))

        async def call(router: Router) -> None:
            await router.subscribe(subscription)
            there = self.world.timeline(name)
            right = there is not None and there.number == number and there.current is known[1]
            self.world.require(right, "%s: subscribe returned, and the definition is not in force", name)

        self.numbers[name] = number
        server.ask(call, name)

    def draw_definition(self) -> Definition:
        """Any definition."""
        lot = self.world.lot
        policy = lot.choice(self.policies) if self.policies else draw_policy(self.world)
        pulled = self.world.profile.pulled
        variant = "a" if pulled else lot.choice(VARIANTS)
        return Definition(lot.randrange(len(FILTERS)), policy, variant, lot.random() < 0.25, pulled)

    def bus(self) -> str:
        """Any bus."""
        names: list[str] = [name for name in self.world.tables.buses() if name != LETTERS]
        return self.world.lot.choice(names)

    def _soon(self, seconds: float) -> str:
        return datetime.fromtimestamp(self.world.clock.time() + seconds * self.world.stretch, UTC).isoformat()

    def events(self, count: int) -> list[Event]:
        """New events."""
        lot, made, doubled = self.world.lot, [], self.world.profile.doubled
        for _ in range(count):
            self.published += 1
            again = doubled and self.published > 1 and lot.random() < 0.4
            name = max(1, self.published - lot.choice([1, 3, 10, 40])) if again else self.published
            expires = self._soon(lot.choice([-5.0, 1.0, 20.0])) if lot.random() < 0.05 else None
            after = self._soon(lot.choice([-5.0, 0.01, 3.0, DELAY])) if lot.random() < 0.05 and not doubled else None
            made.append(
                make_event(
                    f"e{name}",
                    lot.choice(TYPES),
                    lot.randrange(100),
                    must=lot.random() < 0.95,
                    poison=lot.random() < 0.03,
                    expires=expires,
                    after=after,
                    copy=self.published if again else 0,
                )
            )
        return made


def publish(stage: Stage) -> None:
    """Some events are published."""
    servers, lot = stage.up(), stage.world.lot
    if not servers:
        return
    bus, events = stage.bus(), stage.events(lot.choice([1, 1, 2, 5, 12]))

    async def call(router: Router) -> None:
        offsets = await router.publish(*events, bus=bus)
        for event, offset in zip(events, offsets, strict=True):
            fact = None if offset is None else stage.world.model.facts.get((bus, offset))
            kept = event.id in stage.world.model.delayed if offset is None else fact is not None and fact.id == event.id
            stage.world.require(kept, "publish returned %s for %s, and it is not kept there", offset, event.id)

    lot.choice(servers).ask(call)


def create(stage: Stage) -> None:
    """A subscription is made."""
    servers, lot = stage.up(), stage.world.lot
    names = [name for name in NAMES if name not in stage.world.model.alive and not stage.is_busy(name)]
    if not servers or not names:
        return
    bus = stage.bus()
    past = datetime.fromtimestamp(stage.world.clock.time() - lot.choice([0.0, 1.0, 30.0]), UTC)
    start = lot.choice(["latest", "earliest", "latest", lot.randrange(60), past])
    stage.subscribe(lot.choice(servers), lot.choice(names), stage.draw_definition(), bus, start)


def change(stage: Stage) -> None:
    """A subscription changes, in part or as a whole."""
    servers, names, lot = stage.up(), stage.free(), stage.world.lot
    if not servers or not names:
        return
    name = lot.choice(names)
    timeline = stage.world.model.alive[name]
    definition, fresh = timeline.current, stage.draw_definition()
    part = lot.choice(["filter", "policy", "variant", "transforms", "all"])
    changed = fresh if part == "all" else evolve(definition, **{part: getattr(fresh, part)})
    stage.subscribe(lot.choice(servers), name, changed, timeline.bus, "latest")


def _managed(stage: Stage, do: Callable[[Router, str], Any]) -> None:
    servers, names, lot = stage.up(), stage.free(), stage.world.lot
    if servers and names:
        name = lot.choice(names)
        lot.choice(servers).ask(lambda router: do(router, name), name)


def pause(stage: Stage) -> None:
    """A subscription is paused."""
    _managed(stage, lambda router, name: router.pause(name))


def resume(stage: Stage) -> None:
    """A subscription goes on."""
    _managed(stage, lambda router, name: router.resume(name))


def remove(stage: Stage) -> None:
    """A subscription is removed."""
    _managed(stage, lambda router, name: router.unsubscribe(name))


def redrive(stage: Stage) -> None:
    """Dead letters are redriven."""
    servers, lot = stage.up(), stage.world.lot
    name = lot.choice([None, *stage.world.model.alive])
    bus = stage.bus()
    if servers:
        lot.choice(servers).ask(
            lambda router: router.redrive(bus) if name is None else router.redrive(bus, subscription=name)
        )


def purge(stage: Stage) -> None:
    """Dead letters are removed."""
    servers, lot = stage.up(), stage.world.lot
    bus = stage.bus()
    if servers and stage.world.model.alive:
        name = lot.choice(list(stage.world.model.alive))
        lot.choice(servers).ask(lambda router: router.purge(bus, subscription=name))


def replay(stage: Stage) -> None:
    """A part of the log is delivered again, up to where its subscription is."""
    lot = stage.world.lot
    start: str | int = "earliest" if lot.random() < 0.5 else lot.randrange(60)
    _managed(stage, lambda router, name: router.replay(name, start=start))


def bus(stage: Stage) -> None:
    """A bus is made."""
    servers, lot = stage.up(), stage.world.lot
    if servers:
        lot.choice(servers).ask(lambda router: router.create_bus("second"))


def mood(stage: Stage) -> None:
    """A sink changes its mood."""
    lot = stage.world.lot
    sinks = [(name, variant) for name in stage.world.model.alive for variant in VARIANTS]
    sinks += [(SINK, "a")] * 6 if stage.world.profile.letters else []
    if sinks:
        sink, chosen = lot.choice(sinks), lot.choice(("fine", *stage.world.profile.moods))
        stage.sinks.moods[sink] = chosen
        stage.world.note("sink", "%s/%s is %s", *sink, chosen)


def trouble(stage: Stage) -> None:
    """The storage has a bad time, for a while."""
    world, lot = stage.world, stage.world.lot
    chosen = Trouble(lot.choice([0, 0.05, 0.5, 1.0]), lot.choice([0, 0.05, 0.4]), lot.choice([0, 0.1, 3.0]))
    world.trouble, world.troubled_at = chosen, world.now()
    world.note("storage", "is in trouble: %s", chosen)

    def end() -> None:
        if world.trouble is chosen:
            world.trouble, world.troubled_at = Trouble(), world.now()
            world.note("storage", "is well")

    stage.later(lot.choice([0.5, 3.0, 15.0]), end)


def power(stage: Stage) -> None:
    """The storage loses power: it forgets what it may, all sessions and who sends."""
    world = stage.world
    world.fault("power loss")
    world.note("storage", "loses power")
    for session, lease in world.leases.items():
        lease.lost = True
        if world.tables.has_session(session):
            lease.unaware = lease.extended + lease.ttl
    world.forget()


def crash(stage: Stage) -> None:
    """A process is killed."""
    servers = [(slot, server) for slot, server in enumerate(stage.slots) if server and not server.finished]
    if not servers:
        return
    slot, server = stage.world.lot.choice(servers)

    def killed() -> None:
        stage.world.fault("crash")
        server.kill()
        stage.away(slot)

    stage.burn(server, killed)


def stall(stage: Stage) -> None:
    """A process stands still for a while, perhaps longer than its lease."""
    servers, lot = stage.up(), stage.world.lot
    if not servers or stage.world.backend != "asyncio":
        return
    server, seconds = lot.choice(servers), lot.random() ** 2 * 3 * stage.lease

    def stalled() -> None:
        stage.world.fault("stall")
        server.stall()
        stage.later(seconds, server.thaw)

    stage.burn(server, stalled)


def stop(stage: Stage) -> None:
    """A process is asked to end, and comes back."""
    servers = [(slot, server) for slot, server in enumerate(stage.slots) if server and server.up]
    if servers:
        slot, server = stage.world.lot.choice(servers)
        stage.world.fault("stop")
        server.stop()
        stage.away(slot)


def jump(stage: Stage) -> None:
    """The wall clocks jump."""
    world = stage.world
    seconds = round(world.lot.choice([0.01, 0.1, 1.0]) * world.lot.uniform(-1, 1) * world.profile.jumps, 3)
    world.wall.start += seconds
    if seconds < 0:
        world.jumped_back -= seconds
    world.fault("clock jump")
    world.note("clock", "jumps by %.3f s", seconds)


ACTS: dict[str, Callable[[Stage], None]] = {
    act.__name__: act
    for act in (
        publish,
        create,
        change,
        pause,
        resume,
        remove,
        redrive,
        replay,
        purge,
        bus,
        mood,
        trouble,
        power,
        crash,
        stall,
        stop,
        jump,
    )
}
"""What may happen, by name."""
