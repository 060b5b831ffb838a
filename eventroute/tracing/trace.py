"""Where did my event go? What became of one event, for each subscription of its bus, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, overload

import msgspec
from attrs import frozen

from eventroute.errors import UnknownSubscription
from eventroute.event import Event
from eventroute.filters.explain import Explanation
from eventroute.storage.base import BreakerState, DeadLetter, Reader, Timer, WaitingKey
from eventroute.timestamps import format_timestamp, instant, rfc3339
from eventroute.tracing.history import PastAttempt

__all__ = ["MEANT", "STATES", "DelayedTrace", "Deliveries", "DeliveryTrace", "EventTrace", "State"]

State = Literal["unreached", "in-hand", "waiting", "stuck", "dead-letter", "settled", "not-matched", "forgotten"]

STATES: Mapping[State, str] = {
    "unreached": "the subscription has not come to it yet",
    "in-hand": "it is in a range of the log that a process works on now: no outcome is written down yet",
    "waiting": "it waits for its next attempt",
    "stuck": "an earlier event of its key became a dead letter and holds the key until that is redriven or purged",
    "dead-letter": "it was given up, and its dead letter is kept",
    "settled": "it is done: delivered, or its dead letter was purged, handed over or dropped by a bound since; what is"
    " settled leaves no row that could tell which",
    "not-matched": "its filters do not match: it is not for this subscription",
    "forgotten": "nothing of it waits. It was settled, or the subscription began later: the storage no longer remembers"
    " how far back it goes",
}
"""What each state of a delivery means."""

MEANT: Final = frozenset(STATES) - {"not-matched"}
"""The states of those that an event is for, as far as anybody can tell."""


@frozen(kw_only=True)
class DeliveryTrace:
    """What became of one event for one subscription."""

    subscription: str
    state: State
    matched: bool | None = None
    """Whether its filters match; None where nobody can tell: the event is gone, or they cannot be read here."""
    explanation: Explanation | None = None
    """Why they do, or do not."""
    earlier: bool = False
    """The definition that holds for this event is an earlier one."""
    removed: bool = False
    """The subscription is gone; its dead letter has stayed."""
    behind: int = 0
    """Unreached: how many offsets lie before it that the subscription has not come to."""
    attempts: int = 0
    first_attempt: float | None = None
    """When the first attempt began, in seconds since the epoch, less outages and pauses."""
    due: float | None = None
    """When the next attempt may begin, in seconds since the epoch."""
    reason: str = ""
    """Why the last attempt did not deliver, or why it was given up."""
    held: bool = False
    """Waiting: a living process has it in hand now."""
    abandoned: bool = False
    """In hand: the process that had it is gone, and another takes it over."""
    key: WaitingKey | None = None
    """The delivery of the same key that has to go first."""
    letter: DeadLetter | None = None
    paused: str | None = None
    sinkless: bool = False
    """No function or connection for its sink is in this process; others may have one."""
    breaker: BreakerState | None = None
    """The outage that its sink has now."""
    replays: tuple[Reader, ...] = ()
    """The replays that have yet to bring it again."""
    history: tuple[PastAttempt, ...] = ()
    """The latest attempts that this process has made and remembers, the newest last."""

    def facts(self) -> list[str]:
        """What there is to say beside the state, in short lines."""
        told = [
            (self.behind, f"offsets before it that have yet to be read: {self.behind}"),
            (self.attempts, f"attempts: {self.attempts}"),
            (self.reason, f"last answer: {self.reason}"),
            (self.due, f"next attempt not before {rfc3339(self.due)}"),
            (self.held, "a process has it in hand now"),
            (self.abandoned, "the process that had it is gone: another one takes it over"),
            (self.paused, f"the subscription is paused: {self.paused}"),
            (self.sinkless, "its sink is in no router of this process"),
            (self.removed, "the subscription was removed"),
            (self.earlier, "an earlier definition of the subscription holds for it"),
            (self.replays, "a replay has yet to bring it again"),
        ]
        lines = [text for there, text in told if there]
        if self.key is not None:
            lines.append(f"behind offset {self.key.offset}, which is of the same key")
        if self.breaker is not None:
            lines.append(
                f"its sink is down since {rfc3339(self.breaker.opened)}: next probe at {rfc3339(self.breaker.probe)}"
            )
        if self.letter is not None:
            lines += _letter_facts(self.letter)
        return lines

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; what is empty is left out."""
        letter, breaker = self.letter, self.breaker
        forward = None if letter is None else letter.forward
        told: dict[str, Any] = {
            "subscription": self.subscription,
            "state": self.state,
            "matched": self.matched,
            "why": None if self.explanation is None else self.explanation.to_dict(),
            "earlier_definition": self.earlier,
            "removed": self.removed,
            "behind": self.behind,
            "attempts": self.attempts,
            "first_attempt": rfc3339(self.first_attempt),
            "due": rfc3339(self.due),
            "reason": self.reason,
            "error": "" if letter is None else letter.error,
            "given_up": None if letter is None else rfc3339(letter.time),
            "forward": None
            if forward is None
            else {"due": rfc3339(forward.due), "tries": forward.tries, "error": forward.error},
            "in_hand": self.held,
            "abandoned": self.abandoned,
            "held_by": None if self.key is None else self.key.offset,
            "paused": self.paused,
            "no_sink": self.sinkless,
            "breaker": None
            if breaker is None
            else {"opened": rfc3339(breaker.opened), "probe": rfc3339(breaker.probe)},
            "replays": [{"position": one.position, "until": one.until} for one in self.replays],
            "history": [one.to_dict() for one in self.history],
        }
        return {name: value for name, value in told.items() if value or name in ("state", "matched")}


