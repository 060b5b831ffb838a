"""The bridge between threads and event loops: who waits on a loop, asyncio or trio, is woken from any thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import anyio

__all__ = ["Head", "Home", "Waiter", "Watchers", "current_home", "wake"]


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


class Waiter:
    """A task that waits; made in its own loop."""

    __slots__ = ("event", "home")

    def __init__(self) -> None:
        self.home = current_home()
        self.event = anyio.Event()


def _set_all(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        waiter.event.set()


def wake(waiters: Iterable[Waiter], *, here: Home | None = None) -> None:
    """Wake each waiter, with one call a loop; those of the loop `here`, which the caller runs in, at once."""
    by_loop: dict[object, list[Waiter]] = {}
    for waiter in waiters:
        by_loop.setdefault(waiter.home.loop, []).append(waiter)
    for loop, group in by_loop.items():
        if here is not None and loop is here.loop:
            _set_all(group)
            continue
        try:
            group[0].home.post(_set_all, group)
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

    def add(self, bus: str, seen: Head) -> Waiter | None:
        """Begin to watch for what passes `seen`; None where it is known to be passed already."""
        with self._lock:
            head = self._heads.get(bus)
            if head is not None and head.passes(seen):
                return None
            waiter = Waiter()
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
        """Wake everyone who watches, since nobody can say any more what happens."""
        with self._lock:
            waiters = [waiter for waiting in self._waiting.values() for waiter in waiting]
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
