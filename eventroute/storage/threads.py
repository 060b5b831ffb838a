"""The bridge between threads and event loops: who waits on a loop, asyncio or trio, is woken from any thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import anyio

__all__ = ["Home", "Waiter", "Watchers", "current_home", "wake_all"]


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


def wake_all(waiters: Iterable[Waiter], *, here: Home | None) -> None:
    """Wake each waiter with one call a loop; those of the loop `here`, which the caller runs in, at once."""
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


class Watchers:
    """The tasks that watch buses. Thread-safe; bounded by the number of tasks that wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Waiter]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, bus: str) -> Waiter:
        """Begin to watch; look at the bus afterwards, so that no change falls between."""
        waiter = Waiter()
        with self._lock:
            self._waiting.setdefault(bus, set()).add(waiter)
        return waiter

    def discard(self, bus: str, waiter: Waiter) -> None:
        """End to watch."""
        with self._lock:
            waiting = self._waiting.get(bus, set())
            waiting.discard(waiter)
            if not waiting:
                self._waiting.pop(bus, None)

    def wake(self, buses: Iterable[str] | None = None, *, here: Home | None = None) -> None:
        """Wake who watches one of these buses, or (None) any."""
        if not self._waiting:
            return
        with self._lock:
            names = list(self._waiting) if buses is None else [bus for bus in buses if bus in self._waiting]
            waiters = [waiter for name in names for waiter in self._waiting.pop(name)]
        wake_all(waiters, here=here)
