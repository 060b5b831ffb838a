"""Nothing is lost, in simulation: 200 seeds over all profiles, on asyncio, and some of them on trio."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from eventroute.errors import Reject, Retry
from eventroute.event import Event
from eventroute.push.backoff import Backoff
from eventroute.push.policy import DeliveryPolicy
from eventroute.testing import simulate as command
from eventroute.testing.simulation.profile import PROFILES
from eventroute.testing.simulation.run import Report, simulate

SEEDS = {
    "calm": 15,
    "sinks": 20,
    "storage": 25,
    "crashes": 25,
    "replays": 10,
    "changes": 25,
    "clock": 15,
    "letters": 10,
    "measure": 10,
    "days": 10,
    "order": 25,
    "storm": 10,
}
"""200 in all."""

EXPECTED = {
    "calm": {"stop", "sink slow", "delayed"},
    "sinks": {"sink down", "sink hang", "sink liar", "sink late-liar", "sink hold", "sink retry-after", "sink reject"},
    "storage": {"storage fails before", "storage fails after", "storage slow", "lease lost"},
    "crashes": {"crash", "stall", "claim taken over", "lease lost"},
    "changes": {"crash", "sink gone"},
    "clock": {"clock jump"},
    "replays": {"replay", "crash", "sink down"},
    "letters": {"letter forwarded", "storage fails after", "crash", "sink reject"},
    "measure": {"batch", "stall", "crash", "breaker opens"},
    "days": {"crash", "sink down", "breaker opens"},
    "order": {"crash", "stall", "claim taken over", "lease lost", "sink liar", "storage fails before"},
    "storm": {"crash", "stall", "storage fails before", "clock jump", "sink fault"},
}
"""What must have happened at the least, or the runs prove little."""


QUICK = os.environ.get("HYPOTHESIS_PROFILE") == "quick"
"""For another Python: fewer seeds, and others."""


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_nothing_is_lost(name: str) -> None:
    total = command.Summary()
    for seed in range(200, 200 + SEEDS[name] // 5) if QUICK else range(SEEDS[name]):
        report = simulate(seed, PROFILES[name])
        assert report.violation is None, f"{report.violation}\n{report.replay}"
        total.add(report)
    assert total.delivered > 20 * total.runs
    if QUICK:
        return
    assert total.faults.keys() >= EXPECTED[name]
    if name in ("calm", "crashes"):
        assert (total.repeats == 0) == PROFILES[name].exact


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_nothing_is_lost_on_trio(name: str) -> None:
    for seed in range(1_000, 1_002):
        report = simulate(seed, PROFILES[name], backend="trio")
        assert report.violation is None, f"{report.violation}\n{report.replay}"


def test_the_profiles_are_all_covered() -> None:
    assert SEEDS.keys() == PROFILES.keys() == EXPECTED.keys()
    assert sum(SEEDS.values()) == 200


_PROGRAM = """
from eventroute.testing.simulation.profile import PROFILES
from eventroute.testing.simulation.run import simulate
for name in ("crashes", "sinks", "storm"):
    for backend in ("asyncio", "trio"):
        print(name, backend, simulate(5, PROFILES[name], backend=backend, trace=True).digest)
"""


def test_a_seed_is_one_run_to_the_byte() -> None:
    """In other processes too, where hashes and addresses are others."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashes in ("1", "2")
    ]
    assert runs[0] == runs[1]
    here = [simulate(5, PROFILES["storm"], trace=True).digest for _ in range(2)]
    assert here[0] == here[1]
    assert f"storm asyncio {here[0]}\n" in runs[0]


def test_other_seeds_are_other_runs() -> None:
    assert len({simulate(seed, PROFILES["calm"], trace=True).digest for seed in range(5)}) == 5


# -- for those who simulate their own ----------------------------------------------------------------------------------


def test_a_sink_of_ones_own_is_asked() -> None:
    seen: dict[str, int] = {}

    async def sink(event: Event) -> None:
        seen[event.id] = seen.get(event.id, 0) + 1
        if seen[event.id] == 1:
            raise Retry("not yet", after=1.0)
        if event.id.endswith("7"):
            raise Reject("sevens")

    report = simulate(3, PROFILES["sinks"], sink=sink)
    assert report.violation is None
    assert max(seen.values()) > 1


def test_policies_of_ones_own_are_used() -> None:
    policy = DeliveryPolicy(timeout=1.0, backoff=Backoff(0.5, 2.0), concurrency=1)
    report = simulate(4, PROFILES["calm"], policies=[policy], trace=True)
    assert report.violation is None
    assert report.delivered > 0


def test_an_error_of_ones_own_sink_is_a_retry() -> None:
    async def sink(event: Event) -> None:
        raise ValueError("no")

    policy = DeliveryPolicy(max_attempts=2, backoff=Backoff(0.1, 0.1), breaker=None)
    report = simulate(1, PROFILES["calm"], policies=[policy], sink=sink, trace=True)
    assert report.violation is None
    assert report.delivered == 0
    assert any("retries-exhausted" in line for line in report.trace)


# -- the command -------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    return command.main(arguments, out), out.getvalue()


def test_the_command_runs_many_and_sums_up() -> None:
    code, said = run("--seeds", "4", "--profile", "calm", "--profile", "sinks")
    assert code == 0
    assert said.startswith("4 runs, 0 failed, ")
    assert " h simulated, " in said
    assert "sink slow" in said or "stop" in said


def test_the_command_replays_one_and_tells_it() -> None:
    code, said = run("--seed", "3", "--profile", "calm", "--trace", "5")
    lines = said.splitlines()
    assert code == 0
    assert len(lines) == 7
    assert lines[-2] == "calm 3 on asyncio: all held"
    assert "digest " in lines[-1]
    assert len(run("--seed", "3", "--profile", "calm", "--trace")[1].splitlines()) > 50
    assert len(run("--seed", "3", "--profile", "calm")[1].splitlines()) == 2


def test_a_failure_is_one_line_that_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = simulate

    def fail(*args: object, **kwargs: object) -> Report:
        report = real(0, PROFILES["calm"], backend="trio")
        object.__setattr__(report, "violation", "it is broken")
        return report

    monkeypatch.setattr(command, "simulate", fail)
    code, said = run("--seeds", "1", "--backend", "trio", "--profile", "calm")
    assert code == 1
    line = "python -m eventroute.testing.simulate --seed 0 --profile calm --backend trio  # it is broken"
    assert said.splitlines()[0] == line
    assert run("--seed", "0", "--profile", "calm")[0] == 1
