"""What is done to a storage until it crashes, and what must be there afterwards."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio
import anyio.lowlevel
from attrs import Factory, define

from eventroute.errors import StorageError
from eventroute.storage.base import DEFAULT_BUS, LIVE, Bury, Complete, DeadLetter, Entry, Record, Session, Storage

BUS = DEFAULT_BUS
SUBSCRIPTION = "s"
_TRIES = 3
T = TypeVar("T")

Tell = Callable[[str, str, int], None]
"""Hears of each answer: what was done ("append", "bury", "position"), the name of the batch, an offset."""


@define
class Told:
    """What the storage has answered for."""

    accepted: dict[str, int] = Factory(dict)
    """The name of a batch -> its first offset."""
    buried: set[int] = Factory(set)
    position: int = 0

    def hear(self, kind: str, name: str, offset: int) -> None:
        if kind == "append":
            self.accepted[name] = offset
        elif kind == "bury":
            self.buried.add(offset)
        else:
            self.position = max(self.position, offset)


@define
class Found:
    """What is in the storage after a crash."""

    log: list[Record]
    letters: list[DeadLetter]
    position: int


@define
class Tally:
    """How it went."""

    crashes: int = 0
    accepted: int = 0
    faults: list[str] = Factory(list)


def batch(name: str, size: int) -> list[bytes]:
    """The events of a batch, from which its name and size can be told."""
    return [f"{name}/{part}/{size}".encode() for part in range(size)]


async def publish(storage: Storage, task: str, lot: random.Random, tell: Tell, *, times: int = 1 << 30) -> None:
    """Append batches one after another, each until it is answered, while the storage lets us."""
    acknowledged: list[str] = []
    for number in range(times):
        name = f"{task}.{number}"
        events = batch(name, lot.randint(1, 4))
        offsets = await _patiently(partial(storage.append, BUS, events, append_id=name, acknowledged=acknowledged))
        if offsets is None:
            return
        tell("append", name, offsets[0])
        acknowledged = [name]


async def settle(storage: Storage, lot: random.Random, tell: Tell, *, times: int = 1 << 30) -> None:
    """Claim ranges, bury some of their events, complete them, while the storage lets us."""
    session = await _patiently(partial(storage.open_session, 0.001))  # what one that crashed holds is free at once
    for _ in range(times):
        if session is None:
            return
        await anyio.lowlevel.checkpoint()
        try:
            claim = await storage.claim(BUS, LIVE, session, limit=lot.randint(1, 5))
        except StorageError:
            continue
        if claim is None:
            continue
        read = partial(storage.read, BUS, claim.start, claim.end, limit=10, max_bytes=1 << 20)
        letters = [
            DeadLetter(SUBSCRIPTION, record.offset, 1.0, "lot", "", 1, record.event)
            for record in await _patiently(read) or ()
            if lot.random() < 0.3
        ]
        entries: list[Entry] = [*map(Bury, letters), Complete(claim)]
        if await _patiently(partial(_write, storage, session, entries)) is None:
            return
        for letter in letters:
            tell("bury", "", letter.offset)
        tell("position", "", claim.end)


async def _write(storage: Storage, session: Session, entries: list[Entry]) -> bool:
    await storage.write(BUS, session, entries)
    return True


async def _patiently(call: Callable[[], Awaitable[T]]) -> T | None:
    """The answer, or None where the storage has failed for good: what was done may be repeated."""
    for _ in range(_TRIES):
        try:
            return await call()
        except StorageError:
            await anyio.lowlevel.checkpoint()
    return None


async def look(storage: Storage) -> Found:
    """All that is there. Raises StorageError."""
    bounds = await storage.bounds(BUS)
    log: list[Record] = []
    start = bounds.first
    while page := await storage.read(BUS, start, bounds.end, limit=10_000, max_bytes=1 << 24):
        log += page
        start = page[-1].offset + 1
    letters: list[DeadLetter] = []
    while page_of_letters := await storage.dead_letters(
        BUS, after=(SUBSCRIPTION, letters[-1].offset) if letters else None, limit=10_000
    ):
        letters += page_of_letters
    return Found(log, letters, (await storage.readers(BUS))[0].position)


def faults(told: Told, found: Found) -> list[str]:
    """What was lost, altered, invented or put out of order; nothing, or the storage has broken its word."""
    wrong: list[str] = []
    starts: dict[str, int] = {}
    place = 0
    while place < len(found.log):
        name, _, size = _parts(found.log[place].event)
        events = [record.event for record in found.log[place : place + size]]
        if not name or events != batch(name, size) or name in starts:
            wrong.append(f"at offset {found.log[place].offset}: {events[:1]} is altered, torn or doubled")
            return wrong
        starts[name] = found.log[place].offset
        place += size
    wrong += [
        f"{name} was accepted and is lost or moved" for name, at in told.accepted.items() if starts.get(name) != at
    ]
    wrong += _out_of_order(told, list(starts))
    events_at = {record.offset: record.event for record in found.log}
    letters = {letter.offset: letter.event for letter in found.letters}
    wrong += [f"the dead letter {offset} is lost" for offset in sorted(told.buried - set(letters))]
    wrong += [f"the dead letter {at} is invented" for at, event in letters.items() if events_at.get(at) != event]
    if found.position < told.position:
        wrong.append(f"the position {told.position} is lost, it is {found.position}")
    return wrong


def _parts(event: bytes) -> tuple[str, str, int]:
    name, part, size = [*event.decode(errors="replace").split("/"), "", "", ""][:3]
    return (name, part, int(size)) if size.isdecimal() else ("", "", 1)


def _out_of_order(told: Told, names: Sequence[str]) -> list[str]:
    """Each task's batches are there one after another; of those at most the last was not answered."""
    numbers: dict[str, list[int]] = {}
    for name in names:
        task, _, number = name.rpartition(".")
        numbers.setdefault(task, []).append(int(number))
    answered: dict[str, int] = {}
    for name in told.accepted:
        task = name.rpartition(".")[0]
        answered[task] = answered.get(task, 0) + 1
    return [
        f"of {task} there are the batches {found[:3]} to {found[-1:]}, {answered.get(task, 0)} were answered"
        for task, found in numbers.items()
        if found != list(range(len(found))) or len(found) > answered.get(task, 0) + 1
    ]
