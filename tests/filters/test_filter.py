from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given

from eventroute.errors import InvalidEvent, InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter
from tests.filters.interpreter import events, matches, specs

TIME = "2018-04-05t17:31:00.10z"
DATA: dict[str, Any] = {
    "action": "created",
    "items": [{"id": 7}, {"id": 8}],
    "labels": ["bug", 5, True, None],
    "mixed": ["bug", {"a": 1}],
    "odd key": {"it's": 1},
    "null": None,
    "object": {"a": "b"},
    "count": 12345678.5,
    "big": 2**70,
    "truth": False,
    "text": "5",
}
EVENT = Event.create(
    type="com.github.star.created",
    source="https://github.com/a/b",
    id="1",
    time=TIME,
    data=DATA,
    extensions={"count": 5, "flag": True, "empty": ""},
)


def matched(spec: Any, event: Event = EVENT) -> bool:
    return Filter.parse(spec)(event)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "com.github.star.created"},
        {"type": "com.github.star.created", "data.action": "created"},
        {"data.items[0].id": "7"},
        {"data.items[-1].id": "8"},
        {"data['odd key']['it\\'s']": "1"},
        {'data["odd key"]["it\'s"]': "1"},
        {"count": "5"},
        {"flag": "true"},
        {"data.count": "12345678.5"},
        {"data.big": str(2**70)},
        {"data.truth": "false"},
        {"time": TIME},
        {"data.labels": "bug"},
        {"data.labels": "5"},
        {"data.labels": "true"},
        {"specversion": "1.0"},
        {"data": str(EVENT.data_text)},
    ],
)
def test_what_exact_matches(fields: dict[str, str]) -> None:
    assert matched({"exact": fields})
    assert matched({"prefix": fields})
    assert matched({"suffix": fields})
    assert matched({"prefix": {name: text[:1] for name, text in fields.items()}})
    assert matched({"suffix": {name: text[-1:] for name, text in fields.items()}})
    assert not matched({"not": {"exact": fields}})
    assert not matched({"exact": {name: f"{text}x" for name, text in fields.items()}})


MISSING_EVERYWHERE = [
    "subject",  # an optional attribute that is absent
    "unknown",
    "data.missing",
    "data.action.more",
    "data.items[2].id",
    "data.items.id",
    "data.labels.a",
    "data.text[0]",
    "data.null",
    "data.object",
    "data.items",  # an array, but not of scalars
    "data.mixed",
    "data[0]",
]


@pytest.mark.parametrize("dialect", ["exact", "prefix", "suffix"])
@pytest.mark.parametrize("field", MISSING_EVERYWHERE)
@pytest.mark.parametrize("text", ["b", "null", "None", "0001-01-01T00:00:00Z"])
def test_missing_null_objects_and_arrays_compare_with_nothing(dialect: str, field: str, text: str) -> None:
    assert not matched({dialect: {field: text}})
    assert matched({"not": {dialect: {field: text}}})


def test_several_fields_must_all_hold() -> None:
    assert matched({"prefix": {"source": "https://", "type": "com."}})
    assert not matched({"prefix": {"source": "https://", "type": "org."}})


def test_all_any_not() -> None:
    yes, no = {"exact": {"data.action": "created"}}, {"exact": {"data.action": "deleted"}}
    assert matched({"all": [yes]})
    assert matched({"all": [yes, yes]})
    assert not matched({"all": [yes, no]})
    assert matched({"any": [no, yes]})
    assert not matched({"any": [no]})
    assert matched({"not": no})
    assert not matched({"not": {"not": no}})
    assert matched([yes, {"not": no}])
    assert not matched([yes, no])


@pytest.mark.parametrize("everything", [[], (), [{"not": {"exact": {"unknown": "x"}}}]])
def test_no_filters_match_everything(everything: Any) -> None:
    assert matched(everything)
    assert matched(everything, Event.create(type="t", source="/s"))


def test_text_is_compared_case_by_case() -> None:
    assert not matched({"exact": {"type": "com.github.STAR.created"}})
    assert not matched({"prefix": {"source": "HTTPS"}})


@pytest.mark.parametrize(
    ("data", "content_type", "text"),
    [("plain", "text/plain", "plain"), ('"json"', "text/plain", '"json"'), ({"a": [1]}, None, '{"a":[1]}')],
)
def test_data_is_the_whole_payload_as_text(data: Any, content_type: str | None, text: str) -> None:
    event = Event.create(type="t", source="/s", data=data, datacontenttype=content_type)
    assert matched({"exact": {"data": text}}, event)
    assert matched({"prefix": {"data": text[:2]}}, event)
    assert not matched({"exact": {"data": text[:2]}}, event)


@pytest.mark.parametrize("data", [b"\xff\x00", None])
def test_bytes_and_no_data_have_no_text(data: Any) -> None:
    event = Event.create(type="t", source="/s", data=data)
    assert matched({"not": {"prefix": {"data": "a"}}}, event)
    assert matched({"not": {"prefix": {"data.a": "a"}}}, event)


def test_any_object_of_the_sdks_protocol_is_an_event() -> None:
    attributes = {
        "type": "t",
        "source": "/s",
        "id": "1",
        "specversion": "1.0",
        "time": datetime(2026, 1, 1, tzinfo=UTC),
    }
    event = CloudEvent(attributes, {"a": 5})
    assert Filter.parse({"exact": {"data.a": "5"}})(event)
    assert Filter.parse({"exact": {"time": "2026-01-01T00:00:00Z"}})(event)
    assert Filter.parse({"exact": {"type": "t"}}).explain(event).matched


