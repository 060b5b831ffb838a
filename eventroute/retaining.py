"""Retaining: one task a bus takes away, in small steps, what its retention no longer keeps."""

from __future__ import annotations

import logging
import math

from eventroute.clock import Clock
from eventroute.errors import StorageClosed, StorageError, UnknownBus
from eventroute.hooks import DeadLettersDropped, EventsLost, Hooks
from eventroute.storage.base import BusInfo, Storage
from eventroute.storage.retention import decide

__all__ = ["Retaining"]

_log = logging.getLogger("eventroute")

LOOK_EVERY = 5.0
"""How often a bus is looked at, in seconds, while there is nothing to take away."""

LOOK = 500
"""How many of the oldest events are looked at, at once, to decide which may go."""

STEP = 100
"""The most events that go in one step: it holds up whoever writes meanwhile."""

REST = 0.002
"""The pause between two steps, in seconds, in which others write."""


class Retaining:
    """Looks after one bus. Several processes may do so: what one has taken away the others find gone."""

    def __init__(self, storage: Storage, bus: str, clock: Clock, hooks: Hooks | None = None) -> None:
        self._storage = storage
        self._bus = bus
        self._clock = clock
        self._shrunk = False
        self._before: int = 0
        """What is below has been found to be free to go, and has not gone yet; 0: it is time to look."""
        self._hard = False
        self._hooks = Hooks() if hooks is None else hooks
        self._letters: tuple[float, int | None] | None = None
        """From before when dead letters have to go, and how many may stay; None: none has to go, as far as is known."""
        self._lost: dict[str, int] = {}
        self._dropped: dict[str, int] = {}

    async def run(self) -> None:
        """Run until cancelled, or until the bus is gone or the storage closed."""
        while True:
            try:
                more = await self.step()
            except (UnknownBus, StorageClosed):
                return
            except StorageError as error:
                _log.warning("bus %s: retention has to wait, since the storage failed: %s", self._bus, error)
                more = False
            await self._clock.sleep(REST if more else LOOK_EVERY)

    async def step(self) -> bool:
        """Take one step; whether there may be more to do."""
        if not self._before:
            await self._look()
        trimmed = await self._storage.trim(self._bus, self._before, limit=STEP, hard=self._hard)
        for subscription, events in trimmed.lost:
            self._lost[subscription] = self._lost.get(subscription, 0) + events
            self._hooks.tell(EventsLost(self._bus, subscription, events))
        if not trimmed.events or trimmed.first >= self._before:
            self._before = 0
        dropped = await self._drop_letters()
        if trimmed.events or dropped:
            return True
        self._say_lost()
        return False

    async def _look(self) -> None:
        info = await self._storage.describe_bus(self._bus, oldest=LOOK)
        self._say_window(info)
        retention = info.settings.retention
        self._before = decide(retention, info.state(), self._clock.time()).before
        self._hard = retention.hard
        age, keep = info.settings.dead_letter_age, info.settings.dead_letter_limit
        before = -math.inf if age is None else self._clock.time() - age
        oldest = math.inf if info.oldest_dead_letter is None else info.oldest_dead_letter
        some = oldest < before or (keep is not None and info.dead_letters > keep)
        self._letters = (before, keep) if some else None

    async def _drop_letters(self) -> bool:
        """Take away some of the dead letters that are beyond their bound; whether there were any."""
        if self._letters is None:
            return False
        before, keep = self._letters
        gone = await self._storage.drop_dead_letters(self._bus, before=before, keep=keep, limit=STEP)
        for each in gone:
            self._dropped[each.subscription] = self._dropped.get(each.subscription, 0) + each.letters
            self._hooks.tell(DeadLettersDropped(self._bus, each.subscription, each.letters, each.reason))
        if not gone:
            self._letters = None
        return bool(gone)

    def _say_lost(self) -> None:
        for subscription, events in self._lost.items():
            _log.warning(
                "bus %s: hard retention took %d events away that the subscription %s had not read",
                self._bus,
                events,
                subscription,
            )
        self._lost.clear()
        for subscription, letters in self._dropped.items():
            _log.warning(
                "bus %s: its bound took %d dead letters of the subscription %s away", self._bus, letters, subscription
            )
        self._dropped.clear()

    def _say_window(self, info: BusInfo) -> None:
        wanted, window = info.settings.dedup, info.dedup_window
        shrunk = wanted is not None and window is not None and window < wanted
        if shrunk and not self._shrunk:
            _log.warning(
                "bus %s: it remembers %d identities, its dedup_limit: duplicates are told for %.3g s only, not %.3g s",
                self._bus,
                info.remembered,
                window,
                wanted,
            )
        self._shrunk = shrunk
