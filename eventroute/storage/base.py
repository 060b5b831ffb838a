"""The interface `Storage`: where the log and the delivery state live.

Two facets. The *log* keeps events, bus by bus, in order. The *ledger* keeps what is owed: subscriptions, readers and
their claims, waiting deliveries, dead letters.

Words
-----
offset      A place in a bus's log: opaque, ordered, not necessarily without gaps. It is readable only when no smaller
            one can still appear.
version     A number a bus, raised by every change of its subscriptions.
session     One worker's lease. All that the worker claims hangs on it; when it lapses, others take over.
reader      A durable named position in a bus's log, shared by any number of workers. `live` serves all subscriptions
            that have caught up; a subscription that has not has a reader of its own.
span        "This reader serves this subscription from this offset to that one, by this definition."
claim       A range of offsets that one session works on, for one reader.
waiting     A delivery that was matched, is not settled, and lies behind its reader's position.
replay      A reader that serves one subscription a part of the log a second time, beside its own place.
timer       An event that was accepted and is appended to the log only when it is due.

A backend is thread-safe and may be used from several event loops, asyncio or trio, at once. Every call either has its
whole effect, durably, or raises and has none; an error may leave it unknown only where that is said. A call that is
cancelled has its whole effect or none, and a claim that nobody is told of is given back. A call that names a bus raises
UnknownBus where there is none, and any call raises StorageClosed before `open` and after `aclose`, StorageError where
the storage fails. A name that UTF-8 cannot say is nobody's: where it would be kept, InvalidConfiguration is raised.
Nothing here knows filters or sinks: a definition is bytes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from eventroute.storage.buses import BusInfo, BusSettings, Lost, Trimmed
from eventroute.storage.deliveries import Deliveries
from eventroute.storage.entries import Advance, Bury, Complete, Entry, Forwarded, PutOff, Settle, Trip, Wait
from eventroute.storage.letters import Letters
from eventroute.storage.retention import Retention
from eventroute.storage.sending import Sending
from eventroute.storage.timers import Timers
from eventroute.storage.transfer import Transfer
from eventroute.storage.values import (
    DEFAULT_BUS,
    LIVE,
    STUCK,
    Bounds,
    BreakerState,
    Changes,
    Claim,
    DeadLetter,
    Delayed,
    Dropped,
    Fired,
    Forward,
    Forwards,
    Mark,
    Reader,
    Record,
    Session,
    Span,
    Start,
    StoredSubscription,
    Timer,
    Waiting,
    WaitingKey,
    WaitingSummary,
)

__all__ = [
    "DEFAULT_BUS",
    "LIVE",
    "STUCK",
    "Advance",
    "Bounds",
    "BreakerState",
    "Bury",
    "BusInfo",
    "BusSettings",
    "Changes",
    "Claim",
    "Complete",
    "DeadLetter",
    "Delayed",
    "Dropped",
    "Entry",
    "Fired",
    "Forward",
    "Forwarded",
    "Forwards",
    "Lost",
    "Mark",
    "PutOff",
    "Reader",
    "Record",
    "Retention",
    "Session",
    "Settle",
    "Span",
    "Start",
    "Storage",
    "StoredSubscription",
    "Timer",
    "Trimmed",
    "Trip",
    "Wait",
    "Waiting",
    "WaitingKey",
    "WaitingSummary",
]


class Storage(Timers, Deliveries, Sending, Letters, Transfer):
    """A log and a ledger. `async with storage:` opens and closes it; openings nest and are counted."""

    # -- lifecycle -------------------------------------------------------------------------------------------------

    @abstractmethod
    async def open(self) -> None:
        """Open, creating or migrating what is needed; the bus `default` is there afterwards.

        Raises StorageError where it cannot be opened. The second and later calls only count.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Undo one `open`; the last one ends every `watch` (which may raise StorageClosed), waits for what else is
        under way, and lets go of files and connections. Raises StorageClosed where the storage is not open.
        """

    async def __aenter__(self) -> Self:
        """Open the storage."""
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the storage."""
        await self.aclose()

    # -- the log ---------------------------------------------------------------------------------------------------

    @abstractmethod
    async def create_bus(self, bus: str, settings: BusSettings | None = None) -> None:
        """Make a bus, with the default settings where none are given. One that exists is left as it is; raises
        BusExists where settings are given and it has others.

        A bus begins beyond every offset and version that a deleted one ever had.
        """

    @abstractmethod
    async def update_bus(self, bus: str, settings: BusSettings) -> None:
        """Give a bus these settings; they are in force on return. What was stored before stays."""

    @abstractmethod
    async def describe_bus(self, bus: str, *, oldest: int = 0) -> BusInfo:
        """What there is to say of a bus, with the marks of at most that many of its oldest events.

        May take time with the number of subscriptions, readers and `oldest`, not with the number of events.
        """

    @abstractmethod
    async def delete_bus(self, bus: str, *, subscriptions: bool = False) -> None:
        """Remove a bus with its events, readers, claims, waiting deliveries and dead letters; with `subscriptions` also
        those that it has, else raises StorageConflict where it has one.

        From the first moment the bus is unknown to every call, and `watch` ends. What it held may go in steps; where
        the process dies on the way, a later call does the rest.
        """

    @abstractmethod
    async def buses(self) -> tuple[str, ...]:
        """The names of the buses, sorted."""

    @abstractmethod
    async def append(
        self,
        bus: str,
        events: Sequence[bytes],
        *,
        append_id: str,
        acknowledged: Sequence[str] = (),
        delayed: Sequence[Delayed] = (),
        identities: Sequence[bytes] | None = None,
    ) -> tuple[int, ...]:
        """Append all of `events` and make a timer of each of `delayed`, or nothing of it; durable on return. Returns
        the offsets of `events`, ascending, in the order given.

        `identities`, one an event, count where the bus has `dedup` on: an event whose identity came in a call before,
        or earlier in this one, no longer ago than the window and among the last `dedup_limit` that came, is not
        appended, and the offset is that of the first. (What is told to be a duplicate is not remembered anew.)
        A delayed one makes no timer where its identity so counts, or where a timer of that identity waits.
        Raises StorageFull where what is to be appended or delayed would pass the bus's `max_bytes`.

        A repeat with the same `append_id`, after a lost answer, does nothing and returns the same offsets, until
        that id was in the `acknowledged` of a later call (to any bus). A backend may bound how many ids it remembers,
        at 100,000 or more. After StorageFull nothing was stored; after another StorageError or a cancellation that is
        unknown, and a repeat settles it.
        """

    @abstractmethod
    async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
        """Records with `start` <= offset < `end`, ascending: at most `limit` (1 or more), and no more than `max_bytes`
        bytes of events, except that one record is always returned where there is one.

        An empty list: there is none in that range. A backend may return fewer than would fit. What it returns is what
        was appended: it stops before an event that it finds to be another, and raises DamagedEvent where that is first.
        """

    @abstractmethod
    async def trim(self, bus: str, before: int, *, limit: int, hard: bool = False) -> Trimmed:
        """Take at most `limit` of the oldest events away, none at or above `before`; a backend may stop earlier, but
        takes at least one where one may go. Offsets are never used again. A power loss may undo it.

        Unless `hard`, none goes that a subscription has yet to settle: none at or above the position of a reader that
        serves one from there on, and none of a waiting delivery without the event in its row. With `hard`, in the same
        change, the rows of waiting deliveries get their events, and what went that a reader had not passed counts as
        lost, by the subscription. A reader that is overtaken goes on at the first readable offset; its open claims
        stay as they are. A call also forgets identities that no longer count, a bounded number at a time.
        """

    @abstractmethod
    async def bounds(self, bus: str) -> Bounds:
        """What is readable now."""

    @abstractmethod
    async def offset_at(self, bus: str, time: float) -> int:
        """The offset of the first record appended at or after `time`, or the end of the log where there is none."""

    @abstractmethod
    async def watch(self, bus: str, *, end: int, version: int, timeout: float) -> None:
        """Wait until the log's end is above `end` or the bus's version above `version`, or `timeout` seconds have
        passed, whichever is first.

        It may return early, for no reason; it must not miss a change for long: at once within one process, 0.1 s
        across processes. Other tasks get their turn even where it returns at once.
        """

    # -- sessions --------------------------------------------------------------------------------------------------

    @abstractmethod
    async def open_session(self, ttl: float) -> Session:
        """Begin a worker's lease of `ttl` seconds (a day at most), by the storage's clock."""

    @abstractmethod
    async def extend_session(self, session: Session) -> None:
        """Let the lease run for `ttl` seconds from now.

        Raises LeaseLost where it was closed, or has lapsed and was missed: another session was opened or used since.
        One that was only late has lost nothing, and goes on. The same holds wherever LeaseLost is raised.
        """

    @abstractmethod
    async def close_session(self, session: Session) -> None:
        """End the lease: what it still holds (claims, waiting deliveries) is free at once. A repeat does nothing."""

    # -- subscriptions ---------------------------------------------------------------------------------------------

    @abstractmethod
    async def put_subscription(
        self, bus: str, subscription: str, definition: bytes, *, start: Start, apart: bool = False
    ) -> StoredSubscription:
        """Create or update; ids are unique across the buses of a storage. Holds for every event appended after the
        return. One that is `apart` never shares the live reader: it begins with a reader of its own at any start, and
        leaves live (see `leave_live`) in the change that makes it so.

        New: `latest` opens a span of the live reader at the end of the log; any other start makes a reader of its own
        there (an offset or time below the first readable one starts at the first; an offset above the end is kept).
        Existing: keeps its place and `start` is ignored; an equal one changes nothing. A changed one raises
        revision and version, and every span of it that reaches beyond its reader's first unclaimed offset is parted
        there: what is claimed keeps the old definition, the new one begins there. Raises StorageConflict where
        the id is taken on another bus.
        """

    @abstractmethod
    async def remove_subscription(self, subscription: str) -> None:
        """Remove it with its spans, its own readers with their claims, its waiting deliveries and what is known of its
        breaker; dead letters stay. Raises UnknownSubscription.
        """

    @abstractmethod
    async def pause_subscription(self, subscription: str, reason: str, *, known: tuple[str, int] | None = None) -> None:
        """Pause: it leaves the live reader (see `leave_live`), and nothing more is claimed for its own readers or of
        its waiting deliveries. What is claimed already may still be completed. Already paused: the reason is replaced.

        Raises UnknownSubscription; with `known`, a bus and a version of it, also for one that is on another bus or was
        created after that version: one before of the same id is meant; and StorageConflict for one changed after it.
        """

    @abstractmethod
    async def resume_subscription(self, subscription: str) -> None:
        """Undo a pause; not paused: nothing changes. Raises UnknownSubscription.

        The time of the pause does not count towards the age of its waiting deliveries: the first attempt of each that
        has had one moves ahead by it, less what of it a breaker was open, which does not count anyway.
        """

    @abstractmethod
    async def leave_live(self, subscription: str) -> None:
        """Give it a reader of its own: its live span ends at the live reader's first unclaimed offset, and a
        new reader begins there. A span of live that begins later (start `latest` behind a backlog) is simply moved,
        begin and all. One that is served by a reader of its own already: nothing changes. Raises UnknownSubscription.

        Readers' names are never used twice. A reader that has still to reach its end from an earlier `join_live`
        stays beside the new one.
        """

    @abstractmethod
    async def join_live(self, subscription: str, *, within: int) -> bool:
        """Go back to the live reader, if its own reader's first unclaimed offset is at most `within` offsets behind
        the live one's: its own reader then ends at the live reader's first unclaimed offset (and is
        removed when it gets there), and a live span begins there. Where its own reader is already ahead of live, the
        live span begins at the own reader's first unclaimed offset and the own reader ends there. Returns whether
        it is served by live now; false for one that is paused or apart. Raises UnknownSubscription.
        """

    @abstractmethod
    async def subscription(self, subscription: str) -> StoredSubscription:
        """One subscription as it is now. Raises UnknownSubscription."""

    @abstractmethod
    async def start_replay(self, subscription: str, *, start: Start, end: int | float | None) -> Reader:
        """Serve a subscription the events from `start` to `end` (an offset, not included; or a time) by a second
        reader, by its present definition; its own place does not move. Returns that reader.

        Without `end` it ends at the subscription's own place: the first unclaimed offset, from which on it gets the
        events anyway. It never ends above the end of the log at the call. Where nothing lies between, the reader
        returned is at its end, and not kept.

        A change of its definition, a pause and its removal reach a replay as they do any reader of its own; leaving and
        joining the live reader do not touch it. A delivery of it that waits is the same as one of the subscription's
        own at that offset.

        Raises UnknownSubscription, StorageConflict where 10 replays of it are under way, and OffsetTrimmed where
        `start` is an offset or time that lies before what is left of a log that was trimmed.
        """

    @abstractmethod
    async def cancel_replay(self, subscription: str, reader: str) -> bool:
        """Take a replay away, by its reader's name. False: it is not there (any more). What is claimed already may
        still be completed. Raises UnknownSubscription.
        """

    @abstractmethod
    async def changes(self, bus: str, after: int) -> Changes:
        """What has changed after that version; `after` = 0 gives everything.

        Spans that ended before all open claims are dropped when their subscription next changes. Of removed
        subscriptions a bounded number is remembered; a caller that may have missed one gets `reset`.
        """

    # -- the ledger ------------------------------------------------------------------------------------------------

    @abstractmethod
    async def readers(self, bus: str) -> tuple[Reader, ...]:
        """Every reader of the bus with its progress, `live` first."""

    @abstractmethod
    async def claim(self, bus: str, reader: str, session: Session, *, limit: int, alone: bool = False) -> Claim | None:
        """Claim work for a reader: first a range whose session has lapsed or was closed (given over as it is),
        else the next at most `limit` offsets. None where there is nothing now, the reader is gone, or it is the own
        reader of a paused subscription. Raises LeaseLost.

        With `alone`, None too while another living session has a claim of this reader: so its ranges are worked on in
        the order of the log. Whoever asks so shares the reader as long as its session lives; see `Claim.shared`.

        Need not survive a power loss (the range is then claimed again), but must hold across processes.
        """

    @abstractmethod
    async def write(
        self,
        bus: str,
        session: Session,
        entries: Sequence[Entry],
        *,
        known: int | None = None,
        number: int | None = None,
    ) -> None:
        """Apply all entries, in order, in one change, durably.

        A session numbers its writes, upwards from 1. Of one whose number is not above that of the last that was
        applied nothing is applied: so a write of which it is not known whether it was done is made again under its
        number, whatever the session or others have done meanwhile with what it left. Without a number a repeat may set
        free what was taken since.

        The precondition is the session: LeaseLost where it has lapsed or was closed, or where an `Advance` or a
        `Complete` names a claim that it does not hold; then nothing is applied. Entries for a subscription that is
        gone, or is on another bus, are dropped, but for `Forwarded` and `PutOff`; with `known`, so are those for one
        that was created after that version of the bus: they are about one before of the same id. An `Advance` or
        `Complete` whose reader is gone does nothing. A reader that has reached its `until` with no claim left is
        removed, which counts as a change of its subscription.
        """

    @abstractmethod
    async def breakers(self, bus: str, *, after: int = 0) -> tuple[BreakerState, ...]:
        """The breakers of a bus that have changed since the one with the number `after` did, in the order of their
        numbers. Asked often: it must cost little where none has.
        """
