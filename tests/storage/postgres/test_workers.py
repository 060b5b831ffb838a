"""Routers in several processes on one storage, and processes that are killed while they work."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import psycopg
import pytest

from benchmarks.postgres import Place
from tests.storage.workers import check_that_others_take_over, working


async def open_once(place: Place) -> None:
    async with place.storage():
        pass


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system that can kill -9")
def test_what_killed_workers_held_is_delivered_by_others(
    postgres: Place, shell: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "delivered"
    place = Place(f"{postgres.address}?application_name={postgres.schema}", postgres.schema)
    anyio.run(open_once, place)

    def end_all_sessions() -> None:
        shell.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (postgres.schema,)
        )

    with working(place.url, path) as workers:
        check_that_others_take_over(workers, path, place.storage, end_all_sessions)
