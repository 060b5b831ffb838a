"""What is asked of the thread that owns the connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from eventroute.storage.jobs import Job
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.tables import StreamTables

__all__ = ["Change", "Look", "Task"]

T = TypeVar("T")


class Change(Job[T]):
    """A change that is asked for; `make` makes the command of it by the tables as they are, or raises."""

    __slots__ = ("asked", "command", "make")

    def __init__(self, make: Callable[[StreamTables], Command]) -> None:
        super().__init__(0, durable=True)
        self.make = make
        self.command: Command | None = None
        self.asked = monotonic()

    def undo(self) -> Job[None] | None:
        """See `Job.undo`."""
        command = None if self.command is None else self.command.undo(self.result)
        return None if command is None else Change(lambda _tables: command)


class Look(Job[T]):
    """Something to be read from the tables; `fresh`: of a state that no change which has returned is missing from."""

    __slots__ = ("asked", "fresh", "work")

    def __init__(self, work: Callable[[StreamTables], T], *, fresh: bool = True) -> None:
        super().__init__(0, durable=False)
        self.work = work
        self.fresh = fresh
        self.asked = monotonic()


class Task(Job[T]):
    """Something that takes several steps."""

    __slots__ = ("asked", "work")

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        super().__init__(0, durable=False)
        self.work = work
        self.asked = monotonic()
