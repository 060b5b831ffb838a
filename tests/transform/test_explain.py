"""Explanations: what a rule's author sees."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from eventroute.errors import TransformError
from eventroute.event import Event
from eventroute.paths import MISSING
from eventroute.testing.strategies import events
from eventroute.transform import Limits, Transformer
from eventroute.transform.explain import LONGEST_TEXT

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json"}
DEFINE: dict[str, Any] = {"name": "$.data.name", "none": "$.data.no", "limit": 5}


@given(events())
def test_the_result_is_the_transformers(event: Event) -> None:
    transformer = Transformer.parse({"define": {"a": "$.data"}, "template": "${a}"})
    explanation = transformer.explain(event)
    assert explanation.result == transformer(event)
    assert str(explanation).startswith("a = ")


def test_variables_and_result_are_shown() -> None:
    transformer = Transformer.parse({"define": DEFINE, "template": '{"hello": "${name}"}'})
    explanation = transformer.explain(Event(ATTRIBUTES, {"name": "w\x1b\n"}))
    assert explanation.variables == {"name": "w\x1b\n", "none": MISSING, "limit": 5}
    assert explanation.error is None
    assert str(explanation).splitlines() == [
        'name  = "w\\u001b\\n"',
        "none  = missing",
        "limit = 5",
        'application/json: {"hello": "w\\u001b\\n"}',
    ]


def test_a_failure_is_shown_in_place_of_the_result() -> None:
    transformer = Transformer.parse({"define": DEFINE, "template": "${name}"}, limits=Limits(output=3))
    explanation = transformer.explain(Event(ATTRIBUTES, {"name": "four"}))
    assert explanation.result is None
    assert isinstance(explanation.error, TransformError)
    assert str(explanation).splitlines()[-1].startswith("failed: template line 1, column 1: the output grows longer")


def test_what_is_long_or_no_text_is_shown_in_short() -> None:
    long = Transformer.parse({"define": DEFINE}).explain(Event(ATTRIBUTES, {"name": "x" * 1000}))
    assert all(len(line) < LONGEST_TEXT + 100 for line in str(long).splitlines())
    assert "(1002 characters)" in str(long)
    binary = {**ATTRIBUTES, "datacontenttype": "image/png"}
    assert str(Transformer.parse({}).explain(Event(binary, b"1234"))) == "image/png: 4 bytes"
    assert str(Transformer.parse({}).explain(Event(ATTRIBUTES))) == "application/json: 0 bytes"


def test_control_characters_do_not_reach_the_terminal() -> None:
    transformer = Transformer.parse({"define": DEFINE, "template": "Hello ${name}"})
    shown = str(transformer.explain(Event(ATTRIBUTES, {"name": "\x1b[31m\n\x9b\u202ex"})))
    assert shown.splitlines()[-1] == "text/plain: Hello \\x1b[31m\\n\\x9b\\u202ex"
    assert all(line.isprintable() for line in shown.split("\n"))


def test_a_value_that_json_cannot_say_is_shown_as_such() -> None:
    event = Event(ATTRIBUTES, {})
    event.data["name"] = float("nan")
    explanation = Transformer.parse({"define": DEFINE, "template": "[${name}]"}).explain(event)
    assert "name  = not JSON: nan" in str(explanation)
    assert "failed: template line 1, column 2: nan" in str(explanation)
