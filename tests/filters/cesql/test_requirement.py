from __future__ import annotations

import pytest
from hypothesis import given

from eventroute.event import Event
from eventroute.filters.cesql import Expression, evaluate
from eventroute.filters.cesql.requirement import requirement
from eventroute.filters.compiler import for_event
from eventroute.filters.printing import json_text
from tests.filters.cesql.interpreter import Spec, events, predicates, specs, text_of


@given(specs() | predicates(), events())
def test_what_is_required_holds_wherever_the_expression_matches(spec: Spec, event: Event) -> None:
    required = requirement(Expression.parse(text_of(spec)))
    if required is not None and evaluate(text_of(spec), event).matches:
        assert for_event(required)(event)


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("type = 'a'", '{"exact":{"type":"a"}}'),
        ("'a' = type", '{"any":[{"exact":{"type":"a"}}]}'),
        ("5 = ext", '{"any":[{"exact":{"ext":"5"}},{"exact":{"ext":"true"}}]}'),
        ("'05' = ext", '{"any":[{"exact":{"ext":"05"}},{"exact":{"ext":"5"}}]}'),
        ("type LIKE 'a%'", '{"all":[{"prefix":{"type":"a"}}]}'),
        ("type LIKE 'a\\%b_%_c'", '{"all":[{"prefix":{"type":"a%b"}},{"suffix":{"type":"c"}}]}'),
        ("type LIKE 'a'", '{"exact":{"type":"a"}}'),
        ("type IN ('a', 1)", '{"any":[{"exact":{"type":"a"}},{"exact":{"type":"1"}}]}'),
        ("ext IN ('TRUE')", '{"any":[{"exact":{"ext":"TRUE"}},{"exact":{"ext":"true"}}]}'),
        ("type = 'a' AND number > 5 AND source = 'b'", '{"exact":{"source":"b"}}'),
        ("type = 'a' OR source = 'b'", '{"any":[{"exact":{"type":"a"}},{"exact":{"source":"b"}}]}'),
        ("type = 'a' XOR source = 'b'", '{"any":[{"exact":{"type":"a"}},{"exact":{"source":"b"}}]}'),
        ("type = 'a' OR number > 5 AND source = 'b'", '{"exact":{"source":"b"}}'),
    ],
)
def test_what_is_compared_as_text_is_required(text: str, required: str) -> None:
    assert required in json_text(requirement(Expression.parse(text)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "ext = 5",
        "ext = TRUE",
        "type != 'a'",
        "NOT (type = 'a')",
        "type NOT LIKE 'a%'",
        "type NOT IN ('a')",
        "type LIKE '%a%'",
        "type LIKE '_'",
        "type IN ('a', source)",
        "type = source",
        "type = 'a' = TRUE",
        "type = 'a' OR EXISTS ext",
        "EXISTS ext AND number > 5",
        "data = 'a'",
        "data IN ('a')",
        "data LIKE 'a'",
        "LOWER(type) = 'a'",
        " OR type = 'c' AND ".join(["type = 'a'"] * 200),
    ],
)
def test_what_cannot_be_looked_up_is_not_required(text: str) -> None:
    assert requirement(Expression.parse(text)) is None
