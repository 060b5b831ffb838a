"""Nothing is lost, in simulation: 205 seeds over all profiles, on asyncio, and some of them on trio."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
from typing import cast

import anyio
import pytest
from anyio.abc import TaskGroup
from attrs import evolve

from eventroute.errors import Reject, Retry
from eventroute.event import Event
from eventroute.push.outcome import RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.batch import Batch
from eventroute.push.policy.rate import Rate
from eventroute.router import Router
from eventroute.storage.base import Session, Waiting
from eventroute.testing import simulate as command
from eventroute.testing.simulation.acts import Stage
from eventroute.testing.simulation.model import Definition, Fact, Timeline
from eventroute.testing.simulation.profile import PROFILES
from eventroute.testing.simulation.run import Report, simulate
from eventroute.testing.simulation.server import Server
from eventroute.testing.simulation.sinks import Attempt, Sinks, _MeasuredSink
from eventroute.testing.simulation.verdict import at_rest, in_hand
from eventroute.testing.simulation.witness import Witness
from eventroute.testing.simulation.world import Host, Lease, World

SEEDS = {
    "calm": 10,
    "sinks": 20,
    "storage": 20,
    "crashes": 20,
    "replays": 10,
    "changes": 10,
    "anew": 5,
    "clock": 15,
    "letters": 10,
    "retention": 15,
    "measure": 10,
    "days": 10,
    "order": 20,
    "pulls": 5,
    "doubles": 5,
    "storm": 20,
}
"""205 in all."""

EXPECTED = {
    "calm": {"stop", "sink slow", "delayed"},
    "sinks": {
        "sink down",
        "sink hang",
        "sink liar",
        "sink late-liar",
        "sink hold",
        "sink fault",
        "sink reject",
        "sink retry-after",
    },
    "storage": {"storage fails before", "storage fails after", "storage slow", "lease lost"},
    "crashes": {"crash", "stall", "claim taken over", "lease lost"},
    "changes": {"crash", "sink gone"},
    "anew": {"stall", "storage slow", "claim taken over", "sink liar"},
    "clock": {"clock jump"},
    "replays": {"replay", "crash", "sink down"},
    "letters": {"letter forwarded", "storage fails after", "crash", "sink reject"},
    "retention": {"trimmed", "replay", "crash", "sink flaky"},
    "measure": {"batch", "stall", "crash", "breaker opens"},
    "days": {"crash", "sink down", "breaker opens"},
    "order": {"crash", "stall", "power loss", "claim taken over", "lease lost", "sink liar", "storage fails before"},
    "pulls": {"pull left", "pull hang", "pull liar", "pull flaky", "crash", "storage fails after"},
    "doubles": {"duplicate told", "duplicate too late", "storage fails after", "crash"},
    "storm": {"crash", "stall", "storage fails before", "clock jump", "power loss"},
}
"""What must have happened at the least, or the runs prove little."""


QUICK = os.environ.get("HYPOTHESIS_PROFILE") == "quick"
"""For another Python: fewer seeds, and others; of one alone a profile would tell little."""


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_nothing_is_lost(name: str) -> None:
    total = command.Summary()
    for seed in range(200, 200 + max(SEEDS[name] // 5, 4)) if QUICK else range(SEEDS[name]):
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
    assert sum(SEEDS.values()) == 205


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


@pytest.mark.parametrize(("late", "right"), [(0.0, True), (1.0, False)])
def test_what_was_taken_in_time_may_begin_once_the_clock_has_gone_back(
    late: float, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long ago that was: the lane may have waited for its breaker since."""
    world = World(1, PROFILES["clock"])
    host, session = Host("p", world.clock), Session("one", 5.0)
    definition = Definition(0, DeliveryPolicy(), "a", transforms=False)
    timeline = Timeline("s", 1, "default", 1, [(0.0, definition)])
    world.model.alive["s"] = world.model.timelines["s", 1] = timeline
    fact = Fact("e", "e", "default", 1, 1, b"", "t.a", 1, must=True, poison=False, expires=math.inf, key=None)
    taken = world.clock.time()
    row = Waiting("s", 1, taken + late, 1, taken, "http-429", None, None)
    monkeypatch.setattr(World, "row", lambda self, name, offset: (row, "one"))
    Witness(world, host).after_claim_waiting(None, [row], "default", "s", session, now=row.due - late, limit=1)
    world.violation = None  # that it was taken too early is another check
    world.wall.start -= 300.0
    world.jumped_back += 300.0
    attempt = Attempt(world, host, timeline, fact, "a", definition.policy, world.now(), host.clock.time())
    attempt._check_right("one")
    assert (world.violation is None) == right


def test_a_letter_of_one_before_is_none_of_one_of_the_same_id_on_another_bus() -> None:
    world = World(1, PROFILES["storm"])
    definition = Definition(0, DeliveryPolicy(), "a", transforms=False)
    timeline = Timeline("s", 2, "second", 1, [(0.0, definition)])
    world.model.alive["s"] = world.model.timelines["s", 2] = timeline
    fate = timeline.fate(7)
    fate.letter = "rejected"
    witness = Witness(world, Host("p", world.clock))
    witness.after_redrive(None, 0, "default", [("s", 7)])
    witness.after_purge([("s", 7)], 1, "default", None)
    assert world.violation is None
    assert not fate.purged
    witness.after_redrive(None, 1, "second", [("s", 7)])
    assert world.violation is None
    assert fate.letter is None