class Deliveries(Sequence[DeliveryTrace]):
    """What became of one event for each subscription of its bus: by id, and behind them those that were removed and
    have left a dead letter.

    `states` tells how it stands with each, all at one moment. The trace of one, which explains its filter, is made when
    it is asked for: by its place, or with `of` by the subscription. For all of very many that takes a while.
    """

    def __init__(self, states: Mapping[str, State], follow: Callable[[str], DeliveryTrace]) -> None:
        self.states: Final = states
        """By subscription, in their order."""
        self._names: Final = tuple(states)
        self._follow: Final = follow

    def __len__(self) -> int:
        """How many subscriptions there are."""
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> DeliveryTrace: ...
    @overload
    def __getitem__(self, place: slice) -> list[DeliveryTrace]: ...
    def __getitem__(self, place: int | slice) -> DeliveryTrace | list[DeliveryTrace]:
        """The trace for the subscription at a place, or a list of some."""
        if isinstance(place, slice):
            return [self._follow(name) for name in self._names[place]]
        return self._follow(self._names[place])

    def of(self, subscription: str) -> DeliveryTrace:
        """The trace for one subscription, whether it matches or not. Raises UnknownSubscription."""
        if subscription not in self.states:
            raise UnknownSubscription(subscription)
        return self._follow(subscription)

    def ids(self, states: Container[str] = MEANT, *, containing: str = "") -> list[str]:
        """The subscriptions with which it stands so, and whose id has a text in it: in their order. Without states,
        those that the event is for.
        """
        return [name for name, state in self.states.items() if state in states and containing in name]

    def counts(self) -> dict[State, int]:
        """With how many subscriptions it stands so, by state; states with none are left out."""
        return dict(Counter(self.states.values()))


@frozen(kw_only=True)
class EventTrace:
    """One event: where it is in the log, and what became of it for each subscription."""

    bus: str
    offset: int
    time: datetime | None
    """When it was appended; None where the log no longer has it."""
    event: Event | None
    """None where neither the log nor the ledger has it whole."""
    kept: bool
    """Whether the log has it."""
    deliveries: Deliveries

    def to_dict(self, subscriptions: Iterable[str] | None = None) -> dict[str, Any]:
        """As JSON values, with the traces of these subscriptions: without any, of those that the event is for. The
        event keeps its text.
        """
        chosen = self.deliveries.ids() if subscriptions is None else subscriptions
        return {
            "bus": self.bus,
            "offset": self.offset,
            "appended": None if self.time is None else format_timestamp(self.time),
            "kept": self.kept,
            "event": None if self.event is None else msgspec.Raw(self.event.to_json()),
            "states": self.deliveries.counts(),
            "deliveries": [self.deliveries.of(name).to_dict() for name in chosen],
        }


@frozen(kw_only=True)
class DelayedTrace:
    """An event that is durable and not due yet: it is in no log, and no subscription has seen it."""

    bus: str
    timer: str
    """The id of its timer, by which it can be cancelled."""
    due: datetime
    event: Event

    @classmethod
    def of(cls, bus: str, timer: Timer) -> DelayedTrace:
        """From the timer."""
        return cls(bus=bus, timer=timer.id, due=instant(timer.due), event=Event.from_log(timer.event))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; the event keeps its text."""
        return {
            "bus": self.bus,
            "timer": self.timer,
            "due": format_timestamp(self.due),
            "event": msgspec.Raw(self.event.to_json()),
        }


def _letter_facts(letter: DeadLetter) -> list[str]:
    lines = [f"given up at {rfc3339(letter.time)}: {letter.error or letter.reason}"]
    if letter.forward is not None:
        why = f"; the last one: {letter.forward.error}" if letter.forward.error else ""
        lines.append(f"to be handed over at {rfc3339(letter.forward.due)}; tries so far: {letter.forward.tries}{why}")
    return lines
