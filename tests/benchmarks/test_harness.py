from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import benchmarks.workloads
from benchmarks.__main__ import main
from benchmarks.harness import (
    BadMeasurement,
    Comparison,
    Contender,
    Row,
    Unavailable,
    Workload,
    document,
    load,
    run,
    table,
)

seconds = st.floats(min_value=1e-6, max_value=1e3)


@pytest.fixture(scope="module", autouse=True)
def leave_garbage() -> Iterator[None]:
    """Nothing here is really timed, and a collection costs more than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda: 0)
        yield


def scripted(name: str, answers: Sequence[float], calls: list[tuple[str, int]]) -> Contender:
    """Answers the warm-up with one second, then each round with the next answer."""
    times = iter([1.0, *answers])

    def measure(size: int) -> float:
        calls.append((name, size))
        return next(times)

    return Contender(name, measure)


def workload(floor: Contender, *subjects: Contender) -> Workload:
    comparison = Comparison("a case", floor, subjects, size=1000, tiny=10)
    return Workload("sample", "What it is for.", "event", (comparison,))


@given(rounds=st.lists(st.tuples(seconds, seconds), min_size=1, max_size=9))
def test_rows_hold_every_round_and_the_ratio_lies_between_the_rounds_own(
    rounds: list[tuple[float, float]],
) -> None:
    calls: list[tuple[str, int]] = []
    floor, subject = ([taken[place] for taken in rounds] for place in (0, 1))
    rows = run(workload(scripted("floor", floor, calls), scripted("subject", subject, calls)), runs=len(rounds))
    assert [row.seconds for row in rows] == [tuple(floor), tuple(subject)]
    assert rows[0].ratio == 1
    ratios = [b / a for a, b in rounds]
    assert min(ratios) <= rows[1].ratio <= max(ratios)
    assert min(rows[1].microseconds) <= statistics.median(rows[1].microseconds) <= max(rows[1].microseconds)


def test_a_machine_that_slows_down_leaves_the_ratio_alone() -> None:
    calls: list[tuple[str, int]] = []
    rows = run(workload(scripted("floor", [1, 4, 9], calls), scripted("subject", [2, 8, 18], calls)), runs=3)
    assert rows[1].ratio == 2


def test_contenders_take_turns_after_a_tiny_warm_up() -> None:
    calls: list[tuple[str, int]] = []
    run(workload(scripted("a", [1, 1], calls), scripted("b", [1, 1], calls)), runs=2)
    assert calls == [("a", 10), ("b", 10), ("a", 1000), ("b", 1000), ("a", 1000), ("b", 1000)]


def test_tiny_measures_the_tiny_size() -> None:
    calls: list[tuple[str, int]] = []
    rows = run(workload(scripted("a", [1], calls), scripted("b", [1], calls)), runs=1, tiny=True)
    assert {size for _, size in calls} == {10}
    assert {row.size for row in rows} == {10}


def _absent(size: int) -> float:
    raise Unavailable("it is not installed")


def test_who_cannot_be_measured_is_left_out_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[tuple[str, int]] = []
    floor, absent, other = scripted("a", [1, 1], calls), Contender("absent", _absent), scripted("b", [1, 1], calls)
    assert [row.contender for row in run(workload(floor, absent, other), runs=2)] == ["a", "b"]
    assert "left out: a case, absent: it is not installed" in capsys.readouterr().err
    assert run(workload(absent, other), runs=2) == []


@pytest.mark.parametrize("answer", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_time_is_refused(answer: float) -> None:
    with pytest.raises(BadMeasurement, match="lazy says that 1000 units took"):
        run(workload(scripted("floor", [1], []), scripted("lazy", [answer], [])), runs=1)


def test_a_row_tells_time_and_rate_of_a_unit() -> None:
    row = Row("w", "c", "x", "event", size=1000, seconds=(0.002, 0.001, 0.003), ratio=2.5)
    assert row.microseconds == pytest.approx((2, 1, 3))
    assert row.per_second == pytest.approx(500_000)
    header, line = table([row]).splitlines()
    assert " ".join(header.split()) == "workload case contender unit us each min - max a second ratio"
    assert line.split() == ["w", "c", "x", "event", "2.00", "1.00", "-", "3.00", "500,000", "2.50"]
    assert len(header) == len(line)


def test_a_goal_is_told_of_beside_those_that_it_is_for() -> None:
    calls: list[tuple[str, int]] = []

    def rows(*, tiny: bool) -> list[Row]:
        subjects = (scripted("quick", [0.004], calls), scripted("slow", [0.006], calls))
        comparison = Comparison("a case", scripted("floor", [0.009], calls), subjects, size=1000, tiny=10, goal=5e-6)
        return run(Workload("sample", "What it is for.", "event", (comparison,)), runs=1, tiny=tiny)

    assert [row.goal for row in rows(tiny=False)] == [None, 5e-6, 5e-6]
    header, *lines = table(rows(tiny=False)).splitlines()
    assert header.endswith("goal")
    assert [line.split()[-2:] for line in lines[1:]] == [["5", "kept"], ["5", "MISSED"]]
    assert {len(line) for line in lines} == {len(header)}
    assert [row.goal for row in rows(tiny=True)] == [None] * 3  # what is tried with little proves nothing
    assert [row.get("goal") for row in document(rows(tiny=False))] == [None, 5e-6, 5e-6]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Workload("No Such Name", "doc", "event", (workload(*pair()).comparisons[0],)),
        lambda: Workload("empty", "doc", "event", ()),
        lambda: Comparison("case", pair()[0], (), size=1, tiny=1),
        lambda: Comparison("case", pair()[0], pair()[1:], size=0, tiny=1),
        lambda: Comparison("case", pair()[0], pair()[1:], size=1, tiny=0),
    ],
    ids=["name", "no comparison", "no subject", "no size", "no tiny size"],
)
def test_a_malformed_workload_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"'(name|comparisons|subjects|size|tiny)'|Length of"):
        make()


def pair(rounds: int = 1) -> tuple[Contender, Contender]:
    return scripted("floor", [1.0] * rounds, []), scripted("subject", [3.0] * rounds, [])


def test_without_names_the_command_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {"sample": workload(*pair())}) == 0
    assert capsys.readouterr().out.split() == ["sample", "What", "it", "is", "for."]


def test_the_command_prints_a_table_and_writes_every_round(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    assert main(["sample", "sample", "--runs", "3", "--json", str(file)], {"sample": workload(*pair(3))}) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    report = json.loads(file.read_text())
    assert report["runs"] == 3
    assert [(row["contender"], row["seconds"], row["ratio"]) for row in report["rows"]] == [
        ("floor", [1.0] * 3, 1),
        ("subject", [3.0] * 3, 3),
    ]


def test_all_runs_all(capsys: pytest.CaptureFixture[str]) -> None:
    both = {"one": workload(*pair(2)), "two": workload(*pair(2))}
    assert main(["all", "--tiny"], both) == 0
    assert capsys.readouterr().err.split() == ["sample", "...", "sample", "..."]


def test_an_unknown_name_is_refused_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"], {"sample": workload(*pair())}) == 2
    assert capsys.readouterr().err == "no workload nothing: there are sample\n"


@pytest.mark.parametrize("runs", ["0", "-1", "many"])
def test_a_bad_number_of_runs_is_refused(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["sample", "--runs", runs], {"sample": workload(*pair())})
    assert "--runs" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process choose its core")
def test_pin_stays_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[set[int]] = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda _process, cores: chosen.append(cores))
    assert main(["sample", "--tiny", "--pin"], {"sample": workload(*pair(2))}) == 0
    assert chosen == [{max(os.sched_getaffinity(0))}]


def test_pin_is_refused_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "plan9")
    with pytest.raises(SystemExit, match="leave it out"):
        main(["sample", "--pin"], {"sample": workload(*pair())})


def test_every_workload_module_is_found_by_the_name_of_its_file() -> None:
    files = {file.stem.replace("_", "-") for file in Path(benchmarks.workloads.__path__[0]).glob("[!_]*.py")}
    assert set(load(benchmarks.workloads)) == files


def test_a_module_without_a_workload_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("nowhere")
    package.__path__ = [str(tmp_path)]
    (tmp_path / "empty.py").write_text("")
    monkeypatch.setitem(sys.modules, "nowhere", package)
    with pytest.raises(AttributeError, match="WORKLOAD"):
        load(package)
