"""The bridge between threads and event loops: who waits on a loop, asyncio or trio, is woken from any thread."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

__all__ = ["Bell", "Head", "Waiter", "Watchers", "current_loop", "new_waiter", "wake"]


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
    def ring(self, waiters: list[Waiter]) -> None:
        """Have the loop wake these, which are its own; may be called from any thread. Where it has ended nothing
        happens, or RuntimeError is raised.
        """


class Bell(ABC):
    """By which an asyncio loop is told from any thread that there is something to do, with half the work of
    `call_soon_threadsafe`: an event descriptor, which the loop reads once, where its own pair of sockets is read until
    nothing is left. It lasts as long as somebody has it, or the loop is not closed.

    Raises OSError where the process has no descriptor left, NotImplementedError where the loop watches none, or the
    system has no such descriptors.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        if not hasattr(os, "eventfd"):
            raise NotImplementedError
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor).atexit = False  # so it is open as long as anybody may ring
        loop.add_reader(self._descriptor, self._hear)

    def ring(self) -> None:
        """Have the loop answer, once for all that has rung by then."""
        os.eventfd_write(self._descriptor, 1)

    def _hear(self) -> None:
        os.eventfd_read(self._descriptor)
        self._answer()

    @abstractmethod
    def _answer(self) -> None:
        """Do what there is to do; called in the loop."""


class _WaitersBell(Bell):
    """By which a loop is told whom to wake."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._rung: deque[list[Waiter]] = deque()
        super().__init__(loop)

    def wake(self, waiters: list[Waiter]) -> None:
        self._rung.append(waiters)
        self.ring()

    def _answer(self) -> None:
        while self._rung:
            _wake_all(self._rung.popleft())


class _Belfry(threading.local):
    """A thread runs one loop at a time, and this is the bell of the last one."""

    loop: Callable[[], object] = staticmethod(lambda: None)
    bell: _WaitersBell | None = None


_belfry = _Belfry()

_bells: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_WaitersBell]] = weakref.WeakKeyDictionary()
"""That of each loop, which keeps it as long as it is not closed: loops may take turns, and go to other threads."""


def _bell(loop: asyncio.AbstractEventLoop) -> _WaitersBell | None:
    """The bell of the loop that runs the caller; None where the system or the loop can have none."""
    if _belfry.loop() is not loop:
        known = _bells.get(loop)
        bell = None if known is None else known()
        if bell is None:
            with suppress(OSError, NotImplementedError):
                bell = _WaitersBell(loop)
                _bells[loop] = weakref.ref(bell)
        _belfry.loop, _belfry.bell = weakref.ref(loop), bell
    return _belfry.bell


class _AsyncioWaiter(Waiter):
    __slots__ = ("_bell", "_future")

    def __init__(self) -> None:
        self.loop = loop = asyncio.get_running_loop()
        self._bell = _bell(loop)
        self._future: asyncio.Future[None] = loop.create_future()

    def wait(self) -> Awaitable[None]:
        return self._future

    def wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def ring(self, waiters: list[Waiter]) -> None:
        if self._bell is None:
            self.loop.call_soon_threadsafe(_wake_all, waiters)
        else:
            self._bell.wake(waiters)


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

    def ring(self, waiters: list[Waiter]) -> None:
        self.loop.run_sync_soon(_wake_all, waiters)


def new_waiter() -> Waiter:
    """A waiter for the running task."""
    trio = sys.modules.get("trio")  # as `_running_trio`, since every call comes here
    return _TrioWaiter(trio) if trio is not None and trio.lowlevel.in_trio_run() else _AsyncioWaiter()


def _wake_all(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        waiter.wake()


def wake(waiters: Iterable[Waiter], *, here: object = None) -> None:
    """Wake each waiter, with one call a loop; those of the loop `here`, in which the caller runs, at once."""
    by_loop: dict[object, list[Waiter]] = {}
    for waiter in waiters:
        group = by_loop.get(waiter.loop)
        if group is None:
            by_loop[waiter.loop] = [waiter]
        else:
            group.append(waiter)
    for loop, group in by_loop.items():
        if loop is here:
            _wake_all(group)
            continue
        try:
            group[0].ring(group)
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
                waiting = self._waiting.get(bus)
                if waiting:
                    woken += [waiter for waiter, seen in waiting.items() if head.passes(seen)]
        if woken:
            wake(woken, here=here)
        return bool(woken)
