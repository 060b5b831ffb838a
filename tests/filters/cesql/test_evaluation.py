from __future__ import annotations

from hypothesis import given

from eventroute.event import Event
from eventroute.filters.cesql import Expression, evaluate
from tests.filters.cesql.interpreter import Spec, events, interpret, specs, text_of


@given(specs(), events())
def test_an_evaluation_is_the_naive_reading(spec: Spec, event: Event) -> None:
    value, errors = interpret(spec, dict(event.attributes))
    result = evaluate(text_of(spec), event)
    assert (result.value, type(result.value)) == (value, type(value))
    assert {error.kind.value for error in result.errors} == errors
    assert result.matches is (value is True and not errors)


@given(specs(), events())
def test_what_is_printed_means_the_same(spec: Spec, event: Event) -> None:
    expression = Expression.parse(text_of(spec))
    again = Expression.parse(str(expression))
    assert (again, hash(again), str(again)) == (expression, hash(expression), str(expression))
    assert again.evaluate(event) == expression.evaluate(event)
