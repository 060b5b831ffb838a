"""Calls that need the events of the log, which are not in memory: to read them is a step of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import repeat, takewhile

from eventroute.errors import DamagedEvent
from eventroute.storage.base import Fired, Record, Timer, Trimmed
from eventroute.storage.nats.engine import Engine
from eventroute.storage.nats.index import Run
from eventroute.storage.nats.log_commands import Fire, Trim
from eventroute.storage.nats.messages import Group, decode, decode_commands, events_of
from eventroute.storage.nats.tables import UNBOUNDED, StreamTables
from eventroute.storage.tables import timer_number

__all__ = ["at_hand", "fire_timers", "read", "trim_hard"]

_TRIES = 20
_FIRE_BYTES = 8 << 20


def at_hand(
    bus: str, start: int, end: int, limit: int, max_bytes: int, engine: Engine, tables: StreamTables
) -> list[Record] | None:
    """See `Storage.read`, where nothing need be asked for; None: something must."""
    if bus not in tables.numbers:
        return None
    index = tables.index(bus)
    if start < index.first or end > index.end:
        return None
    records: list[Record] = []
    for run in tables.runs(bus, start, end, limit, max_bytes):
        held = engine.recent.get(run.sequence)
        if held is None:
            return None
        events = _found(run, held)
        if len(events) < len(run.sizes):
            return None
        records += _recorded(run, events)
    return records


async def read(bus: str, start: int, end: int, limit: int, max_bytes: int, engine: Engine) -> list[Record]:
    """See `Storage.read`."""

    def find(tables: StreamTables) -> tuple[bool, list[Run], dict[int, tuple[int, ...]]]:
        index = tables.index(bus)
        runs = tables.runs(bus, start, end, limit, max_bytes)
        parts = {run.sequence: index.parts(run.sequence) for run in runs}
        return start >= index.first and end <= index.end, runs, parts

    known = engine.knows(bus)
    inside, runs, parts = await engine.look(find, fresh=not known)
    if known and not inside:
        _, runs, parts = await engine.look(find)
    return await _records(bus, runs, parts, engine)


async def _records(bus: str, runs: Sequence[Run], parts: dict[int, tuple[int, ...]], engine: Engine) -> list[Record]:
    held = {sequence: engine.recent.get(sequence) for sequence in parts}
    missing = [sequence for sequence, events in held.items() if events is None]
    wanted = [each for sequence in missing for each in (*parts[sequence], sequence)]
    if wanted:
        bodies = dict(zip(wanted, await engine.fetch(wanted), strict=True))
        for sequence in missing:
            held[sequence] = _events([bodies[each] for each in (*parts[sequence], sequence)])
    records: list[Record] = []
    for run in runs:
        events = _found(run, held[run.sequence] or ())
        records += _recorded(run, events)
        if len(events) < len(run.sizes):
            if records:
                break
            raise DamagedEvent(engine.where, bus, run.offset, f"message {run.sequence} is another one by now")
    return records


def _recorded(run: Run, events: Sequence[bytes]) -> Iterator[Record]:
    return map(Record, range(run.offset, run.offset + len(events)), repeat(run.time / 1e6), events)


def _found(run: Run, events: Sequence[bytes]) -> Sequence[bytes]:
    """The events of a run among those of its message, up to the first that is not what was written."""
    numbers = run.numbers
    if isinstance(numbers, range):
        some = events[numbers.start : numbers.stop]
    else:
        some = [events[number] for number in numbers if number < len(events)]
    if [*map(len, some)] == [*run.sizes]:
        return some
    sound = takewhile(lambda pair: len(pair[0]) == pair[1], zip(some, run.sizes, strict=False))
    return [event for event, _ in sound]


def _events(bodies: Sequence[bytes]) -> list[bytes]:
    """The events of a message, which may have come in parts."""
    messages = [decode(body) for body in bodies]
    content = b"".join(one.commands if isinstance(one, Group) else one.data for one in messages)
    return events_of(decode_commands(content))


async def trim_hard(bus: str, before: int, limit: int, engine: Engine) -> Trimmed:
    """See `Storage.trim`: what waits gets its events, which are read first."""
    trimmed: Trimmed
    for _ in range(_TRIES):
        offsets = await engine.look(
            lambda tables: tables.without_event(bus, min(before, tables.bounds(bus).first + limit))
        )
        events: dict[int, bytes] = {}
        for offset in offsets:
            records = await read(bus, offset, offset + 1, 1, UNBOUNDED, engine)
            events |= {record.offset: record.event for record in records}
        trimmed = await engine.change(partial(_trim, Trim(bus, before, limit, True, events)))
        if trimmed.events or not offsets:
            return trimmed
    return trimmed


def _trim(command: Trim, tables: StreamTables) -> Trim:
    del tables
    return command


async def fire_timers(bus: str, now: float, limit: int, engine: Engine) -> Fired:
    """See `Storage.fire_timers`. The message of what fires has the events with it."""

    def make(tables: StreamTables) -> Fire:
        due = tables.timers(bus).page(None, limit, until=now)
        size = 0
        few: list[Timer] = []
        for timer in due:
            size += len(timer.event)
            if few and size > _FIRE_BYTES:
                break
            few.append(timer)
        numbers = [timer_number(timer.id) for timer in few]
        return Fire(bus, tables.numbers[bus], numbers, [timer.event for timer in few])

    def look(tables: StreamTables) -> tuple[float | None, int]:
        timers = tables.timers(bus)
        return timers.next_due, len(timers.page(None, 1, until=now))

    next_due, due = await engine.look(look)
    if not due:
        return Fired(0, next_due)
    count: int = await engine.change(make)
    next_due, _ = await engine.look(look, fresh=False)
    return Fired(count, next_due)
