"""A crew: tasks that are kept for the next thing to do; a task of its own costs more than most of what is done."""

from __future__ import annotations

from collections import deque

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from eventroute.push.deadlines import Deadlines
from eventroute.push.lane.stretch import Hand, Noticing, Work
from eventroute.storage.threads import Waiter, new_waiter

__all__ = ["Crew"]

IDLE = 1_000
"""The most tasks that are kept while there is nothing to do."""

TURN = 32
"""After so many things that a task has done, one behind the other, the other tasks of the loop get their turn."""


class Crew:
    """Has work done as a task group does, and in it: in the order in which it comes, each without waiting for what is
    before it. What does not wait for anything takes no task of its own, and no scope.
    """

    def __init__(self, tasks: TaskGroup, deadlines: Deadlines) -> None:
        self._tasks = tasks
        self.deadlines = deadlines
        self._todo: deque[Work] = deque()
        self._idle: list[Waiter] = []
        self._called = False

    def start_soon(self, work: Work) -> None:
        """Have some work done. What it raises ends the task group."""
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
        """Do what there is to do, in one scope for as much of it as no attempt is cut off."""
        while self._todo:
            with anyio.CancelScope() as scope:
                hand = Hand(self.deadlines.watch(scope))
                try:
                    await Noticing(self._do(hand), hand.wait)
                finally:
                    self.deadlines.forget(hand.watched)
            if scope.cancel_called and hand.work is not None:
                hand.work.cut_off(hand)

    async def _do(self, hand: Hand) -> None:
        todo, scope = self._todo, hand.watched.scope
        while todo and not scope.cancel_called:
            hand.work = todo.popleft()
            if todo:
                self._call()  # this one may come to wait
            await hand.work.work(hand)
            hand.done += 1
            if hand.done % TURN == 0:
                await checkpoint()
