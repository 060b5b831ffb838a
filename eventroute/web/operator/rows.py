"""Which subscriptions are in trouble, and in which order a list shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from attrs import frozen

from eventroute.stats import LAGGING_AFTER, Standing, SubscriptionStats

__all__ = ["SORTS", "STATES", "Trouble", "all_troubles", "listed", "troubles", "weight"]

Level = Literal["bad", "warn"]
STATES: Final[Mapping[str, str]] = {"": "all", "trouble": "in trouble", "paused": "paused", "lagging": "lagging"}
SORTS: Final[Mapping[str, str]] = {
    "trouble": "trouble first",
    "id": "by id",
    "behind": "by lag",
    "dead": "by dead letters",
    "waiting": "by waiting",
}


@frozen
class Trouble:
    """One thing that is wrong with a subscription."""

    level: Level
    text: str


def troubles(one: SubscriptionStats) -> list[Trouble]:
    """What is wrong with a subscription, the worst first."""
    found = [
        (one.breaker == "open", "bad", "sink is down"),
        (one.stuck, "bad", f"stuck behind a dead letter: {one.stuck}"),
        (one.dead_letters, "bad", f"dead letters: {one.dead_letters}"),
        (one.dead_letters_dropped, "bad", f"dead letters dropped: {one.dead_letters_dropped}"),
        (one.forward_error, "bad", "dead letters cannot be handed over"),
        (one.paused is not None, "warn", f"paused: {one.paused}"),
        (one.paused is None and one.behind_seconds >= LAGGING_AFTER, "warn", "lagging"),
    ]
    return [Trouble(level, text) for wrong, level, text in found if wrong]  # type: ignore[arg-type]


Troubles = Mapping[str, Sequence[Trouble]]
"""By subscription, of those that are in trouble."""


def all_troubles(standing: Standing) -> Troubles:
    """What is wrong with the subscriptions of a bus. There may be very many that lag, and are well otherwise: alike."""
    found = {name: troubles(standing.brief(name)) for name in standing.remarkable()}
    alike = [name for name in standing.late() if name not in found]
    found |= dict.fromkeys(alike, troubles(standing.brief(alike[0])) if alike else [])
    return {name: wrong for name, wrong in found.items() if wrong}


def weight(found: Sequence[Trouble]) -> int:
    """The more, the worse."""
    return sum(2 if each.level == "bad" else 1 for each in found)


def listed(standing: Standing, wrong: Troubles, *, query: str, state: str, sort: str) -> list[str]:
    """Those whose id has `query` in it and that are in a state, in order; those that are equal by id."""
    chosen: list[str] = [name for name in standing.names if query in name and _is(name, state, standing, wrong)]
    rank = _rank(sort, standing, wrong)
    return chosen if rank is None else sorted(chosen, key=rank, reverse=True)  # which leaves equals as they are


def _is(name: str, state: str, standing: Standing, wrong: Troubles) -> bool:
    match state:
        case "trouble":
            return name in wrong
        case "paused":
            return standing.is_paused(name)
        case "lagging":
            return standing.lags(name)
    return True


def _rank(sort: str, standing: Standing, wrong: Troubles) -> Callable[[str], int] | None:
    match sort:
        case "id":
            return None
        case "behind":
            return standing.behind
        case "dead":
            return standing.dead_letters
        case "waiting":
            return standing.waits
    return lambda name: weight(wrong[name]) if name in wrong else 0
