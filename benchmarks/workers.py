"""Processes of routers that share a storage, each of which writes down what its sink gets.

One is `python -m benchmarks.workers`. It hears lines: settings as JSON, upon which it opens its storages and says
`ready`; `go`, upon which it begins to push and says `works`; `stop`, upon which it stops in order and says `stopped`.
Then it may get other settings. `python -m benchmarks.workers forks` hears settings, and forks for each a process that
works until it is killed; it says the process's id.

Each delivery is one line at the end of a file that all share, written by one call before the sink returns: so a process
that is killed leaves all that it delivered.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Literal, Never

import anyio
import anyio.to_thread
import msgspec

from eventroute.errors import StorageError
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription

__all__ = ["Forks", "Process", "Received", "Settings", "lost_leases", "received"]


LOST = ".lost"
"""Ends the name of the file of leases that were lost."""


class Settings(msgspec.Struct, frozen=True):
    """How the workers work."""

    url: str
    received: str
    """The file of deliveries."""
    subscriptions: dict[str, str | None]
    """By id, the key of each that is in order, else None."""
    routers: int = 1
    """Workers in one process."""
    seconds: float = 0.02
    """How long an attempt takes."""
    concurrency: int = 1
    start: Literal["latest", "earliest"] = "latest"
    lease: float = 5.0
    name: str = ""
    """Stands before each line."""


class Received(msgspec.Struct, frozen=True):
    """A delivery that has begun."""

    worker: str
    subscription: str
    key: str
    id: str
    time: float
    """By the system's monotonic clock, which all processes share."""


class Process:
    """One process of workers; it takes settings after settings."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.workers"]
        self._popen = subprocess.Popen(  # noqa: S603 - our own
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def begin(self, settings: Settings) -> None:
        """Give it work; it says `ready` when it can go."""
        self._tell(msgspec.json.encode(settings).decode())

    def go(self) -> None:
        """Let it begin to push; it says `works` when it does."""
        self._tell("go")

    def stop(self) -> None:
        """Let it stop in order, and wait until it has."""
        self._tell("stop")
        self.hear("stopped")

    def hear(self, word: str) -> None:
        """Wait until it says a word. Raises RuntimeError where it says another, or ends."""
        line = (self._popen.stdout or sys.stdin).readline().strip()
        if line != word:
            raise RuntimeError(f"a process of workers said {line!r} instead of {word!r}")

    def _tell(self, line: str) -> None:
        print(line, file=self._popen.stdin)

    def kill(self) -> None:
        """Kill it with signal 9, which it cannot hear."""
        self._popen.kill()
        with suppress(BrokenPipeError):  # what was said to it last
            self._popen.communicate()


class Forks:
    """What forks processes of workers: each is there at once."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.workers", "forks"]
        self._popen = subprocess.Popen(  # noqa: S603 - our own
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def start(self, settings: Settings) -> int:
        """Fork a process that works by these settings; its id."""
        print(msgspec.json.encode(settings).decode(), file=self._popen.stdin)
        return int((self._popen.stdout or sys.stdin).readline())

    def kill(self, process: int) -> float:
        """Kill a process, and wait until it is gone; returns the (monotonic) time from which on it did nothing."""
        print(process, file=self._popen.stdin)
        return float((self._popen.stdout or sys.stdin).readline())

    def close(self) -> None:
        """All must be killed before."""
        self._popen.communicate()


class _LostLeases(logging.Handler):
    """Writes down when a worker learns that its lease was lost: what it had in hand may be another's by then."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(logging.WARNING)
        self._path = Path(settings.received + LOST)
        self._name = settings.name

    def emit(self, record: logging.LogRecord) -> None:
        """Whatever else is logged is left to others."""
        if "the lease was lost" in record.msg:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{self._name} {time.monotonic():.6f}\n")


Answer = Callable[[str], Awaitable[None]]
"""Says a word, and waits until it may go on."""


async def work(settings: Settings, answer: Answer) -> None:
    """What a process does."""
    file = os.open(settings.received, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def sink(name: str, subscription: str, event: Event) -> None:
        line = f"{name} {subscription} {event.subject} {event.id} {time.monotonic():.6f}\n"
        os.write(file, line.encode())
        await anyio.sleep(settings.seconds)

    logging.getLogger("eventroute.push").addHandler(_LostLeases(settings))
    async with AsyncExitStack() as stack:
        storages = [await stack.enter_async_context(open_storage(settings.url)) for _ in range(settings.routers)]
        await answer("ready")
        for number, storage in enumerate(storages):
            router = await stack.enter_async_context(Router(storage, lease=settings.lease))
            for id_, order_by in settings.subscriptions.items():
                policy = DeliveryPolicy(concurrency=settings.concurrency, order_by=order_by)
                its = partial(sink, f"{settings.name}.{number}", id_)
                await router.subscribe(Subscription(id=id_, sink=its, policy=policy, start=settings.start))
        await answer("works")
    os.close(file)


async def _answer(word: str) -> None:
    """Say a word, and wait for the next line."""
    print(word, flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)


def lost_leases(path: Path) -> dict[str, list[float]]:
    """When each process learned that its lease was lost, by its name; `path` is the file of deliveries."""
    book = path.with_name(path.name + LOST)
    times: dict[str, list[float]] = {}
    for line in book.read_text(encoding="utf-8").splitlines() if book.exists() else ():
        name, at = line.split(" ")
        times.setdefault(name, []).append(float(at))
    return times


async def _go_on(word: str) -> None:
    """Nobody is asked, and there is no end."""
    await anyio.sleep(0 if word == "ready" else math.inf)


def received(path: Path) -> list[Received]:
    """The deliveries so far, in the order in which they began."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    deliveries = []
    for line in text.splitlines():
        worker, subscription, key, id_, at = line.split(" ")
        deliveries.append(Received(worker, subscription, key, id_, float(at)))
    return deliveries


def _serve() -> None:
    """Settings after settings, in this process."""
    for line in iter(sys.stdin.readline, ""):
        anyio.run(work, msgspec.json.decode(line, type=Settings), _answer)
        print("stopped", flush=True)


def _work_for_ever(settings: Settings) -> Never:
    """As a process does that somebody starts anew when it ends."""
    while True:
        try:
            anyio.run(work, settings, _go_on)
        except* StorageError:  # it could not begin: its server is away
            time.sleep(0.1)


def _fork() -> None:
    """A process for each line of settings, and an end for each line with the id of one."""
    for line in iter(sys.stdin.readline, ""):
        if line.strip().isdecimal():
            process = int(line)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            print(time.monotonic(), flush=True)
            continue
        process = os.fork()
        if not process:
            _work_for_ever(msgspec.json.decode(line, type=Settings))
        print(process, flush=True)


if __name__ == "__main__":
    (_fork if sys.argv[1:] == ["forks"] else _serve)()
