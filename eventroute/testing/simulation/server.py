"""A simulated process: a router with its own clock and its own way to the storage, that can be killed at any await."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context, copy_context
from typing import cast

import anyio
from anyio.abc import TaskGroup

from eventroute.definitions import Vocabulary, compile_subscription, definition_of
from eventroute.errors import EventrouteError, StorageError
from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.storage.base import Storage
from eventroute.subscription import Subscription
from eventroute.testing.simulation.clock import SimulatedClock
from eventroute.testing.simulation.loop import PROCESS, SimulationLoop
from eventroute.testing.simulation.model import Definition
from eventroute.testing.simulation.pulling import consume
from eventroute.testing.simulation.sinks import Sinks
from eventroute.testing.simulation.storage import SimulatedStorage
from eventroute.testing.simulation.world import Host, World

__all__ = ["FUNCTION", "Server"]

FUNCTION = "fn"
"""The subscription whose sink is an async function of some processes."""


class Server:
    """One life of a process. `policy` is that of the function it serves, or None where it serves none."""

    def __init__(
        self, world: World, sinks: Sinks, name: str, *, lease: float, skew: float, policy: DeliveryPolicy | None
    ) -> None:
        self.host = Host(name, SimulatedClock(world.wall, skew))
        self.router: Router | None = None
        """While it can be asked for something."""
        self.lease = lease
        self.finished = False
        self.busy: set[str] = set()
        """Subscriptions that it is changing now."""
        self.asked = 0
        """How many calls by `ask` are under way."""
        self._world = world
        self._sinks = sinks
        self._policy = policy
        self._stop = anyio.Event()
        self._context: Context = copy_context()
        self._tasks: TaskGroup | None = None
        self._scope = anyio.CancelScope()

    @property
    def up(self) -> bool:
        """Whether it can be asked for something."""
        return self.router is not None and not self.host.life.dead

    @property
    def has_calls(self) -> bool:
        """Whether something that it was asked for is under way, such as an append that takes long."""
        return self.asked > 0 and not self.finished

    def start(self, tasks: TaskGroup) -> None:
        """Begin to live; on trio in `tasks`."""
        self._context.run(PROCESS.set, self.host.life)
        self._world.note(self.host.name, "starts")
        if self._world.backend == "asyncio":
            asyncio.get_running_loop().create_task(self._run(), context=self._context)
        else:
            tasks.start_soon(self._run)

    def stop(self) -> None:
        """Ask it to end by itself."""
        self._world.note(self.host.name, "is asked to stop")
        self.router = None
        self._stop.set()

    def kill(self) -> None:
        """Nothing of it happens any more."""
        self._world.note(self.host.name, "is killed")
        self.router = None
        self.finished = True
        self.busy.clear()
        self._world.troubled_at = self._world.now()
        if self._world.backend == "asyncio":
            cast(SimulationLoop, asyncio.get_running_loop()).kill(self.host.life)
        else:
            self.host.life.dead = True
            self._scope.cancel()

    def stall(self) -> None:
        """Nothing of it happens until `thaw`."""
        self._world.note(self.host.name, "stalls")
        self._world.troubled_at = self.host.stalled_at = self._world.now()
        self.host.life.stalled = True

    def thaw(self) -> None:
        """Go on."""
        if self.host.life.stalled:
            self._world.note(self.host.name, "goes on")
            self._world.troubled_at = self.host.stalled_at = self._world.now()
            cast(SimulationLoop, asyncio.get_running_loop()).thaw(self.host.life)

    def ask(self, call: Callable[[Router], Awaitable[object]], subscription: str | None = None) -> None:
        """Have it do something, which may fail with the storage. One change of a subscription at a time."""
        router, tasks = self.router, self._tasks
        if router is None or tasks is None:
            return

        async def do() -> None:
            try:
                await call(router)
            except EventrouteError as error:
                self._world.note(self.host.name, "was told: %s: %s", type(error).__name__, error)
            finally:
                self.asked -= 1
                if subscription is not None:
                    self.busy.discard(subscription)

        self.asked += 1
        if subscription is not None:
            self.busy.add(subscription)
        self._context.copy().run(tasks.start_soon, do)

    async def _run(self) -> None:
        world = self._world
        storage = cast(Storage, SimulatedStorage(world, self.host))
        router = Router(storage, clock=self.host.clock, sinks=[self._sinks.provider(self.host)], lease=self.lease)
        up = False
        try:
            with self._scope:
                async with router, anyio.create_task_group() as tasks:
                    self.router, self._tasks, up = router, tasks, True
                    if self._policy is not None:
                        tasks.start_soon(self._serve_function, router, self._policy)
                    if world.profile.pulled:
                        tasks.start_soon(consume, world, self._sinks, self.host, router)
                    await self._stop.wait()
                    tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - whatever ends a router is to be known
            self._ended(error, up)
        if not self.host.life.dead:
            self._has_ended(router)
        self.finished, self.router = True, None

    def _has_ended(self, router: Router) -> None:
        """Where the storage failed at the end, the lease may be left to lapse."""
        world = self._world
        self.host.clean = router.clean
        world.note(self.host.name, "has ended%s", "" if router.clean else ", and not cleanly")
        for session, lease in world.leases.items():
            left = lease.host is self.host and not lease.closed and not lease.lost
            if left:
                lapsed = not world.tables.has_session(session)
                world.require(lapsed or not world.calm_for(30.0), "%s has ended, and its lease is open", self.host.name)
                lease.lost = True

    def _ended(self, error: Exception, up: bool) -> None:
        world, name = self._world, self.host.name
        if self.host.life.dead:
            return
        if not up and all(isinstance(one, StorageError) for one in _leaves(error)):
            world.note(name, "could not start: %s", error)
            return
        world.violate(f"{name}: the router has ended with {[repr(one) for one in _leaves(error)]}")

    async def _serve_function(self, router: Router, policy: DeliveryPolicy) -> None:
        sink = self._sinks.function(self.host, FUNCTION, policy)
        subscription = Subscription(id=FUNCTION, sink=sink, start="earliest", policy=policy)
        key = (FUNCTION, definition_of(compile_subscription(subscription, Vocabulary())))
        self._world.definitions.setdefault(key, (1, Definition(0, policy, "a", transforms=False)))
        while True:
            try:
                await router.subscribe(subscription)
            except StorageError:
                await self.host.clock.sleep(1.0)
            else:
                return


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
