"""Copy a bus: its events first, then the state of each subscription, all of it compared before anything is delivered.

What a copy that was cut short leaves in the target delivers nothing: its subscriptions are paused until all is there.
The next one compares the events that are there, goes on behind them, and makes the rest anew.
"""

from __future__ import annotations

import math

import anyio
from attrs import define, frozen

from eventroute.copying.ledger import LedgerCopy
from eventroute.copying.log import LogCopy
from eventroute.copying.places import BEING_COPIED, Place, Progress, no_progress
from eventroute.copying.state import State, read_state
from eventroute.errors import InvalidConfiguration, StorageConflict
from eventroute.storage.base import DEFAULT_BUS, BusInfo, BusSettings, Retention, Storage

__all__ = ["Copied", "copy_bus", "copy_buses"]

PATIENCE = 10.0
"""How long to wait for sessions to end, in seconds: that of a process which was killed counts for some time yet."""

_LOOK_EVERY = 0.2
_PROBE = 5.0  # seconds: the lease of the session by which one storage is told from two
_TO_OUTBOX = 1_000

_WHILE_COPYING = BusSettings(
    retention=Retention(max_age=None), dead_letter_age=None, dead_letter_limit=None, dedup_limit=73_209_481
)
"""Nothing goes, and nothing is refused, while a bus is being copied. It is told by the odd limit of what is off."""


@frozen
class Copied:
    """What was copied, and found to be the same in both storages."""

    bus: str
    events: int
    size: int
    """The bytes of the events in their JSON form."""
    checksum: str
    """SHA-256 of the events with their times, in their order, in hexadecimal digits."""
    subscriptions: int
    waiting: int
    """Deliveries that were matched and are not settled: retries, and what was redriven."""
    dead_letters: int
    timers: int
    """Delayed events."""
    damaged: tuple[int, ...] = ()
    """The offsets, in the source, of events that were left out since they cannot be read there."""


async def copy_buses(
    source: Storage,
    target: Storage,
    *,
    progress: Progress = no_progress,
    patience: float = PATIENCE,
    skip_damaged: bool = False,
) -> list[Copied]:
    """Copy all buses, one behind the other; see `copy_bus`."""
    async with source, target:
        return [
            await copy_bus(source, target, bus=bus, progress=progress, patience=patience, skip_damaged=skip_damaged)
            for bus in await source.buses()
        ]


async def copy_bus(
    source: Storage,
    target: Storage,
    *,
    bus: str = DEFAULT_BUS,
    progress: Progress = no_progress,
    patience: float = PATIENCE,
    skip_damaged: bool = False,
) -> Copied:
    """Copy a bus with all its delivery state from one storage to another, and compare the two.

    What is settled stays so, what is not is delivered from the target, with its attempts and due times. The source is
    left as it is (but for events in an outbox of PostgreSQL, which go to its log first). The target has no such bus,
    an empty one, or what an earlier call left that was cut short: then it goes on there.

    Nobody may work on either storage meanwhile: `patience` is how many seconds to wait for sessions to end.
    `progress` is told what is done, how much of it was, and how much there is.

    With `skip_damaged`, what the source finds to be damaged is left out and told by `Copied.damaged`. At its place in
    the target stands what is no event, so that each subscription which had it still before it gets a dead letter.

    Raises UnknownBus; StorageConflict where somebody works on one of the two, or the bus of the target holds something
    else; DamagedEvent where the source has one that is not to be skipped; StorageError where the comparison fails or a
    storage does. InvalidConfiguration: both are the same storage.
    """
    async with source, target:
        places = Place(source, bus, "source"), Place(target, bus, "target")
        return await _Copy(*places, progress, patience, skip_damaged).run()


@define
class _Copy:
    source: Place
    target: Place
    progress: Progress
    patience: float
    skip_damaged: bool

    async def run(self) -> Copied:
        info = await self._source_at_rest()
        await self._quiet(self.target)
        await self._tell_apart()
        state = await read_state(self.source.storage, self.source.bus)
        finishing = await self._is_nearly_done(state)
        log = LogCopy(self.source, self.target, self.progress, self.skip_damaged)
        if not finishing:
            await log.compare_what_is_there()
            await log.copy_the_rest()
        checked = await log.compare(finishing=finishing)
        ledger = LedgerCopy(self.source, self.target, state, checked.offsets, self.progress)
        if not finishing:
            await ledger.make()
        counts = await ledger.compare(finishing=finishing)
        await self._unchanged(info, state)
        if not finishing:
            await self.target.storage.update_bus(self.target.bus, info.settings)
        await ledger.release()
        subscriptions = len(state.placed)
        return Copied(
            self.source.bus, checked.events, checked.size, checked.checksum, subscriptions, *counts, checked.damaged
        )

    async def _source_at_rest(self) -> BusInfo:
        """The source, in which nobody works, and nothing waits to get into the log."""
        source = self.source
        info = await source.storage.describe_bus(source.bus)
        await self._quiet(source)
        while (await source.storage.fire_timers(source.bus, now=-math.inf, limit=_TO_OUTBOX)).count:
            info = await source.storage.describe_bus(source.bus)
        return info

    async def _quiet(self, place: Place) -> None:
        """Wait until nobody works there. Raises StorageConflict."""
        with anyio.move_on_after(self.patience):
            while await place.storage.sessions():  # noqa: ASYNC110 - other processes hold them
                await anyio.sleep(_LOOK_EVERY)
        count = await place.storage.sessions()
        if count:
            raise StorageConflict(
                f"somebody works on the {place.role}, under {count} living sessions: stop every router, `eventroute "
                "serve` and pull consumer on it, and copy again; a process that was killed counts for some seconds yet"
            )

    async def _tell_apart(self) -> None:
        """Raise InvalidConfiguration where both are one storage: what begins to live in one would live in the other."""
        session = await self.target.storage.open_session(_PROBE)
        try:
            if self.source.storage is self.target.storage or await self.source.storage.sessions():
                raise InvalidConfiguration("source and target are the same storage", where="target")
        finally:
            with anyio.CancelScope(shield=True):
                await self.target.storage.close_session(session)

    async def _is_nearly_done(self, state: State) -> bool:
        """Whether all was copied and compared by a call before, and the target's subscriptions had only to be let go.
        Else it is ready to be copied to. Raises StorageConflict where it holds something else.
        """
        storage, bus = self.target.storage, self.target.bus
        if bus not in await storage.buses():
            await storage.create_bus(bus, _WHILE_COPYING)
        info = await storage.describe_bus(bus)
        there = {stored.id: stored for stored in (await storage.changes(bus, 0)).subscriptions}
        if info.settings == _WHILE_COPYING:
            for stored in there.values():
                if stored.paused != BEING_COPIED:
                    raise self.target.not_a_copy(f"its subscription {stored.id!r} was resumed, or is another's")
            return False
        if not there and not info.events and not info.dead_letters and not await storage.count_timers(bus):
            await storage.update_bus(bus, _WHILE_COPYING)
            return False
        if there.keys() != state.placed.keys():
            raise self.target.not_a_copy("it has not the subscriptions of the source")
        return True

    async def _unchanged(self, info: BusInfo, state: State) -> None:
        """Raise StorageConflict where the source is no longer what it was at the beginning."""
        storage, bus = self.source.storage, self.source.bus
        now = await storage.describe_bus(bus)
        version = (await storage.changes(bus, state.version)).version
        if (now.bounds, version) != (info.bounds, state.version) or await storage.sessions():
            raise StorageConflict(
                f"the bus {bus!r} of the source changed while it was copied: stop whoever publishes to it, too, and "
                "copy again, which goes on where this ended"
            )
