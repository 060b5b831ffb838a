"""How a workload is described and measured.

A figure alone tells little on a shared machine, so nothing is measured alone: each comparison has a floor
(the least that the job could cost) or a peer, and the contenders take turns, A B A B, so that a slow minute
slows them all. The ratio is the median of the rounds' own ratios: what slows a whole round cancels out.
"""

from __future__ import annotations

import gc
import importlib
import math
import pkgutil
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType

from attrs import field, frozen, validators

Measure = Callable[[int], float]
"""Takes how many units to do, does them, and returns the seconds that it took, preparation not counted."""


@frozen
class Contender:
    """Something to be measured."""

    name: str = field(validator=validators.min_len(1))
    measure: Measure


@frozen
class Comparison:
    """Contenders that do the same job; the ratios are to the `floor`."""

    case: str
    floor: Contender
    subjects: tuple[Contender, ...] = field(validator=validators.min_len(1))
    size: int = field(validator=validators.ge(1))
    """Units in one measurement: enough for 50 ms or more, so that clock and scheduler do not matter."""
    tiny: int = field(validator=validators.ge(1))
    """Units in a measurement that only proves that the workload works."""
    goal: float | None = None
    """Seconds that a unit may take at the most; the table says whether the subjects keep to it."""


@frozen
class Workload:
    """A job of eventroute's that somebody waits for."""

    name: str = field(validator=validators.matches_re(r"[a-z0-9]+(-[a-z0-9]+)*"))
    doc: str
    unit: str
    """What is counted: an event, a request."""
    comparisons: tuple[Comparison, ...] = field(validator=validators.min_len(1))


@frozen
class Row:
    """What one contender did, in the order of the rounds."""

    workload: str
    case: str
    contender: str
    unit: str
    size: int
    seconds: tuple[float, ...] = field(validator=validators.min_len(1))
    ratio: float
    """Times the floor's time, the median over the rounds; 1 for the floor itself."""
    goal: float | None = None
    """Seconds that a unit may take at the most, by the median round."""

    @property
    def microseconds(self) -> tuple[float, ...]:
        """A unit's time in each round, in microseconds."""
        return tuple(taken / self.size * 1e6 for taken in self.seconds)

    @property
    def per_second(self) -> float:
        """Units a second, in the median round."""
        return 1e6 / statistics.median(self.microseconds)


class BadMeasurement(Exception):
    """A contender returned something that is no time."""


class Unavailable(Exception):
    """Raised by a contender that cannot be measured here, saying why; a comparison without its floor is left out."""


def run(workload: Workload, *, runs: int, tiny: bool = False) -> list[Row]:
    """Measure each comparison `runs` times, after one round that only warms up."""
    return [row for comparison in workload.comparisons for row in _compare(workload, comparison, runs, tiny=tiny)]


def _compare(workload: Workload, comparison: Comparison, runs: int, *, tiny: bool) -> Iterable[Row]:
    size = comparison.tiny if tiny else comparison.size
    contenders = _available(comparison)
    rounds = [[_measure(contender, size) for contender in contenders] for _ in range(runs)]
    for place, contender in enumerate(contenders):
        yield Row(
            workload=workload.name,
            case=comparison.case,
            contender=contender.name,
            unit=workload.unit,
            size=size,
            seconds=tuple(taken[place] for taken in rounds),
            ratio=statistics.median(taken[place] / taken[0] for taken in rounds),
            goal=None if tiny or not place else comparison.goal,
        )


def _available(comparison: Comparison) -> list[Contender]:
    """The contenders that can be measured here, warmed up; says which cannot."""
    available = []
    for contender in (comparison.floor, *comparison.subjects):
        try:
            _measure(contender, comparison.tiny)
        except Unavailable as error:
            print(f"left out: {comparison.case}, {contender.name}: {error}", file=sys.stderr)
            if contender is comparison.floor:
                return []
        else:
            available.append(contender)
    return available


def _measure(contender: Contender, size: int) -> float:
    gc.collect()  # nobody pays for what another left behind
    seconds = contender.measure(size)
    if not (math.isfinite(seconds) and seconds > 0):
        raise BadMeasurement(f"{contender.name} says that {size} units took {seconds} s")
    return seconds


def table(rows: Sequence[Row]) -> str:
    """A plain text table: the median of a unit's time, the least and the most, and the ratio to the floor; and the
    goal, in microseconds too, where anything has one.
    """
    titles = ("workload", "case", "contender", "unit", "us each", "min - max", "a second", "ratio")
    lines: list[tuple[str, ...]] = [titles]
    for row in rows:
        times = row.microseconds
        lines.append(
            (
                row.workload,
                row.case,
                row.contender,
                row.unit,
                f"{statistics.median(times):,.2f}",
                f"{min(times):,.2f} - {max(times):,.2f}",
                f"{row.per_second:,.0f}",
                f"{row.ratio:.2f}",
            )
        )
    if any(row.goal is not None for row in rows):
        lines = [(*line, told) for line, told in zip(lines, ["goal", *map(_goal, rows)], strict=True)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    words = 4  # the first columns are words, to the left; the others are numbers, to the right
    return "\n".join(
        "  ".join(
            text.ljust(width) if place < words else text.rjust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    kept = statistics.median(row.microseconds) <= row.goal * 1e6
    return f"{row.goal * 1e6:,.0f} {'kept' if kept else 'MISSED'}"


def document(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The rows as JSON values, every round included."""
    return [
        {
            "workload": row.workload,
            "case": row.case,
            "contender": row.contender,
            "unit": row.unit,
            "size": row.size,
            "seconds": list(row.seconds),
            "median_us": statistics.median(row.microseconds),
            "ratio": row.ratio,
            **({} if row.goal is None else {"goal": row.goal}),
        }
        for row in rows
    ]


def load(package: ModuleType) -> Mapping[str, Workload]:
    """The `WORKLOAD` of every module in `package`, by name."""
    found: dict[str, Workload] = {}
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        workload: Workload = importlib.import_module(module.name).WORKLOAD
        found[workload.name] = workload
    return found
