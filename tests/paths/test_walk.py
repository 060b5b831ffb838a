"""Selectors and segments: what they find, in which order, at what cost. Sections are those of RFC 9535."""

from __future__ import annotations

from typing import Any

import pytest

from eventroute.errors import TransformError
from eventroute.paths import Path
from eventroute.paths.work import MAX_WORK

TEN = list(range(10))


def read(text: str, document: Any) -> Any:
    return Path.parse(text).read(document)


@pytest.mark.parametrize(
    ("text", "document", "values"),
    [
        ("$[*]", {"a": 1, "b": [2]}, [1, [2]]),
        ("$[*]", [1, [2]], [1, [2]]),
        ("$.*", "ab", []),
        ("$.*", None, []),
        ("$[*, *]", [1, 2], [1, 2, 1, 2]),
        ("$.*[*]", {"a": [1, 2], "b": {"c": 3}, "d": 4}, [1, 2, 3]),
    ],
)
def test_wildcards(text: str, document: object, values: list[object]) -> None:
    """Section 2.3.2."""
    assert read(text, document) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("$[1:3]", [1, 2]),
        ("$[5:]", [5, 6, 7, 8, 9]),
        ("$[1:5:2]", [1, 3]),
        ("$[5:1:-2]", [5, 3]),
        ("$[::-1]", TEN[::-1]),
        ("$[-2:]", [8, 9]),
        ("$[:-8]", [0, 1]),
        ("$[-3:-1]", [7, 8]),
        ("$[8:100]", [8, 9]),
        ("$[-100:2]", [0, 1]),
        ("$[100:7:-1]", [9, 8]),
        ("$[1:-100:-1]", [1, 0]),
        ("$[3:3]", []),
        ("$[3:1]", []),
        ("$[::0]", []),
        ("$[::9007199254740991]", [0]),
        ("$[-9007199254740991:1]", [0]),
        ("$[:2, 0]", [0, 1, 0]),
    ],
)
def test_slices(text: str, values: list[int]) -> None:
    """Section 2.3.4."""
    assert read(text, TEN) == values
    assert read(text, {"0": 1}) == read(text, "0123456789") == []


@pytest.mark.parametrize(
    ("text", "document", "values"),
    [
        ("$['a', 'none', 'a']", {"a": 1}, [1, 1]),
        ("$[0, -1, 5]", [1, 2], [1, 2]),
        ("$[*][0, 1]", [[1, 2], [3, 4]], [1, 2, 3, 4]),
        ("$['a', 0]", [{"a": 1}], [{"a": 1}]),
    ],
)
def test_several_selectors(text: str, document: object, values: list[object]) -> None:
    """Section 2.5.1: for each node, what the first finds, then what the second finds."""
    assert read(text, document) == values


DOCUMENT = {"o": {"j": 1, "k": 2}, "a": [5, 3, [{"j": 4}, {"k": 6}]]}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("$..j", [1, 4]),
        ("$..[0]", [5, {"j": 4}]),
        ("$..*", [*DOCUMENT.values(), 1, 2, 5, 3, [{"j": 4}, {"k": 6}], {"j": 4}, {"k": 6}, 4, 6]),
        ("$..o", [{"j": 1, "k": 2}]),
        ("$.o..[*, *]", [1, 2, 1, 2]),
        ("$.a..[0, 1]", [5, 3, {"j": 4}, {"k": 6}]),
        ("$..[1:]", [3, [{"j": 4}, {"k": 6}], {"k": 6}]),
        ("$..[?@.k]", [{"j": 1, "k": 2}, {"k": 6}]),
        ("$.a[0]..*", []),
        ("$..a..j", [4]),
    ],
)
def test_descendants(text: str, values: list[object]) -> None:
    """Section 2.5.2: a node before what is below it, an element before the next."""
    assert read(text, DOCUMENT) == values


def test_nodes_that_are_found_twice_are_there_twice() -> None:
    """Section 2.5.2.2: a list of nodes is no set."""
    assert read("$..*..a", [{"a": 1}, [{"a": 2}]]) == [1, 2, 2]


def test_documents_may_nest_deeper_than_the_stack() -> None:
    document: Any = [1]
    for _ in range(100_000):
        document = [document]
    assert read("$..[?@ == 1]", document) == [1]
    assert len(read("$..*", document)) == 100_001
    while document != 1:  # taken apart, since freeing it is deep too
        document = document.pop()


WIDE = [0] * 1000


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("$[*,*][*][*]", [[WIDE] * 1000]),
        ("$[*,*,*,*][*,*,*,*][*,*,*,*][*,*,*,*]", [[[WIDE] * 10] * 10] * 10),
        ("$[*][*][0:1000]", [[WIDE] * 1001]),
        ("$[*][*][?@ == 1]", [[WIDE] * 1001]),
        ("$[*][?@ == 1 || @ == 2]", [WIDE] * 501),
        ("$[*][*]..[0]", [[WIDE] * 1001]),
        ("$[*]" + "[0,0]" * 11, [[[[[[[[[[[[1]]]]]]]]]]]] * 1000),
        ("$[?count(@..*) == count($..*)]", [[WIDE] * 500] * 2),
        ("$[?@ == $[0]]", [list(range(1000)) for _ in range(1001)]),
        ("$[?@[?@[?@ == $[0][0]]]]", [[WIDE] * 1001]),
    ],
)
def test_the_work_is_bounded(text: str, document: object) -> None:
    with pytest.raises(TransformError, match=f"visits more than {MAX_WORK} values"):
        read(text, document)


def test_what_is_absolute_in_a_filter_is_found_once() -> None:
    """Else each of these would visit ten million values."""
    document = {"all": list(range(10_000)), "text": "ab"}
    assert read("$.all[?$..*]", document) == document["all"]
    assert read("$.all[?count($..*) == 10002]", document) == document["all"]
    assert read("$.all[?$.all == $.all && @ < 2]", document) == [0, 1]
    assert read("$.all[?value($..text) == 'ab' && @ == 1]", document) == [1]
