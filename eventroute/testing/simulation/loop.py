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
    _held: list[_Step] = field(factory=list)

    def hold(self, step: _Step) -> None:
        """Keep a step back until `thaw`."""
        self._held.append(step)

    def thaw(self) -> list[_Step]:
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


class _Step(TimerHandle):
    """A callback, to be called soon or at a time. Knows its process, and asks nothing of the loop, which saves time."""

    __slots__ = ("life",)

    _callback: Any
    _args: Any
    _cancelled: bool
    _context: Context

    def __init__(
        self, when: float, callback: Any, args: tuple[Any, ...], loop: SimulationLoop, context: Context | None
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context = copy_context() if context is None else context
        self._cancelled = self._scheduled = False
        self._repr = self._source_traceback = None
        self.life = context.get(PROCESS)

    def cancel(self) -> None:
        """Do not call it."""
        self._cancelled = True
        self._callback = self._args = None


class SimulationLoop(asyncio.BaseEventLoop):
    """An asyncio event loop in virtual time, in which the lot decides what runs next."""

    def __init__(self, lot: random.Random) -> None:
        super().__init__()
        self._lot = lot
        self._now = 0.0
        self._steps_now = 0
        self._tasks: list[asyncio.Task[Any]] = []
        """All that there ever were."""
        self._timers: list[tuple[float, int, _Step]] = []
        """A heap: when, in which order they were set, and what is to happen."""
        self._timers_set = 0
        self.set_task_factory(self._make_task)
        self._ready: deque[_Step]
        self._stopping: bool

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def kill(self, life: Life) -> None:
        """Stop a process for good, where it stands."""
        life.dead = True
        life.thaw()

    def thaw(self, life: Life) -> None:
        """Let a stalled process go on."""
        self._ready.extend(life.thaw())

    def dispose(self) -> None:
        """Take apart what was killed, now that nothing of it can matter any more."""
        for task in self._tasks:
            if task.done():
                continue
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - as asyncio does itself
            coroutine = task.get_coro()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # one that was killed before its first step
                _close(coroutine)
        self._tasks.clear()
        self._ready.clear()
        self._timers.clear()

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> _Step:
        """Have something called in the next round."""
        step = _Step(self._now, callback, args, self, context)
        self._ready.append(step)
        return step

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Handle:
        """Call soon; there is one thread only."""
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> _Step:
        """Have something called at a (virtual) time."""
        step = _Step(when, callback, args, self, context)
        self._timers_set += 1
        heapq.heappush(self._timers, (when, self._timers_set, step))
        return step

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> _Step:
        """Have something called after so many (virtual) seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _write_to_self(self) -> None:
        """Nobody else's thread has to wake this loop."""

    def _make_task(self, _loop: object, coroutine: Any, **given: Any) -> asyncio.Task[Any]:
        context: Context = given.pop("context", None) or copy_context()
        context.run(_NUMBER.set, len(self._tasks) + 1)
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=self, context=context, **given)
        self._tasks.append(task)
        return task

    def _run_once(self) -> None:
        """One round: all that is ready now, in an order drawn by lot."""
        self._take_due()
        ready = self._ready
        if len(ready) == 1:
            self._run(ready.popleft())
            return
        batch = list(ready)
        ready.clear()
        # Sets of tasks, of which anyio has some, have an order that depends on addresses: so first our own order.
        batch.sort(key=_number)
        self._shuffle(batch)
        for step in batch:
            self._run(step)

    def _shuffle(self, batch: list[_Step]) -> None:
        """As `random.shuffle`, in less time; rounds are short, so that the bias of a product is none."""
        draw = self._lot.random
        for last in range(len(batch) - 1, 0, -1):
            other = int(draw() * (last + 1))
            batch[last], batch[other] = batch[other], batch[last]

    def _run(self, step: _Step) -> None:
        life = step.life
        if life is not None and (life.fuse or life.dead or life.stalled):
            life.burn()
            if life.dead:
                return
            if life.stalled:
                life.hold(step)
                return
        if not step._cancelled:  # noqa: SLF001
            self._steps_now += 1
            if self._steps_now > STEPS_WITHOUT_TIME:
                raise SimulationError(f"{self._steps_now} steps at one moment: something runs in circles: {step!r}")
            step._run()  # noqa: SLF001

    def _take_due(self) -> None:
        """Make the timers that are due ready; where nothing is ready, time jumps to the next one."""
        timers, ready = self._timers, self._ready
        while timers:
            when, _, step = timers[0]
            if not step._cancelled and (step.life is None or not step.life.dead):  # noqa: SLF001
                if when > self._now:
                    if ready or self._stopping:
                        return
                    self._now, self._steps_now = when, 0
                ready.append(step)
            heapq.heappop(timers)
        if not ready and not self._stopping:
            raise SimulationError("all tasks wait, and no timer will ever ring")


def _close(coroutine: Any) -> None:
    for _ in range(CLOSE_TRIES):
        with contextlib.suppress(BaseException):
            coroutine.close()
            return


def _number(step: _Step) -> int:
    return step._context.get(_NUMBER, 0)  # noqa: SLF001


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
    sniffio: Any = sys.modules.get("sniffio")  # where it is there (it comes with trio), anyio asks it at every call
    if sniffio is not None:
        sniffio.current_async_library_cvar.set("asyncio")
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
