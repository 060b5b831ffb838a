"""The compliance suite of RFC 9535, where it is there: name its cts.json in EVENTROUTE_JSONPATH_CTS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.jsonpath_compliance import LIBRARIES, load, main, measure

SUITE = Path(
    os.environ.get("EVENTROUTE_JSONPATH_CTS")
    or Path(__file__).parents[3] / "shared" / "conformance" / "jsonpath" / "cts.json"
)


@pytest.mark.skipif(not SUITE.is_file(), reason="no compliance suite: set EVENTROUTE_JSONPATH_CTS to its cts.json")
def test_all_of_the_suite_is_right() -> None:
    cases = load(SUITE)
    score = measure(cases, LIBRARIES["eventroute"]())
    assert score.wrong == ()
    assert score.valid_right + score.invalid_refused == len(cases) >= 703


CASES = """{"tests": [
  {"name": "one", "selector": "$.a", "document": {"a": 12345678901234567890123}, "result": [12345678901234567890123]},
  {"name": "two", "selector": "$.*", "document": {"a": 1, "b": 2}, "results": [[1, 2], [2, 1]]},
  {"name": "three", "selector": "$.b", "document": {}, "result": []},
  {"name": "four", "selector": "$[?@]", "document": [0], "result": [%s]},
  {"name": "five", "selector": "$%s", "invalid_selector": true}
]}"""


@pytest.mark.parametrize(
    ("result", "invalid", "code", "shown"),
    [
        ("0", "a", 0, "eventroute                    4 of 4              1 of 1"),
        ("1", "a", 1, "eventroute: four: '$[?@]' gives [0]"),
        ("0", ".a", 1, "eventroute: five: '$.a' is accepted"),
    ],
)
def test_what_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], result: str, invalid: str, code: int, shown: str
) -> None:
    file = tmp_path / "cts.json"
    file.write_text(CASES % (result, invalid), encoding="utf-8")
    assert main([str(file), "--all"]) == code
    assert shown in capsys.readouterr().out
