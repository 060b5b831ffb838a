from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.cli import tables
from eventroute.cli.tables import GAP, LEAST, PADDED, Size, cell, columns_of, cut, fitting, print_table


@given(st.text(st.characters(codec=None)))
def test_a_cell_is_one_line_that_no_terminal_obeys(text: str) -> None:
    assert cell(text).isprintable()
    if text.isprintable():
        assert cell(text) == text


def test_a_cell_says_what_it_hides() -> None:
    assert cell("a\x1b[2J\n\u202eb\t\x9b") == "a\\x1b[2J\\n\\u202eb\\t\\x9b"
    assert cell(None) == ""
    assert cell(datetime(2026, 1, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))) == "2026-01-01T01:03:04Z"


@given(st.text(), st.integers(1, 40))
def test_what_is_cut_has_its_width_and_says_so(text: str, width: int) -> None:
    text = cell(text)
    shown = cut(text, width)
    assert columns_of(shown) <= width
    assert len(shown) <= 2 * width + 1
    assert shown == text or shown.endswith("…")
    if len(text) <= width and text.isascii():
        assert shown == text


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert [columns_of(text) for text in ("abc", "寿司", "e\u0301", "é")] == [3, 4, 1, 1]
    assert cut("寿司寿司", 5) == "寿司…"
    assert len(cut("e" + "\u0301" * 1_000, 5)) <= 11


@given(
    st.lists(st.tuples(st.integers(1, 200), st.booleans()), min_size=1, max_size=8), st.none() | st.integers(20, 300)
)
def test_columns_fit_where_they_can(columns: list[tuple[int, bool]], width: int | None) -> None:
    widths, firm = [one for one, _ in columns], [stays for _, stays in columns]
    fitted = fitting(widths, firm, width)
    if width is None:
        assert fitted == [min(one, PADDED) for one in widths]
        return
    for before, after, stays in zip(widths, fitted, firm, strict=True):
        assert after == before if stays else min(before, LEAST) <= after <= before
    taken = sum(fitted) + len(GAP) * (len(fitted) - 1)
    narrowest = all(stays or after <= LEAST for after, stays in zip(fitted, firm, strict=True))
    assert taken <= width or narrowest
    if fitted != widths and not narrowest:
        assert taken == width  # nothing is given away


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0k"),
        (9_949, "9.9k"),
        (9_951, "10k"),
        (999_499, "999k"),
        (999_501, "1.0M"),
        (3_400_000, "3.4M"),
        (10**13, "10T"),
    ],
)
def test_a_size_is_short(count: int, shown: str) -> None:
    assert str(Size(count)) == shown


ROWS = [
    ("orders", 7, datetime(2026, 1, 1, tzinfo=UTC), "x" * 70),
    ("a\x1b[2Jb", 123, datetime(2026, 1, 2, tzinfo=UTC), ""),
]


def test_a_table_on_a_terminal_and_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for width, last in ((50, "xxxx…"), (None, "x" * 70)):
        monkeypatch.setattr(tables, "terminal_width", lambda width=width: width)
        print_table(("name", "count", "time", "error"), ROWS, empty="nothing")
        titles, first, second = capsys.readouterr().out.splitlines()
        assert first.startswith("orders ")
        assert "    7  2026-01-01T00:00:00Z  x" in first
        assert first.endswith(last)
        assert second == "a\\x1b[2Jb    123  2026-01-02T00:00:00Z"
        assert titles.index("time") == first.index("2026")
        assert width is None or max(map(len, (titles, first, second))) == width
    print_table(("name",), [], empty="nothing")
    assert capsys.readouterr().out == "nothing\n"
