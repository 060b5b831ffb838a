"""Order across memory and ledger: what a worker does for those of its lanes whose events go by keys."""

from __future__ import annotations

from abc import ABC, abstractmethod

from eventroute.clock import Clock
from eventroute.push.deadlines import Deadlines
from eventroute.push.delivery import Delivery
from eventroute.push.lane import Lane
from eventroute.push.lane.turns import Turns
from eventroute.push.patience import patiently
from eventroute.push.worker.attempt import named
from eventroute.push.worker.journal import Journal
from eventroute.storage.base import STUCK, Bury, Settle, Storage, Wait, Waiting

__all__ = ["Ordering"]


class Ordering(ABC):
    """The part of a `Worker` that minds whose turn it is. Lanes without order pass through it unchanged."""

    storage: Storage
    bus: str
    clock: Clock
    journal: Journal
    deadlines: Deadlines
    lanes: dict[str, Lane]

    @abstractmethod
    def expect(self, subscription: str, due: float) -> None:
        """Look after a subscription's waiting deliveries at that time (of the wall clock)."""

    @abstractmethod
    def _record(self, lane: Lane, delivery: Delivery, *, held: bool) -> None: ...

    def leased(self, until: float) -> None:
        """The lease lasts until that (monotonic) time for certain."""
        late, self.deadlines.lease_until = self.deadlines.lapsed, until
        if late:
            for lane in [one for one in self.lanes.values() if one.leased]:
                lane.start()

    def _waits_already(self, lane: Lane, delivery: Delivery) -> bool:
        """Give a delivery that was read its key; whether a row of it is in the ledger, which is what is delivered."""
        if lane.turns is None or lane.key is None:
            return False
        delivery.key = lane.key(delivery.raw)
        return lane.turns.waits(delivery)

    def take_back(self, lane: Lane, delivery: Delivery, row: Waiting, known: frozenset[int]) -> bool:
        """Bring a delivery whose row was taken into its lane; False where it had to be given back. `known` are the rows
        that were known before it was taken.
        """
        turns = lane.turns
        free = True
        if turns is not None and lane.key is not None:
            if delivery.key is None:
                delivery.key = lane.key(delivery.raw)
            free = turns.back(delivery, known) or not delivery.keyed
        if free and lane.offer([delivery]):
            return True
        self.journal.add(Wait(row, held=False, again=True))
        self._put_away(lane, delivery, row.due)
        return False

    async def learn(self, subscription: str) -> None:
        """See what waits in the ledger for keys of a subscription: what is read of these goes behind it."""
        lane = self.lanes.get(subscription)
        if lane is None or lane.turns is None:
            return
        turns, known = lane.turns, lane.turns.known()
        rows = await patiently(self.clock, self.storage.waiting_keys, self.bus, subscription)
        turns.learn(rows, known)

    def _end_turn(self, lane: Lane, turns: Turns, delivery: Delivery, entry: Settle | Wait | Bury | None) -> None:
        """Let the key of a delivery go on, unless it waits again; one given up has to be written down first."""
        if isinstance(entry, Bury) and entry.key is not None:
            self._put_away(lane, delivery, STUCK)
        elif isinstance(entry, Bury):
            turns.end_when_written(delivery)
        elif not isinstance(entry, Wait):
            turns.done(delivery)
            if entry is None and turns.away:  # what it stood before may be in the ledger
                self.expect(delivery.subscription, self.clock.time())

    def _put_away(self, lane: Lane, delivery: Delivery, due: float) -> None:
        """Anybody may take the row of a delivery from now on: what was to go behind it goes back to the ledger, too."""
        back = lane.put_away(delivery)
        if lane.turns is None or lane.turns.is_first(delivery.offset):
            self.expect(delivery.subscription, due)
        for behind in back:
            self._record(lane, behind, held=False)

    def _written_of(self, entry: Wait | Settle | Bury) -> None:
        subscription, offset = named(entry)
        lane = self.lanes.get(subscription)
        turns = None if lane is None else lane.turns
        if isinstance(entry, Wait):
            if entry.held:
                return
            if turns is not None:
                turns.written(offset)
            if turns is None or turns.is_first(offset):
                self.expect(subscription, entry.waiting.due)  # whoever looked for it before may not have found it
            return
        if turns is not None:
            if isinstance(entry, Bury):
                turns.written(offset)
                turns.given_up(offset)
            if turns.away or turns.look:
                self.expect(subscription, self.clock.time())
