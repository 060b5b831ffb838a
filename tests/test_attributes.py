from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.attributes import check_attributes
from eventroute.errors import InvalidEvent
from eventroute.testing.strategies.events import attribute_sets, attribute_text

GOOD = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


class Text(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


@given(attribute_sets())
def test_valid_attributes_are_kept_as_they_are(attributes: dict[str, Any]) -> None:
    before = dict(attributes)
    assert check_attributes(attributes) == attributes == before


@given(attribute_sets(), st.text(max_size=6), st.one_of(st.text(max_size=6), st.floats(), st.integers(), st.none()))
def test_any_attribute_is_valid_or_named(attributes: dict[str, Any], name: str, value: object) -> None:
    try:
        checked = check_attributes({**attributes, name: value})
    except InvalidEvent as error:
        assert error.reason
        if re.fullmatch("[a-z0-9]+", name):
            assert error.where == name
        return
    assert check_attributes(checked) == checked
    assert checked.get(name) == value


@given(st.sampled_from(["id", "type", "subject"]), attribute_text.filter(bool))
def test_any_printable_text_will_do(name: str, text: str) -> None:
    assert check_attributes({**GOOD, name: text})[name] == text


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        (b"\xff\x00", "/wA="),
        (bytearray(b"a"), "YQ=="),
        (memoryview(b""), ""),
        (datetime(2018, 4, 5, 17, 31, tzinfo=UTC), "2018-04-05T17:31:00Z"),
        (Text.A, "a"),
        (Number.ONE, 1),
        (True, True),
        (-(2**31), -(2**31)),
        ("", ""),
    ],
)
def test_values_become_their_wire_type(given_value: object, kept: object) -> None:
    checked = check_attributes({**GOOD, "ext": given_value})["ext"]
    assert (type(checked), checked) == (type(kept), kept)


def test_time_may_be_a_datetime() -> None:
    checked = check_attributes({**GOOD, "time": datetime(2018, 4, 5, 17, 31, tzinfo=UTC)})
    assert checked["time"] == "2018-04-05T17:31:00Z"


def test_time_is_kept_as_it_was_received() -> None:
    assert check_attributes({**GOOD, "time": "2018-04-05t17:31:00.123456789z"})["time"].endswith("123456789z")  # type: ignore[union-attr]


def test_none_is_absent() -> None:
    assert check_attributes({**GOOD, "subject": None, "ext": None}) == GOOD


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_what_is_required(name: str) -> None:
    for attributes in ({**GOOD, name: None}, {key: value for key, value in GOOD.items() if key != name}):
        with pytest.raises(InvalidEvent, match="it is missing") as caught:
            check_attributes(attributes)
        assert caught.value.where == name


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("id", "", "empty"),
        ("id", 5, "must be a string, not int"),
        ("id", True, "must be a string, not bool"),
        ("id", b"1", "must be a string, not bytes"),
        ("id", datetime(2018, 4, 5, tzinfo=UTC), "must be a string, not datetime"),
        ("type", "", "empty"),
        ("subject", "", "empty"),
        ("specversion", "0.3", "send '1.0'"),
        ("specversion", 1.0, "must be a string"),
        ("source", "", "empty"),
        ("source", "a b", "percent-encode ' ' at position 1"),
        ("source", "/é", r"percent-encode '\\xe9' at position 1"),
        ("source", "/%zz", "percent-encode '%' at position 1"),
        ("source", "<a>", "percent-encode '<'"),
        ("dataschema", "", "empty"),
        ("dataschema", "/relative", "absolute"),
        ("dataschema", "1a:b", "absolute"),
        ("datacontenttype", "", "empty"),
        ("datacontenttype", "json", "media type"),
        ("datacontenttype", "a/b c", "media type"),
        ("time", "yesterday", "RFC 3339"),
        ("time", "2018-02-30T00:00:00Z", "day"),
        ("time", datetime(2018, 4, 5), "time zone"),  # noqa: DTZ001
        ("time", 1522949460, "must be a string"),
        ("ext", datetime(2018, 4, 5), "time zone"),  # noqa: DTZ001
        ("ext", 2**31, "32 bits"),
        ("ext", -(2**31) - 1, "32 bits"),
        ("ext", 1.5, "float"),
        ("ext", ["a"], "list"),
        ("ext", {"a": 1}, "dict"),
        ("ext", "a\nb", r"U\+000A at position 1"),
        ("ext", "\x7f", r"U\+007F at position 0"),
        ("ext", "\x85", r"U\+0085"),
        ("ext", "ab\ud800", r"U\+D800 at position 2"),
        ("ext", "\ufdd0", r"U\+FDD0"),
        ("ext", "\uffff", r"U\+FFFF"),
        ("ext", "\U0010fffe", r"U\+10FFFE"),
        ("id", "a\0", r"U\+0000"),
    ],
)
def test_what_is_refused(name: str, value: object, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason) as caught:
        check_attributes({**GOOD, name: value})
    assert caught.value.where == name


@pytest.mark.parametrize("name", ["", "A", "camelCase", "a-b", "a_b", "a b", "é", "a\n", "x" * 500 + "-"])
def test_names_are_lower_case_letters_and_digits(name: str) -> None:
    with pytest.raises(InvalidEvent, match="lower-case letters a-z and digits") as caught:
        check_attributes({**GOOD, name: None})
    assert len(caught.value.where) <= 80


def test_names_are_strings() -> None:
    with pytest.raises(InvalidEvent, match="lower-case"):
        check_attributes({**GOOD, 5: "x"})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["data", "data_base64"])
def test_the_payload_is_no_attribute(name: str) -> None:
    with pytest.raises(InvalidEvent, match="the payload") as caught:
        check_attributes({**GOOD, name: "x"})
    assert caught.value.where == name


@pytest.mark.parametrize("text", ["\u00ad", "\u200e", "\ue000", "a b", "🦀", "\u2028"])
def test_unusual_characters_that_are_allowed(text: str) -> None:
    assert check_attributes({**GOOD, "ext": text})["ext"] == text
