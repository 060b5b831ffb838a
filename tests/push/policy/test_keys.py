"""Keys: what of an event orders it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.push.policy.keys import key_reader


def raw(**more: Any) -> bytes:
    return Event.create(id="1", type="t", source="/s", **more).to_json()


@given(st.text(min_size=1), st.text(min_size=1))
def test_equal_texts_are_one_key_and_others_are_not(one: str, other: str) -> None:
    read = key_reader("data.k")
    keys = [read(raw(data={"k": text})) for text in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)
    assert all(key is not None and -(2**63) <= key < 2**63 for key in keys)


def test_a_key_is_the_same_everywhere_and_for_ever() -> None:
    """Rows of earlier releases, and those of other processes, have it."""
    assert key_reader("subject")(raw(subject="ann")) == -8_270_052_116_146_162_779


@pytest.mark.parametrize("value", [5, "5", 5.0], ids=repr)
def test_numbers_are_their_text(value: object) -> None:
    assert key_reader("data.k")(raw(data={"k": value})) == key_reader("data.k")(raw(data={"k": "5"}))


@pytest.mark.parametrize("data", [{}, {"k": None}, {"k": {}}, {"k": [1]}, "text", None])
def test_without_a_value_there_is_no_key(data: object) -> None:
    assert key_reader("data.k")(raw(data=data)) is None


def test_what_is_no_event_has_no_key() -> None:
    assert key_reader("subject")(b"nonsense") is None
    assert key_reader("data.k")(b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":') is None
