"""The server's time, as far as a process can tell it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial

__all__ = ["ServerTime"]

_LATELY = 256

_RUNNING = partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
"""A clock in seconds, which runs also while the machine sleeps, where the system has such a one."""


class ServerTime:
    """Counts on from a time that the server has told, mostly that of a message, from when it was heard of: so it is
    behind the server's clock by as long as an answer takes, and not ahead of it.
    """

    def __init__(self, clock: Callable[[], float] = _RUNNING) -> None:
        self._clock = clock
        self._stamp = 0
        self._heard = clock()
        self._begun = 0
        self._lately: deque[tuple[int, float]] = deque(maxlen=_LATELY)

    def begin(self, stamp: int) -> None:
        """The server has told its time, in nanoseconds. Messages from before that are old when they are heard of."""
        self._begun = self._stamp = stamp
        self._heard = self._clock()

    def hear(self, sequence: int, stamp: int | None) -> None:
        """This message was just heard of; with the time that the server gave it, in nanoseconds, if that was told."""
        heard = self._clock()
        self._lately.append((sequence, heard))
        if stamp is not None and stamp >= self._begun:
            self._stamp, self._heard = stamp, heard

    def learn(self, sequence: int, stamp: int) -> None:
        """The server gave a message that time. Of no use where it was heard of long ago, or not yet."""
        for one, heard in self._lately:
            if one == sequence and stamp >= self._begun:
                self._stamp, self._heard = stamp, heard

    def now(self) -> int:
        """In nanoseconds."""
        return self._stamp + int((self._clock() - self._heard) * 1e9)
