"""define: paths, constants, and what is refused."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidTransformer
from eventroute.jsontext import same_json
from eventroute.paths import Path
from eventroute.testing.strategies import json_values
from eventroute.transform import Limits
from eventroute.transform.define import Constant, parse_define


@given(json_values().filter(lambda value: not (isinstance(value, str) and value.startswith("$"))))
def test_any_json_value_is_a_constant(value: Any) -> None:
    constant = parse_define({"a": value}, Limits())["a"]
    assert isinstance(constant, Constant)
    assert same_json(constant.value, value)


@given(st.recursive(st.none() | st.floats() | st.binary() | st.text("$.[]'a\ud800"), st.lists))
def test_garbage_is_a_variable_or_refused(value: Any) -> None:
    try:
        variable = parse_define({"a": value}, Limits())["a"]
    except InvalidTransformer as error:
        assert error.where == "define.a"  # that it is not raised is right too
    else:
        assert isinstance(variable, Path | Constant)


@pytest.mark.parametrize("path", ["$", "$.type", "$['type']", "$.data.items[*].id"])
def test_text_that_starts_as_a_path_does_is_a_path(path: str) -> None:
    assert parse_define({"a": path}, Limits()) == {"a": Path.parse(path)}


@pytest.mark.parametrize("text", ["", "a", "$5", "$$", "${a}", "$data.x", " $.a"])
def test_other_text_is_a_constant(text: str) -> None:
    assert parse_define({"a": text}, Limits()) == {"a": Constant(b'"%b"' % text.encode())}


def test_what_the_caller_changes_later_changes_nothing() -> None:
    value = {"a": [1]}
    variables = parse_define({"x": value}, Limits())
    value["a"].append(2)
    constant = variables["x"]
    assert isinstance(constant, Constant)
    constant.value["a"].append(3)
    assert constant.value == {"a": [1]}


@pytest.mark.parametrize("name", ["", "1a", "-a", "a.b", "a b", "ä", "a" * 65, 5, None, "$.a"])
def test_a_bad_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidTransformer, match="the name of a variable has letters"):
        parse_define({name: 1}, Limits())


@pytest.mark.parametrize("path", ["$.", "$[", "$..", "$.a b", "$['a", "$.data[01]"])
def test_a_bad_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidTransformer) as caught:
        parse_define({"good": "$.a", "bad": path}, Limits())
    assert caught.value.where == "define.bad"
    assert "position" in str(caught.value)


def circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, b"a", {1}, object(), (1, 2), {1: 2}, "\ud800", circle(), datetime.date(2026, 1, 1)],
    ids=["nan", "inf", "bytes", "set", "object", "tuple", "key", "surrogate", "circle", "date"],
)
def test_what_is_no_json_value_is_refused(value: Any) -> None:
    with pytest.raises(InvalidTransformer) as caught:
        parse_define({"a": value}, Limits())
    assert caught.value.where == "define.a"


@pytest.mark.parametrize("spec", [None, [], "a", 1])
def test_define_is_an_object(spec: Any) -> None:
    with pytest.raises(InvalidTransformer, match=r"^define: it must be an object"):
        parse_define(spec, Limits())


def test_define_is_bounded() -> None:
    limits = Limits(variables=2, constants=10)
    assert len(parse_define({"a": "1234", "b": "12"}, limits)) == 2
    with pytest.raises(InvalidTransformer, match="more than variables=2"):
        parse_define({"a": 1, "b": 2, "c": 3}, limits)
    with pytest.raises(InvalidTransformer, match="11 bytes, more than constants=10"):
        parse_define({"a": "1234", "b": "123"}, limits)


@pytest.mark.parametrize("value", [0, -1, 1.5, "1", None])
def test_limits_are_checked_when_made(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        Limits(nesting=value)
