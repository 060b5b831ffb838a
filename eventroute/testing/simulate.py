"""`python -m eventroute.testing.simulate`: run simulations, many or one again, and say what was found."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from attrs import define, field

from eventroute.testing.simulation.profile import PROFILES, Profile
from eventroute.testing.simulation.run import Report, simulate

__all__ = ["Summary", "main"]

PROGRESS_EVERY = 1.0
"""Seconds between two looks at the progress line; in a file, where each stays, 60 times that."""


@define
class Summary:
    """What many runs came to."""

    runs: int = 0
    failed: list[Report] = field(factory=list)
    seconds: float = 0.0
    events: int = 0
    attempts: int = 0
    delivered: int = 0
    repeats: int = 0
    faults: Counter[str] = field(factory=Counter)
    began: float = field(factory=time.monotonic)
    cpu: float = field(factory=time.process_time)

    def add(self, report: Report) -> None:
        """Count a run."""
        self.runs += 1
        self.seconds += report.seconds
        self.events += report.events
        self.attempts += report.attempts
        self.delivered += report.delivered
        self.repeats += report.repeats
        self.faults.update(report.faults)
        if report.violation is not None:
            self.failed.append(report)

    @property
    def line(self) -> str:
        """Where it stands, in a line."""
        rate = self.runs / max(time.monotonic() - self.began, 1e-9)
        return f"{self.runs} runs, {len(self.failed)} failed, {rate:.1f} runs/s, {self.seconds / 3600:,.0f} h simulated"

    def text(self) -> str:
        """All that there is to say."""
        faults = "".join(f"  {kind:24} {count:12,}\n" for kind, count in sorted(self.faults.items()))
        return (
            f"{self.line}, {time.process_time() - self.cpu:.0f} s of CPU\n"
            f"{self.events:,} events, {self.attempts:,} attempts, {self.delivered:,} delivered, "
            f"{self.repeats:,} of them again\n"
            f"injected or met:\n{faults}"
        )


def main(arguments: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run the command. Returns the exit code: 0 where all held, 1 where something did not, 2 for a wrong call."""
    out = sys.stdout if out is None else out
    options = _parser().parse_args(arguments)
    names = options.profile or list(PROFILES)
    profiles = [PROFILES[name] for name in names]
    if options.seed is not None:
        return _one(options.seed, profiles[0] if options.profile else PROFILES["storm"], options, out)
    summary = Summary()
    shown = time.monotonic()
    for seed in range(options.first, options.first + options.seeds):
        report = simulate(seed, profiles[seed % len(profiles)], backend=options.backend)
        summary.add(report)
        if report.violation is not None:
            out.write(f"{report.replay}  # {report.violation}\n")
        if time.monotonic() - shown > PROGRESS_EVERY * (1 if out.isatty() else 60):
            shown = time.monotonic()
            out.write(f"\r{summary.line} " if out.isatty() else f"{summary.line}\n")
            out.flush()
    out.write(f"\r{summary.text()}" if out.isatty() else summary.text())
    return 1 if summary.failed else 0


def _one(seed: int, profile: Profile, options: argparse.Namespace, out: TextIO) -> int:
    report = simulate(seed, profile, backend=options.backend, trace=True)
    lines = report.trace if options.trace == 0 else report.trace[-(options.trace or 0) :] if options.trace else ()
    out.writelines(f"{line}\n" for line in lines)
    out.write(f"{report.profile} {report.seed} on {report.backend}: {report.violation or 'all held'}\n")
    out.write(f"{report.seconds:.3f} s simulated, {len(report.trace)} lines of trace, digest {report.digest}\n")
    return 0 if report.violation is None else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m eventroute.testing.simulate",
        description="Run the router in simulations, under faults, and check that nothing is lost.",
    )
    parser.add_argument("--seed", type=int, help="run this one again")
    parser.add_argument(
        "--trace", type=int, nargs="?", const=0, help="with --seed: tell all that happened, or the last so many lines"
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many to run (default: 100)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--profile", action="append", choices=sorted(PROFILES), help="which, may be repeated; all")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    return parser


if __name__ == "__main__":
    sys.exit(main())
