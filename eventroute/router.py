"""The router: where log, filters, transformers and push are put together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from msgspec.json import decode

from eventroute.buses import Buses
from eventroute.clock import Clock, SystemClock
from eventroute.definitions import Vocabulary, compile_subscription, definition_of
from eventroute.errors import InvalidConfiguration, InvalidSubscription, StorageClosed, StorageError, UnknownBus
from eventroute.event import Event
from eventroute.filters.explain import Explanation
from eventroute.filters.filter import DialectParser
from eventroute.hooks import Hook, Hooks, Paused
from eventroute.idle import IdleWatch
from eventroute.keeping import Keeping, beginning
from eventroute.publishing import MAX_EVENT_BYTES, Publishing
from eventroute.push.scheduler import Scheduler
from eventroute.push.sinks.base import SinkProvider
from eventroute.push.sinks.bus import BusSinks
from eventroute.push.sinks.callable import CallableSinks
from eventroute.push.sinks.client import HttpSettings
from eventroute.push.sinks.http import HttpSinks
from eventroute.push.sinks.letters import bus_of_letters, check_letters
from eventroute.push.sinks.pull import Pull, PullSinks
from eventroute.push.sinks.registry import SinkRegistry
from eventroute.retaining import Retaining
from eventroute.routing import Table
from eventroute.stats import Here, Lag, Standing, SubscriptionStats, look
from eventroute.storage.base import Storage, StoredSubscription
from eventroute.storage.tables import LONGEST_LEASE
from eventroute.subscription import Subscription
from eventroute.tracing.finding import Finding
from eventroute.tracing.history import AttemptHistory
from eventroute.tracing.views import Views
from eventroute.transform import Command

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["Router"]

_log = logging.getLogger("eventroute")

LOOK_EVERY = 1.0
"""How often a router looks for buses that others have made, in seconds."""


class Router(Buses, Keeping, Finding):
    """Keeps events and pushes them to their subscriptions while its `async with` block is open.

    Leaving the block stops claiming, lets attempts in flight end within `grace` seconds (default: the largest timeout
    among the subscriptions), and writes down where everything stands; the backlog stays in the storage. `clean` then
    tells whether no attempt had to be cut off.

    With `push=False` it publishes and manages only: it takes no events away and fires no timers. `dialects` are filter
    dialects of the application and `commands` its pipeline commands, by name; `sinks` are sink providers for further
    URL schemes; `http` says which addresses may be sent to over HTTP, and how; `lease` is how many seconds this process
    may be silent before others take over its work. `hooks` are told what happens; what an
    `AttemptHistory` among them remembers, `trace` tells. A router serves one event loop.
    """

    def __init__(  # noqa: PLR0913 - settings, each of its own and by keyword
        self,
        storage: Storage,
        *,
        push: bool = True,
        clock: Clock | None = None,
        dialects: Mapping[str, DialectParser] | None = None,
        commands: Mapping[str, Command] | None = None,
        sinks: Iterable[SinkProvider] = (),
        http: HttpSettings | None = None,
        lease: float = 5.0,
        grace: float | None = None,
        max_event_bytes: int = MAX_EVENT_BYTES,
        hooks: Iterable[Hook] = (),
    ) -> None:
        self.storage = storage
        self.clean = True
        """After the block: whether no attempt was cut off."""
        self._push = push
        self._clock = SystemClock() if clock is None else clock
        self._words = Vocabulary(dialects, commands)
        self._functions = CallableSinks()
        self._pulls = PullSinks()
        self._given_sinks = tuple(sinks)
        self._http = HttpSettings() if http is None else http
        self._lease = lease
        if not 0 < lease <= LONGEST_LEASE:
            raise InvalidConfiguration(f"{lease!r} is not more than 0 and at most {LONGEST_LEASE:,.0f}", where="lease")
        self._grace = grace
        hooks = tuple(hooks)
        self._hooks = Hooks(hooks)
        self._history = next((hook for hook in hooks if isinstance(hook, AttemptHistory)), AttemptHistory())
        self._publishing = Publishing(storage, self._clock, self._hooks, max_event_bytes=max_event_bytes)
        self._schedulers: dict[str, Scheduler] = {}
        self._tables: dict[str, Table] = {}
        self._views = Views(self._words, self._tables)
        self._tasks: TaskGroup | None = None
        self._moved = anyio.Event()

    # -- the block -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the storage and begin to push."""
        await self.storage.open()
        try:
            buses = await self.storage.buses() if self._push else ()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.storage.aclose()
            raise
        forward = self._publishing.forward
        http = HttpSinks(settings=self._http, clock=self._clock, append=forward)
        self._registry = SinkRegistry((self._functions, self._pulls, BusSinks(forward), http, *self._given_sinks))
        tasks = anyio.create_task_group()
        self._tasks = await tasks.__aenter__()
        for bus in buses:
            self._serve(bus)
        if self._push:
            tasks.start_soon(self._look_for_buses)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Stop pushing, let go of the storage."""
        tasks, self._tasks = self._tasks, None
        if tasks is None:
            raise StorageClosed("this router is not open: use it as `async with Router(storage) as router:`")
        grace = self._longest_timeout() if self._grace is None else self._grace
        try:
            self._pulls.close_all()
            for scheduler in self._schedulers.values():
                scheduler.stop(grace)
            tasks.cancel_scope.cancel()  # the schedulers are shielded and end by themselves; all else ends here
            if isinstance(error, Exception):  # it goes on as it is, not in a group
                await tasks.__aexit__(None, None, None)
                return None
            return await tasks.__aexit__(kind, error, trace)
        finally:
            with anyio.CancelScope(shield=True):
                self.clean = all(scheduler.clean for scheduler in self._schedulers.values())
                self._schedulers.clear()
                self._tables.clear()
                self._views.clear()
                await self._registry.aclose()
                await self.storage.aclose()

    def _longest_timeout(self) -> float:
        policies = (policy for table in self._tables.values() for policy in table.policies())
        return max((policy.timeout for policy in policies), default=0.0)

    def _serve(self, bus: str) -> None:
        if self._tasks is None or bus in self._schedulers:
            return
        table = Table(self._registry, self._words)
        scheduler = Scheduler(
            self.storage, bus, self._clock, table, lease=self._lease, progress=self._progress, hooks=self._hooks
        )
        self._tables[bus] = table
        self._schedulers[bus] = scheduler
        self._tasks.start_soon(self._push_bus, bus, scheduler)
        self._tasks.start_soon(Retaining(self.storage, bus, self._clock, self._hooks).run)
        if self._hooks:
            self._tasks.start_soon(Lag(self.storage, bus, self._clock, self._hooks, table).run)

    async def _push_bus(self, bus: str, scheduler: Scheduler) -> None:
        await scheduler.run()
        if self._tasks is not None:  # the bus is gone, not the router
            del self._schedulers[bus], self._tables[bus]

    def _bus_made(self, bus: str) -> None:
        if self._push:
            self._serve(bus)

    def _bus_deleted(self, bus: str, subscriptions: Iterable[str]) -> None:
        for subscription in subscriptions:
            self._functions.drop(f"callable:{subscription}")
        if bus in self._schedulers:
            self._schedulers[bus].stop(0)

    async def _look_for_buses(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                buses = await self.storage.buses()
            except StorageError as error:
                _log.warning("the storage does not tell its buses: %s", error)
                continue
            for bus in buses:
                self._serve(bus)

    def _progress(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    # -- publishing ------------------------------------------------------------------------------------------------

    async def publish(self, *events: BaseCloudEvent, bus: str = "default") -> list[int | None]:
        """Append events to a bus: all or none, durable on return. Returns one offset an event, in order.

        An event with the attribute `deliverafter` (RFC 3339) gets None in place of an offset: it waits in the ledger
        and is appended when its time has come, by any router that pushes. A time that has passed is no delay.

        Takes any object of the CloudEvents SDK's protocol. Raises InvalidEvent, UnknownBus, StorageFull (nothing was
        stored), StorageError (after several tries it is not known whether they were stored).
        """
        self._check_open()
        offsets = await self._publishing.publish(events, bus)
        if None in offsets and bus in self._schedulers:
            self._schedulers[bus].firing.look()
        return offsets

    # -- subscriptions ---------------------------------------------------------------------------------------------

    async def subscribe(self, subscription: Subscription) -> StoredSubscription:
        """Create or update a subscription by its id; one that exists keeps its place.

        On return it is in force for every event published from then on, in every process. Raises InvalidSubscription,
        InvalidFilter, InvalidTransformer, UnknownBus, StorageConflict (the id is taken on another bus), OffsetTrimmed
        (retention has taken the start of a new one away), BackendUnsupported (the sink cannot work on this event loop).
        """
        self._check_open()
        compiled = compile_subscription(subscription, self._words)
        self._registry.check(subscription.address, subscription.policy)
        check_letters(
            subscription.bus,
            subscription.address,
            subscription.policy,
            self._registry,
            () if bus_of_letters(subscription.policy) is None else await self.storage.buses(),
        )
        if self._push:
            for address in (subscription.address, subscription.policy.dead_letter):
                if address is not None:
                    await self._registry.prepare(address)
        stored = await self.storage.put_subscription(
            subscription.bus,
            subscription.id,
            definition_of(compiled),
            start=await beginning(self.storage, subscription),
            apart=subscription.policy.order_by is not None,
        )
        if not isinstance(subscription.sink, str):  # not before: a subscription that is refused must change nothing
            self._functions.hold(subscription.address, subscription.sink)
        await self._refresh()
        if not isinstance(subscription.sink, str) and subscription.bus in self._tables:
            self._tables[subscription.bus].renew(subscription.id)
            self._schedulers[subscription.bus].look()
        return stored

    def pull(self, subscription: str, *, batch: int = 100) -> Pull:
        """The events of a subscription whose sink is `pull:`, for who asks: `async for pulled in router.pull(...)`.

        At most `batch` (1 to 1,024) are in hand at once; each is to be acknowledged, see `PulledEvent`. Order, retries
        and dead letters are those of the subscription's policy, `timeout` is how long an event may be in hand.
        Raises InvalidSubscription (it is pulled here already, its sink is another, this router does not push), and when
        the loop begins UnknownSubscription.
        """
        self._check_open()
        if not self._push:
            raise InvalidSubscription("pulling needs a router that pushes: Router(storage)", where="pull")

        async def begin() -> None:
            stored = await self.storage.subscription(subscription)
            sink = decode(stored.definition)["sink"]
            if sink != f"pull:{subscription}":
                raise InvalidSubscription(f"it is {sink!r}: only one that is 'pull:' can be pulled", where="sink")
            await self._refresh()
            self._renew(subscription)

        return self._pulls.pull(f"pull:{subscription}", batch, begin, lambda: self._renew(subscription))

    def _renew(self, subscription: str) -> None:
        for bus, table in self._tables.items():
            if table.route(subscription) is not None:
                table.renew(subscription)
                self._schedulers[bus].look()

    async def unsubscribe(self, subscription: str) -> None:
        """Remove a subscription with all that waits for it; its dead letters stay. Raises UnknownSubscription."""
        self._check_open()
        await self.storage.remove_subscription(subscription)
        self._functions.drop(f"callable:{subscription}")
        await self._refresh()

    async def pause(self, subscription: str, reason: str = "paused") -> None:
        """Make no more attempts for a subscription; it keeps its place. Raises UnknownSubscription."""
        self._check_open()
        reason = reason.encode("utf-8", "backslashreplace").decode()
        await self.storage.pause_subscription(subscription, reason)
        if self._hooks:
            bus = (await self.storage.subscription(subscription)).bus
            self._hooks.tell(Paused(bus, subscription, reason))
        await self._refresh()

    async def resume(self, subscription: str) -> None:
        """Go on with a paused subscription where it stands. Raises UnknownSubscription."""
        self._check_open()
        await self.storage.resume_subscription(subscription)
        await self._refresh()

    async def subscription(self, subscription: str) -> StoredSubscription:
        """One subscription as it is stored now. Raises UnknownSubscription."""
        self._check_open()
        return await self.storage.subscription(subscription)

    async def subscriptions(self, bus: str | None = None) -> list[StoredSubscription]:
        """All subscriptions, of one bus or of all. Raises UnknownBus."""
        self._check_open()
        buses = await self.storage.buses() if bus is None else (bus,)
        found: list[StoredSubscription] = []
        for name in buses:
            changes = await self.storage.changes(name, 0)
            found.extend(stored for stored in changes.subscriptions if not stored.removed)
        return found

    async def _refresh(self) -> None:
        for scheduler in list(self._schedulers.values()):  # a bus may be found meanwhile
            with suppress(UnknownBus):  # or deleted, which its scheduler will learn
                await scheduler.refresh()

    # -- what became of events -------------------------------------------------------------------------------------

    async def idle(self) -> int:
        """Wait until every event that is in the log now is delivered, dead-lettered or expired, for each subscription.

        Waits for retries. Not for subscriptions that are paused or whose function no process here holds, nor for
        keys that a dead letter holds, and returns how many deliveries are so held. (What a process that died had in
        hand of a paused subscription counts, since nobody knows what had become of it.)
        """
        self._check_open()
        watches = []
        for bus in await self.storage.buses():
            with suppress(UnknownBus):  # deleted meanwhile
                end = (await self.storage.bounds(bus)).end
                watches.append(await self._watch(bus, end))
        held = 0
        for watch in watches:
            with suppress(UnknownBus):
                held += await watch.wait(self._wait_moved)
        return held

    async def _watch(self, bus: str, end: int) -> IdleWatch:
        pushed_here = bus in self._tables
        table = self._tables[bus] if pushed_here else await self._fresh_table(bus)

        def held(subscription: str) -> bool:
            route = table.route(subscription)
            return route is not None and (route.held if pushed_here else route.paused is not None)

        return IdleWatch(self.storage, bus, end, table, held)

    async def _fresh_table(self, bus: str) -> Table:
        table = Table(self._registry, self._words)
        table.apply(await self.storage.changes(bus, 0))
        return table

    async def _wait_moved(self) -> None:
        with self._clock.move_on_after(0.25):  # another process may move it without a sign
            await self._moved.wait()

    async def stats(self, bus: str = "default") -> list[SubscriptionStats]:
        """How far each subscription of a bus is and how it fares, sorted by id. Raises UnknownBus."""
        return await (await self.standing(bus)).stats()

    async def standing(self, bus: str = "default") -> Standing:
        """How the subscriptions of a bus fare at this moment, to be asked of some of very many. Raises UnknownBus."""
        self._check_open()
        await checkpoint()  # an attempt that asks, where no storage waits, has what came of those before it told now
        scheduler = self._schedulers.get(bus)
        here = Here() if scheduler is None else Here(scheduler.lanes, scheduler.forward_errors)
        return await look(self.storage, self._views, bus, self._clock.time(), here)

    async def explain(self, event: BaseCloudEvent, bus: str = "default") -> dict[str, Explanation]:
        """For each subscription of a bus, by id, whether its filters match an event, and why or why not.

        Nothing is stored or sent. A subscription that this process cannot understand is left out. Raises UnknownBus,
        InvalidEvent.
        """
        self._check_open()
        table = await self._fresh_table(bus)
        ready = Event.from_cloudevent(event)
        return {subscription: chosen.explain(ready) for subscription, chosen in sorted(table.filters().items())}

    def _check_open(self) -> None:
        if self._tasks is None:
            raise StorageClosed("this router is not open: use it as `async with Router(storage) as router:`")
