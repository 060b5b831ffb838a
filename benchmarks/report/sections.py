"""The sections of the page: what each measures, and how its rows become a picture."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from attrs import frozen

from benchmarks.harness import Comparison, Row, Workload
from benchmarks.harness import run as run_workload
from benchmarks.report import latency
from benchmarks.report.chart import Chart, Line, Point
from benchmarks.workloads import append, match_many, push_http, push_inprocess, scale_out

Axis = Callable[[str], float]
"""Where on the x axis a case, or a contender, stands."""

WORKER_ROUNDS = 3
"""Each is seconds of waiting for a slow sink."""


class Run(Protocol):
    """Measures so many rounds."""

    def __call__(self, *, runs: int, tiny: bool) -> list[Row]: ...


@frozen
class Plot:
    """How the rows of a section become a picture."""

    x: str
    y: str
    place: Axis
    across: Literal["case", "contender"] = "case"
    """What stands along the x axis; each of the other is a line."""
    rate: bool = False
    """Whether units a second are drawn, and not the microseconds of one."""
    ticks: tuple[tuple[float, str], ...] = ()

    def chart(self, title: str, rows: Sequence[Row]) -> Chart:
        """The medians of the rounds as lines, and how far the rounds lie apart."""
        lines: dict[str, list[Point]] = {}
        for row in rows:
            values = [1e6 / taken if self.rate else taken for taken in row.microseconds]
            along, line = (row.case, row.contender) if self.across == "case" else (row.contender, row.case)
            lines.setdefault(line, []).append(
                Point(self.place(along), statistics.median(values), min(values), max(values))
            )
        return Chart(title, self.x, self.y, tuple(Line(name, tuple(line)) for name, line in lines.items()), self.ticks)


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
    plot: Plot | None
    """None: a table says it all."""


def number(case: str) -> float:
    """The number in a name: `1,000 filters` stands at 1000."""
    found = re.search(r"\d[\d,]*", case)
    if found is None:
        raise ValueError(f"{case!r} holds no number")
    return float(found[0].replace(",", ""))


def rarity(case: str) -> float:
    """A quantile stands where one event in so many is slower: `p99` at 100."""
    return 1 / (1 - float(case.removeprefix("p")) / 100)


def _of(
    workload: Workload, chosen: Callable[[Comparison], bool] = lambda _comparison: True, *, most: int | None = None
) -> Run:
    """The comparisons of a workload that are chosen, in so many rounds at the most."""
    kept = Workload(workload.name, workload.doc, workload.unit, tuple(filter(chosen, workload.comparisons)))

    def run(*, runs: int, tiny: bool) -> list[Row]:
        return run_workload(kept, runs=min(runs, most or runs), tiny=tiny)

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
            plot=Plot("filters", "microseconds an event", number),
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
            plot=Plot("events a batch", "events a second", number, rate=True),
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
            plot=Plot(
                "of the events are faster",
                "microseconds",
                rarity,
                ticks=tuple((rarity(latency.label(one)), f"{one * 100:g} %") for one in latency.QUANTILES),
            ),
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
            plot=Plot("requests in flight", "events a second", number, rate=True),
        ),
        Section(
            name="function",
            title="Push to an async function, from a file",
            text=(
                "From an SQLite file to a function that does nothing, until the progress is written down "
                "(`synchronous=FULL`), in one process (with `--pin` on one core): from a log that is filled, and "
                "from the publishing of events by hundreds. The bare loop does the least: `sqlite3`, `msgspec`, a "
                "dictionary and `await sink(event)`. It has no retries, no leases, and no other "
                "subscription to be fair to."
            ),
            command="python -m benchmarks push-inprocess",
            run=_of(push_inprocess.WORKLOAD),
            plot=None,
        ),
        Section(
            name="workers",
            title="Workers that share one subscription",
            text=(
                "The sink takes 20 ms an event, one at a time in each worker, and events of a key go in order; no "
                f"number of partitions is set anywhere. The workers are routers in up to {scale_out.PROCESSES} "
                "processes. Each brings 100 events of its own, so the time of one should fall as there are more: the "
                "ratio is to one worker on the same storage. 20 ms an event and worker is the ceiling. Of the rounds "
                f"there are {WORKER_ROUNDS} at the most."
            ),
            command="python -m benchmarks scale-out",
            run=_of(scale_out.WORKLOAD, lambda comparison: "in order" in comparison.case, most=WORKER_ROUNDS),
            plot=Plot(
                "workers",
                "events a second",
                number,
                across="contender",
                rate=True,
                ticks=tuple((float(many), str(many)) for many in scale_out.WORKERS),
            ),
        ),
    )
}
