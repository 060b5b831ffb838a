from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.syntax import Text
from eventroute.filters.tables import Column
from eventroute.filters.walk import MAX_INLINE, Branch, compile_walk, walk
from eventroute.paths import MISSING, Field
from tests.filters.interpreter import PATHS, TEXTS, values

LONG = "data" + ".a" * (MAX_INLINE + 3)
fields = st.sampled_from(("type", "subject", *PATHS, LONG)).map(Field.parse)
predicates = st.builds(
    lambda dialect, field, literal: Filter.parse({dialect: {str(field): literal}}).syntax,
    st.sampled_from(("exact", "prefix", "suffix")),
    fields,
    st.sampled_from(TEXTS),
)


def tree(held: list[Text], more: list[Field], *, nulls: bool) -> Branch[Text]:
    top: Branch[Text] = Branch()
    columns: dict[Field, Column[Text]] = {field: Column() for field in [*(text.field for text in held), *more]}
    for text in held:
        columns[text.field].add(text, text)
    for field, column in columns.items():
        branch = top.below(field.attribute or "data")
        for step in field.segments:
            branch = branch.below(step)
        column.nulls = nulls
        branch.end(field, column)
    return top


@given(
    st.lists(predicates, max_size=8, unique=True),
    st.lists(fields, max_size=4),
    values().filter(lambda data: not isinstance(data, str)),
    st.sampled_from(TEXTS),
    st.booleans(),
)
def test_both_walks_find_the_fields_and_the_predicates_that_hold(
    held: list[Any], more: list[Field], data: Any, type: str, nulls: bool
) -> None:
    event: dict[str, Any] = {"type": type, "data": data, "other": 1}
    top = tree(held, more, nulls=nulls)
    row: dict[str, Any] = {}
    found: list[Text] = []
    walk(top.names, event, row, found)
    compiled_row: dict[str, Any] = {}
    compiled_found: list[Text] = []
    compile_walk(top.names)(event, compiled_row, compiled_found)
    assert set(compiled_found) == set(found)
    assert compiled_row == row
    whole = Event.create(type=type, source="/s", data=data)
    for text in held:
        assert (text in found) is Filter(text)(whole)
    seen = {str(field): field(whole) for field in [*(text.field for text in held), *more]}
    assert row == {key: value for key, value in seen.items() if value is not MISSING and (nulls or value is not None)}
