from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from benchmarks.outage import milestones, outage


def test_an_outage_is_made_good_and_what_it_took_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    anyio.run(outage, tmp_path / "events.db", 3_000, told.append)
    first, back, new = told
    assert first.split()[:2] == ["3,000", "events:"]
    assert "MB" in first
    assert back.startswith("back: ")
    assert new.startswith("one that was never down: ")


@pytest.mark.parametrize(
    ("events", "told"),
    [(3_000, [3_000]), (100_000, [100_000]), (10_000_000, [100_000, 1_000_000, 10_000_000])],
)
def test_memory_is_told_at_each_tenfold_number(events: int, told: list[int]) -> None:
    assert list(milestones(events)) == told
