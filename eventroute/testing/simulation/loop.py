"""Event loops on which a seed decides everything: the order in which tasks run, and the time, which is virtual.

On asyncio the loop is our own: no selector, no threads. What is ready runs in an order drawn by lot, and where nothing
is ready, time jumps to the next timer. It knows which simulated process each step belongs to, so it can stop one
between two steps, at any await: for good (killed: not even its `finally` blocks run), or for a while (stalled).

On trio, trio's own deterministic scheduling is used with its mock clock; there a process cannot be stopped in that way.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
import sys
import warnings
from asyncio import Handle, TimerHandle
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from attrs import define, field

__all__ = ["PROCESS", "Life", "SimulationError", "SimulationLoop", "run_on_asyncio", "run_on_trio"]

STEPS_WITHOUT_TIME = 100_000
"""After so many steps at one moment of virtual time something runs in circles."""

CLOSE_TRIES = 100
"""How many awaits a killed coroutine may still come to while it is taken apart."""

T = TypeVar("T")


class SimulationError(AssertionError):
    """The simulated program cannot go on: it waits for nothing, or runs in circles."""


@define(eq=False)
class Life:
    """Whether a simulated process runs; tasks belong to the one that `PROCESS` named when they were made."""

    dead: bool = False
    stalled: bool = False
    fuse: int = 0
    """After so many more steps `burnt` is called; 0: never."""
    burnt: Callable[[], None] = field(default=lambda: None)
    _held: list[Handle] = field(factory=list)

    def hold(self, handle: Handle) -> None:
        """Keep a step back until `thaw`."""
        self._held.append(handle)

    def thaw(self) -> list[Handle]:
        """Go on; the steps that were kept back."""
        self.stalled = False
        held, self._held = self._held, []
        return held

    def burn(self) -> None:
        """One step has come."""
        if self.fuse:
            self.fuse -= 1
            if not self.fuse:
                self.burnt()


PROCESS: ContextVar[Life | None] = ContextVar("PROCESS", default=None)
_NUMBER: ContextVar[int] = ContextVar("_NUMBER", default=0)


class SimulationLoop(asyncio.BaseEventLoop):
    """An asyncio event loop in virtual time, in which the lot decides what runs next."""

    def __init__(self, lot: random.Random) -> None:
        super().__init__()
        self.steps = 0
        self._lot = lot
        self._now = 0.0
        self._steps_now = 0
        self._tasks = 0
        self._process_of: WeakKeyDictionary[asyncio.Task[Any], Life] = WeakKeyDictionary()
        self._frozen: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)
        self._ready: deque[Handle]
        self._scheduled: list[TimerHandle]
        self._timer_cancelled_count: int
        self._stopping: bool

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def kill(self, life: Life) -> None:
        """Stop a process for good, where it stands."""
        life.dead = True
        life.thaw()
        self._frozen += [task for task in asyncio.all_tasks(self) if self._process_of.get(task) is life]

    def thaw(self, life: Life) -> None:
        """Let a stalled process go on."""
        self._ready.extend(life.thaw())

    def dispose(self) -> None:
        """Take apart what was killed, now that nothing of it can matter any more."""
        left = [*self._frozen, *asyncio.all_tasks(self)]
        self._frozen.clear()
        for task in left:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - as asyncio does itself
            coroutine = task.get_coro()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # one that was killed before its first step
                _close(coroutine)
        self._ready.clear()
        self._scheduled.clear()

    def _write_to_self(self) -> None:
        """Nobody else's thread has to wake this loop."""

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Handle:
        """Call soon; there is one thread only."""
        return self.call_soon(callback, *args, context=context)

    def _make_task(self, _loop: object, coroutine: Any, **given: Any) -> asyncio.Task[Any]:
        context: Context = given.pop("context", None) or copy_context()
        self._tasks += 1
        context.run(_NUMBER.set, self._tasks)
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=self, context=context, **given)
        life = context.get(PROCESS)
        if life is not None:
            self._process_of[task] = life
        return task

    def _run_once(self) -> None:
        """One round: all that is ready now, in an order drawn by lot."""
        self._take_due()
        batch = list(self._ready)
        self._ready.clear()
        if len(batch) > 1:
            # Sets of tasks, of which anyio has some, have an order that depends on addresses: so first our own order.
            batch.sort(key=_number)
            self._lot.shuffle(batch)
        for handle in batch:
            self._run(handle)

    def _run(self, handle: Handle) -> None:
        life = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # noqa: SLF001 - as asyncio's own loop does
        if life is not None:
            life.burn()
            if life.dead:
                return
            if life.stalled:
                life.hold(handle)
                return
        if not handle.cancelled():
            self.steps += 1
            self._steps_now += 1
            if self._steps_now > STEPS_WITHOUT_TIME:
                raise SimulationError(f"{self._steps_now} steps at one moment: something runs in circles: {handle!r}")
            handle._run()  # noqa: SLF001

    def _take_due(self) -> None:
        """Make the timers that are due ready; where nothing is ready, time jumps to the next one."""
        while self._scheduled:
            timer = self._scheduled[0]
            if timer.cancelled():
                self._timer_cancelled_count -= 1
            elif not self._is_of_the_dead(timer):
                if timer.when() > self._now:
                    if self._ready or self._stopping:
                        return
                    self._now, self._steps_now = timer.when(), 0
                self._ready.append(timer)
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001
        if not self._ready and not self._stopping:
            raise SimulationError("all tasks wait, and no timer will ever ring")

    def _is_of_the_dead(self, handle: Handle) -> bool:
        life = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # noqa: SLF001
        return life is not None and life.dead


def _close(coroutine: Any) -> None:
    for _ in range(CLOSE_TRIES):
        with contextlib.suppress(BaseException):
            coroutine.close()
            return


def _number(handle: Handle) -> int:
    return handle._context.get(_NUMBER, 0)  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001


def run_on_asyncio(main: Callable[[], Awaitable[T]], seed: object) -> T:
    """Run an async function on a loop of its own; `seed` decides the order of everything, and what `random` gives."""
    loop = SimulationLoop(random.Random(f"loop {seed}"))  # noqa: S311 - not a secret
    with _seeded(seed):
        try:
            return loop.run_until_complete(_awaited(main))
        finally:
            loop.dispose()
            loop.close()


def run_on_trio(main: Callable[[], Awaitable[T]], seed: object) -> T:
    """The same on trio."""
    import trio  # noqa: PLC0415 - an extra
    import trio.testing  # noqa: PLC0415

    scheduling: Any = sys.modules["trio._core._run"]
    before, lot = scheduling._ALLOW_DETERMINISTIC_SCHEDULING, scheduling._r.getstate()  # noqa: SLF001
    scheduling._ALLOW_DETERMINISTIC_SCHEDULING = True  # noqa: SLF001
    scheduling._r.seed(f"trio {seed}")  # noqa: SLF001
    try:
        with _seeded(seed):
            return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        scheduling._ALLOW_DETERMINISTIC_SCHEDULING = before  # noqa: SLF001
        scheduling._r.setstate(lot)  # noqa: SLF001


async def _awaited(main: Callable[[], Awaitable[T]]) -> T:
    return await main()


@contextlib.contextmanager
def _seeded(seed: object) -> Iterator[None]:
    """What the module `random` gives (jitter) comes from the seed."""
    before = random.getstate()
    random.seed(f"random {seed}")
    try:
        yield
    finally:
        random.setstate(before)
