from __future__ import annotations

import copy
import json
import pickle
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.jsontext import (
    MAX_DEPTH,
    MAX_DIGITS,
    SourceNumber,
    check_json,
    decode_json,
    decode_values,
    encode_json,
    same_json,
    split_array,
    split_object,
    split_value,
)
from eventroute.testing.strategies import json_values

number_texts = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


def nested(depth: int, inner: str = "") -> bytes:
    """Arrays and objects in turn, `depth` levels of them."""
    text = inner
    for level in range(depth):
        text = f'{{"a":{text or 0}}}' if level % 2 else f"[{text}]"
    return text.encode()


@given(json_values())
def test_values_survive(value: Any) -> None:
    again = decode_json(encode_json(value))
    assert again == value
    assert same_json(again, value)


@given(json_values())
def test_the_standard_library_reads_the_same(value: Any) -> None:
    assert json.loads(encode_json(value)) == value
    assert same_json(decode_json(json.dumps(value).encode()), value)


@given(number_texts)
def test_numbers_are_exact(text: str) -> None:
    value = decode_json(text.encode())
    assert Decimal(text) == (Decimal(repr(value)) if isinstance(value, float) else Decimal(value))
    written = encode_json(value).decode()
    assert Decimal(written) == Decimal(text)
    if isinstance(value, SourceNumber):
        assert written == text


@pytest.mark.parametrize(
    ("text", "value", "written"),
    [
        ("1.10", 1.1, "1.1"),
        ("1e5", 100000.0, "100000.0"),
        ("0.1", 0.1, "0.1"),
        ("9007199254740993", 9007199254740993, "9007199254740993"),
        ("123456789012345678901234567890", 123456789012345678901234567890, "123456789012345678901234567890"),
        ("0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827"), None),
        ("1.1000000000000000000000000000010", Decimal("1.100000000000000000000000000001"), None),
        ("1e400", Decimal("1e400"), None),
        ("-1E-400", Decimal("-1e-400"), None),
        ("1e9999999999999999999999", Decimal("Infinity"), None),
        ("1e-9999999999999999999999", Decimal(0), None),
    ],
)
def test_what_binary64_cannot_hold_keeps_its_text(text: str, value: object, written: str | None) -> None:
    decoded = decode_json(text.encode())
    assert decoded == value
    assert encode_json([decoded]) == f"[{written or text}]".encode()


def test_a_source_number_can_be_copied() -> None:
    number = SourceNumber("1e400")
    for again in (copy.copy(number), copy.deepcopy(number), pickle.loads(pickle.dumps(number))):
        assert (again, str(again), again.text) == (number, "1e400", "1e400")


def test_the_longest_numbers() -> None:
    digits = "7" * MAX_DIGITS
    for text in (digits, f"{digits}.{digits}", f"0.{digits}"):
        check_json(text.encode())
        assert encode_json(decode_json(text.encode())) == text.encode()
    check_json(f'"{digits}7"'.encode())
    for text in (digits + "7", "7" * 3 * MAX_DIGITS + ".12345"):
        with pytest.raises(ValueError, match=r"number|Integer"):
            check_json(text.encode())


@given(st.binary() | st.text().map(str.encode) | json_values().map(encode_json))
def test_what_was_checked_can_be_decoded(text: bytes) -> None:
    """`split_value` leaves things undecoded; with `check_json` it promises that they can be decoded."""
    try:
        value = split_value(text)
        check_json(text)
    except ValueError:
        with pytest.raises(ValueError, match=r".+"):
            decode_json(text)
        return
    assert same_json(decode_json(value), json.loads(text))


@pytest.mark.parametrize("depth", [1, 2, MAX_DEPTH - 1, MAX_DEPTH])
def test_nesting_up_to_the_bound(depth: int) -> None:
    check_json(nested(depth))
    assert encode_json(decode_json(nested(depth))) == nested(depth)


@given(
    st.integers(1, 12) | st.integers(MAX_DEPTH - 2, MAX_DEPTH + 2),
    st.lists(st.text(alphabet='"\\[]{}\n\u00e9'), max_size=4),
    st.lists(st.integers(0, 12), max_size=4),
    st.booleans(),
)
def test_only_how_deep_it_nests_counts(depth: int, texts: list[str], others: list[int], ascii_only: bool) -> None:
    """Not how much stands beside it, nor brackets, quotes and backslashes in strings."""
    beside = ",".join([*map(json.dumps, texts), *(nested(level).decode() for level in others), *["[]"] * 2 * MAX_DEPTH])
    names = json.dumps({text: [1] for text in texts}, ensure_ascii=ascii_only)
    text = f"[{beside},{names},{nested(depth - 1, names).decode()}]".encode()
    if depth + (2 if texts else 1) > MAX_DEPTH:
        with pytest.raises(ValueError, match="deeper"):
            check_json(text)
    else:
        check_json(text)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1000, 100_000])
