"""Run one simulation: faults for a while, then none, then the verdict. One seed, one run, to the byte.

report = simulate(7, PROFILES["storm"])
assert report.violation is None, report.replay
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import anyio
from attrs import evolve, frozen

from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.storage.base import DEFAULT_BUS, BusSettings
from eventroute.testing.simulation.acts import ACTS, Stage, create, publish
from eventroute.testing.simulation.duplicates import Duplicates
from eventroute.testing.simulation.knobs import knobs
from eventroute.testing.simulation.letters import LETTERS
from eventroute.testing.simulation.loop import SimulationError, run_on_asyncio, run_on_trio
from eventroute.testing.simulation.policies import draw_dedup, draw_policy, draw_retention
from eventroute.testing.simulation.profile import PROFILES, Profile
from eventroute.testing.simulation.sinks import Sinks
from eventroute.testing.simulation.verdict import at_rest, judge_end, judge_stop, patience, undone
from eventroute.testing.simulation.world import Trouble, World

__all__ = ["Report", "simulate"]

LOOKS = 3
"""How often in a row all has to be at rest."""

Backend = Literal["asyncio", "trio"]


@frozen
class Report:
    """What came of one run."""

    seed: int
    profile: str
    backend: Backend
    violation: str | None
    """What did not hold, or None."""
    seconds: float
    """Virtual seconds."""
    events: int
    attempts: int
    delivered: int
    repeats: int
    """Deliveries made again, each for a reason that excuses it."""
    faults: Counter[str]
    """What was injected, by kind."""
    trace: tuple[str, ...]

    @property
    def replay(self) -> str:
        """The command that runs it again."""
        backend = "" if self.backend == "asyncio" else f" --backend {self.backend}"
        return f"python -m eventroute.testing.simulate --seed {self.seed} --profile {self.profile}{backend}"

    @property
    def digest(self) -> str:
        """A hash of the trace: two runs of a seed have the same."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def simulate(
    seed: int,
    profile: Profile = PROFILES["storm"],
    *,
    backend: Backend = "asyncio",
    trace: bool = False,
    policies: Sequence[DeliveryPolicy] = (),
    sink: Callable[[Event], Awaitable[object]] | None = None,
) -> Report:
    """Run the simulation that `seed` draws from `profile`.

    With `policies` the subscriptions have these and no drawn ones. `sink` is called with each event that a sink is
    about to take, and may raise `Retry`, `Reject` or anything else. With `trace` the report tells all that happened.
    What goes wrong stands in the report; an error of `sink` is none. Not for use inside a running event loop.
    """
    world = World(seed, profile, profile.stretch, trace, backend)
    play = _Play(world, tuple(policies), sink)
    seconds = 0.0

    async def main() -> None:
        nonlocal seconds
        world.wall.timer = asyncio.get_running_loop().time if backend == "asyncio" else anyio.current_time
        try:
            await play.run()
        finally:
            world.over = True
            seconds = anyio.current_time()

    run = run_on_asyncio if backend == "asyncio" else run_on_trio
    with knobs(world.lot, profile.stretch) as turned, _hushed(world), _uncollected():
        world.knobs = turned
        try:
            run(main, f"{profile.name} {seed}")
        except SimulationError as error:
            world.violation = world.violation or str(error)
    return Report(
        seed,
        profile.name,
        backend,
        world.violation,
        seconds,
        len(world.model.facts),
        world.attempts,
        world.delivered,
        world.repeats,
        world.faults,
        tuple(world.trace),
    )


