"""Subscriptions of mixed shape into a routing table: from the dictionaries that people write, and from a storage."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import cache
from time import process_time
from typing import Any

from benchmarks import rules
from benchmarks.harness import Comparison, Contender, Workload
from eventroute.definitions import Vocabulary, compile_subscription, definition_of
from eventroute.push.sinks.http import HttpSinks
from eventroute.push.sinks.registry import SinkRegistry
from eventroute.routing import Table
from eventroute.storage.base import Changes, Span, StoredSubscription
from eventroute.subscription import Subscription

MANY = 100_000
WORDS = Vocabulary()


def document(number: int) -> dict[str, Any]:
    """One subscription, as people write it."""
    rule = rules.rule(number)
    return {
        "id": f"subscription-{number}",
        "sink": f"https://hooks.example.com/{number}",
        "filters": rule if isinstance(rule, list) else [rule],
    }


@cache
def _documents(size: int) -> list[dict[str, Any]]:
    return [document(number) for number in range(size)]


def define(documents: Sequence[dict[str, Any]]) -> list[bytes]:
    """What subscribing reads and stores."""
    return [definition_of(compile_subscription(Subscription.from_dict(one), WORDS)) for one in documents]


_definitions = cache(lambda size: define(_documents(size)))


def restore(definitions: Sequence[bytes]) -> Table:
    """The table of a router that starts."""
    stored, spans = [], []
    for number, definition in enumerate(definitions):
        stored.append(StoredSubscription(f"subscription-{number}", "default", definition, 1, None, "live"))
        spans.append(Span("live", f"subscription-{number}", 0, None, None))
    table = Table(SinkRegistry([HttpSinks()]), WORDS)
    faults = table.apply(Changes(1, True, tuple(stored), tuple(spans)))
    if faults:
        raise ValueError(faults[0])
    return table


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    started = process_time()
    work()
    return process_time() - started


def _first(size: int) -> float:
    documents = _documents(size)
    return _timed(lambda: restore(define(documents)))


def _again(size: int) -> float:
    definitions = _definitions(size)
    return _timed(lambda: restore(definitions))


WORKLOAD = Workload(
    name="match-load",
    doc=f"{MANY:,} subscriptions from their dictionaries, and from a storage (takes minutes)",
    unit="subscription",
    comparisons=(
        Comparison(
            "half of them text expressions",
            Contender("from dictionaries", _first),
            (Contender("from a storage", _again),),
            size=MANY,
            tiny=20,
        ),
    ),
)
