"""A crew: tasks that are kept for the next thing to do; a task of its own costs more than most of what is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from eventroute.storage.threads import Waiter, new_waiter

__all__ = ["Crew"]

Work = Callable[[], Awaitable[None]]

IDLE = 1_000
"""The most tasks that are kept while there is nothing to do."""

TURN = 32
"""After so many things that a task has done, one behind the other, the other tasks of the loop get their turn."""


class Crew:
    """Runs async functions as a task group does, and in it: in the order in which they come, each without waiting for
    those before it. What does not wait for anything takes no task of its own.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._todo: deque[Work] = deque()
        self._idle: list[Waiter] = []
        self._called = False

    def start_soon(self, work: Work) -> None:
        """Have a function run. What it raises ends the task group."""
        self._todo.append(work)
        self._call()

    def _call(self) -> None:
        """Have one task on its way to what is to be done; it calls the next before it begins."""
        if self._called:
            return
        self._called = True
        if self._idle:
            self._idle.pop().wake()
        else:
            self._tasks.start_soon(self._run)

    async def _run(self) -> None:
        while True:
            self._called = False
            await self._do_all()
            if len(self._idle) >= IDLE:
                return
            waiter = new_waiter()
            self._idle.append(waiter)
            await waiter.wait()

    async def _do_all(self) -> None:
        done = 0
        while self._todo:
            work = self._todo.popleft()
            if self._todo:
                self._call()  # this one may come to wait
            await work()
            done += 1
            if done % TURN == 0:
                await checkpoint()
