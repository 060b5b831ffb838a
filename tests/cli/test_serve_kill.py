"""`eventroute serve` under traffic, killed at random moments: what was answered 202 is never lost."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.crash.broker import Sender, configure, receiving, serve
from benchmarks.crash.serve import judge, kill_serving

ROUNDS = int(os.environ.get("KILL_ROUNDS", "20"))
"""How often it is killed; `python -m benchmarks.crash serve --times 200` is the long run."""


def test_nothing_is_lost_whenever_it_is_killed(tmp_path: Path) -> None:
    served = kill_serving(ROUNDS, seed=20, folder=tmp_path)
    assert served.faults == []
    assert served.kills == ROUNDS
    assert ROUNDS <= served.accepted <= served.delivered + served.refused


def test_after_a_clean_stop_nothing_comes_twice(tmp_path: Path) -> None:
    sender = Sender()
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        for _ in range(3):
            with serve(file) as broker, sender.sending(broker.port):
                sender.wait_for_accepted(100)
                assert broker.stop() == 0
                assert broker.said[-1] == "stopped"
        with serve(file) as broker:
            receiver.wait_until_all_came(sender.accepted)
            assert broker.stop() == 0
        assert judge(sender, receiver, tmp_path) == []
        assert set(receiver.delivered.values()) | set(receiver.refused.values()) == {1}
        assert receiver.delivered.keys() | receiver.refused.keys() == sender.accepted


def test_what_is_lost_or_wrong_is_told(tmp_path: Path) -> None:
    sender = Sender(accepted={"event-1", "event-2", "event-9"}, strange=["event-3: 500 b''"])
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        with serve(file) as broker:
            assert broker.stop() == 0
        receiver.delivered["event-1"] += 1
        receiver.refused["event-9"] += 1
        assert judge(sender, receiver, tmp_path) == [
            "event-2 is lost",
            "event-9 is lost",
            "event-9 was refused, and is no dead letter",
            "an answer to event-3: 500 b''",
        ]
