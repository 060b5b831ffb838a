from __future__ import annotations

import pytest

from benchmarks import sizes
from benchmarks.postgres import ADDRESS


def test_each_kind_takes_room_and_an_event_at_least_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    sizes.main(1_000)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith("of 500 bytes")
    taken = {line[:36].strip(): float(line.rpartition(" ")[2].replace(",", "")) for line in lines}
    assert taken.keys() == sizes.KINDS.keys()
    waiting = taken.pop("a delivery that waits")
    assert 0 < waiting < 500 < min(taken.values())
