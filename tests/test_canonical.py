from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.canonical import canonical_text
from eventroute.jsontext import SourceNumber, decode_json


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_reads_back_as_itself(value: float) -> None:
    text = canonical_text(value)
    assert text is not None
    assert float(text) == value
    if abs(value) < 1e16:
        assert "e" not in text


@given(st.integers())
def test_integers_are_exact(value: int) -> None:
    assert canonical_text(value) == str(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_a_decimal_reads_back_as_itself(value: Decimal) -> None:
    text = canonical_text(value)
    assert text is not None
    assert Decimal(text) == value


@given(st.integers(-(10**15), 10**15))
def test_one_number_has_one_text_whatever_its_type(value: int) -> None:
    assert canonical_text(float(value)) == canonical_text(value) == canonical_text(Decimal(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("Übung", "Übung"),
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (5.0, "5"),
        (-0.0, "0"),
        (12345678.5, "12345678.5"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (9999999999999998.0, "9999999999999998"),
        (1e16, "1e+16"),
        (1.5e300, "1.5e+300"),
        (10**30, "1" + "0" * 30),
        (Decimal("1.10"), "1.1"),
        (Decimal("1E+2"), "100"),
        (Decimal("100.0"), "100"),
        (Decimal("1E+20"), "1E+20"),
        (SourceNumber("0.10000000000000000000000000000010"), "0.10000000000000000000000000000010"),
        (SourceNumber("1.2345678901234567890123e5"), "123456.78901234567890123"),
        (SourceNumber("1e400"), "1e400"),
        (SourceNumber("1e-999999999"), "1e-999999999"),
        (SourceNumber("1e99999999999999999999"), "1e99999999999999999999"),
    ],
)
def test_texts(value: object, text: str) -> None:
    assert canonical_text(value) == text


@pytest.mark.parametrize(
    "value", [None, [], {}, [1], b"bytes", float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")]
)
def test_what_is_no_scalar_has_none(value: object) -> None:
    assert canonical_text(value) is None


def test_no_number_that_json_can_say_grows_beyond_bounds() -> None:
    for text in (b"1e999999999", b"-1e-999999999", b"5e-324", b"1e308"):
        assert len(canonical_text(decode_json(text)) or "") < 400
