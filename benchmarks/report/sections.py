"""The sections of the page: what each measures, and how its rows become a picture."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from attrs import frozen

from benchmarks.harness import Comparison, Row, Workload
from benchmarks.harness import run as run_workload
from benchmarks.report import latency
from benchmarks.report.chart import Chart, Line, Point
from benchmarks.workloads import append, match_many, push_http

Axis = Callable[[str], float]
"""Where on the x axis a case stands."""


class Run(Protocol):
    """Measures so many rounds."""

    def __call__(self, *, runs: int, tiny: bool) -> list[Row]: ...


@frozen
class Section:
    """A heading of the page."""

    name: str
    """Of its picture's file."""
    title: str
    text: str
    """What is measured, and how, in Markdown."""
    command: str
    """Measures the same in numbers alone."""
    run: Run
    x: str
    y: str
    place: Axis
    rate: bool = False
    """Whether units a second are drawn, and not the microseconds of one."""
    ticks: tuple[tuple[float, str], ...] = ()

    def chart(self, rows: Sequence[Row]) -> Chart:
        """The medians of the rounds as lines, and how far the rounds lie apart."""
        lines: dict[str, list[Point]] = {}
        for row in rows:
            values = [1e6 / taken if self.rate else taken for taken in row.microseconds]
            lines.setdefault(row.contender, []).append(
                Point(self.place(row.case), statistics.median(values), min(values), max(values))
            )
        return Chart(
            self.title, self.x, self.y, tuple(Line(name, tuple(line)) for name, line in lines.items()), self.ticks
        )


def number(case: str) -> float:
    """The number in a case's name: `1,000 filters` stands at 1000."""
    found = re.search(r"\d[\d,]*", case)
    if found is None:
        raise ValueError(f"{case!r} holds no number")
    return float(found[0].replace(",", ""))


def rarity(case: str) -> float:
    """A quantile stands where one event in so many is slower: `p99` at 100."""
    return 1 / (1 - float(case.removeprefix("p")) / 100)


def _of(workload: Workload, chosen: Callable[[Comparison], bool] = lambda _comparison: True) -> Run:
    kept = Workload(workload.name, workload.doc, workload.unit, tuple(filter(chosen, workload.comparisons)))

    def run(*, runs: int, tiny: bool) -> list[Row]:
        return run_workload(kept, runs=runs, tiny=tiny)

    return run


SECTIONS: Mapping[str, Section] = {
    section.name: section
    for section in (
        Section(
            name="match",
            title="Matching, by the number of filters",
            text=(
                "An event's JSON comes in, the keys of the filters that match it come out. The filters are of ten "
                "shapes: JSON objects, patterns and expressions on attributes and data. A plain loop reads the event "
                "and asks each compiled filter in turn; the index looks up the event's own values. It keeps in mind "
                "what texts led to, so it is measured also with sources and subjects that it has never seen."
            ),
            command="python -m benchmarks match-many",
            run=_of(match_many.WORKLOAD),
            x="filters",
            y="microseconds an event",
            place=number,
        ),
        Section(
            name="append",
            title="Durable appends, by the size of the batch",
            text=(
                "Events of 500 bytes go to a file on disk, one batch behind the other by one publisher, each batch "
                "durable before the next (`synchronous=FULL`). Bare `sqlite3` does the same commits. An event loop "
                "must not wait for a disk: `sqlite3 in a thread` is what going to a thread and back costs alone."
            ),
            command="python -m benchmarks append",
            run=_of(append.WORKLOAD, lambda comparison: comparison.case.startswith("by ")),
            x="events a batch",
            y="events a second",
            place=number,
            rate=True,
        ),
        Section(
            name="latency",
            title="From publish to an async function: the distribution",
            text=(
                f"{latency.PACE} events a second, each published by itself when it is due, and timed from then until "
                "the function has it. What a slow commit holds up counts for every event behind it. The bare commit "
                "is `sqlite3` without anybody behind it. The wakings of the event loop's own timer are in all three."
            ),
            command="python -m benchmarks end-to-end",
            run=latency.run,
            x="of the events are faster",
            y="microseconds",
            place=rarity,
            ticks=tuple((rarity(latency.label(one)), f"{one * 100:g} %") for one in latency.QUANTILES),
        ),
        Section(
            name="push",
            title="Push over HTTP, by requests in flight",
            text=(
                "From a filled log to a receiver in another process on the same machine, one event a request, until "
                "each outcome is written down. The bare loop posts the same bytes with the same client, reads no log "
                "and remembers nothing."
            ),
            command="python -m benchmarks push-http",
            run=_of(push_http.WORKLOAD, lambda comparison: "alike" not in comparison.case),
            x="requests in flight",
            y="events a second",
            place=number,
            rate=True,
        ),
    )
}
