"""Records shaped like San Francisco's city lots, by which AWS Event Ruler and quamina are measured, as an event's data.

The folder with `lots.py`, which makes records and rules, is named by EVENTROUTE_LOTS, or is `../shared/tools`; where it
is not, the workload is left out. The floor is a dictionary made by hand for just these rules, that knows which three
fields it reads: what decoding and looking up cost at the least.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from benchmarks.harness import Comparison, Contender, Measure, Unavailable, Workload
from benchmarks.workloads.match import each
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex

SIZES = (1, 100, 10_000, 100_000)
FOLDER = Path(os.environ.get("EVENTROUTE_LOTS", Path(__file__).parents[3] / "shared" / "tools"))
STEP = 10
RECORDS = 20_000
"""How many records are events: each tenth, since the records are sorted."""

FEW = 1_000
"""How many records and rules there are at most in the tiny form."""


def _lots() -> ModuleType:
    """The module, anew: it would go on with its random numbers where it stopped."""
    path = FOLDER / "lots.py"
    if not path.is_file():
        raise Unavailable(f"there is no {path}: name the folder of lots.py in EVENTROUTE_LOTS")
    spec = importlib.util.spec_from_file_location("lots", path)
    if spec is None or spec.loader is None:
        raise Unavailable(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _made(tiny: bool) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "lots.jsonl")
    made = _lots().lots(FEW) if tiny else _lots().lots()
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{record}\n" for record in made)
    return folder, path


@cache
def _records(tiny: bool) -> list[bytes]:
    attributes = {"specversion": "1.0", "source": "/lots", "type": "lot", "datacontenttype": "application/json"}
    with _made(tiny)[1].open(encoding="utf-8") as lines:
        chosen = islice(lines, 0, STEP * RECORDS, STEP)
        return [Event({**attributes, "id": str(at)}, json.loads(line)).to_json() for at, line in enumerate(chosen)]


@cache
def _most_rules(kind: str, tiny: bool) -> list[str]:
    rules: list[str] = _lots().rules(kind, FEW if tiny else SIZES[-1], _made(tiny)[1])
    return rules


def _rules(kind: str, size: int, tiny: bool) -> list[str]:
    return _most_rules(kind, tiny)[:size]  # fewer rules are the first of more


class _Properties(msgspec.Struct, gc=False):
    lot: str = msgspec.field(name="MAPBLKLOT")
    street: str = msgspec.field(name="STREET")
    side: str | None = msgspec.field(name="ODD_EVEN")


class _Data(msgspec.Struct, gc=False):
    properties: _Properties


class _Lot(msgspec.Struct, gc=False):
    data: _Data


_decode = msgspec.json.Decoder(_Lot).decode


def _exact_by_hand(rules: list[str]) -> Callable[[bytes], set[str]]:
    table = {rule: {rule} for rule in rules}

    def match(raw: bytes) -> set[str]:
        return set(table.get(_decode(raw).data.properties.lot, ()))

    return match


def _prefix_by_hand(rules: list[str]) -> Callable[[bytes], set[str]]:
    table = {rule: {rule} for rule in rules}
    lengths = sorted({len(rule) for rule in rules})

    def match(raw: bytes) -> set[str]:
        lot = _decode(raw).data.properties
        found: set[str] = set()
        if lot.side != "E":
            return found
        for length in lengths:
            found |= table.get(lot.street[:length], set())
        return found

    return match


BY_HAND = {"exact": _exact_by_hand, "prefix": _prefix_by_hand}


def _spec(kind: str, rule: str) -> Any:
    if kind == "exact":
        return {"exact": {"data.properties.MAPBLKLOT": rule}}
    return [{"prefix": {"data.properties.STREET": rule}}, {"exact": {"data.properties.ODD_EVEN": "E"}}]


@cache
def _by_hand(kind: str, size: int, tiny: bool) -> Callable[[bytes], set[str]]:
    return BY_HAND[kind](_rules(kind, size, tiny))


@cache
def _indexed(kind: str, size: int, tiny: bool) -> Callable[[bytes], set[str]]:
    index: FilterIndex[str] = FilterIndex()
    for rule in _rules(kind, size, tiny):
        index.add(rule, Filter.parse(_spec(kind, rule)))
    return index.match_json


def _matching(make: Callable[[str, int, bool], Callable[[bytes], set[str]]], kind: str, size: int) -> Measure:
    def measure(units: int) -> float:
        tiny = units < RECORDS
        return each(make(kind, size, tiny), _records(tiny))(units)

    return measure


def _comparison(kind: str, size: int) -> Comparison:
    return Comparison(
        f"{kind}, {size:,} rules",
        Contender("by hand", _matching(_by_hand, kind, size)),
        (Contender("FilterIndex", _matching(_indexed, kind, size)),),
        size=RECORDS,
        tiny=10,
    )


WORKLOAD = Workload(
    name="match-lots",
    doc="city lots: rules on one field, exact or by prefix, from JSON to keys",
    unit="event",
    comparisons=tuple(_comparison(kind, size) for kind in BY_HAND for size in SIZES),
)
