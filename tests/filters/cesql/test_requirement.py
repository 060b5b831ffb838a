from __future__ import annotations

import pytest
from hypothesis import given

from eventroute.event import Event
from eventroute.filters.cesql import Expression, evaluate
from eventroute.filters.cesql.requirement import requirement
from eventroute.filters.compiler import for_event
from eventroute.filters.printing import json_text
from eventroute.testing.strategies.sql import Spec, written
from tests.filters.cesql.interpreter import events, predicates, specs


@given(specs() | predicates(), events())
def test_what_is_required_holds_wherever_the_expression_matches(spec: Spec, event: Event) -> None:
    required = requirement(Expression.parse(written(spec)))
    if required is not None and evaluate(written(spec), event).matches:
        assert for_event(required)(event)


EXISTS = '{"expr":"EXISTS ext"}'


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("type = 'a'", '{"exact":{"type":"a"}}'),
        ("'a' = type", '{"any":[{"exact":{"type":"a"}}]}'),
        ("5 = ext", '{"any":[{"exact":{"ext":"5"}},{"exact":{"ext":"true"}}]}'),
        ("'05' = ext", '{"any":[{"exact":{"ext":"05"}},{"exact":{"ext":"5"}}]}'),
        ("type LIKE 'a%'", '{"prefix":{"type":"a"}}'),
        ("type LIKE 'a\\%b_%_c'", '{"all":[{"prefix":{"type":"a%b"}},{"suffix":{"type":"c"}}]}'),
        ("type LIKE 'a'", '{"exact":{"type":"a"}}'),
        ("ext LIKE ''", '{"exact":{"ext":""}}'),
        ("type IN ('a', 1)", '{"any":[{"exact":{"type":"a"}},{"exact":{"type":"1"}}]}'),
        ("ext IN ('TRUE')", '{"any":[{"exact":{"ext":"TRUE"}},{"exact":{"ext":"true"}}]}'),
        ("LENGTH(type) > 5 AND source = 'b' AND type = 'a'", '{"exact":{"source":"b","type":"a"}}'),
        ("type = 'a' OR source = 'b'", '{"any":[{"exact":{"type":"a"}},{"exact":{"source":"b"}}]}'),
        ("type = 'a' XOR source = 'b'", '{"any":[{"exact":{"type":"a"}},{"exact":{"source":"b"}}]}'),
        ("type = 'a' OR TRUE AND source = 'b'", '{"exact":{"source":"b"}}'),
        ("EXISTS ext", EXISTS),
        ("ext = 5", EXISTS),
        ("ext = TRUE", EXISTS),
        ("ext", EXISTS),
        ("NOT (ext = 'a')", EXISTS),
        ("ext != 'a'", EXISTS),
        ("ext LIKE '%a%'", EXISTS),
        ("ext NOT LIKE 'a'", EXISTS),
        ("type IN ('a', ext)", EXISTS),
        ("(ext = 'a' AND subject = 'b') = TRUE", EXISTS),
        ("ext > 5 OR type != 'a'", EXISTS),
        (" OR type = 'c' AND ".join(["ext = 'a'"] * 200), EXISTS),
    ],
)
def test_an_index_has_something_to_look_up(text: str, required: str) -> None:
    found = requirement(Expression.parse(text))
    assert found is not None
    assert json_text(found) == required


@pytest.mark.parametrize(
    "text",
    [
        "type != 'a'",
        "NOT (type = 'a')",
        "type NOT LIKE 'a%'",
        "type NOT IN ('a')",
        "type LIKE '%a%'",
        "type LIKE '_'",
        "type IN ('a', source)",
        "type = source",
        "type = 'a' = TRUE",
        "type = 'a' OR NOT EXISTS ext",
        "TRUE AND id > 5",
        "data = 'a'",
        "data IN ('a')",
        "data LIKE 'a'",
        "EXISTS data",
        "LOWER(type) = 'a'",
        " OR type = 'c' AND ".join(["type = 'a'"] * 200),
    ],
)
def test_or_it_has_not(text: str) -> None:
    assert requirement(Expression.parse(text)) is None
