"""A process's way to the storage: it may be slow, fail before or after doing, and every effect is witnessed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from eventroute.errors import LeaseLost, StorageClosed, StorageError
from eventroute.testing.simulation.loop import SimulationError
from eventroute.testing.simulation.witness import Witness
from eventroute.testing.simulation.world import Host, Trouble, World

__all__ = ["SimulatedStorage"]

SPARED = frozenset({"aclose"})
"""Closing does not fail."""

ANSWERED = frozenset({"claim", "claim_letters", "claim_waiting", "open", "watch", "remove_subscription"})
"""Calls that do not fail after they have had their effect: the interface gives no way to repeat them."""

CALLS_WITHOUT_TIME = 20_000
"""After so many calls by one process at one moment of virtual time something runs in circles, in one step perhaps."""


class SimulatedStorage:
    """Every method of a storage, by name: whatever the interface has, now or later, passes through here."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self._host = host
        self._witness = Witness(world, host)
        self._done: dict[str, Any] = {}
        """By session, the entries of a write that was done and not answered."""
        self._moment = -1.0
        self._calls = 0

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._world.storage, name)
        before = getattr(self._witness, f"before_{name}", None)
        after = getattr(self._witness, f"after_{name}", None)
        world, host = self._world, self._host

        async def witnessed(*args: Any, **kwargs: Any) -> Any:
            if host.life.dead:
                raise StorageClosed("this process was killed")
            self._count(name)
            trouble = world.trouble
            if trouble.happens and name not in SPARED:
                await self._before(name, trouble)
            repeated = bool(self._done) and name == "write" and self._done.pop(args[1].id, None) is args[2]
            judge = self._witness.after_repeat if repeated else after
            seen = None if before is None else before(*args, **kwargs)
            try:
                result = await method(*args, **kwargs)
            except LeaseLost as error:
                self._witness.lost(args, error)
                raise
            if judge is not None:
                world.seq += 1
                judge(seen, result, *args, **kwargs)
            if trouble.happens and name not in ANSWERED | SPARED:
                await self._after(name, trouble, result, args)
            return result

        setattr(self, name, witnessed)
        return witnessed

    async def _before(self, name: str, trouble: Trouble) -> None:
        """Wait, or fail without effect."""
        if trouble.slow:
            await self._wait(name)
        if trouble.failing and self._world.luck.random() < trouble.failing:
            self._fail(name, "before")

    async def _after(self, name: str, trouble: Trouble, result: Any, args: Any) -> None:
        """Fail, now that it has had its effect, or wait."""
        if trouble.unanswered and self._world.luck.random() < trouble.unanswered:
            if name == "write":
                self._done[args[1].id] = args[2]
            if name == "open_session":  # nobody knows of it: it will lapse
                self._world.leases[result.id].lost = True
            self._fail(name, "after")
        if trouble.slow:
            await self._wait(name)

    async def _wait(self, name: str) -> None:
        world = self._world
        if world.luck.random() < 0.3:
            world.fault("storage slow")
            world.troubled_at = world.now()
            await anyio.sleep(world.luck.random() ** 3 * world.trouble.slow)
            self._fence()

    def _fail(self, name: str, when: str) -> None:
        self._world.fault(f"storage fails {when}")
        self._world.troubled_at = self._world.now()
        self._world.note(self._host.name, "storage: %s fails %s doing", name, when)
        raise StorageError(f"simulated: {name} failed {when} doing")

    def _count(self, name: str) -> None:
        now = self._world.now()
        if now != self._moment:
            self._moment, self._calls = now, 0
        self._calls += 1
        if self._calls > CALLS_WITHOUT_TIME:
            raise SimulationError(
                f"{self._calls} calls of the storage at one moment, the last {name}: it runs in circles"
            )

    def _fence(self) -> None:
        if self._host.life.dead:
            raise StorageClosed("this process was killed")
