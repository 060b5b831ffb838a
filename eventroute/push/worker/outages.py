"""Outages: what breakers know outlives the process, and reaches the other ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from eventroute.clock import Clock
from eventroute.push.lane import Lane
from eventroute.push.outcome import RetryLater
from eventroute.push.patience import patiently
from eventroute.push.policy.breaker import UNTROUBLED, Circuit
from eventroute.push.worker.journal import Journal
from eventroute.storage.base import BreakerState, Storage, Trip

__all__ = ["Outages"]

_log = logging.getLogger("eventroute.push")


class Outages:
    """The breakers of one bus as they are written down, and the circuits of a worker's lanes that go by them.

    `adopted` is called with a lane whose circuit has learnt of another process.
    """

    def __init__(
        self,
        storage: Storage,
        bus: str,
        clock: Clock,
        journal: Journal,
        lanes: Mapping[str, Lane],
        adopted: Callable[[Lane], None],
    ) -> None:
        self._storage = storage
        self._bus = bus
        self._clock = clock
        self._journal = journal
        self._adopted = adopted
        self._known: dict[str, BreakerState] = {}
        self._number = 0
        self._lanes = lanes

    async def look(self) -> None:
        """Take in what has changed: what others have written, or a process that is gone."""
        for state in await patiently(self._clock, self._storage.breakers, self._bus, after=self._number):
            self._number = state.number
            self._known[state.subscription] = state
            lane = self._lanes.get(state.subscription)
            if lane is not None and _own_circuit(lane).adopt(state, self._clock.time()):
                self._adopted(lane)

    def circuit(self, subscription: str) -> Circuit:
        """The circuit of a lane that begins."""
        state = self._known.get(subscription)
        if state is None:
            return UNTROUBLED
        circuit = Circuit(subscription)
        circuit.adopt(state, self._clock.time())
        return circuit

    def failed(self, lane: Lane, outcome: RetryLater) -> float:
        """An attempt has failed. For how many seconds the lane is to stop."""
        name, circuit = lane.route.subscription, _own_circuit(lane)
        if circuit.failures == 0:
            _log.info("subscription %s: an attempt failed: %s %s", name, outcome.reason, outcome.error)
        wait = circuit.fail(lane.route.policy.breaker, self._clock.time())
        if wait is not None and circuit.trips == 1:
            _log.warning("subscription %s: its sink is down: %s %s", name, outcome.reason, outcome.error)
        self.note(lane)
        return 0.0 if wait is None else wait

    def over(self, lane: Lane) -> None:
        """The sink of a lane has answered."""
        lane.circuit.succeed(self._clock.time())
        self.note(lane)

    def note(self, lane: Lane) -> None:
        """Have it written down where a lane's circuit has changed."""
        circuit = lane.circuit
        if circuit.noted != circuit.serial and self._lanes.get(circuit.subscription) is lane:  # else it was removed
            circuit.noted = circuit.serial
            self._journal.add(Trip(circuit.state))

    def forget(self, subscription: str) -> None:
        """The subscription is gone: another one of its id begins anew."""
        self._known.pop(subscription, None)


def _own_circuit(lane: Lane) -> Circuit:
    """The circuit of a lane about which there is something to know."""
    if lane.circuit is UNTROUBLED:
        lane.circuit = Circuit(lane.route.subscription)
    return lane.circuit
