"""The scheduler of one bus: runs a worker under a lease, a new one when the lease is lost, and stops without losing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import anyio
from anyio.abc import TaskGroup

from eventroute.clock import Clock
from eventroute.errors import LeaseLost, UnknownBus
from eventroute.hooks import Hooks
from eventroute.push.firing import Firing
from eventroute.push.forwarding import Forwarding
from eventroute.push.lane import Lane
from eventroute.push.lane.pace import Pace
from eventroute.push.patience import patiently
from eventroute.push.route import RoutingTable
from eventroute.push.worker import Worker
from eventroute.push.worker.reading import Reading
from eventroute.push.worker.retrying import Retrying
from eventroute.storage.base import Reader, Session, Storage

__all__ = ["Scheduler"]

_log = logging.getLogger("eventroute.push")

READ_WITHIN = 2.0
"""How long a stop waits for readers, beyond the time that attempts get, in seconds: for one call of the storage."""

FLUSH_WITHIN = 10.0
"""How long a stop waits for a storage that fails, in seconds, before it leaves."""


class Scheduler:
    """Pushes the events of one bus until it is told to stop.

    `lease` is how long, in seconds, this process may be silent before others take over its work.
    """

    def __init__(
        self,
        storage: Storage,
        bus: str,
        clock: Clock,
        table: RoutingTable,
        *,
        lease: float,
        progress: Callable[[], None],
        hooks: Hooks,
    ) -> None:
        self.clean = True
        """After `run`: whether no attempt had to be cut off."""
        self._storage = storage
        self._bus = bus
        self._clock = clock
        self._table = table
        self._lease = lease
        self._progress = progress
        self._hooks = hooks
        self._stop = anyio.Event()
        self._grace = 0.0
        self._worker: Worker | None = None
        self._paces: dict[str, Pace] = {}
        """How much of its rate each lane has used: a lease that is lost must not make anybody send faster."""
        self.firing = Firing(storage, bus, clock)
        self.forwarding: Forwarding | None = None
        """What hands dead letters over, under the present lease."""

    def stop(self, grace: float) -> None:
        """Have `run` return: attempts in flight get `grace` seconds to end."""
        self._grace = grace
        self._stop.set()

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes of this process, by subscription; there is one where there was something to do."""
        return {} if self._worker is None else self._worker.lanes

    @property
    def forward_errors(self) -> Mapping[str, str]:
        """By subscription, why its dead letters do not get where they are to go."""
        return {} if self._worker is None or self.forwarding is None else self.forwarding.errors

    async def refresh(self) -> None:
        """Take in what has changed on the bus, now."""
        worker = self._worker
        if worker is not None and not worker.stopping:
            await worker.refresh()

    def look(self) -> None:
        """Look anew at the routes and at what waits: something has changed that the bus's version does not tell."""
        if self._worker is not None:
            self._worker.reroute()

    async def run(self) -> None:
        """Push until stopped; what is cut off or not begun by then waits in the storage.

        Cancellation from outside does not reach it: only `stop` ends it, so that nothing is torn.
        """
        with anyio.CancelScope(shield=True):
            while not self._stop.is_set():
                session, began = await patiently(self._clock, self._open_session)
                try:
                    await self._work(session, began + session.ttl)
                except* LeaseLost:
                    _log.warning("bus %s: the lease was lost, and what was in flight with it: begins anew", self._bus)
                    self.clean = False
                except* UnknownBus:
                    _log.info("bus %s was deleted: nothing is pushed for it any more", self._bus)
                    self._stop.set()
                finally:
                    self._worker = None
                    with self._clock.move_on_after(FLUSH_WITHIN) as flushing:
                        await patiently(self._clock, self._storage.close_session, session)
                    if flushing.cancelled_caught:  # others can take over only when it has lapsed
                        self.clean = False

    async def _open_session(self) -> tuple[Session, float]:
        """A session, and from when on at the latest it lasts."""
        began = self._clock.monotonic()
        return await self._storage.open_session(self._lease), began

    async def _work(self, session: Session, leased_until: float) -> None:
        worker = Worker(
            self._storage,
            self._bus,
            session,
            self._clock,
            self._table,
            self._progress,
            self._hooks,
            self._paces,
        )
        worker.leased(leased_until)
        async with anyio.create_task_group() as leasing:
            leasing.start_soon(self._keep_lease, session, worker)
            async with anyio.create_task_group() as writing:
                writing.start_soon(worker.journal.run)
                async with anyio.create_task_group() as pushing:
                    try:
                        await self._push(worker, pushing)
                    finally:  # whoever still knows it, as a call that has its changes heard, begins nothing with it
                        worker.end()
                    pushing.cancel_scope.cancel()
                worker.let_go()
                worker.journal.close()
                writing.start_soon(self._give_up_flushing, writing.cancel_scope, worker)
                await worker.journal.done.wait()
                writing.cancel_scope.cancel()
            leasing.cancel_scope.cancel()

    async def _push(self, worker: Worker, pushing: TaskGroup) -> None:
        worker.attach(pushing)
        await worker.outages.look()
        await worker.refresh()
        self._worker = worker
        pushing.start_soon(worker.deadlines.run)
        pushing.start_soon(worker.sweep)
        pushing.start_soon(Retrying(worker).run)
        pushing.start_soon(self.firing.run)
        self.forwarding = Forwarding(worker, pushing)
        pushing.start_soon(self.forwarding.run)
        pushing.start_soon(self._read, worker, pushing)
        await self._stop.wait()
        await self._end_attempts(worker)

    async def _keep_lease(self, session: Session, worker: Worker) -> None:
        async def extend() -> float:
            began = self._clock.monotonic()
            await self._storage.extend_session(session)
            return began + session.ttl

        while True:
            await self._clock.sleep(session.ttl / 3)
            worker.leased(await patiently(self._clock, extend))

    async def _read(self, worker: Worker, tasks: TaskGroup) -> None:
        """Have one reading task for each reader of the bus that this process can work for."""
        reading = worker.reading

        async def read(one: Reading) -> None:
            try:
                await one.run()
            finally:
                reading.discard(one.reader)
                worker.changed.ring()
                worker.quiet.ring()

        while not worker.stopping:
            readers = await patiently(self._clock, self._storage.readers, self._bus)
            for reader in readers:
                if reader.name not in reading and self._is_served(reader):
                    reading.add(reader.name)
                    tasks.start_soon(read, Reading(worker, reader))
            await worker.changed.wait()

    def _is_served(self, reader: Reader) -> bool:
        """Whether this process works for a reader: the shared one, or the own one of a subscription it can serve."""
        if reader.subscription is None:
            return True
        route = self._table.route(reader.subscription)
        return route is not None and not route.held

    async def _end_attempts(self, worker: Worker) -> None:
        worker.stop()
        worker.changed.ring()
        with self._clock.move_on_after(self._grace):
            while self._in_flight(worker) or worker.reading:
                await worker.quiet.wait()
        cut = self._in_flight(worker)
        if cut:
            _log.warning("bus %s: %d attempts were cut off after %g s", self._bus, cut, self._grace)
        with self._clock.move_on_after(READ_WITHIN):  # readers end by themselves, however little time attempts get
            while worker.reading:
                await worker.quiet.wait()
        if worker.reading:
            _log.warning("bus %s: the storage gave no answer, and what was read last may be delivered again", self._bus)
        self.clean = self.clean and not cut and not worker.reading

    def _in_flight(self, worker: Worker) -> int:
        return worker.in_flight + (0 if self.forwarding is None else self.forwarding.in_flight)

    async def _give_up_flushing(self, scope: anyio.CancelScope, worker: Worker) -> None:
        await self._clock.sleep(FLUSH_WITHIN)
        _log.error(
            "bus %s: the storage took no more for %g s; what was sent may be sent again", self._bus, FLUSH_WITHIN
        )
        self.clean = False
        scope.cancel()
