"""The bridge between threads and event loops: who waits on a loop, asyncio or trio, is woken from any thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["Head", "Home", "Waiter", "Watchers", "current_home", "new_waiter", "wake"]


class Home(NamedTuple):
    """A running event loop, as other threads see it."""

    loop: object
    """What tells it from other loops."""
    post: Callable[..., Any]
    """`post(function, *arguments)` has the loop call a function soon; may be called from any thread."""


def current_home() -> Home:
    """The loop that runs the caller. A program that runs on trio has imported it, so nobody else need load it."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        token = trio.lowlevel.current_trio_token()
        return Home(token, token.run_sync_soon)
    loop = asyncio.get_running_loop()
    return Home(loop, loop.call_soon_threadsafe)


class Waiter(ABC):
    """A task that waits to be woken, once. Leaner than an event of anyio, since every call makes one."""

    __slots__ = ("home",)

    def __init__(self, home: Home) -> None:
        self.home = home

    @abstractmethod
    async def wait(self) -> None:
        """Wait; may be cancelled."""

    @abstractmethod
    def wake(self) -> None:
        """Let the wait end; called in the task's loop."""


class _AsyncioWaiter(Waiter):
    __slots__ = ("_future",)

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait(self) -> None:
        await self._future

    def wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


class _TrioWaiter(Waiter):
    __slots__ = ("_event",)

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._event = sys.modules["trio"].Event()

    async def wait(self) -> None:
        await self._event.wait()

    def wake(self) -> None:
        self._event.set()


def new_waiter() -> Waiter:
    """A waiter for the running task."""
    home = current_home()
    return _AsyncioWaiter(home) if isinstance(home.loop, asyncio.AbstractEventLoop) else _TrioWaiter(home)


def _wake_all(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        waiter.wake()


def wake(waiters: Iterable[Waiter], *, here: Home | None = None) -> None:
    """Wake each waiter, with one call a loop; those of the loop `here`, which the caller runs in, at once."""
    by_loop: dict[object, list[Waiter]] = {}
    for waiter in waiters:
        by_loop.setdefault(waiter.home.loop, []).append(waiter)
    for loop, group in by_loop.items():
        if here is not None and loop is here.loop:
            _wake_all(group)
            continue
        try:
            group[0].home.post(_wake_all, group)
        except RuntimeError:
            continue  # that loop has ended, and its tasks with it


class Head(NamedTuple):
    """How far a bus has got: the end of its log and its version."""

    end: int
    version: int

    def passes(self, other: Head) -> bool:
        """Whether either is above the other's."""
        return self.end > other.end or self.version > other.version


class Watchers:
    """The tasks that watch buses. Thread-safe; as many as tasks wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heads: dict[str, Head] = {}
        self._waiting: dict[str, dict[Waiter, Head]] = {}
        self.added = 0
        """How many have begun to watch so far."""

    def buses(self) -> tuple[str, ...]:
        """The buses that are watched."""
        with self._lock:
            return tuple(self._waiting)

    def know(self, bus: str) -> bool:
        """Whether it is known how far the bus has got."""
        return bus in self._heads

    def add(self, bus: str, seen: Head) -> Waiter | None:
        """Begin to watch for what passes `seen`; None where it is known to be passed already."""
        with self._lock:
            head = self._heads.get(bus)
            if head is not None and head.passes(seen):
                return None
            waiter = new_waiter()
            self._waiting.setdefault(bus, {})[waiter] = seen
            self.added += 1
            return waiter

    def discard(self, bus: str, waiter: Waiter) -> None:
        """End to watch."""
        with self._lock:
            waiting = self._waiting.get(bus, {})
            waiting.pop(waiter, None)
            if not waiting:
                self._waiting.pop(bus, None)

    def stir(self) -> None:
        """Wake everyone who watches, since nobody will any more tell them what happens."""
        with self._lock:
            waiters = [waiter for waiting in self._waiting.values() for waiter in waiting]
        wake(waiters)

    def forget(self, bus: str) -> None:
        """The bus is gone: wake all who watch it, and know nothing of it any more."""
        with self._lock:
            self._heads.pop(bus, None)
            waiters = list(self._waiting.get(bus, {}))
        wake(waiters)

    def advance(self, heads: Mapping[str, Head], *, here: Home | None = None) -> None:
        """Buses have got so far: wake those who waited for it."""
        woken: list[Waiter] = []
        with self._lock:
            for bus, head in heads.items():
                old = self._heads.get(bus, head)
                self._heads[bus] = Head(max(old.end, head.end), max(old.version, head.version))
                waiting = self._waiting.get(bus, {})
                woken += [waiter for waiter, seen in waiting.items() if head.passes(seen)]
        wake(woken, here=here)
