"""What is done to a storage until it crashes, and what must be there afterwards."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio
import anyio.lowlevel
from attrs import Factory, define

from eventroute.errors import StorageError
from eventroute.storage.base import (
    DEFAULT_BUS,
    LIVE,
    Bury,
    Complete,
    DeadLetter,
    Delayed,
    Entry,
    Record,
    Session,
    Storage,
    Timer,
)

BUS = DEFAULT_BUS
SUBSCRIPTION = "s"
_TRIES = 3
T = TypeVar("T")

Tell = Callable[[str, str, int], None]
"""Hears of each answer ("append", "bury", "position", "delay", "cancel"), with the name of the batch or timer and an
offset; and of each "trim", before it is asked for, with where it ends, as of each "cancelling"."""


@define
class Told:
    """What the storage has answered for."""

    accepted: dict[str, int] = Factory(dict)
    """The name of a batch -> its first offset."""
    buried: set[int] = Factory(set)
    position: int = 0
    trimmed: int = 0
    """What is below may be gone."""
    delayed: set[str] = Factory(set)
    """The names of delayed events."""
    cancelling: set[str] = Factory(set)
    cancelled: set[str] = Factory(set)

    def hear(self, kind: str, name: str, offset: int) -> None:
        if kind == "append":
            self.accepted[name] = offset
        elif kind == "bury":
            self.buried.add(offset)
        elif kind == "trim":
            self.trimmed = max(self.trimmed, offset)
        elif kind == "delay":
            self.delayed.add(name)
        elif kind == "cancelling":
            self.cancelling.add(name)
        elif kind == "cancel":
            self.cancelled.add(name)
        else:
            self.position = max(self.position, offset)


@define
class Found:
    """What is in the storage after a crash."""

    first: int
    log: list[Record]
    letters: list[DeadLetter]
    position: int
    timers: list[Timer] = Factory(list)


@define
class Tally:
    """How it went."""

    crashes: int = 0
    accepted: int = 0
    faults: list[str] = Factory(list)


def batch(name: str, size: int) -> list[bytes]:
    """The events of a batch, from which its name and size can be told."""
    return [f'{{"id":"{name}/{part}/{size}"}}'.encode() for part in range(size)]


def delayed_event(name: str) -> bytes:
    """A delayed event, from which its name can be told."""
    return b'{"delayed":"%s"}' % name.encode()


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


async def delay(storage: Storage, task: str, lot: random.Random, tell: Tell, *, times: int = 1 << 30) -> None:
    """Put a timer and fire some, or cancel one, again and again, while the storage lets us. They are due at a time of
    ours, from 0 to 1.
    """
    for number in range(times):
        name = f"{task}.{number}"
        timer = Delayed(lot.random(), delayed_event(name))
        if await _patiently(partial(storage.append, BUS, [], append_id=f"delayed {name}", delayed=[timer])) is None:
            return
        tell("delay", name, 0)
        if lot.random() < 0.2:
            await _cancel(storage, tell)
        else:
            await _patiently(partial(storage.fire_timers, BUS, now=lot.random(), limit=lot.randint(1, 3)))


async def _cancel(storage: Storage, tell: Tell) -> None:
    for timer in await _patiently(partial(storage.timers, BUS, limit=1)) or ():
        name = _delayed_name(timer.event)
        tell("cancelling", name, 0)
        if await _patiently(partial(storage.cancel_timer, BUS, timer.id)):
            tell("cancel", name, 0)


async def trim(storage: Storage, tell: Tell, *, keep: int, times: int = 1 << 30) -> None:
    """Take away what is settled, but for the last `keep` events."""
    for _ in range(times):
        await anyio.lowlevel.checkpoint()
        bounds = await _patiently(partial(storage.bounds, BUS))
        if bounds is None:
            return
        tell("trim", "", bounds.end - keep)
        await _patiently(partial(storage.trim, BUS, bounds.end - keep, limit=10))


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
    timers: list[Timer] = []
    while page_of_timers := await storage.timers(
        BUS, after=(timers[-1].due, timers[-1].id) if timers else None, limit=10_000
    ):
        timers += page_of_timers
    return Found(bounds.first, log, letters, (await storage.readers(BUS))[0].position, timers)


def faults(told: Told, found: Found) -> list[str]:
    """What was lost, altered, invented or put out of order; nothing, or the storage has broken its word."""
    starts, torn = _batches(found)
    if torn:
        return torn
    wrong = [
        f"{name} is lost or moved"
        for name, offset in told.accepted.items()
        if starts.get(name) != offset and offset >= found.first
    ]
    if found.first > max(1, told.trimmed):
        wrong.append(f"all below {found.first} is gone, and what is below {told.trimmed} was to go")
    wrong += _out_of_order(told, list(starts))
    events_at = {record.offset: record.event for record in found.log}
    letters = {letter.offset: letter.event for letter in found.letters}
    wrong += [f"the dead letter {offset} is lost" for offset in sorted(told.buried - set(letters))]
    wrong += [
        f"the dead letter {at} is invented"
        for at, event in letters.items()
        if at >= found.first and events_at.get(at) != event
    ]
    if found.position < told.position:
        wrong.append(f"the position {told.position} is lost, it is {found.position}")
    return wrong + _faults_of_timers(told, found)


def _faults_of_timers(told: Told, found: Found) -> list[str]:
    """Each delayed event is a timer or in the log, once; of each task at most one is there that was not answered."""
    events = [timer.event for timer in found.timers]
    events += [record.event for record in found.log if _delayed_name(record.event)]
    names = Counter(_delayed_name(event) for event in events)
    wrong = [f"a timer is altered: {event!r}" for event in events if not _delayed_name(event)]
    wrong += [f"the delayed event {name} is there twice" for name, times in names.items() if name and times > 1]
    if found.first == 1:  # else it may have been fired and trimmed
        lost = told.delayed - told.cancelling - set(names)
        wrong += [f"the delayed event {name} is lost" for name in sorted(lost)]
    wrong += [f"the delayed event {name} is there, and was cancelled" for name in sorted(told.cancelled & set(names))]
    unanswered = Counter(name.rpartition(".")[0] for name in set(names) - told.delayed)
    return wrong + [f"of {task} there are timers that nobody put" for task, count in unanswered.items() if count > 1]


def _batches(found: Found) -> tuple[dict[str, int], list[str]]:
    """Where each batch begins, and what is wrong with one; the first may have lost its beginning to a trim."""
    starts: dict[str, int] = {}
    place = 0
    while place < len(found.log):
        record = found.log[place]
        if _delayed_name(record.event):
            place += 1
            continue
        name, part, size = _parts(record.event)
        events = [record.event for record in found.log[place : place + size - part]]
        if not name or events != batch(name, size)[part:] or name in starts or (part and place):
            return {}, [f"at offset {record.offset}: {record.event!r} is altered, torn or doubled"]
        starts[name] = record.offset - part
        place += size - part
    return starts, []


def _delayed_name(event: bytes) -> str:
    """The name of a delayed event; empty: it is none, or altered."""
    name = event.decode(errors="replace")[12:-2]
    return name if event == delayed_event(name) else ""


def _parts(event: bytes) -> tuple[str, int, int]:
    name, part, size = [*event.decode(errors="replace")[7:-2].split("/"), "", "", ""][:3]
    return (name, int(part), int(size)) if part.isdecimal() and size.isdecimal() else ("", 0, 1)


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
        if found != list(range(0 if told.trimmed <= 1 else found[0], found[-1] + 1))
        or found[-1] > answered.get(task, 0)
    ]
