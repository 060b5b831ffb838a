"""The functions (RFC 9535, section 2.4). Their types are checked in test_parser."""

from __future__ import annotations

from typing import Any

import pytest

from eventroute.errors import InvalidPath, TransformError
from eventroute.paths import Path, iregexp
from eventroute.paths.functions import FUNCTIONS


def kept(condition: str, values: list[Any]) -> Any:
    return Path.parse(f"$[?{condition}]").read(values)


def test_there_are_those_of_the_rfc() -> None:
    assert list(FUNCTIONS) == ["count", "length", "match", "search", "value"]


@pytest.mark.parametrize(
    ("value", "length"), [("", 0), ("é", 1), ("😀😀", 2), ([], 0), ([1, [2, 3]], 2), ({}, 0), ({"a": 1, "b": 2}, 2)]
)
def test_length(value: object, length: int) -> None:
    """Section 2.4.4: characters, elements or members."""
    assert kept(f"length(@) == {length}", [value]) == [value]
    assert kept(f"length(@) > {length}", [value]) == []


@pytest.mark.parametrize("value", [1, 1.5, True, None])
def test_other_values_have_no_length(value: object) -> None:
    assert kept("length(@) >= 0", [value]) == []
    assert kept("length(@) == length(@.none)", [value]) == [value]


def test_the_length_of_a_literal_and_of_a_result() -> None:
    assert kept("length('abc') == 3", [0]) == [0]
    assert kept("length(value(@..a)) == 2", [{"a": "xy"}, {"a": "x"}]) == [{"a": "xy"}]


@pytest.mark.parametrize(
    ("query", "count"), [("@", 1), ("@.a", 1), ("@.none", 0), ("@.*", 2), ("@..*", 5), ("@['a','a']", 2), ("$[*]", 1)]
)
def test_count(query: str, count: int) -> None:
    """Section 2.4.5: nodes, each as often as it is found."""
    value = {"a": [1, 2], "b": [3]}
    assert kept(f"count({query}) == {count}", [value]) == [value]


def test_value() -> None:
    """Section 2.4.8: of one node alone."""
    assert kept("value(@..a) == 1", [{"a": 1}, {"b": {"a": 1}}, {"a": 1, "b": {"a": 1}}, {}]) == [
        {"a": 1},
        {"b": {"a": 1}},
    ]
    assert kept("value(@.*) == @.none", [[1, 1], [], [1]]) == [[1, 1], []]


@pytest.mark.parametrize(
    ("condition", "values", "wanted"),
    [
        ("match(@, 'a.')", ["ab", "abc", "xab", "a\n", "a😀"], ["ab", "a😀"]),
        ("search(@, 'a.')", ["ab", "abc", "xab", "a\n", "b"], ["ab", "abc", "xab"]),
        ("!match(@, 'a')", ["a", "b", 1, None, ["a"]], ["b", 1, None, ["a"]]),
        ("match(@.a, @.b)", [{"a": "x", "b": "[x]"}, {"a": "x", "b": "y"}, {"a": "x"}, {"b": "x"}], [0]),
        ("match(@.a, @.b)", [{"a": "x", "b": "["}, {"a": "x", "b": 1}, {"a": 1, "b": "1"}, {"a": "x", "b": "x"}], [3]),
        ("match('a', @)", ["a", "b", "["], ["a"]),
        ("match(@, 1)", ["1", 1], []),
        ("match(@, $[0])", ["a|b", "a", "b", "a|b"], ["a", "b"]),
        ("search(@, '')", ["", "a", 1], ["", "a"]),
        ("match(@, 'a')", ["a", "\ud800"], ["a"]),
        ("search(@, 'a')", ["a", "a\ud800"], ["a"]),
        ("match('a', @)", ["a", "\ud800"], ["a"]),
    ],
)
def test_match_and_search(condition: str, values: list[Any], wanted: list[Any]) -> None:
    """Sections 2.4.6 and 2.4.7: texts alone, and a pattern of the document that is none matches nothing."""
    if isinstance(values[0], dict):
        wanted = [values[place] for place in wanted]
    assert kept(condition, values) == wanted


def test_a_pattern_in_the_path_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidPath, match=r"would never match: .*I-Regexp at position 0: write \[0-9\]") as caught:
        Path.parse(r"$[?match(@.a, '\\d+')]")
    assert caught.value.where == r"'\\d+'"


def test_regular_expressions_that_would_take_long_are_counted() -> None:
    with pytest.raises(TransformError, match="visits more than"):
        kept("search(@, '[ab]*a[ab]{500}c')", ["ab" * 100_000] * 20)
    with pytest.raises(TransformError, match="visits more than"):
        kept("match('x', @)", [f"a{number}" for number in range(100)])
    assert kept("match('x', @)", ["a"] * 10_000 + ["x"]) == ["x"]


def test_without_re2_the_other_functions_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    iregexp.load_engine.cache_clear()
    monkeypatch.setattr(iregexp, "import_module", absent)
    assert kept("length(@) == 1", ["a"]) == ["a"]
    for function in ("match", "search"):
        with pytest.raises(InvalidPath, match=r"pip install 'eventroute\[re2\]'"):
            Path.parse(f"$[?{function}(@, @)]")
    iregexp.load_engine.cache_clear()
