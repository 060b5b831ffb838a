"""`python -m benchmarks` lists the workloads, `python -m benchmarks NAME...` (or `all`) runs them.

`python -m benchmarks --report FOLDER` measures what docs/performance shows, and writes its tables and plots.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import workloads
from benchmarks.harness import Row, Workload, document, load, run, table
from benchmarks.report.page import measure, write
from benchmarks.report.sections import SECTIONS, Section

RUNS = 10
TINY_RUNS = 1


def main(
    arguments: Sequence[str] | None = None,
    known: Mapping[str, Workload] | None = None,
    sections: Mapping[str, Section] = SECTIONS,
) -> int:
    """Run the command; `known` stands in for the workloads of this package. Returns the exit code."""
    if known is None:
        known = load(workloads)
    options = _parser().parse_args(arguments)
    names = list(known) if "all" in options.names else list(dict.fromkeys(options.names))
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no workload {', '.join(unknown)}: there are {', '.join(known)}", file=sys.stderr)
        return 2
    if not names and not options.report:
        for workload in known.values():
            print(f"{workload.name:16} {workload.doc}")
        return 0
    if options.pin:
        _pin()
    runs = options.runs or (TINY_RUNS if options.tiny else RUNS)
    if options.report:
        write(options.report, measure(sections, runs=runs, tiny=options.tiny))
    rows = [row for name in names for row in _announced(known[name], runs, options.tiny)]
    if names:
        print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(_report(rows, runs), indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="workloads to run, or `all`; none: list them")
    parser.add_argument("--runs", type=_count, help=f"interleaved rounds (default {RUNS}, tiny {TINY_RUNS})")
    parser.add_argument("--tiny", action="store_true", help="only prove that the workloads work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to FILE")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write the docs' tables and plots there")
    parser.add_argument("--pin", action="store_true", help="stay on one core, where the system can do that")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _pin() -> None:
    if sys.platform != "linux":
        raise SystemExit("--pin works on Linux only: leave it out")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _announced(workload: Workload, runs: int, tiny: bool) -> list[Row]:
    print(f"{workload.name} ...", file=sys.stderr, flush=True)
    return run(workload, runs=runs, tiny=tiny)


def _report(rows: Sequence[Row], runs: int) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "runs": runs,
        "rows": document(rows),
    }


if __name__ == "__main__":
    sys.exit(main())
