"""`python -m benchmarks.crash kill --times 10000`: crash a storage so many times, and say what was wrong after it.

`python -m benchmarks.crash workers --seconds 120 --storage postgresql --restarts 2`: kill a worker each second under
load, and restart the server: the first time after a crash of it, the second in order, and so on by turns.

`python -m benchmarks.crash serve --times 200`: kill `eventroute serve` so many times while events come in over HTTP and
go out to an endpoint.

`python -m benchmarks.crash takeover --seconds 60`: processes take a write-ahead log over while another one begins it
anew; with `--careless` as SQLite lets them, which loses commits before its release 3.51.3.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio

from benchmarks.crash.disk import DiskLayer
from benchmarks.crash.kill import MODES, fast_folder, kill
from benchmarks.crash.power import cut_power
from benchmarks.crash.serve import Served, kill_serving
from benchmarks.crash.takeover import TakenOver, take_over
from benchmarks.crash.work import Tally
from benchmarks.crash.workers import kill_workers
from benchmarks.harness import Unavailable

Crash = Callable[[int, int, Path], Tally]
"""Takes how many crashes, a seed and a folder."""


def power(times: int, seed: int, folder: Path) -> Tally:
    """Cut the power of a simulated disk."""
    return anyio.run(partial(cut_power, times, seed=seed, layer=DiskLayer("crash"), path=folder / "events.db"))


def kill_all(times: int, seed: int, folder: Path) -> Tally:
    """Kill processes, as many in each mode, whatever they do."""
    tallies: list[Tally] = []
    for mode in MODES:
        tallies.append(kill(mode, max(1, times // len(MODES)), seed=seed, folder=folder))
        print(f"{mode}: {tallies[-1].crashes} kills, {len(tallies[-1].faults)} faults", file=sys.stderr, flush=True)
    return Tally(
        sum(tally.crashes for tally in tallies),
        sum(tally.accepted for tally in tallies),
        [fault for tally in tallies for fault in tally.faults],
    )


CRASHES: Mapping[str, Crash] = {"kill": kill_all, "power": power}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 where there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__)
    parser.add_argument("crash", choices=(*CRASHES, "serve", "takeover", "workers"))
    parser.add_argument("--times", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120.0, help="takeover, workers: for how long")
    parser.add_argument("--every", type=float, default=1.0, help="workers: seconds from one kill to the next")
    parser.add_argument(
        "--storage", choices=("sqlite", "postgresql", "nats"), default="sqlite", help="workers: on which"
    )
    parser.add_argument("--restarts", type=int, default=0, help="workers: how often the server is restarted")
    parser.add_argument("--slack", type=float, default=1.0, help="workers: how late progress may be, in seconds")
    parser.add_argument("--careless", action="store_true", help="takeover: let others begin the log anew")
    options = parser.parse_args(arguments)
    if options.crash == "workers":
        return _workers(options)
    began = time.monotonic()
    if options.crash == "serve":
        with tempfile.TemporaryDirectory() as folder:
            served = kill_serving(options.times, seed=options.seed, folder=Path(folder))
        return _tell(options.crash, served, began)
    if options.crash == "takeover":
        with tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
            taken = take_over(
                options.seconds, seed=options.seed, careless=options.careless, path=Path(folder, "log.db")
            )
        return _tell(options.crash, taken, began)
    with tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
        tally = CRASHES[options.crash](options.times, options.seed, Path(folder))
    print(*tally.faults, sep="\n", end="\n" if tally.faults else "")
    print(
        f"{options.crash}: {tally.crashes} crashes, {tally.accepted} batches accepted, {len(tally.faults)} faults,"
        f" {time.monotonic() - began:.0f} s"
    )
    if not tally.faults:
        print(f"so the rate of faults is below {300 / tally.crashes:.2g} % (95 %)")
    return 1 if tally.faults else 0


def _tell(crash: str, outcome: Served | TakenOver, began: float) -> int:
    print(*outcome.faults, f"{crash}: {outcome}, {time.monotonic() - began:.0f} s", sep="\n")
    return 1 if outcome.faults else 0


def _workers(options: argparse.Namespace) -> int:
    if options.restarts and options.storage == "sqlite":
        print("SQLite has no server: --restarts counts for nothing", file=sys.stderr)
    try:
        told, judged = kill_workers(
            options.storage,
            seconds=options.seconds,
            every=options.every,
            restarts=options.restarts,
            seed=options.seed,
            slack=options.slack,
        )
    except Unavailable as error:
        print(f"left out: {error}", file=sys.stderr)
        return 0
    print(*judged.faults, sep="\n", end="\n" if judged.faults else "")
    accepted = sum(sent.accepted for sent in told.sent.values())
    print(
        f"workers on {options.storage}: {len(told.killed)} kills, {len(told.outages)} restarts,"
        f" {sum(map(len, told.lost.values()))} leases lost, {accepted} events"
        f" accepted, {len(told.sent) - accepted} perhaps; {judged}"
    )
    return 1 if judged.faults else 0


if __name__ == "__main__":
    sys.exit(main())
