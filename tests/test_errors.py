from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventroute import errors

SAMPLES = [
    errors.EventrouteError("why"),
    errors.InvalidEvent("why", where="data"),
    errors.UnknownBus("b"),
    errors.UnknownSubscription("s"),
    errors.BusExists("b"),
    errors.Unauthorized("why", forbidden=True),
    errors.DamagedEvent("events.db", "b", 7, "it is missing"),
    errors.StorageFull("why", bus="b", subscription="s"),
    errors.Retry("busy", after=2.0),
    errors.Reject("malformed"),
]


def tree(kind: type[errors.EventrouteError]) -> Iterator[type[errors.EventrouteError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_a_copy_says_the_same(error: errors.EventrouteError) -> None:
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


def test_the_tree_is_drawn_whole() -> None:
    assert errors.__doc__ is not None
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.EventrouteError)
        assert name in errors.__doc__
    public = {kind.__name__ for kind in tree(errors.EventrouteError) if kind.__module__ == errors.__name__}
    assert public - {"_Located"} == set(errors.__all__)


def test_the_reference_tells_of_each_what_has_happened_and_what_to_do() -> None:
    page = (Path(__file__).parents[1] / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if "| `" in line[:3]]
    assert sorted(row[0].strip("`") for row in told) == sorted(errors.__all__)
    assert all(row[1] for row in told)
    assert all(row[2] for row in told if row[0] != "`Verdict`")
    for name, happened, _ in told:
        for attribute in re.findall(r"`(\w+)`(?=[^()]*\))", happened):
            kind = getattr(errors, name.strip("`"))
            parameters = {one for base in kind.__mro__ for one in inspect.signature(base.__init__).parameters}
            assert attribute in parameters | {"reason"}
