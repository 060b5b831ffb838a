from __future__ import annotations

from typing import Any

import pytest

from eventroute.filters import Filter
from eventroute.filters.reads import reads


def _function(event: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("spec", "fields", "nulls", "whole"),
    [
        ([], set(), set(), False),
        ({"exact": {"type": "t", "data.a": "1"}}, {"type", "data.a"}, set(), False),
        ("data.a + LENGTH(data.b) > -data.c AND NOT EXISTS data.d", {f"data.{x}" for x in "abcd"}, {"data.d"}, False),
        ("ANY(data.l[*].m[*] = data.x)", {"data.l", "data.x"}, set(), False),
        ("ANY(EXISTS data[*].x)", set(), set(), True),
        ([{"my": 1}, "subject IN ('a', data.s)"], {"subject", "data.s"}, set(), True),
        ({"not": {"any": ["a XOR b", "c IS NULL"]}}, {"a", "b", "c"}, set(), False),
    ],
)
def test_what_a_filter_reads(spec: Any, fields: set[str], nulls: set[str], whole: bool) -> None:
    read = reads(Filter.parse(spec, dialects={"my": lambda value, where: _function}).syntax)
    assert {str(field) for field in read.fields} == fields
    assert {str(field) for field in read.nulls} == nulls
    assert read.whole is whole
