from __future__ import annotations

from typing import Any

import pytest
from hypothesis import find, given, settings

from eventroute.errors import InvalidFilter, InvalidPath
from eventroute.filters import Filter
from eventroute.testing.strategies import (
    DIALECTS,
    Vocabulary,
    event_patterns,
    events,
    expressions,
    filter_specs,
    filters,
    sql_expressions,
)

steady = settings(derandomize=True, database=None, max_examples=1000)


@given(filters())
def test_filters_are_valid_and_print_as_what_they_are(rule: Filter) -> None:
    assert Filter.parse(rule.to_dict()) == rule


def dialects(spec: Any) -> set[str]:
    """All names of dialects in a specification."""
    [(name, value)] = spec.items()
    inner = [value] if name == "not" else value if name in ("all", "any") else []
    return {name}.union(*map(dialects, inner))


@pytest.mark.parametrize("name", DIALECTS)
def test_each_dialect_is_drawn(name: str) -> None:
    assert name in dialects(find(filter_specs(), lambda spec: name in dialects(spec), settings=steady))


@given(filter_specs(("sql", "not")))
def test_only_what_was_asked_for_is_drawn(spec: dict[str, Any]) -> None:
    assert dialects(spec) <= {"sql", "not"}


@given(filters(vocabulary=Vocabulary(fields=("data", "data.l[0]"))))
def test_no_dialect_is_drawn_that_has_nothing_to_read(rule: Filter) -> None:
    assert not {"sql", "pattern"} & dialects(rule.to_dict())


@given(filters(("exact", "all"), Vocabulary(fields=("kind",))))
def test_one_field_is_enough(rule: Filter) -> None:
    assert '"kind"' in str(rule)


@given(filter_specs(["expr"]))
def test_one_dialect_alone(spec: dict[str, Any]) -> None:
    assert list(spec) == ["expr"]


OWN = Vocabulary(
    fields=("data.order.region", "kind"),
    arrays=("data.order.lines",),
    elements=(".sku",),
    inner=(".tags",),
    texts=("eu", "back\\slash", "end\\", "both'\\"),
    numbers=("7", "-2", "1.5", "99999999999"),
    patterns=("e%", "\\", "\\%"),
)
WORDS = ("order", "region", "kind", "sku", "tags", "lines")


@given(filters(vocabulary=OWN))
def test_words_of_ones_own(rule: Filter) -> None:
    assert "data.a" not in str(rule)
    assert "subject" not in str(rule)


def test_what_can_be_said_in_sql() -> None:
    assert OWN.attributes == ("kind",)
    assert OWN.integers == (7, -2)
    assert eval(repr(OWN)) == OWN
    assert repr(Vocabulary()) == "Vocabulary()"


@pytest.mark.parametrize(
    ("strategy", "simplest"),
    [
        (filters(), '{"exact":{"type":"a"}}'),
        (filters(["not", "suffix"]), '{"suffix":{"type":"a"}}'),
        (filters(vocabulary=OWN), '{"exact":{"data.order.region":"eu"}}'),
    ],
)
def test_the_simplest_filter(strategy: Any, simplest: str) -> None:
    assert str(find(strategy, lambda rule: True, settings=steady)) == simplest


def test_the_simplest_expressions() -> None:
    for strategy in (expressions(), sql_expressions()):
        assert find(strategy, lambda text: True, settings=steady).startswith("exists ")
        assert find(strategy, lambda text: "=" in text, settings=steady).startswith("type = ")
    assert find(expressions(), lambda text: "ANY" in text, settings=steady).startswith("ANY(exists data.")


@given(event_patterns(), event_patterns(OWN))
def test_patterns_are_valid_and_print_as_what_they_are(usual: dict[str, Any], own: dict[str, Any]) -> None:
    for pattern in (usual, own):
        rule = Filter.parse({"pattern": pattern})
        assert Filter.parse(rule.to_dict()) == rule


def test_the_simplest_pattern() -> None:
    simplest = find(event_patterns(), lambda pattern: True, settings=steady)
    assert simplest == {"type": ["a"]}
    assert find(event_patterns(), lambda pattern: "data" in pattern, settings=steady) == {"data": {"a": ["a"]}}
    choices = find(event_patterns(), lambda pattern: "$or" in pattern, settings=steady)
    assert choices == {"$or": [{"type": ["a"]}, {"source": ["a"]}]}
    with pytest.raises(ValueError, match="attributes and names in data"):
        find(event_patterns(Vocabulary(fields=("data", "data.l[0]"))), lambda pattern: True, settings=steady)


@pytest.mark.parametrize("names", [(), ("all",), ("exact", "nonsense"), ("not", "any")])
def test_what_cannot_be_drawn(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidFilter, match="expected some of exact, prefix"):
        find(filters(names), lambda rule: True, settings=steady)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"fields": ()}, ValueError),
        ({"texts": ("a", 5)}, TypeError),
        ({"patterns": ["a"]}, TypeError),
        ({"fields": ("data[",)}, InvalidPath),
        ({"arrays": ("Type",)}, InvalidPath),
    ],
)
def test_words_are_checked(words: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Vocabulary(**words)


@pytest.mark.parametrize(
    "strategy", [filters(), filter_specs(), expressions(), sql_expressions(), event_patterns(), events()]
)
def test_a_strategy_has_a_short_name(strategy: Any) -> None:
    assert len(repr(strategy)) < 100
