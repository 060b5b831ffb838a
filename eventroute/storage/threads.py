"""The bridge between threads and event loops: who waits on a loop, asyncio or trio, is woken from any thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["Head", "Waiter", "Watchers", "current_loop", "new_waiter", "wake"]


def current_loop() -> object:
    """What tells the loop that runs the caller from other loops."""
    trio = _running_trio()
    return asyncio.get_running_loop() if trio is None else trio.lowlevel.current_trio_token()


def _running_trio() -> Any:
    """The module, where it runs the caller. A program that runs on trio has loaded it, so nobody else need do so."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


class Waiter(ABC):
    """A task that waits to be woken, once. Leaner than an event of anyio, since every call makes one."""

    __slots__ = ("loop",)

    loop: Any
    """See `current_loop`."""

    @abstractmethod
    def wait(self) -> Awaitable[None]:
        """Wait; may be cancelled."""

    @abstractmethod
    def wake(self) -> None:
        """Let the wait end; called in the task's loop."""

    @abstractmethod
    def post(self, function: Callable[[list[Waiter]], None], waiters: list[Waiter]) -> None:
        """Have the loop call a function soon; may be called from any thread. Raises RuntimeError where it has ended."""


class _AsyncioWaiter(Waiter):
    __slots__ = ("_future",)

    def __init__(self) -> None:
        self.loop = loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = loop.create_future()

    def wait(self) -> Awaitable[None]:
        return self._future

    def wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def post(self, function: Callable[[list[Waiter]], None], waiters: list[Waiter]) -> None:
        self.loop.call_soon_threadsafe(function, waiters)


class _TrioWaiter(Waiter):
    __slots__ = ("_event",)

    def __init__(self, trio: Any) -> None:
        self.loop = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def wait(self) -> Awaitable[None]:
        waiting: Awaitable[None] = self._event.wait()
        return waiting

    def wake(self) -> None:
        self._event.set()

    def post(self, function: Callable[[list[Waiter]], None], waiters: list[Waiter]) -> None:
        self.loop.run_sync_soon(function, waiters)


def new_waiter() -> Waiter:
    """A waiter for the running task."""
    trio = _running_trio()
    return _AsyncioWaiter() if trio is None else _TrioWaiter(trio)


def _wake_all(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        waiter.wake()


def wake(waiters: Iterable[Waiter], *, here: object = None) -> None:
    """Wake each waiter, with one call a loop; those of the loop `here`, in which the caller runs, at once."""
    by_loop: dict[object, list[Waiter]] = {}
    for waiter in waiters:
        by_loop.setdefault(waiter.loop, []).append(waiter)
    for loop, group in by_loop.items():
        if loop is here:
            _wake_all(group)
            continue
        try:
            group[0].post(_wake_all, group)
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

    def advance(self, heads: Mapping[str, Head], *, here: object = None) -> bool:
        """Buses have got so far: wake those who waited for it. Whether there was anybody."""
        woken: list[Waiter] = []
        with self._lock:
            for bus, head in heads.items():
                old = self._heads.get(bus, head)
                self._heads[bus] = Head(max(old.end, head.end), max(old.version, head.version))
                waiting = self._waiting.get(bus, {})
                woken += [waiter for waiter, seen in waiting.items() if head.passes(seen)]
        wake(woken, here=here)
        return bool(woken)
