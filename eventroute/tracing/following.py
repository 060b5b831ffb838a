"""Following one event to its subscriptions: by what the storage tells of it, and which filters match."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import Factory, field, frozen

from eventroute.errors import DamagedEvent, EventrouteError, InvalidEvent
from eventroute.event import Event
from eventroute.filters.filter import Filter
from eventroute.storage.base import STUCK, Reader, Storage
from eventroute.storage.fates import Fates, WaitingRow
from eventroute.storage.tables import FIRST_OFFSET
from eventroute.tracing.history import AttemptHistory
from eventroute.tracing.roster import Member, Service
from eventroute.tracing.trace import Deliveries, DeliveryTrace, EventTrace, State
from eventroute.tracing.views import View, Views

__all__ = ["Known", "trace_event"]


@frozen(kw_only=True)
class Known:
    """What a process can add to what the storage tells."""

    restore: Callable[[bytes], Filter]
    """The filter of a definition, where its rule is not known. Raises EventrouteError."""
    sinkless: Callable[[str], bool] = field(default=lambda _subscription: False)
    history: AttemptHistory = Factory(AttemptHistory)


async def trace_event(storage: Storage, views: Views, bus: str, offset: int, known: Known) -> EventTrace | None:
    """What became of the event at an offset; None where there is none, and nothing of one is left.

    Raises UnknownBus. An event that is damaged, or no event, is traced by what the ledger has of it.
    """
    damaged = False
    try:
        records = await storage.read(bus, offset, offset + 1, limit=1, max_bytes=1)
    except DamagedEvent:
        records, damaged = [], True

    async def read(after: int) -> Fates:
        return await storage.fates(bus, offset, after=after)

    fates, view = await views.look(bus, read, lambda fates: fates.changes)
    there = records or damaged or fates.waiting or fates.letters
    if not there and not FIRST_OFFSET <= offset < fates.bounds.first:
        return None
    raw = records[0].event if records else _copy(fates)
    event = None if raw is None else _readable(raw)
    whole = event if event is not None and _has_readable_data(event) else None
    follower = _Follower(fates, view, bus, offset, whole, known)
    return EventTrace(
        bus=bus,
        offset=offset,
        time=datetime.fromtimestamp(records[0].time, UTC) if records else None,
        event=event,
        kept=bool(records),
        deliveries=Deliveries(follower.states(), follower.follow),
    )


def _copy(fates: Fates) -> bytes | None:
    """The event as the ledger has it."""
    copies = [row.waiting.event for row in fates.waiting] + [letter.event for letter in fates.letters]
    return next(filter(None, copies), None)


def _readable(raw: bytes) -> Event | None:
    try:
        return Event.from_log(raw)
    except InvalidEvent:
        return None


def _has_readable_data(event: Event) -> bool:
    """Whether filters can be asked about it: a log may hold data that is none, which no router wrote."""
    try:
        event.data  # noqa: B018 - it is decoded when it is asked for
    except InvalidEvent:
        return False
    return True


@frozen
class _Place:
    """Where an event is on its way to a subscription, rows and filters aside."""

    state: State
    behind: int = 0
    abandoned: bool = False


class _Follower:
    """Follows one event to one subscription after the other."""

    def __init__(self, fates: Fates, view: View, bus: str, offset: int, event: Event | None, known: Known) -> None:
        self._bus = bus
        self._offset = offset
        self._event = event
        self._known = known
        self._names = view.names
        self._members = view.members
        self._matching = set[Service]() if event is None else view.matching(event)
        self._living = fates.living
        self._readers = {reader.name: reader for reader in fates.readers}
        self._claims = {claim.reader: claim for claim in fates.claims}
        self._rows = {row.waiting.subscription: row for row in fates.waiting}
        self._letters = {letter.subscription: letter for letter in fates.letters}
        self._outages = {state.subscription: state for state in fates.breakers if state.opened is not None}

    def states(self) -> dict[str, State]:
        """How it stands with each subscription. Most filters match few events: those are told at a glance."""
        members, matching = self._members, self._matching
        odd = self._rows.keys() | self._letters.keys()
        told: dict[str, State] = {}
        for name in self._names:
            services = members[name].services
            if self._event is not None and len(services) == 1 and name not in odd:
                (service,) = services
                if service not in matching and service.rule is not None and not service.earlier:
                    told[name] = "not-matched"
                    continue
            told[name] = self._state(name)
        told.update((name, "dead-letter") for name in self._letters if name not in members)
        return told

    def follow(self, name: str) -> DeliveryTrace:
        """The whole trace for one."""
        letter, row = self._letters.get(name), self._rows.get(name)
        told: dict[str, Any] = {"history": self._known.history.attempts(self._bus, self._offset, name)}
        member = self._members.get(name)
        if member is None:
            told |= {"matched": True, "removed": True}
            state: State = "dead-letter"
        else:
            told |= self._told(name, member)
            state = self._state(name)
            if state in ("unreached", "in-hand"):
                place = self._place(*self._parted(member))
                told |= {"behind": place.behind, "abandoned": place.abandoned}
        if row is not None:
            told |= _row_facts(row)
        if letter is not None:
            told["letter"] = letter
            if state == "dead-letter":
                told |= {"attempts": letter.attempts, "reason": letter.reason, "due": None}
        return DeliveryTrace(subscription=name, state=state, **told)

    def _told(self, name: str, member: Member) -> dict[str, Any]:
        own, replays = self._parted(member)
        rule = self._rule(member, own)
        return {
            "matched": self._matched(member, own),
            "explanation": None if rule is None or self._event is None else rule.explain(self._event),
            "earlier": own is not None and own.earlier,
            "replays": tuple(replays),
            "paused": member.paused,
            "sinkless": self._known.sinkless(name),
            "breaker": self._outages.get(name),
        }

    def _state(self, name: str) -> State:
        """By rows first: what has one is there, whatever its reader does. A letter beside a row that is not stuck is an
        older one: it was matched again since, by a replay.
        """
        row = self._rows.get(name)
        if name in self._letters and (row is None or _is_stuck(row)):
            return "dead-letter"
        if row is not None:
            return "stuck" if _is_stuck(row) else "waiting"
        own, replays = self._parted(self._members[name])
        if self._matched(self._members[name], own) is False:
            return "not-matched"
        return self._place(own, replays).state

    def _parted(self, member: Member) -> tuple[Service | None, list[Reader]]:
        """The service by which it gets the event, and the replays that have yet to bring it."""
        own, replays = None, []
        for service in member.services:
            if service.holds(self._offset):
                reader = self._readers.get(service.reader)
                if reader is None or reader.replayed_from is None:
                    own = service
                elif self._offset >= reader.claimed or service.reader in self._claims:
                    replays.append(reader)
        return own, replays

    def _place(self, own: Service | None, replays: list[Reader]) -> _Place:
        reader = self._readers.get(own.reader) if own is not None else (replays[0] if replays else None)
        if reader is not None:
            claim = self._claims.get(reader.name)
            if self._offset >= reader.claimed:
                return _Place("unreached", behind=self._offset - reader.position)
            if claim is not None:
                return _Place("in-hand", abandoned=claim.session not in self._living)
        return _Place("settled" if own is not None else "forgotten")

    def _matched(self, member: Member, own: Service | None) -> bool | None:
        """None where nobody can tell."""
        if self._event is None:
            return None
        service = own or next((one for one in member.services if not one.earlier), None)
        if service is not None and service.rule is not None:
            return service in self._matching
        rule = self._rule(member, own)
        return None if rule is None else rule(self._event)

    def _rule(self, member: Member, own: Service | None) -> Filter | None:
        """The filter that decides, or None where it cannot be understood here."""
        if own is not None and own.earlier:
            return None if own.rule is None else Filter(own.rule)
        if member.rule is not None:
            return Filter(member.rule)
        if member.definition is None:
            return None
        try:
            return self._known.restore(member.definition)
        except EventrouteError:
            return None


def _is_stuck(row: WaitingRow) -> bool:
    return row.waiting.due == STUCK or (row.behind is not None and row.behind.stuck)


def _row_facts(row: WaitingRow) -> dict[str, Any]:
    waiting = row.waiting
    return {
        "attempts": waiting.attempts,
        "first_attempt": waiting.first_attempt,
        "due": None if waiting.due == STUCK else waiting.due,
        "reason": waiting.reason,
        "held": row.held,
        "key": row.behind,
    }
