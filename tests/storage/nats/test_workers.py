"""Routers in several processes on one storage, with workers and the server killed while they work."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest

from benchmarks.nats_server import PrivateServer
from tests.storage.workers import check_that_others_take_over, working

OFTEN = "from eventroute.storage.nats.keeper import Keeper\nKeeper.EVERY = 50\n"
"""A snapshot every 50 messages."""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system that can kill -9")
def test_what_killed_workers_held_is_delivered_by_others(private: PrivateServer, tmp_path: Path) -> None:
    path, place = tmp_path / "delivered", private.place

    def restart() -> None:
        private.kill()
        private.start()

    with working(f"{place.url}?patience=30", path, OFTEN) as workers:
        check_that_others_take_over(workers, path, partial(place.storage, patience=30), restart)
