"""Processes that are killed with signal 9 at random moments, and the check of what they leave.

The bound: 300 kills without a fault bound the rate of faults at 1 % (95 %); `python -m benchmarks.crash kill --times
10000` bounds it at 0.03 %.
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from benchmarks.crash.kill import MODES, fast_folder, kill
from benchmarks.crash.mutants import MUTATIONS
from benchmarks.crash.work import Found, Told, batch, delayed_event, faults
from eventroute.storage.base import DeadLetter, Record, Timer

TIMES = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "quick" else 300 // len(MODES)


@pytest.mark.skipif(not hasattr(os, "fork") or not hasattr(signal, "SIGKILL"), reason="needs a system that can kill -9")
@pytest.mark.parametrize("mode", MODES)
def test_killed_at_any_moment_it_keeps_its_word(mode: str) -> None:
    with tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
        tally = kill(mode, TIMES, seed=1, folder=Path(folder))
    assert tally.faults == []
    assert tally.crashes == TIMES
    assert tally.accepted > TIMES or mode == "migrate"


@pytest.mark.skipif(not hasattr(os, "fork") or not hasattr(signal, "SIGKILL"), reason="needs a system that can kill -9")
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_storage_that_does_it_wrong_is_found_out(mutation: str) -> None:
    with tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
        tally = kill("commit", 500, seed=1, folder=Path(folder), mutation=mutation)
    assert tally.faults


def found(*events: bytes, first: int = 1, letters: tuple[int, ...] = (), position: int = 1) -> Found:
    log = [Record(first + place, 0.0, event) for place, event in enumerate(events)]
    dead = [DeadLetter("s", offset, 1.0, "lot", "", 1, events[offset - first]) for offset in letters]
    return Found(first, log, dead, position)


A0, A1, B0 = batch("a.0", 2), batch("a.1", 1), batch("b.0", 3)
TOLD = Told({"a.0": 1, "a.1": 6}, {1}, 4)


def test_the_check_is_content_with_what_is_whole() -> None:
    assert faults(Told(), found()) == []
    assert faults(TOLD, found(*A0, *B0, *A1, letters=(1,), position=4)) == []  # nobody was told of b.0
    trimmed = Told({"a.0": 1, "a.1": 6}, position=4, trimmed=4)
    assert faults(trimmed, found(*B0[1:], *A1, first=4, position=4)) == []


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (found(*A0, *B0, letters=(1,), position=4), "a.1 is lost"),
        (found(*B0, *A0, *A1, letters=(1,), position=4), "a.0 is lost or moved"),
        (found(*A0, *B0[:2], *A1, letters=(1,), position=4), "torn"),
        (found(*A0, *B0, b"{}", letters=(1,), position=4), "altered"),
        (found(*A0, *B0, *A1, *A1, letters=(1,), position=4), "doubled"),
        (found(*A0, *B0, *A1, *batch("a.3", 1), letters=(1,), position=4), "of a there are the batches"),
        (found(*A0, *B0, *A1, *batch("b.1", 1), letters=(1,), position=4), "of b there are the batches"),
        (found(*A0, *B0, *A1, position=4), "the dead letter 1 is lost"),
        (found(*A0, *B0, *A1, letters=(1,), position=3), "the position 4 is lost"),
        (found(*B0[1:], *A1, first=4, letters=(), position=4), "all below 4 is gone"),
    ],
)
def test_the_check_finds_each_kind_of_fault(left: Found, message: str) -> None:
    assert any(message in fault for fault in faults(TOLD, left))


def test_the_check_finds_a_letter_that_was_never_written() -> None:
    left = found(*A0, *B0, *A1, letters=(1, 2), position=4)
    left.letters[1] = DeadLetter("s", 2, 1.0, "lot", "", 1, b"other")
    assert faults(TOLD, left) == ["the dead letter 2 is invented"]


def later(*names: str) -> list[Timer]:
    return [Timer(str(number), 0.5, delayed_event(name)) for number, name in enumerate(names, 1)]


LATER = Told({"a.0": 1}, delayed={"t.0", "t.1", "t.2", "t.3"}, cancelling={"t.2", "t.3"}, cancelled={"t.3"})


def test_the_check_is_content_with_timers_that_fired_or_wait_or_were_cancelled() -> None:
    left = found(*A0, delayed_event("t.1"), *B0)
    left.timers = later("t.0", "t.2", "t.4")  # nobody was told of t.4
    assert faults(LATER, left) == []
    left.timers = later("t.0")  # and it may be that t.2 was cancelled
    assert faults(LATER, left) == []


@pytest.mark.parametrize(
    ("fired", "waiting", "message"),
    [
        (["t.1"], ["t.2"], "the delayed event t.0 is lost"),
        (["t.1", "t.0"], ["t.0"], "the delayed event t.0 is there twice"),
        (["t.1", "t.1"], ["t.0"], "the delayed event t.1 is there twice"),
        (["t.1"], ["t.0", "t.3"], "the delayed event t.3 is there, and was cancelled"),
        (["t.1"], ["t.0", "t.4", "t.5"], "of t there are timers that nobody put"),
    ],
)
def test_the_check_finds_each_kind_of_fault_with_timers(fired: list[str], waiting: list[str], message: str) -> None:
    left = found(*A0, *map(delayed_event, fired))
    left.timers = later(*waiting)
    assert any(message in fault for fault in faults(LATER, left))


def test_the_check_finds_a_timer_that_was_altered() -> None:
    left = found(*A0, delayed_event("t.1"))
    left.timers = [*later("t.0"), Timer("9", 0.5, b"{}")]
    assert faults(LATER, left) == ["a timer is altered: b'{}'"]
