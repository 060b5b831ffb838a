"""What a simulation knows of events and subscriptions by itself: what has to become of each delivery, and what did."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

from attrs import define, field, frozen

from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.subscription import Subscription
from eventroute.timestamps import parse_timestamp

__all__ = [
    "FILTERS",
    "KEY",
    "TRANSFORMER",
    "TYPES",
    "Ack",
    "Definition",
    "Fact",
    "Fate",
    "Model",
    "Timeline",
    "make_event",
    "name_of",
]

TYPES = ("t.a", "t.b", "u.c")

KEY = "data.k"
"""What policies order by: three keys, and events that have none."""

FILTERS: tuple[tuple[list[Any], Callable[[str, int], bool]], ...] = (
    ([], lambda kind, n: True),
    ([{"exact": {"type": "t.a"}}], lambda kind, n: kind == "t.a"),
    ([{"prefix": {"type": "t."}}], lambda kind, n: kind.startswith("t.")),
    ([{"not": {"exact": {"type": "t.b"}}}], lambda kind, n: kind != "t.b"),
    (["data.n < 50"], lambda kind, n: n < 50),
    ([{"sql": "type LIKE '%.a' OR type = 'u.c'"}], lambda kind, n: kind in ("t.a", "u.c")),
)
"""Filters, each with what it means, said a second time."""

TRANSFORMER = {"pipeline": [{"command": ["replace", "$.data.must", 1]}]}
"""Fails for events whose data lacks `must`."""


@frozen(eq=False)
class Fact:
    """An event in the log, as the simulation knows it."""

    id: str
    name: str
    """Its id, and which copy it is where there are several."""
    bus: str
    offset: int
    seq: int
    raw: bytes
    type: str
    n: int
    must: bool
    """Whether the transformer can work on it."""
    poison: bool
    """Whether every sink rejects it."""
    expires: float
    """Wall clock time, or infinite."""
    key: int | None
    """What orders it among others, where a policy asks for it."""


@frozen(eq=False)
class Definition:
    """One state of a subscription."""

    filter: int
    policy: DeliveryPolicy
    variant: str
    """Which of its sinks it uses."""
    transforms: bool
    pulled: bool = False
    """Whether its events are for who asks."""

    def matches(self, fact: Fact) -> bool:
        """Whether the event is one of its."""
        return FILTERS[self.filter][1](fact.type, fact.n)

    def subscription(self, name: str, number: int, bus: str, start: Any) -> Subscription:
        """As the router takes it."""
        return Subscription(
            id=name,
            bus=bus,
            sink="pull:" if self.pulled else f"sim:{name}/{number}/{self.variant}",
            start=start,
            filters=FILTERS[self.filter][0],
            transformer=TRANSFORMER if self.transforms else None,
            policy=self.policy,
        )


@define(eq=False)
class Ack:
    """A sink has answered that it has an event."""

    session: str
    seq: int


@define(eq=False)
class Fate:
    """What has become of one delivery."""

    expected: bool | None = None
    """Whether it is owed: the event matches the definition that was in force when it was claimed, or was redriven.
    None: neither claimed nor redriven yet."""
    claimed: bool = False
    matched: bool = False
    """Whether it matched when it was claimed, by another reader than a replay: that is what this one owes."""
    acks: list[Ack] = field(factory=list)
    redriven: int = 0
    """When it was last redriven."""
    taken: int = 0
    """When the range that it lies in was last taken over from a process that is gone: it is matched again then."""
    letter: str | None = None
    """Why it is a dead letter."""
    holds: bool = False
    """Whether that dead letter holds its key."""
    owed_since: int = 0
    """When it was last redriven while it held its key."""
    ended: int = 0
    """When it last came to an end: a sink has it, it was given up, or what held its key was purged."""
    again: dict[str, int] = field(factory=dict)
    """By replay, when it was claimed there: it is owed once more by each."""
    forwarded: bool = False
    """Whether its dead letter is where it was to go, and in the ledger no more."""
    purged: bool = False
    jumped: float = 0.0
    """How far the wall clocks had gone back in all when its row was last written or taken: who took it in time may
    still have it in hand when they go back."""

    @property
    def over(self) -> bool:
        """Whether its key may go on."""
        return not self.holds and self.ended > self.owed_since


@define(eq=False)
class Timeline:
    """One subscription, from its creation to its removal."""

    id: str
    number: int
    bus: str
    first: int
    """The first offset that concerns it."""
    versions: list[tuple[float, Definition]]
    """Each with the (monotonic) time since when it is in force."""
    paused: bool = False
    paused_at: float = -math.inf
    """When it was last paused or resumed (monotonic)."""
    removed_at: float = math.inf
    born: int = 0
    """What tells it from one before of the same id, as the storage says."""
    gone: set[str] = field(factory=set)
    """The variants of its sink that have said that they are gone."""
    in_order_from: float = math.inf
    """The first offset from which on its events are in order by their keys."""
    fates: dict[int, Fate] = field(factory=dict)

    @property
    def current(self) -> Definition:
        """The definition in force."""
        return self.versions[-1][1]

    @property
    def most_rows(self) -> int:
        """The most rows it may have: its bound, and what each worker may have in hand."""
        return max(definition.policy.max_waiting for definition in self.since(-1.0)) + 4 * 1_100

    def since(self, moment: float) -> Iterator[Definition]:
        """All definitions that were in force at some time after a moment."""
        later = [definition for begun, definition in self.versions[1:] if begun > moment]
        yield self.versions[len(self.versions) - len(later) - 1][1]
        yield from later

    def fate(self, offset: int) -> Fate:
        """What has become of the delivery at an offset."""
        fate = self.fates.get(offset)
        if fate is None:
            fate = self.fates[offset] = Fate()
        return fate


@define(eq=False)
class Model:
    """All events in the logs, all subscriptions that ever were."""

    facts: dict[tuple[str, int], Fact] = field(factory=dict)
    """By bus and offset."""
    by_id: dict[str, Fact] = field(factory=dict)
    """By name."""
    delayed: dict[str, float] = field(factory=dict)
    """Events that were accepted to be appended later, by id: when they are due (wall clock)."""
    timelines: dict[tuple[str, int], Timeline] = field(factory=dict)
    alive: dict[str, Timeline] = field(factory=dict)

    def appended(self, bus: str, offsets: tuple[int, ...], raws: list[bytes], seq: int) -> str | None:
        """Take in an append; returns what is wrong with it, or None."""
        for offset, raw in zip(offsets, raws, strict=True):
            known = self.facts.get((bus, offset))
            if known is not None:
                if known.raw != raw:
                    return f"bus {bus}: offset {offset} was given to two events"
                continue
            fact = _fact(bus, offset, seq, raw)
            if fact.name in self.by_id:
                return f"bus {bus}: {fact.name} was appended twice, at {self.by_id[fact.name].offset} and {offset}"
            if (bus, offset - 1) not in self.facts and offset > 1:
                return f"bus {bus}: offset {offset} leaves a gap"
            self.facts[bus, offset] = self.by_id[fact.name] = fact
        return None

    def of_bus(self, bus: str) -> Iterator[Fact]:
        """The events of a bus."""
        return (fact for fact in self.facts.values() if fact.bus == bus)


def make_event(
    id: str, type: str, n: int, *, must: bool, poison: bool, expires: str | None, after: str | None, copy: int = 0
) -> Event:
    """An event as simulations publish them."""
    optional = {
        "copy": copy or None,
        "k": n % 4 or None,
        "must": 0 if must else None,
        "poison": True if poison else None,
    }
    data: dict[str, Any] = {"n": n} | {name: value for name, value in optional.items() if value is not None}
    times = {"expirytime": expires, "deliverafter": after}
    extensions = {name: time for name, time in times.items() if time is not None}
    return Event.create(id=id, type=type, source="/simulation", data=data, extensions=extensions)


def name_of(event: Event) -> str:
    """What tells an event from all others: its id, and which copy it is where one was published again."""
    copy = cast(Any, event.data).get("copy")
    return event.id if copy is None else f"{event.id}, copy {copy}"


def _fact(bus: str, offset: int, seq: int, raw: bytes) -> Fact:
    event = Event.from_log(raw)
    data: Any = event.data
    expiry = event.attributes.get("expirytime")
    expires = parse_timestamp(str(expiry)).timestamp() if expiry is not None else math.inf
    must, poison = "must" in data, "poison" in data
    return Fact(
        event.id, name_of(event), bus, offset, seq, raw, event.type, data["n"], must, poison, expires, data.get("k")
    )
