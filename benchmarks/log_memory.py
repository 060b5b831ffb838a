"""How much memory a process takes that works on a log of 10 thousand events, and of 10 million: `python -m
benchmarks.log_memory` (takes 6 GB of disk and minutes to fill; a number instead of the 10 million may be given).
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import anyio

from benchmarks.workloads.scale import LARGE, SMALL, log_file, work_on


def main(arguments: list[str]) -> int:
    """Measure both; with a path and a number, be the process that is measured."""
    if len(arguments) == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        anyio.run(work_on, Path(arguments[0]), int(arguments[1]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        return 0
    for events in (SMALL, int(arguments[0]) if arguments else LARGE):
        command = [sys.executable, "-m", "benchmarks.log_memory", str(log_file(events)), str(events)]
        taken = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - of our own
        print(f"{events:12,} events: {int(taken) / 1024:.1f} MB more than before it was opened")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
