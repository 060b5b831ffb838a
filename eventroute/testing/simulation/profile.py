"""Profiles: what happens in a simulation, how often, for how long. A seed draws one run out of a profile."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

__all__ = ["PROFILES", "Profile"]


@frozen(kw_only=True)
class Profile:
    """The bounds from which a seed draws a run. Times are in seconds of virtual time, pairs are (least, most)."""

    name: str
    duration: tuple[float, float] = (8.0, 80.0)
    """How long faults happen; after it everything heals and has to come to an end."""
    processes: tuple[int, int] = (1, 3)
    subscriptions: tuple[int, int] = (1, 4)
    events: tuple[int, int] = (20, 120)
    acts: Mapping[str, float] = field(factory=dict)
    """What happens besides publishing (see `acts.ACTS`), with its weight; each run leaves some of it out."""
    pace: float = 1.6
    """Seconds between two acts, on average."""
    moods: tuple[str, ...] = ("fine", "slow")
    """What sinks do (see `moods.MOODS`)."""
    downtime: tuple[float, float] = (0.0, 10.0)
    """How long a process stays away after a kill or a stop."""
    jumps: float = 0.0
    """How far the wall clock jumps at most."""
    skew: float = 0.0
    """How far the wall clocks of processes are apart at most."""
    stretch: float = 1.0
    """By how much waits (backoff, leases, surveys) are longer than in the other profiles."""
    letters: bool = False
    """Whether dead letters go elsewhere."""
    measured: bool = False
    """Whether subscriptions have rates and batches."""
    retained: bool = False
    """Whether buses keep few events, or each for a short time."""
    pulled: bool = False
    """Whether subscriptions are for who asks, and processes pull them."""
    doubled: bool = False
    """Whether events are published again, on a bus that tells duplicates for a while."""
    exact: bool = False
    """Whether nothing happens that would excuse a repeat."""
    ordered: float = 0.0
    """The share of subscriptions whose events are in order by a key."""


_MOODS = ("fine", "slow", "flaky", "down", "hang", "liar", "late-liar", "retry-after", "hold", "reject", "fault")

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="calm",
            duration=(5.0, 30.0),
            acts={"mood": 1, "stop": 1, "publish": 2},
            exact=True,
        ),
        Profile(name="sinks", acts={"mood": 6, "publish": 2, "redrive": 0.5}, moods=_MOODS, pace=1.2),
        Profile(
            name="storage",
            acts={"trouble": 3, "mood": 1, "publish": 2, "stop": 1, "bus": 0.3},
            moods=("fine", "slow", "flaky", "down"),
        ),
        Profile(
            name="crashes",
            acts={"crash": 4, "stall": 2, "stop": 1, "mood": 2, "publish": 2},
            moods=("fine", "slow", "flaky", "down", "hang"),
            pace=1.2,
        ),
        Profile(
            name="changes",
            acts={
                "change": 5,
                "pause": 2,
                "resume": 3,
                "remove": 1,
                "create": 3,
                "redrive": 1,
                "mood": 2,
                "crash": 0.5,
            },
            moods=("fine", "slow", "flaky", "down", "gone", "reject"),
            subscriptions=(2, 5),
            pace=0.8,
        ),
        Profile(
            name="anew",
            acts={"remove": 6, "create": 9, "stall": 1, "trouble": 1, "mood": 3, "publish": 2},
            moods=("fine", "slow", "flaky", "down", "liar", "hang"),
            subscriptions=(4, 6),
            pace=0.2,
        ),
        Profile(
            name="clock",
            duration=(10.0, 60.0),
            acts={"jump": 3, "mood": 3, "publish": 1, "crash": 0.5},
            moods=("fine", "flaky", "down", "retry-after", "hold"),
            jumps=300.0,
            skew=3.0,
        ),
        Profile(
            name="replays",
            acts={
                "replay": 4,
                "mood": 3,
                "publish": 2,
                "crash": 1,
                "stop": 1,
                "change": 1,
                "pause": 0.5,
                "resume": 1,
                "remove": 0.2,
                "redrive": 0.5,
            },
            moods=("fine", "slow", "flaky", "down", "liar", "reject", "hang"),
        ),
        Profile(
            name="letters",
            acts={
                "mood": 4,
                "publish": 3,
                "trouble": 1,
                "crash": 1,
                "stop": 1,
                "redrive": 0.5,
                "change": 1,
                "remove": 0.2,
            },
            moods=("fine", "slow", "flaky", "down", "liar", "reject", "fault", "hang"),
            letters=True,
        ),
        Profile(
            name="retention",
            acts={
                "mood": 3,
                "publish": 4,
                "crash": 1,
                "stop": 1,
                "replay": 1,
                "redrive": 1,
                "create": 1,
                "remove": 0.5,
                "change": 0.5,
                "pause": 1,
                "resume": 1,
            },
            moods=("fine", "slow", "flaky", "down", "liar", "reject", "hang"),
            retained=True,
        ),
        Profile(
            name="measure",
            acts={
                "mood": 4,
                "publish": 3,
                "trouble": 1.5,
                "power": 1,
                "crash": 0.5,
                "stall": 1,
                "stop": 1,
                "change": 1,
                "pause": 0.5,
                "resume": 1,
            },
            moods=("fine", "slow", "flaky", "down", "hang", "liar", "retry-after", "hold", "reject", "gone"),
            measured=True,
        ),
        Profile(
            name="days",
            duration=(20_000.0, 160_000.0),
            processes=(1, 2),
            acts={"mood": 3, "crash": 1, "stop": 1, "pause": 0.5, "resume": 1, "publish": 3},
            moods=("fine", "down", "down", "retry-after"),
            downtime=(3_600.0, 86_400.0),
            pace=3_500.0,
            stretch=600.0,
        ),
        Profile(
            name="order",
            acts={
                "crash": 2,
                "stall": 1,
                "stop": 1,
                "mood": 4,
                "trouble": 1,
                "power": 0.5,
                "change": 0.5,
                "pause": 0.5,
                "resume": 1,
                "redrive": 1,
                "purge": 1,
                "publish": 3,
            },
            moods=_MOODS,
            subscriptions=(1, 3),
            events=(40, 160),
            pace=1.2,
            ordered=0.9,
        ),
        Profile(
            name="pulls",
            acts={
                "mood": 5,
                "publish": 3,
                "crash": 1,
                "stall": 0.5,
                "stop": 1,
                "trouble": 1,
                "change": 0.5,
                "redrive": 1,
            },
            moods=("fine", "slow", "flaky", "down", "hang", "liar", "gone"),
            subscriptions=(1, 3),
            pulled=True,
            ordered=0.4,
        ),
        Profile(
            name="doubles",
            acts={"publish": 6, "trouble": 3, "mood": 1, "crash": 1, "stop": 1, "replay": 0.3},
            moods=("fine", "slow", "flaky", "down"),
            subscriptions=(1, 2),
            events=(40, 160),
            doubled=True,
        ),
        Profile(
            name="storm",
            acts={
                "crash": 2,
                "stall": 1,
                "stop": 1,
                "mood": 3,
                "trouble": 1,
                "power": 0.3,
                "change": 2,
                "pause": 1,
                "resume": 2,
                "remove": 0.5,
                "create": 1,
                "redrive": 0.5,
                "jump": 0.5,
                "publish": 2,
                "bus": 0.2,
            },
            moods=(*_MOODS, "gone"),
            subscriptions=(2, 5),
            jumps=600.0,
            skew=1.0,
            pace=0.8,
        ),
    )
}
"""The profiles by name."""