def test_what_a_replay_has_claimed_goes_by_the_filter_from_then() -> None:
    """Whoever takes it over; a change reaches what is still to be claimed."""
    world = World(1, PROFILES["replays"])
    policy = DeliveryPolicy()
    few, all_ = (Definition(chosen, policy, "a", transforms=False) for chosen in (1, 0))
    timeline = Timeline("s", 1, "default", 1, [(0.0, few)])
    for offset, kind in ((1, "t.a"), (2, "t.b")):
        world.model.facts["default", offset] = Fact(
            str(offset), "", "default", offset, 1, b"", kind, 1, must=True, poison=False, expires=math.inf, key=None
        )
    witness = Witness(world, Host("p", world.clock))
    for definition, again in ((few, False), (all_, True)):
        timeline.versions.append((0.0, definition))
        for offset in (1, 2):
            witness._replayed(timeline, offset, "s@1", again=again)
    assert [timeline.fate(offset).expected for offset in (1, 2)] == [True, None]
    witness._replayed(timeline, 2, "s@2", again=False)
    assert timeline.fate(2).expected is True


def test_all_is_not_over_while_something_that_was_asked_for_is_under_way() -> None:
    """An append took three seconds, failed and was repeated, when all was thought to be drained; it was called lost."""
    seen: list[bool] = []

    async def main() -> None:
        world = World(1, PROFILES["storm"])
        world.wall.timer = anyio.current_time
        sinks = Sinks(world)
        server = Server(world, sinks, "p", lease=5.0, skew=0.0, policy=None)
        stage = Stage(world, sinks, cast(TaskGroup, None), slots=[None, server])
        appended = anyio.Event()

        async def publish(router: Router) -> None:
            await appended.wait()

        async with anyio.create_task_group() as tasks:
            server.router, server._tasks = Router(world.storage), tasks
            seen.append(at_rest(stage))
            server.ask(publish)
            seen.append(at_rest(stage))
            appended.set()
        seen.append(at_rest(stage))
        server.asked, server.finished = 1, True  # killed: it never ends
        seen.append(at_rest(stage))

    anyio.run(main)
    assert seen == [True, False, True, True]


@pytest.mark.anyio
async def test_what_a_killed_process_has_claimed_may_count_as_held_before_its_lease_lapses() -> None:
    """Of a paused subscription nobody takes it over, and how much of it was delivered only the killed one knew."""
    world = World(1, PROFILES["changes"])
    host, policy = Host("p", world.clock), DeliveryPolicy()
    async with world.storage as storage:
        await storage.append("default", [b"{}"] * 5, append_id="one")
        await storage.put_subscription("default", "s", b"", start="earliest")
        session = await storage.open_session(20.0)
        world.leases[session.id] = Lease(host, 20.0, 0.0)
        reader = (await storage.subscription("s")).reader
        await storage.claim("default", reader, session, limit=3)
        await storage.pause_subscription("s", "because")
        timeline = Timeline("s", 1, "default", 1, [(0.0, Definition(0, policy, "a", transforms=False))], paused=True)
        world.model.alive["s"] = timeline
        counts = [in_hand(world)]
        host.life.dead = True
        counts.append(in_hand(world))
        await storage.close_session(session)
        counts.append(in_hand(world))
    assert counts == [0, 3, 3]


@pytest.mark.parametrize(("changes", "right"), [([], False), (["a"], False), (["b"], True), (["b", "a"], True)])
def test_that_a_sink_asked_for_time_is_forgotten_with_the_sink(changes: list[str], right: bool) -> None:
    """A subscription that goes to another one and back begins anew there."""
    world = World(1, PROFILES["storm"])
    world.wall.timer = lambda: 10.0
    host, policy = Host("p", world.clock, sessions={"default": "one"}), DeliveryPolicy()
    first = Definition(0, policy, "a", transforms=False)
    timeline = Timeline("s", 1, "default", 1, [(0.0, first)])
    fact = Fact("e", "e", "default", 1, 1, b"", "t.a", 1, must=True, poison=False, expires=math.inf, key=None)
    attempt = Attempt(world, host, timeline, fact, "a", policy, 10.0, host.clock.time())
    attempt.end(RetryLater("http-429", after=60.0, hold_lane=True), alone=True)
    timeline.versions += [(11.0 + place, evolve(first, variant=variant)) for place, variant in enumerate(changes)]
    attempt.began = 20.0
    attempt._check_hold()
    assert (world.violation is None) == right


@pytest.mark.parametrize(
    ("rate", "right"), [(Rate(1.0, 2), False), (Rate(1.0), False), (Rate(5.0), True), (None, True)]
)
def test_the_halves_of_a_batch_go_by_the_rate_that_is_in_force(rate: Rate | None, right: bool) -> None:
    world = World(1, PROFILES["measure"])
    world.wall.timer = lambda: 10.0
    old, new = (DeliveryPolicy(rate=one, mode="batch", batch=Batch(events=2)) for one in (Rate(1.0, 2), rate))
    timeline = Timeline("s", 1, "default", 1, [(0.0, Definition(0, new, "a", transforms=False))])
    world.model.timelines["s", 1] = timeline
    sink = Sinks(world).provider(Host("p", world.clock)).sink("sim:s/1/a", old)
    assert isinstance(sink, _MeasuredSink)
    for _ in range(3):
        sink._keep_to(Rate(1.0, 2), 1)
    assert (world.violation is None) == right


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
