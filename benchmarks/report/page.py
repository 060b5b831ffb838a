"""Results as files: `measured.md` with tables and plots, an SVG each, and `measured.json`, the rounds they show.

What is written is a function of the results alone: the files that are kept can be made anew from the JSON, and a test
does so.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from benchmarks.harness import Row
from benchmarks.report.chart import svg
from benchmarks.report.facts import facts, load
from benchmarks.report.sections import SECTIONS, Section

JSON = "measured.json"


@frozen
class Results:
    """What was measured, and on what."""

    facts: Mapping[str, str]
    rows: Mapping[str, tuple[Row, ...]]
    """By the section's name."""


def measure(sections: Mapping[str, Section], *, runs: int, tiny: bool) -> Results:
    """Run each section."""
    known, before = facts(), load()
    rows = {}
    for name, section in sections.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows[name] = tuple(section.run(runs=runs, tiny=tiny))
    known |= {"rounds": str(runs), "load before and after": f"{before}, {load()}"}
    return Results(known | ({"tiny": "yes: these figures mean nothing"} if tiny else {}), rows)


def write(folder: Path, results: Results) -> None:
    """Put the files into the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files(results).items():
        (folder / name).write_text(text, encoding="utf-8")


def files(results: Results) -> dict[str, str]:
    """Each file's name and text."""
    pictures = {f"{name}.svg": picture for name, rows in results.rows.items() if (picture := _picture(name, rows))}
    return {JSON: _json(results), "measured.md": _page(results), **pictures}


def _picture(name: str, rows: Sequence[Row]) -> str:
    """The section's plot; empty where it has none, or nothing was measured."""
    section = SECTIONS[name]
    return svg(section.plot.chart(section.title, rows)) if section.plot and rows else ""


def read(text: str) -> Results:
    """What `measured.json` holds."""
    value: dict[str, Any] = json.loads(text)
    rows = {
        name: tuple(Row(**row | {"seconds": tuple(row["seconds"])}) for row in found)
        for name, found in value["rows"].items()
    }
    return Results(value["facts"], rows)


def _json(results: Results) -> str:
    rows = {name: [asdict(row) for row in found] for name, found in results.rows.items()}
    return json.dumps({"facts": dict(results.facts), "rows": rows}, indent=1) + "\n"


HOW_TO_READ = (
    "[How to read this](../performance.md). Times are of one unit, in microseconds: the median of the rounds, the "
    "least and the most; the ratio is to the first of each case."
)


def _page(results: Results) -> str:
    parts = [
        "# What was measured",
        "<!-- Written by `python -m benchmarks --report`: change nothing here by hand. -->",
        HOW_TO_READ,
        _table(("measured on", ""), results.facts.items()),
    ]
    for name, rows in results.rows.items():
        section = SECTIONS[name]
        parts += [f"## {section.title}", section.text, f"In numbers alone: `{section.command}`."]
        parts += [f"![{section.title}]({name}.svg)"] if section.plot and rows else []
        parts += [_measured(rows)] if rows else ["It could not be measured here."]
    return "\n\n".join(parts) + "\n"


def _measured(rows: Sequence[Row]) -> str:
    head = ("case", "contender", "µs each", "least - most", "a second", "ratio")
    return _table(
        head,
        (
            (
                row.case,
                row.contender,
                _number(statistics.median(row.microseconds)),
                f"{_number(min(row.microseconds))} - {_number(max(row.microseconds))}",
                f"{row.per_second:,.0f}",
                f"{row.ratio:.3g}" if row.ratio < 1000 else f"{row.ratio:,.0f}",
            )
            for row in rows
        ),
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
