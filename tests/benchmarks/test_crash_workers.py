"""Workers that are killed under load, for a few seconds; and that the judge sees what would be wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from attrs import evolve

from benchmarks.crash import __main__ as command
from benchmarks.crash.workers import ATTEMPT, LEASE, MOST, PROGRESS, Judged, Sent, Told, judge, kill_workers
from benchmarks.harness import Unavailable
from benchmarks.nats import ADDRESS
from benchmarks.server import private_server
from benchmarks.workers import Process, Received, Settings

# -- a short run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("storage", "restarts"), [("sqlite", 0), ("postgresql", 1), ("nats", 2)])
def test_nothing_is_lost_and_order_is_kept(storage: str, restarts: int) -> None:
    try:
        told, judged = kill_workers(storage, seconds=4.0, every=0.5, restarts=restarts, slack=2.0)
    except Unavailable as error:
        if storage == "nats" and ADDRESS in os.environ:  # who says that there is NATS wants it tried
            raise
        pytest.skip(str(error))
    assert judged.faults == []
    assert len(told.killed) > 6
    assert len(told.outages) == restarts
    assert judged.deliveries >= 2 * sum(sent.accepted for sent in told.sent.values()) > 0


def test_where_there_are_no_programs_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("benchmarks.server._PLACES", (str(tmp_path),))
    with pytest.raises(Unavailable, match="initdb"), private_server(tmp_path):
        pass
    for storage in ("postgresql", "nats"):
        assert command.main(["workers", "--storage", storage]) == 0
        assert "left out: needs the program" in capsys.readouterr().err


def test_a_process_of_workers_that_ends_instead_of_an_answer_is_told_of(tmp_path: Path) -> None:
    process = Process()
    try:
        process.begin(Settings("nowhere:", str(tmp_path / "received"), {}))
        with pytest.raises(RuntimeError, match="said '' instead of 'ready'"):
            process.hear("ready")
    finally:
        process.kill()


# -- the judge ---------------------------------------------------------------------------------------------------------


def books(*ids: str, worker: str = "w0.0", at: float = 100.0) -> list[Received]:
    """Both subscriptions got these, one after another; what stands before the dot is the key."""
    return [
        Received(worker, subscription, id_.partition(".")[0], id_, at + place)
        for subscription in ("ordered", "free")
        for place, id_ in enumerate(ids)
    ]


def told(*ids: str, **more: object) -> Told:
    sent = {id_: Sent(id_.partition(".")[0], int(id_.partition(".")[2]), accepted=True) for id_ in ids}
    return Told(sent, **more)  # type: ignore[arg-type]


def faults(story: Told, got: list[Received], slack: float = 0.0) -> Judged:
    return judge(story, got, slack=slack)


def test_all_that_was_sent_came_once() -> None:
    judged = faults(told("a.0", "a.1", "b.0"), books("a.0", "b.0", "a.1"))
    assert (judged.faults, judged.deliveries, judged.duplicates) == ([], 6, 0)


def test_what_is_lost_invented_or_altered_is_seen() -> None:
    assert faults(told("a.0", "a.1"), books("a.0")).faults == ["ordered: a.1 is lost", "free: a.1 is lost"]
    assert "free: a.9 is invented" in faults(told("a.0"), books("a.0", "a.9")).faults
    moved = [evolve_key(one, "b") for one in books("a.0")]
    assert "ordered: a.0 is invented" in faults(told("a.0"), moved).faults


def evolve_key(one: Received, key: str) -> Received:
    return Received(one.worker, one.subscription, key, one.id, one.time)


def test_what_may_not_have_been_accepted_may_come_or_not() -> None:
    story = told("a.0", "a.1")
    story.sent["a.1"] = evolve(story.sent["a.1"], accepted=False)
    assert faults(story, books("a.0")).faults == []
    assert faults(story, books("a.0", "a.1")).faults == []


def test_a_key_out_of_order_is_seen_and_others_need_no_order() -> None:
    assert faults(told("a.0", "a.1"), books("a.1", "a.0")).faults == ["of a, a.0 came after a later one"]
    assert faults(told("a.0", "b.0"), books("b.0", "a.0")).faults == []
    again = [*books("a.0", "a.1"), *books("a.0", "a.1", worker="w1.0", at=110.0)]
    assert faults(told("a.0", "a.1", killed={"w0": 101.0}), again, slack=1.0).faults == []


def test_a_duplicate_is_excused_by_a_kill_just_after_it() -> None:
    twice = [*books("a.0"), *books("a.0", worker="w1.0", at=105.0)]
    allowed = PROGRESS + ATTEMPT
    judged = faults(told("a.0", killed={"w0": 100.0 + allowed / 2}), twice)
    assert (judged.faults, judged.duplicates, judged.most) == ([], 2, 1)
    assert judged.late == pytest.approx(allowed / 2)
    assert "was sent 0.500 s before the kill" in faults(told("a.0", killed={"w0": 100.5}), twice).faults[0]
    assert "was alive" in faults(told("a.0", killed={"w0": 106.0}), twice).faults[0]
    assert "was alive" in faults(told("a.0"), twice).faults[0]


def test_a_duplicate_is_excused_by_an_outage_and_the_lease_around_it() -> None:
    twice = [*books("a.0"), *books("a.0", worker="w1.0", at=105.0)]
    assert faults(told("a.0", outages=[(99.0, 100.0)]), twice).faults == []
    assert faults(told("a.0", outages=[(90.0, 99.9 - LEASE)]), twice).faults != []


def test_a_duplicate_is_excused_by_a_lease_that_its_worker_lost() -> None:
    twice = [*books("a.0"), *books("a.0", worker="w1.0", at=105.0)]
    assert faults(told("a.0", lost={"w0": [104.0]}), twice).faults == []
    for lost in ({"w0": [99.0]}, {"w1": [104.0]}, {"w0": [101.0 + 2 * LEASE]}):
        assert faults(told("a.0", lost=lost), twice).faults != []


def test_a_kill_repeats_no_more_than_may_be_unwritten() -> None:
    ids = [f"a.{number}" for number in range(MOST + 1)]
    first = [Received("w0.0", "free", "a", id_, 100.0) for id_ in ids]
    again = [Received("w1.0", "free", "a", id_, 105.0) for id_ in ids]
    ordered = [Received("w1.0", "ordered", "a", id_, 105.0) for id_ in ids]
    judged = faults(told(*ids, killed={"w0": 100.05}), [*first, *again, *ordered])
    assert judged.faults == [f"('free', 'w0.0'): {MOST + 1} duplicates of one kill"]
