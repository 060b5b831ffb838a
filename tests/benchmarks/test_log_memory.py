from __future__ import annotations

import pytest

from benchmarks.log_memory import main
from benchmarks.workloads.scale import log_file


def test_what_works_on_a_log_says_how_much_memory_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(log_file(2_000)), "2000"]) == 0
    assert int(capsys.readouterr().out) >= 0
