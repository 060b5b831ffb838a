"""`python -m benchmarks.jsonpath_compliance cts.json` measures JSONPath against the compliance suite of RFC 9535.

The suite is public (github.com/jsonpath-standard/jsonpath-compliance-test-suite) and not part of this repository. Each
library that is installed is asked for each selector of it: a valid one must give one of the results that the suite
allows, an invalid one must be refused. What is wrong is listed, for eventroute always, for others with `--all`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as File
from typing import Any

from attrs import frozen

from eventroute.jsontext import decode_json, encode_json, same_json
from eventroute.paths import MISSING, Path

Compile = Callable[[str], Callable[[Any], list[Any]]]
"""From a selector to a function that gives the values found in a document, in order. Raises for what is invalid."""


@frozen
class Score:
    """What a library did: how many it was right about, of how many, and what it got wrong."""

    valid: int
    valid_right: int
    invalid: int
    invalid_refused: int
    wrong: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. The exit code is 1 where eventroute is wrong about anything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jsonpath_compliance", description=__doc__)
    parser.add_argument("suite", type=File, metavar="FILE", help="cts.json of the suite")
    parser.add_argument("--all", action="store_true", help="list what the others get wrong too")
    options = parser.parse_args(arguments)
    cases = load(options.suite)
    print(f"{'library':20}{'valid, right':>16}{'invalid, refused':>20}")
    scores: dict[str, Score] = {}
    for name, parse in LIBRARIES.items():
        if importlib.util.find_spec(name) is None:
            print(f"skipped {name}: it is not installed", file=sys.stderr)
            continue
        score = scores[name] = measure(cases, parse())
        right = f"{score.valid_right} of {score.valid}"
        print(f"{name:20}{right:>16}{f'{score.invalid_refused} of {score.invalid}':>20}")
    for name, score in scores.items():
        for line in score.wrong if options.all or name == "eventroute" else ():
            print(f"{name}: {line}")
    return 1 if scores["eventroute"].wrong else 0


def load(file: File) -> list[dict[str, Any]]:
    """The cases of the suite."""
    cases: list[dict[str, Any]] = decode_json(file.read_bytes())["tests"]
    return cases


def measure(cases: Sequence[Mapping[str, Any]], parse: Compile) -> Score:
    """How many cases a library is right about."""
    wrong: list[str] = []
    counts = {True: [0, 0], False: [0, 0]}
    for case in cases:
        invalid = bool(case.get("invalid_selector"))
        fault = _fault(case, parse)
        counts[invalid][0] += 1
        counts[invalid][1] += fault is None
        if fault is not None:
            wrong.append(f"{case['name']}: {case['selector']!a} {fault}")
    return Score(counts[False][0], counts[False][1], counts[True][0], counts[True][1], tuple(wrong))


def _fault(case: Mapping[str, Any], parse: Compile) -> str | None:
    try:
        find = parse(case["selector"])
        if case.get("invalid_selector"):
            return "is accepted"
        found = find(case["document"])
    except Exception as error:  # noqa: BLE001  # each library has its own, and some fail by accident
        return None if case.get("invalid_selector") else f"is refused: {type(error).__name__}"
    allowed = case.get("results", [case.get("result")])
    return None if any(same_json(found, result) for result in allowed) else f"gives {_shown(found)}"


def _shown(values: list[Any]) -> str:
    try:
        return encode_json(values).decode()
    except ValueError:
        return ascii(values)


def _eventroute() -> Compile:
    def parse(text: str) -> Callable[[Any], list[Any]]:
        path = Path.parse(text)
        if not path.singular:
            return path.read
        return lambda document: [] if (value := path.read(document)) is MISSING else [value]

    return parse


def _jsonpath_rfc9535() -> Compile:
    lib: Any = importlib.import_module("jsonpath_rfc9535")

    def parse(text: str) -> Callable[[Any], list[Any]]:
        query = lib.compile(text)
        return lambda document: list(query.find(document).values())

    return parse


def _jsonpath_ng() -> Compile:
    lib: Any = importlib.import_module("jsonpath_ng.ext")

    def parse(text: str) -> Callable[[Any], list[Any]]:
        query = lib.parse(text)
        return lambda document: [match.value for match in query.find(document)]

    return parse


LIBRARIES: Mapping[str, Callable[[], Compile]] = {
    "eventroute": _eventroute,
    "jsonpath_rfc9535": _jsonpath_rfc9535,
    "jsonpath_ng": _jsonpath_ng,
}


if __name__ == "__main__":
    sys.exit(main())
