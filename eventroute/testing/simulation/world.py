"""What all parts of a simulation share: the log and the ledger, the lot, the trace, what was found."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import anyio
from attrs import Factory, define, field

from eventroute.push.outcome import Outcome
from eventroute.push.policy.rate import Rate
from eventroute.storage.base import Claim, Waiting
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.simulation.clock import SimulatedClock, Wall
from eventroute.testing.simulation.duplicates import Duplicates
from eventroute.testing.simulation.letters import Letters
from eventroute.testing.simulation.loop import Life
from eventroute.testing.simulation.model import Definition, Model, Timeline
from eventroute.testing.simulation.profile import Profile

__all__ = ["Ended", "Host", "Lease", "Trouble", "World"]


@define(eq=False)
class Trouble:
    """How the storage behaves for a while."""

    failing: float = 0.0
    """The share of calls that fail without effect."""
    unanswered: float = 0.0
    """The share of calls that have their effect and fail then."""
    slow: float = 0.0
    """How long a call may take, in seconds."""

    happens: bool = field(init=False)
    """Whether there is any."""

    def __attrs_post_init__(self) -> None:
        self.happens = self.failing > 0 or self.unanswered > 0 or self.slow > 0


@define(eq=False)
class Ended:
    """An attempt that has ended and is not written down yet; `outcome` None: it was cut off."""

    outcome: Outcome | None
    wall: float
    began: float
    """By the wall clock of its process, both."""
    alone: bool = True
    """Whether no other event was in the same request."""


@define(eq=False)
class Sent:
    """What a process has sent of one subscription under one rate."""

    rate: Rate
    host: Host
    """Who has sent last."""
    requests: list[tuple[float, int]] = field(factory=list)
    """When (monotonic), and how many events."""

    def exceeds(self, now: float, events: int) -> float:
        """Note a request. By how many events the rate is exceeded, within any span of time that ends now."""
        self.requests.append((now, events))
        total, most = 0, 0.0
        for began, count in reversed(self.requests):
            total += count
            most = max(most, total - self.rate.at_once - self.rate.events * (now - began))
        return most


@define(eq=False)
class Host:
    """A simulated process, as the others see it."""

    name: str
    clock: SimulatedClock
    life: Life = field(factory=Life)
    stalled_at: float = -1.0
    """When it last stopped to run for a while."""
    sessions: dict[str, str] = field(factory=dict)
    """By bus, the session that it used last."""
    flying: Counter[tuple[str, int]] = field(factory=Counter)
    """Attempts under way, by subscription."""
    requests: Counter[tuple[str, int]] = field(factory=Counter)
    """Requests under way, of which each may have several attempts, by subscription."""
    ended: dict[tuple[str, int, int], Ended] = field(factory=dict)
    """Attempts that have ended and are not written down, by subscription and offset."""
    holds: dict[tuple[str, int], tuple[str, str, float, float]] = field(factory=dict)
    """By subscription: the session and the sink that asked for time, when, and until when."""
    clean: bool = True
    """Whether it has not ended in a way that it has to excuse."""


@define(eq=False)
class Lease:
    """A session, and whether its work may have been given to others."""

    host: Host
    ttl: float
    extended: float
    closed: bool = False
    lost: bool = False
    unaware: float = -1.0
    """Until when its process may not know that the storage has forgotten it (monotonic)."""


@define(eq=False)
class World:
    """The state of one run."""

    seed: int
    profile: Profile
    stretch: float = 1.0
    tracing: bool = False
    backend: str = "asyncio"
    lot: random.Random = field(init=False)
    """Decides what happens."""
    luck: random.Random = field(init=False)
    """Decides how single calls end, so that a change of the script leaves it alone."""
    wall: Wall = Factory(Wall)
    clock: SimulatedClock = field(init=False)
    storage: MemoryStorage = field(init=False)
    model: Model = Factory(Model)
    letters: Letters = Factory(Letters)
    duplicates: Duplicates | None = None
    """What the bus has to know of duplicates, where it tells them."""
    leases: dict[str, Lease] = Factory(dict)
    definitions: dict[tuple[str, bytes], tuple[int, Definition]] = Factory(dict)
    """What each stored definition means: the number of its subscription, and the definition."""
    trouble: Trouble = Factory(Trouble)
    troubled_at: float = -1e9
    """When something last happened that may delay what a process knows (monotonic)."""
    forgot_at: float = -1e9
    """When the storage last lost power (monotonic)."""
    tripped_at: dict[str, float] = Factory(dict)
    """When the breaker of a subscription last changed (monotonic)."""
    jumped_back: float = 0.0
    """By how much the wall clocks have gone back in all."""
    seq: int = 0
    """Counts all effects, so that they have an order."""
    attempts: int = 0
    delivered: int = 0
    repeats: int = 0
    faults: Counter[str] = Factory(Counter)
    """What was injected, by kind."""
    violation: str | None = None
    failed: anyio.Event = Factory(anyio.Event)
    sent: dict[tuple[str, int], Sent] = Factory(dict)
    """What was sent under a rate, by subscription."""
    under_way: dict[tuple[str, int, int], list[Any]] = Factory(dict)
    """Attempts of subscriptions that are in order, by subscription and key."""
    knobs: dict[str, Any] = Factory(dict)
    """The bounds that were turned down, and to what."""
    trace: list[str] = Factory(list)
    over: bool = False
    """After the last check nothing is recorded any more."""

    def __attrs_post_init__(self) -> None:
        self.lot = random.Random(f"script {self.profile.name} {self.seed}")  # noqa: S311 - not a secret
        self.luck = random.Random(f"luck {self.profile.name} {self.seed}")  # noqa: S311
        self.clock = SimulatedClock(self.wall)
        self.storage = MemoryStorage(self.clock)

    def now(self) -> float:
        """The loop's time."""
        return self.wall.timer()

    def tick(self) -> int:
        """Count an effect."""
        self.seq += 1
        return self.seq

    def note(self, who: str, what: str, *details: object) -> None:
        """Write a line of the trace, where there is one."""
        if self.tracing and not self.over:
            self.trace.append(f"{self.wall.timer():14.6f} {who:8} {what % details if details else what}")

    def fault(self, kind: str) -> None:
        """Count something injected."""
        self.faults[kind] += 1

    def violate(self, what: str) -> None:
        """Something is wrong. The first that is found ends the run."""
        if self.violation is None and not self.over:
            self.note("CHECK", "VIOLATION: %s", what)
            self.violation = what
            self.failed.set()

    def require(self, holds: bool, what: str, *details: object) -> None:
        """Where it does not hold, something is wrong."""
        if not holds:
            self.violate(what % details if details else what)

    def calm_for(self, seconds: float) -> bool:
        """Whether nothing has delayed anybody for so long."""
        return self.now() - self.troubled_at > seconds

    def timeline(self, name: str) -> Timeline | None:
        """The subscription of that name, if it is there."""
        return self.model.alive.get(name)

    # -- the storage, seen from outside ----------------------------------------------------------------------------

    @property
    def tables(self):  # type: ignore[no-untyped-def]
        """What the storage holds."""
        return self.storage._tables

    def forget(self) -> None:
        """Have the storage forget what need not survive a power loss."""
        self.tables._sessions.clear()
        self.tables._senders.clear()
        self.troubled_at = self.forgot_at = self.now()

    def row(self, name: str, offset: int) -> tuple[Waiting, str | None] | None:
        """A waiting delivery and the session that holds it."""
        found = self.tables._waiting.get(name, {}).get(offset)
        return None if found is None else (found.waiting, found.session)

    def rows(self, name: str) -> int:
        """How many deliveries of a subscription wait."""
        return len(self.tables._waiting.get(name, {}))

    def claims_of(self, session: str) -> list[tuple[str, str, int, int]]:
        """The claims of a session: bus, reader, start, end."""
        return [
            (claim.bus, claim.reader, claim.start, claim.end) for claim in self.claims() if claim.session == session
        ]

    def claims(self) -> Iterator[Claim]:
        """The open claims, of all buses."""
        for state in self.tables._buses.values():
            for claims in state.claims.values():
                yield from claims.values()

    def held_rows(self, session: str) -> int:
        """How many waiting deliveries a session holds."""
        return sum(row.session == session for rows in self.tables._waiting.values() for row in rows.values())
