"""The bounds that docs/security.md tells are those of the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "security.md"
BOUNDS = re.findall(
    r"^\| [^|]+ \| ([\d,]+)[^|]*\(`([\w.]+)\.(MAX_\w+)`\) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
)


def test_there_are_bounds() -> None:
    assert len(BOUNDS) > 10


@pytest.mark.parametrize(("number", "module", "name"), BOUNDS)
def test_a_bound_is_as_the_page_says(number: str, module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) == int(number.replace(",", ""))