@pytest.mark.parametrize("thing", [None, {"type": "t"}, "t", object()])
def test_what_is_no_event_is_refused(thing: Any) -> None:
    with pytest.raises(InvalidEvent, match="not a CloudEvent"):
        Filter.parse([])(thing)


# -- meaning and print


@given(specs())
def test_parse_and_print_are_inverse(spec: dict[str, Any]) -> None:
    rule = Filter.parse(spec)
    for again in (Filter.parse(rule.to_dict()), Filter.parse(json.loads(str(rule)))):
        assert again == rule
        assert hash(again) == hash(rule)
        assert str(again) == str(rule)


@given(specs(), events())
def test_what_is_printed_means_the_same(spec: dict[str, Any], event: Event) -> None:
    assert Filter.parse(json.loads(str(Filter.parse(spec))))(event) == matches(spec, event)


def test_filters_are_equal_by_meaning_as_written() -> None:
    a, b = {"exact": {"data.a": "1"}}, {"exact": {"type": "t"}}
    assert Filter.parse({"exact": {"data['a']": "1"}}) == Filter.parse(a)
    assert Filter.parse({"exact": {"type": "t", "data.a": "1"}}) == Filter.parse(
        {"exact": {"data.a": "1", "type": "t"}}
    )
    assert Filter.parse([a]) == Filter.parse(a)
    assert Filter.parse([a, b]) == Filter.parse({"all": [a, b]})
    assert Filter.parse([a, b]) != Filter.parse([b, a])
    assert Filter.parse({"not": {"not": a}}) != Filter.parse(a)
    assert Filter.parse({"any": [a]}) != Filter.parse({"all": [a]})
    assert Filter.parse({"prefix": {"type": "t"}}) != Filter.parse(b)


@pytest.mark.parametrize(
    ("spec", "printed"),
    [
        ([], "[]"),
        ({"exact": {"type": "t", "data['a']": '"'}}, r'{"exact":{"data.a":"\"","type":"t"}}'),
        ([{"not": {"prefix": {"data['a b']": "é"}}}], """{"not":{"prefix":{"data['a b']":"é"}}}"""),
        ({"all": [{"suffix": {"type": "t"}}]}, '{"all":[{"suffix":{"type":"t"}}]}'),
        (
            {"exact": {"data.a": "1", "data['a']": "2"}},
            '{"all":[{"exact":{"data.a":"1"}},{"exact":{"data.a":"2"}}]}',
        ),
        (
            [{"exact": {"type": "t"}}, {"prefix": {"type": "t"}}],
            '{"all":[{"exact":{"type":"t"}},{"prefix":{"type":"t"}}]}',
        ),
    ],
)
def test_the_canonical_print(spec: Any, printed: str) -> None:
    rule = Filter.parse(spec)
    assert str(rule) == printed
    assert repr(rule) == f"Filter({printed})"
    assert rule.to_dict() == json.loads(printed)
    assert Filter.parse(rule.to_dict()) == rule


def test_one_field_in_two_spellings_holds_twice() -> None:
    rule = Filter.parse({"exact": {"data.a": "1", "data['a']": "2"}})
    assert rule(Event.create(type="t", source="/s", data={"a": ["1", "2"]}))
    assert not rule(Event.create(type="t", source="/s", data={"a": ["1"]}))


def test_a_filter_is_a_value() -> None:
    rule = Filter.parse({"exact": {"data.action": "created"}})
    assert rule(EVENT)  # it is compiled now
    assert len({rule, Filter.parse(rule.to_dict())}) == 1
    for again in (copy.copy(rule), copy.deepcopy(rule)):
        assert again == rule
        assert again(EVENT)
    with pytest.raises(AttributeError):
        rule.syntax = rule.syntax  # type: ignore[misc]


def test_a_text_is_an_expression_or_the_json_of_a_filter() -> None:
    rule = Filter.parse("type = 'com.github.star.created'")
    assert rule == Filter.parse({"expr": "type = 'com.github.star.created'"}) == Filter.parse([str(rule)[9:-2]])
    for text in (str(rule), f" {rule}", str(Filter.parse([{"exact": {"type": "t"}}, "type = 't'"])), "[]"):
        assert str(Filter.parse(text)) == text.strip()
    with pytest.raises(InvalidFilter, match=r"^filters\[1\]\.expr line 1, column 1: "):
        Filter.parse([{"exact": {"type": "t"}}, "== 't'"])
    for text in ("{", '{"expr"}', "[\ud800]", "{'exact': {'type': 't'}}"):
        with pytest.raises(InvalidFilter, match="begins as JSON does"):
            Filter.parse(text)


@pytest.mark.parametrize("wrong", ["subject = 'x'", "1 / 0 = 1", "type > 5", "type"])
def test_not_of_a_clause_that_errs_is_true(wrong: str) -> None:
    assert not matched({"sql": wrong})
    assert matched({"not": {"sql": wrong}})


def test_what_looks_alike_in_two_dialects_need_not_mean_the_same() -> None:
    """On a missing attribute, or an array, one passes and the other does not; neither is rewritten into the other."""
    assert matched({"not": {"exact": {"subject": "x"}}})
    assert not matched("subject <> 'x'")
    assert not matched({"sql": "subject <> 'x'"})
    assert matched("NOT subject = 'x'")
    assert not matched({"sql": "NOT (subject = 'x')"})
    assert matched({"exact": {"data.labels": "bug"}})
    assert not matched("data.labels = 'bug'")
    assert matched({"exact": {"data.text": "5"}})
    assert not matched("data.text = 5")
    specs: list[Any] = ["subject = 'x'", {"sql": "subject = 'x'"}, {"exact": {"subject": "x"}}]
    assert len(set(map(Filter.parse, specs))) == 3