class _Play:
    """One run, from the first act to the verdict."""

    def __init__(
        self, world: World, policies: tuple[DeliveryPolicy, ...], sink: Callable[[Event], Awaitable[object]] | None
    ) -> None:
        self._world = world
        self._sinks = Sinks(world, sink)
        self._policies = policies

    async def run(self) -> None:
        """Until the verdict, or until something is wrong."""
        world = self._world
        async with world.storage, anyio.create_task_group() as tasks:
            stage = self._stage = Stage(world, self._sinks, tasks, self._policies)
            tasks.start_soon(stage.keep)
            tasks.start_soon(self._end_when_failed, tasks.cancel_scope)
            await self._storm()
            await self._quiet()
            await self._end()
            tasks.cancel_scope.cancel()

    async def _end_when_failed(self, scope: anyio.CancelScope) -> None:
        await self._world.failed.wait()
        for server in self._stage.slots:
            if server is not None and not server.finished:
                server.kill()
        scope.cancel()

    async def _storm(self) -> None:
        world, stage, lot = self._world, self._stage, self._world.lot
        profile = world.profile
        stage.lease = lot.choice([2.0, 5.0, 20.0]) * max(1.0, profile.stretch / 3)
        stage.function = evolve(draw_policy(world), mode="binary") if lot.random() < 0.3 else None
        world.note("world", "lease %g, knobs %s", stage.lease, world.knobs)
        if profile.letters:
            await world.storage.create_bus(LETTERS)
        if profile.retained:
            await world.storage.update_bus(DEFAULT_BUS, BusSettings(retention=draw_retention(lot)))
        if profile.doubled:
            window, limit = draw_dedup(lot)
            world.duplicates = Duplicates(window, limit)
            await world.storage.update_bus(DEFAULT_BUS, BusSettings(dedup=window, dedup_limit=limit))
        stage.slots = [None] * lot.randint(*profile.processes)
        for slot in range(len(stage.slots)):
            stage.launch(slot)
        await anyio.sleep(0.5)
        for _ in range(lot.randint(*profile.subscriptions)):
            create(stage)
            await anyio.sleep(0.01)
        duration = lot.uniform(*profile.duration)
        for at, act in self._script(duration):
            await anyio.sleep(max(0.0, at - world.now()))
            act(stage)
        await anyio.sleep(max(0.0, duration - world.now()))

    def _script(self, duration: float) -> list[tuple[float, Callable[[Stage], None]]]:
        """What happens when. A part of the acts is left out of each run: rare things then happen undisturbed."""
        lot, profile = self._world.lot, self._world.profile
        acts = [name for name in profile.acts if lot.random() < 0.75]
        batches = lot.randint(*profile.events) // 4
        script: list[tuple[float, Callable[[Stage], None]]] = [
            (round(duration * lot.random() ** 1.5, 3), publish) for _ in range(batches)
        ]
        for _ in range(int(duration / profile.pace) if acts else 0):
            (name,) = lot.choices(acts, [profile.acts[one] for one in acts])
            script.append((round(duration * lot.random(), 3), ACTS[name]))
        return sorted(script, key=lambda entry: entry[0])

    async def _quiet(self) -> None:
        """Nothing fails any more: all has to come to an end within bounded time."""
        world, stage = self._world, self._stage
        world.note("world", "faults end")
        stage.closing, world.trouble = True, Trouble()
        world.troubled_at = world.now()
        self._sinks.moods.clear()
        for server in stage.slots:
            if server is not None:
                server.host.life.fuse = 0
                server.thaw()
        await self._have_one_up()
        for name in list(world.model.alive):
            if world.model.alive[name].paused and (world.lot.random() < 0.7 or name == "fn"):
                server = world.lot.choice(stage.up())
                server.ask(lambda router, name=name: router.resume(name), name)  # type: ignore[misc]
        await self._until(lambda: not any(server is not None and server.busy for server in stage.slots), 0.1)
        bound = world.now() + patience(stage)
        looks = 0
        while looks < LOOKS:
            looks = looks + 1 if at_rest(stage) else 0
            if world.now() > bound:
                world.violate(f"not drained within {patience(stage):g} s: {undone(stage)}")
            await anyio.sleep(0.25 * world.stretch)
            if world.now() > bound - patience(stage) + 30 and not stage.up():
                await self._have_one_up()

    async def _until(self, reached: Callable[[], bool], look_every: float) -> None:
        while not reached():  # noqa: ASYNC110 - what is waited for rings no bell
            await anyio.sleep(look_every)

    async def _have_one_up(self) -> None:
        """The first process runs, so that somebody serves the function; the others too, or not."""
        stage = self._stage
        while stage.slots[0] is None or not stage.slots[0].up:
            stage.launch(0)
            await anyio.sleep(0.5)

    async def _end(self) -> None:
        world, stage = self._world, self._stage
        await anyio.sleep(2.0)
        server = stage.slots[0]
        if server is not None and server.router is not None:
            await judge_end(stage, server.router)
        living = [one for one in stage.slots if one is not None and not one.finished]
        for one in living:
            one.stop()
        bound = world.now() + 60.0 + 4 * stage.lease
        while not all(one.finished for one in living):
            if world.now() > bound:
                world.violate("a process does not stop")
            await anyio.sleep(0.1)
        judge_stop(stage)


class _Notes(logging.Handler):
    """Has the trace tell what eventroute logs."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record."""
        self._world.note("log", "%s", record.getMessage())


@contextmanager
def _uncollected() -> Iterator[None]:
    """Garbage waits for the end of the run, which is short; else a tenth of the time goes into looking for it."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def _hushed(world: World) -> Iterator[None]:
    """What eventroute logs goes to the trace, and nowhere else."""
    log = logging.getLogger("eventroute")
    before = log.propagate, log.level, log.handlers
    log.propagate, log.handlers = False, [_Notes(world)] if world.tracing else [logging.NullHandler()]
    log.setLevel(logging.INFO if world.tracing else logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.propagate, log.handlers = before[0], before[2]
        log.setLevel(before[1])
