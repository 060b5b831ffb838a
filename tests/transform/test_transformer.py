"""Transformers as a whole: what comes out is always right, or an explained error."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from copy import deepcopy
from enum import Enum
from pathlib import Path as File
from typing import Any, TypeAlias

import pytest
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from eventroute.canonical import canonical_text
from eventroute.errors import InvalidTransformer, TransformError
from eventroute.event import Event
from eventroute.jsontext import decode_json, encode_json, same_json
from eventroute.testing.strategies import events, json_values
from eventroute.transform import Limits, Transformer

SEED: dict[str, Any] = {
    "define": {
        "star_count": "$.data.repository.stargazers_count",
        "repo": "$.data.repository.name",
        "sender": "$.data.sender.login",
    },
    "template": '{"slackMsg":  "GitHub user<${sender}> just stared your repo<${repo}>. '
    'Current number of stars: ${star_count}."}',
}
ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json"}
NAMES = ("a", "b", "c", "d")
CONSTANTS = {"text": 'x"y\\', "number": 10**30, "null": None, "list": [{"a": 1.5}]}


def event_of(data: Any, **attributes: Any) -> Event:
    return Event({**ATTRIBUTES, **attributes}, data)


def render(template: str, data: Any, *, define: dict[str, Any] | None = None, **more: Any) -> bytes | None:
    return Transformer.parse({"define": define or {}, "template": template, **more})(event_of(data)).data_bytes


# -- a template and, beside it, what a naive reading of it gives


class Left(Enum):
    OUT = 0


Expected: TypeAlias = Callable[[dict[str, Any]], Any]
"""From the data of an event to what the template, or a part of it, should make of it."""
Written: TypeAlias = tuple[str, Expected]


def as_text(value: Any) -> str:
    text = canonical_text(value)
    return encode_json(value).decode() if text is None else text


def _holes(missing_path: Any, missing_variable: Any) -> st.SearchStrategy[Written]:
    paths = st.sampled_from(NAMES).flatmap(
        lambda name: st.sampled_from(
            [f"${{$.data.{name}}}", f"${{ $.data['{name}'] }}", f"${{$['data'][\"{name}\"]}}"]
        ).map(lambda text: (text, lambda data: data.get(name, missing_path)))
    )
    variables = st.sampled_from(NAMES).map(lambda name: (f"${{{name}}}", lambda data: data.get(name, missing_variable)))
    constants = st.sampled_from(list(CONSTANTS)).map(lambda name: (f"${{{name}}}", lambda _: CONSTANTS[name]))
    return paths | variables | constants


def _of_string(pieces: list[Written]) -> Written:
    return "".join(text for text, _ in pieces), lambda data: "".join(make(data) for _, make in pieces)


def _text_of_hole(hole: Written) -> Written:
    return hole[0], lambda data: "" if hole[1](data) is Left.OUT else as_text(hole[1](data))


def strings(escaped: Callable[[str], str]) -> st.SearchStrategy[Written]:
    """The inside of a string, or a text: characters, placeholders and literal ones."""
    characters = st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"]), max_size=6)
    pieces = st.one_of(
        characters.map(lambda text: (escaped(text), lambda _: text)),
        st.just(("$${", lambda _: "${")),
        st.just((" $ ", lambda _: " $ ")),
        _holes(Left.OUT, Left.OUT).map(_text_of_hole),
    )
    return st.lists(pieces, max_size=4).map(_of_string)


SPACE = st.sampled_from(["", "", " ", "\n\t"])
STRINGS = strings(lambda text: json.dumps(text)[1:-1])


def _array(items: list[tuple[str, Written, str]]) -> Written:
    def make(data: dict[str, Any]) -> Any:
        return [value for _, (_, make), _ in items if (value := make(data)) is not Left.OUT]

    return f"[{','.join(before + text + after for before, (text, _), after in items)}]", make


def _object(items: list[tuple[str, Written, str, Written]]) -> Written:
    def make(data: dict[str, Any]) -> Any:
        members = [(key[1](data), value[1](data)) for _, key, _, value in items]
        return {key: value for key, value in members if value is not Left.OUT}

    members = [f'{before}"{key[0]}"{middle}:{middle}{value[0]}{before}' for before, key, middle, value in items]
    return "{" + ",".join(members) + "}", make


JSON_TEMPLATES: st.SearchStrategy[Written] = st.recursive(
    st.one_of(
        json_values(max_leaves=2).map(lambda value: (json.dumps(value).replace("${", "$${"), lambda _: value)),
        STRINGS.map(lambda string: (f'"{string[0]}"', string[1])),
        _holes(Left.OUT, None),
    ),
    lambda inner: st.one_of(
        st.lists(st.tuples(SPACE, inner, SPACE), max_size=4).map(_array),
        st.lists(st.tuples(SPACE, STRINGS, SPACE, inner), max_size=4).map(_object),
    ),
    max_leaves=12,
)
DATA = st.dictionaries(st.sampled_from(NAMES), json_values(max_leaves=4), max_size=len(NAMES))
DEFINE = {**{name: f"$.data.{name}" for name in NAMES}, **CONSTANTS}


@given(JSON_TEMPLATES, DATA)
def test_a_json_template_makes_what_a_naive_reading_of_it_makes(written: Written, data: dict[str, Any]) -> None:
    template, make = written
    expected = make(data)
    transformer = Transformer.parse({"define": DEFINE, "template": template, "template_type": "json"})
    result = transformer(event_of(data))
    assert same_json(result.data, None if expected is Left.OUT else expected)
    json.loads(result.data_bytes or b"", parse_constant=pytest.fail)


@given(strings(lambda text: text), DATA)
def test_a_text_template_makes_what_a_naive_reading_of_it_makes(written: Written, data: dict[str, Any]) -> None:
    template, make = written
    result = Transformer.parse({"define": DEFINE, "template": template, "template_type": "text"})(event_of(data))
    assert result.data == make(data)
    assert result.datacontenttype == "text/plain"


@given(json_values(), st.sampled_from([None, 1, "\t"]))
def test_json_without_placeholders_is_kept_to_the_byte(value: Any, indent: Any) -> None:
    text = json.dumps(value, indent=indent)
    assert render(text.replace("${", "$${"), {}, template_type="json") == text.encode()


SHARP = st.text('{}[]",:$<>\\ \n\tabu0.-1', max_size=40)
REAL = st.sampled_from(
    ["${a}", "<a>", "${$.data.x}", "<$.data.x>", '"', '{"a":', "[", "]", "}", ",", "null", "$${", "\\<"]
)
SOUP = st.lists(REAL | SHARP, max_size=8).map("".join)


@given(SOUP, st.sampled_from(["json", "text", None]), st.sampled_from(["dollar", "angle"]), events())
def test_any_text_is_refused_or_makes_valid_data_of_any_event(
    template: str, type: str | None, syntax: str, event: Event
) -> None:
    spec: dict[str, Any] = {"define": {"a": "$.data", "b": "$"}, "template": template, "template_syntax": syntax}
    if type is not None:
        spec["template_type"] = type
    try:
        transformer = Transformer.parse(spec)
    except InvalidTransformer as error:
        assert error.where.startswith("template line")  # that it is not raised is right too
        return
    result = transformer(event)
    if transformer.template_type.value == "json":
        json.loads(result.data_bytes or b"", parse_constant=pytest.fail)
    assert Event.from_json(result.to_json()) == result


@given(
    st.dictionaries(
        st.sampled_from(["define", "pipeline", "template", "template_type", "template_syntax", "x"]),
        st.one_of(
            SOUP,
            st.sampled_from(["json", "text", "none", "dollar", "angle", "jinja", "", None, [], 5]),
            st.dictionaries(st.sampled_from(["a", "b", "a.b", ""]), json_values() | st.just("$.data")),
        ),
    ),
    events(),
)
def test_any_object_is_refused_or_is_a_transformer(spec: dict[str, Any], event: Event) -> None:
    before = deepcopy(spec)
    try:
        transformer = Transformer.parse(spec)
    except InvalidTransformer as error:
        assert error.where  # that it is not raised is right too
        return
    assert spec == before
    again = Transformer.parse(transformer.to_dict())
    assert again == transformer
    assert hash(again) == hash(transformer)
    assert again.to_dict() == transformer.to_dict()
    assert again(event) == transformer(event)


@given(JSON_TEMPLATES, DATA, st.dictionaries(st.sampled_from(["subject", "abc"]), st.just("x")))
def test_the_event_that_came_in_stays_as_it_is(written: Written, data: dict[str, Any], more: dict[str, str]) -> None:
    event = event_of(data, **more)
    copy = deepcopy(event.data)
    before = event.to_json()
    result = Transformer.parse({"define": DEFINE, "template": written[0], "template_type": "json"})(event)
    assert same_json(event.data, copy)
    assert Event.from_json(before) == event
    assert event.replace(data=event.data).to_json() == before
    assert result.attributes == event.attributes


# -- the example that must work exactly


def star(shared: File) -> Event:
    payload = (shared / "data/github/star/created.json").read_bytes()
    return event_of(payload, type="com.github.star.created")


def test_the_seed_example_gives_exactly_these_bytes(shared: File) -> None:
    result = Transformer.parse(SEED)(star(shared))
    assert result.data_bytes == (
        b'{"slackMsg":  "GitHub user<Codertocat> just stared your repo<Hello-World>. Current number of stars: 1."}'
    )
    assert result.datacontenttype == "application/json"
    assert result.type == "com.github.star.created"


def test_the_seed_example_in_angle_syntax() -> None:
    data = {"repository": {"name": "r", "stargazers_count": 80}, "sender": {"login": "s"}}
    angle = {
        "define": SEED["define"],
        "template_syntax": "angle",
        "template": r'{"slackMsg":  "GitHub user\<<sender>> just stared your repo\<<repo>>. '
        r'Current number of stars: <star_count>."}',
    }
    event = event_of(data)
    assert Transformer.parse(angle)(event) == Transformer.parse(SEED)(event)


# -- what stands where


@pytest.mark.parametrize(
    ("value", "outside", "inside"),
    [
        ("a", b'"a"', b"a"),
        ("", b'""', b""),
        ('"\\\n\x00\x1f', b'"\\"\\\\\\n\\u0000\\u001f"', b'\\"\\\\\\n\\u0000\\u001f'),
        ('","x":"', b'"\\",\\"x\\":\\""', b'\\",\\"x\\":\\"'),
        ("é😀\u2028", '"é😀\u2028"'.encode(), "é😀\u2028".encode()),
        ("${a}", b'"${a}"', b"${a}"),
        (None, b"null", b"null"),
        (True, b"true", b"true"),
        (False, b"false", b"false"),
        (0, b"0", b"0"),
        (-(2**70), b"-1180591620717411303424", b"-1180591620717411303424"),
        (1.1, b"1.1", b"1.1"),
        ([], b"[]", b"[]"),
        ([1, "a", None], b'[1,"a",null]', b'[1,\\"a\\",null]'),
        ({"a": {"b": []}}, b'{"a":{"b":[]}}', b'{\\"a\\":{\\"b\\":[]}}'),
    ],
    ids=repr,
)
@pytest.mark.parametrize("hole", ["${x}", "${$.data.v}", "${ $['data']['v'] }", "${constant}"])
def test_a_value_outside_and_inside_of_quotes(value: Any, outside: bytes, inside: bytes, hole: str) -> None:
    # a constant that looks like a path cannot be told from one, and none of these does
    define = {"x": "$.data.v", "constant": value}
    made = render(f'{{"o": {hole}, "i": "<{hole}>", "<{hole}>": 1}}', {"v": value}, define=define)
    assert made == b'{"o": %b, "i": "<%b>", "<%b>": 1}' % (outside, inside, inside)


@pytest.mark.parametrize(
    "number",
    ["1180591620717411303424", "-0", "1.5", "1e400", "-1.0000000000000000000000001", "123456789012345678.25", "5e-324"],
)
def test_numbers_survive_exactly(number: str) -> None:
    event = event_of(f'{{"n": {number}}}'.encode())
    result = Transformer.parse({"template": '[${$.data.n}, "${$.data.n}"]'})(event)
    outside, inside = json.loads(result.data_bytes or b"", parse_float=str, parse_int=str)
    exact = decode_json(number.encode())
    assert same_json(decode_json(outside.encode()), exact)
    assert same_json(decode_json(inside.encode()), exact)


def test_a_decimal_that_binary64_cannot_hold_keeps_its_text() -> None:
    text = b'[0.10000000000000000000000000000001,"0.10000000000000000000000000000001"]'
    event = event_of(b'{"n": 0.10000000000000000000000000000001}')
    assert Transformer.parse({"template": '[${$.data.n},"${$.data.n}"]'})(event).data_bytes == text


def test_numbers_of_the_template_are_kept_as_written() -> None:
    assert render("[1.10, 1e400, 10000000000000000000000, -0]", {}) == b"[1.10, 1e400, 10000000000000000000000, -0]"


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("[${x}]", "[null]"),
        ('{"a": ${x}}', '{"a": null}'),
        ('["<${x}>", "<${$.data.no}>"]', '["<>", "<>"]'),
        ("${$.data.no}", "null"),
        ("[${$.data.no}]", "[]"),
        ("[ ${$.data.no} ]", "[ ]"),
        ("[${$.data.no},${$.data.no}]", "[]"),
        ("[${$.data.no}, ${$.data.v}]", "[ 5]"),
        ("[${$.data.v}, ${$.data.no}]", "[5]"),
        ("[${$.data.v} , ${$.data.no} ,${$.data.v}]", "[5 ,5]"),
        ("[1, ${$.data.no}]", "[1]"),
        ("[1, ${$.data.no} ]", "[1 ]"),
        ("[${$.data.no}, 1]", "[ 1]"),
        ("[1, ${$.data.no}, ${$.data.v}, ${$.data.no}, 2]", "[1, 5, 2]"),
        ("[${$.data.v}, ${$.data.no}, 1, ${$.data.v}]", "[5, 1, 5]"),
        ("[${$.data.v} , ${$.data.v} ]", "[5 , 5 ]"),
        ('{"a": ${$.data.no}}', "{}"),
        ('{\n  "a": ${$.data.no},\n  "b": 1\n}', '{\n  "b": 1\n}'),
        ('{\n  "b": 1,\n  "a": ${$.data.no}\n}', '{\n  "b": 1\n}'),
        ('{\n  "${$.data.v}": ${$.data.no},\n  "${$.data.v}$${": ${$.data.v}\n}', '{\n  "5${": 5\n}'),
        ('{"a": [${$.data.no}], "b": {"c": ${$.data.no}}}', '{"a": [], "b": {}}'),
        ('{"a": "${$.data.no}"}', '{"a": ""}'),
        ("[${$.data.no.deep}, ${$.no}, ${$.data.v.deep}, ${$.data.v[0]}]", "[]"),
        ("[${$.data.null}]", "[null]"),
        ("[${$.data[*]}, ${$.no[*]}]", "[[5,null], []]"),
    ],
)
def test_what_is_missing(template: str, made: str) -> None:
    define = {"x": "$.data.no"}
    assert render(template, {"v": 5, "null": None}, define=define, template_type="json") == made.encode()


def test_text_renders_values_as_inside_quotes_but_unescaped() -> None:
    define = {"v": "$.data.v", "s": "$.data.s", "no": "$.data.no", "null": None, "n": 1.5}
    made = render("<${v}|${s}|${no}|${$.data.no}|${null}|${n}|$${n}>", {"v": [1, "a"], "s": '"\n'}, define=define)
    assert made == b'<[1,"a"]|"\n|||null|1.5|${n}>'


def test_attributes_and_the_whole_event_are_paths() -> None:
    event = event_of({"a": 1}, time="2026-01-01T00:00:00.123456789Z", flag=True, count=5)
    made = Transformer.parse({"template": '[${$.type},${$.time},${$.flag},"${$.count}",${$.data},${$.no}]'})(event)
    assert made.data == ["t", "2026-01-01T00:00:00.123456789Z", True, "5", {"a": 1}]
    whole = Transformer.parse({"template": '{"event": ${$}}'})(event)
    assert whole.data == {"event": {**event.attributes, "data": {"a": 1}}}


@pytest.mark.parametrize(
    ("content_type", "data", "made"),
    [
        ("text/plain", 'a"b', ['"', 'a"b']),
        ("application/octet-stream", b"\x00\xff", ['"']),
        ("application/json", None, ['"']),
        (None, 5, ['"', 5]),
    ],
)
def test_data_of_any_kind_is_one_value_or_missing(content_type: str | None, data: Any, made: Any) -> None:
    transformer = Transformer.parse({"template": '["\\"",${$.data},${$.data.x}]'})
    result = transformer(event_of(data, datacontenttype=content_type))
    assert result.data == made
    assert result.datacontenttype == "application/json"


# -- without a template


@pytest.mark.parametrize(
    "spec", [{}, {"template": ""}, {"template_type": "none"}, {"define": {"a": "$.data"}}, {"pipeline": []}]
)
@given(event=events())
def test_without_a_template_the_event_is_sent_as_it_is(spec: dict[str, Any], event: Event) -> None:
    transformer = Transformer.parse(spec)
    assert transformer(event) == event
    assert transformer.template_type.value == "none"


def test_an_event_of_the_sdk_becomes_an_event() -> None:
    given = CloudEvent({"id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json"}, {"v": 1})
    result = Transformer.parse({"template": "[${$.data.v}]"})(given)
    assert isinstance(result, Event)
    assert result.data == [1]


# -- what is refused


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"templte": "x"}, r"^'templte': unknown key; known are define, pipeline, template, template_type"),
        ({5: "x"}, r"^5: unknown key"),
        ({"template": 5}, r"^template: it must be a string, not int"),
        ({"template": None}, r"^template: it must be a string"),
        ({"template": "a", "template_type": "yaml"}, r"^template_type: 'yaml' is unknown; it is 'json' or 'text' or"),
        ({"template": "a", "template_type": None}, r"^template_type: None is unknown"),
        ({"template": "a", "template_type": "JSON"}, r"^template_type: 'JSON' is unknown"),
        ({"template": "a", "template_syntax": "jinja"}, r"^template_syntax: 'jinja' is unknown; it is 'dollar' or 'a"),
        ({"template": "a", "template_type": "none"}, r"^template_type: it is none, and there is a template"),
        ({"template_type": "json"}, r"^template_type: it is json, and there is no template"),
        ({"template_type": "text"}, r"^template_type: it is text, and there is no template"),
        ({"template": "", "template_type": "json"}, r"^template line 1, column 1: it ends too early; expected a JSON"),
        ({"pipeline": [{"command": ["delet", "$.data.a"]}]}, r"^pipeline\[0\]\.command\[0\]: .* mean 'delete'"),
        ({"pipeline": None}, r"^pipeline: "),
        ({"define": {"a": "$.data["}}, r"^define\.a: .*position"),
        ({"define": {"1": 1}}, r"^define\.'1': the name"),
        ({"template": "${a}", "define": {"b": 1}}, r"^template line 1, column 3: the variable 'a' is not defined"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(spec: Any, message: str) -> None:
    with pytest.raises(InvalidTransformer, match=message):
        Transformer.parse(spec)


@pytest.mark.parametrize("spec", [None, [], "a", 5])
def test_a_transformer_is_an_object(spec: Any) -> None:
    with pytest.raises(InvalidTransformer, match="a transformer is an object"):
        Transformer.parse(spec)


@pytest.mark.parametrize(
    "spec",
    [
        {"template": "[" + "1" * 5000 + "]"},
        {"template": "[" * 60 + "${a}" + "]" * 60, "define": {"a": json.loads("[" * 100 + "]" * 100)}},
    ],
    ids=["digits", "nesting"],
)
def test_what_would_fail_on_every_event_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(InvalidTransformer, match=r"^template: "):
        Transformer.parse(spec)


# -- what fails on one event


def unsound(value: Any) -> Event:
    """An event whose data was changed behind its back to what JSON cannot say."""
    event = event_of({})
    event.data["v"] = value
    return event


@pytest.mark.parametrize(
    "value",
    ["\ud800", ["\ud800"], float("nan"), [float("inf")], object()],
    ids=["surrogate", "surrogate inside", "NaN", "infinity inside", "object"],
)
@pytest.mark.parametrize(
    "template", ["[1, ${v}]", '[1,"${v}"]', "four${v}", "[${$.data.v}, 1]", '{"${v}": ${$.data.v}}']
)
def test_what_json_cannot_say_is_an_error_that_names_the_place(value: Any, template: str) -> None:
    transformer = Transformer.parse({"define": {"v": "$.data.v"}, "template": template})
    with pytest.raises(TransformError) as caught:
        transformer(unsound(value))
    assert caught.value.where == f"template line 1, column {template.index('$') + 1}"


def test_data_nested_too_deep_for_its_place_is_an_error() -> None:
    deep = json.loads("[" * 100 + "]" * 100)
    transformer = Transformer.parse({"template": "[" * 60 + "${$.data}" + "]" * 60})
    assert transformer(event_of(1)).data is not None
    with pytest.raises(TransformError, match=r"^template: .*nest deeper than 128"):
        transformer(event_of(deep))


@pytest.mark.parametrize(
    ("template", "fits"),
    [
        ('["${a}"]', 15),
        ("[1,${$.data.a}]", 12),
        ("[${$.data.a},${$.data.a}]", 6),
        ('{"${a}":${$.data.a}}', 6),
    ],
)
def test_the_output_is_bounded(template: str, fits: int) -> None:
    limits = Limits(output=20)
    transformer = Transformer.parse({"define": {"a": "$.data.a"}, "template": template}, limits=limits)
    assert len(transformer(event_of({"a": "x" * fits})).data_bytes or b"") in (17, 18, 19, 20)
    with pytest.raises(TransformError, match=r"column \d+: the output grows longer than the limit named output"):
        transformer(event_of({"a": "x" * (fits + 4)}))


def test_output_that_is_always_too_long_is_refused() -> None:
    with pytest.raises(InvalidTransformer, match="it makes at least 22 bytes, more than output=20"):
        Transformer.parse({"template": "x${a}", "define": {"a": "x" * 21}}, limits=Limits(output=20))


# -- the value


def test_transformers_that_mean_the_same_are_equal() -> None:
    one = Transformer.parse({"define": {"a": "$.data.x", "b": 1}, "template": "[${a}]"})
    assert one == Transformer.parse(
        {"template": "[${a}]", "template_type": "json", "define": {"b": 1, "a": "$['data']['x']"}, "pipeline": []}
    )
    assert one != Transformer.parse({"define": {"a": "$.data.x", "b": True}, "template": "[${a}]"})
    assert one != Transformer.parse({"define": {"a": "$.data.x", "b": 1}, "template": "[ ${a}]"})
    assert one != Transformer.parse(
        {"define": {"a": "$.data.x", "b": 1}, "template": "[${a}]"}, limits=Limits(nesting=5)
    )


def test_to_dict_says_what_is_not_the_default() -> None:
    assert Transformer.parse({}).to_dict() == {}
    assert Transformer.parse(SEED).to_dict() == {**SEED, "template_type": "json"}
    angle = {"template": "<$.type>", "template_type": "text", "template_syntax": "angle"}
    assert Transformer.parse(angle).to_dict() == angle


def test_repr_is_short_and_shows_no_constant() -> None:
    transformer = Transformer.parse({"define": {"token": "hunter2"}, "template": "x" * 1000})
    assert repr(transformer) == "Transformer(1 variables, template text of 1000 characters)"
    assert repr(Transformer.parse({})) == "Transformer(0 variables, template none)"


def test_many_placeholders_and_deep_paths_still_work() -> None:
    names = [f"v{number}" for number in range(1000)]
    template = "[" + ",".join(f"${{{name}}}" for name in names) + "]"
    assert render(template, {name: name for name in names}, define={name: f"$.data.{name}" for name in names}) == (
        json.dumps(names, separators=(",", ":")).encode()
    )
    deep: Any = 5
    for _ in range(100):
        deep = {"a": deep}
    assert render(f"[${{$.data{'.a' * 100}}}]", deep) == b"[5]"


def test_a_transformer_takes_little_memory() -> None:
    """Measured with all that compiling adds; those that differ in their constants only share the most of it."""
    specs = [{**SEED, "define": {**SEED["define"], "n": n}, "template": f"{n} " + SEED["template"]} for n in range(220)]
    event = event_of({"repository": {"name": "r", "stargazers_count": 1}, "sender": {"login": "s"}})
    warm = [Transformer.parse(spec)(event) for spec in specs[:20]]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        transformers = [Transformer.parse(spec) for spec in specs[20:]]
        for transformer in transformers:
            assert transformer(event) != warm[0]
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken / len(transformers) < 10_000