def test_nesting_beyond_the_bound_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="nest deeper than 128"):
        check_json(nested(depth))
    with pytest.raises(ValueError, match="nest deeper than 128"):
        decode_json(nested(100_000))


def test_brackets_in_strings_do_not_count() -> None:
    check_json(json.dumps(["[" * 1000, '\\"{' * 1000]).encode())
    hidden = b'["]",' * (MAX_DEPTH + 1) + b"1" + b"]" * (MAX_DEPTH + 1)
    assert decode_json(hidden)
    with pytest.raises(ValueError, match="deeper"):
        check_json(hidden)


def test_many_flat_arrays_do_not_count() -> None:
    check_json(b"[" + b",".join([b'[{"a":[]}]'] * 1000) + b"]")


def test_a_circle_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="circle"):
        encode_json(circle)


def test_a_value_that_nests_too_deep_is_refused() -> None:
    value: Any = 0
    for _ in range(MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(ValueError, match="deeper"):
        encode_json(value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Decimal("-Infinity"), Decimal("sNaN")])
def test_what_is_no_number_is_refused(number: object) -> None:
    for value in (number, [None, {"a": (1, number)}]):
        with pytest.raises(ValueError, match="not a JSON number"):
            encode_json(value)


def test_null_and_huge_numbers_stay() -> None:
    value = [None, "NaN", "Infinity", Decimal("1E+999"), SourceNumber("1e99999999999999999999"), 1.5]
    assert encode_json(value) == b'[null,"NaN","Infinity",1E+999,1e99999999999999999999,1.5]'


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "object is not a JSON value"),
        ({"a": {1, 2, object()}}, "object is not a JSON value"),
        ("\ud800", "not Unicode"),
        ({"\udfff": 1}, "not Unicode"),
        ({(1, 2): 3}, r".+"),
        ([10**MAX_DIGITS], "digits"),
    ],
)
def test_what_json_cannot_say_is_refused(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        encode_json(value)


@pytest.mark.parametrize(
    "text",
    [b"", b"nul", b"NaN", b"1 2", b"[1,]", b"{'a':1}", b'"\\ud800"', b'"\xff"', b"\xef\xbb\xbf1", b"01", b"+1", b"1."],
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_json(text)


def test_bad_utf_8_is_found_where_nothing_is_decoded() -> None:
    text = b'{"a":"\xff"}'
    assert split_object(text).keys() == {"a"}
    with pytest.raises(ValueError, match=r"not UTF-8: .* at byte 6"):
        check_json(text)


def test_splitting_decodes_one_level() -> None:
    members = split_object(b'{"a": [1, 2], "b":{"c":1.5},"a":3}')
    assert {name: bytes(value) for name, value in members.items()} == {"a": b"3", "b": b'{"c":1.5}'}
    assert decode_values(list(members.values())) == [3, {"c": 1.5}]
    assert [bytes(item) for item in split_array(b'[1 , {"a":2}]')] == [b"1", b'{"a":2}']
    with pytest.raises(ValueError, match=r"Expected `object`"):
        split_object(b"[]")
    with pytest.raises(ValueError, match=r"Expected `array`"):
        split_array(b"{}")
    with pytest.raises(ValueError, match=r"number|Integer"):
        decode_values([msgspec.Raw(b"1" * (MAX_DIGITS + 1))])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (10**20, 1e20),
        ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1}),
        (Decimal("0.5"), 0.5),
        (SourceNumber("1e400"), SourceNumber("10e399")),
        (None, None),
    ],
)
def test_values_that_mean_the_same(one: object, other: object) -> None:
    assert same_json(one, other)
    assert same_json(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (0, False),
        (True, 1.0),
        ([1], [True]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ("1", 1),
        (None, False),
        ([], {}),
        ("", []),
    ],
)
def test_values_that_differ(one: object, other: object) -> None:
    assert not same_json(one, other)
    assert not same_json(other, one)
