"""Pipelines as a whole: the source stays, what comes out is right and bounded, garbage is refused or explained."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.canonical import canonical_text
from eventroute.errors import InvalidTransformer, TransformError
from eventroute.event import Event
from eventroute.jsontext import same_json
from eventroute.testing.strategies import events, json_scalars, json_values
from eventroute.transform import Argument, Command, Limits, Transformer, Use, casts
from eventroute.transform.commands import COMMANDS

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json"}


def event_of(data: Any, **attributes: Any) -> Event:
    return Event({**ATTRIBUTES, **attributes}, data)


def parse(*commands: list[Any], limits: Limits | None = None, own: Any = None, **more: Any) -> Transformer:
    spec = {"pipeline": [{"command": command} for command in commands], **more}
    return Transformer.parse(spec, limits=limits or Limits(), commands=own)


def run(data: Any, *commands: list[Any], **more: Any) -> Any:
    return parse(*commands, **more)(event_of(data)).data


# -- commands that move values about, beside a model that copies everything

Steps = tuple[Any, ...]
NAMES = st.sampled_from(["a", "b", "c"])
PLACES = st.one_of(
    st.tuples(NAMES),
    st.tuples(NAMES, NAMES),
    st.tuples(NAMES, st.integers(-2, 2)),
    st.tuples(NAMES, NAMES, NAMES),
    st.tuples(NAMES, st.integers(-1, 1), NAMES),
)
MODEL_DATA = st.dictionaries(
    NAMES,
    st.recursive(
        st.integers(0, 9) | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=3,
)
MODEL_COMMANDS = st.one_of(
    st.tuples(st.sampled_from(["create", "replace"]), PLACES, st.integers(0, 9) | MODEL_DATA | PLACES),
    st.tuples(st.just("delete"), PLACES),
    st.tuples(st.sampled_from(["move", "rename", "duplicate"]), PLACES, PLACES),
)


class Failed(Exception):
    pass


def model_get(value: Any, steps: Steps) -> Any:
    for step in steps:
        if not isinstance(value, dict if isinstance(step, str) else list):
            return Failed
        try:
            value = value[step]
        except LookupError:
            return Failed
    return value


def model_put(value: Any, steps: Steps, new: Any) -> Any:
    """A copy of the value with the place set."""
    if not steps:
        return new
    step, *rest = steps
    if value is Failed:
        value = {} if isinstance(step, str) else []
    if not isinstance(value, dict if isinstance(step, str) else list):
        raise Failed
    value = deepcopy(value)
    child = model_put(model_get(value, (step,)), tuple(rest), new)
    if isinstance(value, list) and step == len(value):
        return [*value, child]
    try:
        value[step] = child
    except IndexError:
        raise Failed from None
    return value


def model_delete(value: Any, steps: Steps) -> Any:
    if model_get(value, steps) is Failed:
        return value
    value = deepcopy(value)
    del model_get(value, steps[:-1])[steps[-1]]
    return value


def model(data: Any, command: tuple[Any, ...]) -> Any:
    name, place, *rest = command
    if name == "delete":
        return model_delete(data, place)
    if name in ("create", "replace"):
        new = model_get(data, rest[0]) if isinstance(rest[0], tuple) else rest[0]
        if new is Failed or (model_get(data, place) is Failed) is (name == "replace"):
            raise Failed
        return model_put(data, place, deepcopy(new))
    value = model_get(data, place)
    if value is Failed or model_get(data, rest[0]) is not Failed:
        raise Failed
    made = model_put(data, rest[0], deepcopy(value))
    return made if name == "duplicate" else model_delete(made, place)


def path(steps: Steps) -> str:
    return "$.data" + "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in steps)


def written(command: tuple[Any, ...]) -> list[Any]:
    return [path(part) if isinstance(part, tuple) else part for part in command]


@given(MODEL_DATA, st.lists(MODEL_COMMANDS, min_size=1, max_size=6))
def test_values_are_moved_about_as_a_model_does_that_copies_everything(
    data: Any, commands: list[tuple[Any, ...]]
) -> None:
    event, expected = event_of(data), deepcopy(data)
    before = deepcopy(event.data)
    try:
        transformer = parse(*map(written, commands))
    except InvalidTransformer as error:
        assert "cannot move into itself" in str(error)  # that it is not raised is right too
        return
    done = 0
    try:
        for command in commands:
            expected = model(expected, command)
            done += 1
    except Failed:
        with pytest.raises(TransformError) as caught:
            transformer(event)
        assert caught.value.where == f"pipeline[{done}] ({commands[done][0]})"
    else:
        assert same_json(transformer(event).data, expected)
    assert same_json(event.data, before)


def test_only_what_is_changed_is_copied() -> None:
    data = {"a": {"deep": {"x": 1}}, "b": {"y": [2]}, "c": 3}
    event = event_of(data)
    steps = parse(["create", "$.data.a.new", 1], ["replace", "$.data.c", 4]).explain(event).steps
    assert steps[0].data["b"] is event.data["b"]
    assert steps[0].data["a"]["deep"] is event.data["a"]["deep"]
    assert steps[0].data["a"] is not event.data["a"]
    assert steps[0].data["c"] == 3


def test_data_that_nobody_reads_is_not_decoded() -> None:
    event = Event.from_json(b'{"specversion":"1.0","id":"1","source":"/","type":"t","data":{"a":  1}}')
    result = parse(["create", "$.subject", "x"])(event)
    assert event._decoded is result._decoded
    assert result.data_text == '{"a":  1}'


# -- any commands on any event

POOL = [
    "$.data",
    "$.data.a",
    "$.data.b",
    "$.data.a[0]",
    "$.data.a.b",
    "$.data.l",
    "$.data.l[*].x",
    "$.data..x",
    "$.subject",
    "$.type",
    "$.abc",
    "$",
    "<v>",
    "<w>",
    "@",
    "@.x",
    "",
    "a",
    "==",
    "<",
    "Y-m-d",
    "UTC",
    "[a-z]+",
    "$1",
    "${0}",
    "<@.x>",
    "\ud800",
    "2026-01-01T00:00:00Z",
    "1e400",
    "x" * 50,
]
ANY_ARGUMENT = st.sampled_from(POOL) | json_scalars() | json_values(max_leaves=3)
ANY_COMMAND = st.recursive(
    st.tuples(st.sampled_from(sorted(COMMANDS)), st.lists(ANY_ARGUMENT, max_size=6)).map(
        lambda pair: [pair[0], *pair[1]]
    ),
    lambda inner: st.tuples(st.sampled_from(POOL), st.lists(inner, min_size=1, max_size=2)).map(
        lambda pair: ["array_foreach", pair[0], *pair[1]]
    ),
    max_leaves=3,
)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "a": json_values(max_leaves=4),
        "b": st.sampled_from(["abc", "12", 5, "2026-01-01T00:00:00Z", 1.5, True]),
        "l": st.lists(st.fixed_dictionaries({"x": json_scalars()}), max_size=3),
    },
)


def fitting(name: str) -> st.SearchStrategy[list[Any]]:
    """Arguments that a command is likely to take."""
    shape = COMMANDS[name]
    kinds: dict[Any, Any] = {
        Use.TARGET: st.sampled_from(["$.data.a", "$.data.n", "$.data.n.m", "$.subject", "$.data.a[0]"]),
        Use.NEW: st.sampled_from(["$.data.n", "$.data.n.m", "$.data.o", "$.abc"]),
        Use.EDIT: st.sampled_from(["$.data.a", "$.data.b", "$.type", "$.data.l[0].x"]),
        Use.SOURCE: st.sampled_from(["$.data.b", "$.data.l", "$.data.a", "<v>", "$.data..x"]),
        Use.COMMAND: st.sampled_from(
            [["upper_case", "@.x"], ["create", "@.y", "@"], ["math_add", "@.x", "@.x", "<w>"]]
        ),
        Use.CONSTANT: st.sampled_from(["a", "[a-z]", "<@.x>", "<w>"]),
    }
    values = st.sampled_from([0, 1, 2, "2", "a", "$.data.b", "<v>", "<w>", "==", "Y-m-d", "UTC", "$.data.l"])
    extra = st.integers(0, 1).map(lambda count: [*shape.arguments, *(shape.rest * count)])
    return extra.flatmap(
        lambda arguments: st.tuples(*(kinds.get(argument.use, values) for argument in arguments)).map(
            lambda given: [name, *given]
        )
    )


LIKELY_COMMAND = st.sampled_from(sorted(COMMANDS)).flatmap(fitting)


@given(
    st.lists(LIKELY_COMMAND | ANY_COMMAND, min_size=1, max_size=3),
    events(DATA) | events(),
    st.sampled_from([None, '{"a": ${$.data.a}, "b": "${v}${$.type}"}', "text ${$.data.a}"]),
)
def test_any_commands_are_refused_or_make_a_valid_event_of_any_event(
    commands: list[list[Any]], event: Event, template: str | None
) -> None:
    spec: dict[str, Any] = {
        "define": {"v": "$.data.a", "w": 3},
        "pipeline": [{"command": command} for command in commands],
    }
    if template is not None:
        spec["template"] = template
    before, raw, data = deepcopy(spec), event.to_json(), deepcopy(event.data)
    try:
        transformer = Transformer.parse(spec)
    except InvalidTransformer as error:
        assert error.where.startswith("pipeline")
        return
    finally:
        assert same_json(spec, before)
    assert Transformer.parse(transformer.to_dict()) == transformer
    explanation = transformer.explain(event)
    assert isinstance(str(explanation), str)
    try:
        result = transformer(event)
    except TransformError as error:
        assert error.where
        assert str(error) == str(explanation.error)
    else:
        assert result == explanation.result
        assert Event.from_json(result.to_json()) == result
        if result.kind.value == "json":
            json.loads(result.data_bytes or b"", parse_constant=pytest.fail)
    assert event.to_json() == raw
    assert same_json(event.data, data)


@given(
    st.recursive(
        json_scalars() | st.sampled_from(POOL),
        lambda inner: st.lists(inner) | st.dictionaries(st.just("command"), inner),
    )
)
def test_any_pipeline_is_refused_or_read(spec: Any) -> None:
    try:
        transformer = Transformer.parse({"pipeline": spec})
    except InvalidTransformer as error:
        assert error.where.startswith("pipeline")  # that it is not raised is right too
    else:
        assert isinstance(spec, list)
        assert len(transformer.pipeline.steps) == len(spec)


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({}, "pipeline"),
        ("create", "pipeline"),
        ([{}], "pipeline[0]"),
        ([["create", "$.data.a", 1]], "pipeline[0]"),
        ([{"command": ["delete", "$.data.a"], "if": True}], "pipeline[0]"),
        ([{"command": []}], "pipeline[0].command"),
        ([{"command": "delete"}], "pipeline[0].command"),
        ([{"command": [["delete"], "$.data.a"]}], "pipeline[0].command"),
        ([{"command": ["create", "$.data.a", float("nan")]}], "pipeline"),
        ([{"command": ["create", "$.data.a", b"x"]}], "pipeline"),
        ([{"command": ("delete", "$.data.a")}], "pipeline"),
    ],
)
def test_a_pipeline_is_a_list_of_commands(spec: Any, where: str) -> None:
    with pytest.raises(InvalidTransformer) as caught:
        Transformer.parse({"pipeline": spec})
    assert caught.value.where == where


# -- laws of single commands

TEXT = st.text(max_size=12)
SMALL = st.integers(0, 14)


@given(TEXT, st.text(min_size=1, max_size=2))
def test_what_is_split_can_be_joined(text: str, delimiter: str) -> None:
    commands = (["split_with_delimiter", "$.data.s", "<d>", "$.data.t"], ["join", "$.data.u", "<d>", "$.data.t"])
    result = run({"s": text}, *commands, define={"d": delimiter if delimiter[0] != "$" else "x"})
    assert result["u"] == text


@given(TEXT, SMALL, SMALL)
def test_splits_keep_every_character(text: str, one: int, other: int) -> None:
    start, end = sorted((one, other))
    made = run(
        {"s": text},
        ["split_from_start", "$.data.s", start, "$.data.a"],
        ["split_between_positions", "$.data.s", start, end, "$.data.b"],
        ["split_with_intervals", "$.data.s", start, end + 1, "$.data.c"],
    )
    assert made["a"] == [text[:start], text[start:]]
    assert made["b"] == [text[:start], text[start:end], text[end:]]
    assert "".join(made["c"]) == text
    assert [len(piece) for piece in made["c"][1:-1]] == [end + 1] * len(made["c"][1:-1])


@given(TEXT, SMALL, SMALL, TEXT)
def test_positions_are_those_of_a_slice_or_an_error(text: str, start: int, end: int, new: str) -> None:
    define = {"start": start, "end": end, "new": [new]}
    data = {"s": text, "new": new, "start": start, "end": end}
    replace = ["replace_between_positions", "$.data.s", "$.data.start", "$.data.end", "$.data.new"]
    extract = ["extract_between_positions", "$.data.s", "$.data.t", "$.data.start", "$.data.end"]
    if start <= end <= len(text):
        assert run(data, extract, define=define)["t"] == text[start:end]
        assert run(data, replace, define=define)["s"] == text[:start] + new + text[end:]
    else:
        for command in (replace, extract):
            with pytest.raises(TransformError):
                run(data, command, define=define)


@given(TEXT, st.text("ab", max_size=4), st.text("ab", min_size=1, max_size=2), st.text("ab", max_size=2))
def test_delimiters_are_the_first_and_the_first_after_it(head: str, text: str, start: str, end: str) -> None:
    value = head + text
    found = re.search(re.escape(start) + "(.*?)" + re.escape(end or "b"), value, re.DOTALL)
    extract = ["extract_between_delimiters", "$.data.s", "$.data.t", start, end or "b"]
    replace = ["replace_between_delimiters", "$.data.s", start, end or "b", "-"]
    if found is None:
        for command in (extract, replace):
            with pytest.raises(TransformError, match="is not in the text"):
                run({"s": value}, command)
    else:
        assert run({"s": value}, extract)["t"] == found[1]
        assert run({"s": value}, replace)["s"] == value[: found.start()] + "-" + value[found.end() :]


@given(TEXT | st.text("ab"), st.sampled_from(["a", "[ab]+", "a|b", "(a)(b)?", ".", "^a", "b$"]))
def test_simple_patterns_replace_as_those_of_python(text: str, source: str) -> None:
    flags = re.compile(source)
    assert run({"s": text}, ["replace_with_regex", "$.data.s", source, "<$0>$$"]) == {
        "s": flags.sub(lambda found: f"<{found[0]}>$", text) if not text.endswith("\n") else _by_re2(source, text)
    }


def _by_re2(source: str, text: str) -> str:
    """In RE2 `$` is the end of the text alone."""
    return re.sub(source.replace("$", r"\Z"), lambda found: f"<{found[0]}>$", text)


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6)


@given(DECIMALS, DECIMALS)
def test_sums_differences_and_products_are_those_of_decimals(one: Decimal, other: Decimal) -> None:
    data = {"a": str(one), "b": str(other)}
    names = ("math_add", "math_sub", "math_mul")
    made = run(data, *([name, f"$.data.{name}", "$.data.a", "$.data.b"] for name in names))
    left, right = Fraction(one), Fraction(other)
    for name, exact in zip(names, (left + right, left - right, left * right), strict=True):
        assert Fraction(canonical_text(made[name]) or "") == exact


@given(st.integers(-(10**40), 10**40), st.integers(-(10**20), 10**20).filter(bool))
def test_a_quotient_times_the_divisor_is_the_dividend(one: int, other: int) -> None:
    made = run({"a": one, "b": other}, ["math_div", "$.data.q", "$.data.a", "$.data.b"])["q"]
    if one % other == 0:
        assert made == one // other
        assert isinstance(made, int)
    else:
        assert abs(Fraction(canonical_text(made) or "") * other - one) <= Fraction(abs(one), 10**33)


@given(json_scalars(), json_scalars())
def test_equal_and_unequal_are_opposites(one: Any, other: Any) -> None:
    made = run(
        {"a": one, "b": other},
        ["condition_if", "$.data.e", "$.data.a", "==", "$.data.b", True, False],
        ["condition_if", "$.data.n", "$.data.a", "!=", "$.data.b", True, False],
    )
    assert made["e"] is (canonical_text(one) == canonical_text(other))
    assert made["n"] is not made["e"]


# -- order, variables, templates


def test_variables_read_the_incoming_event_and_paths_the_edited_one() -> None:
    transformer = parse(
        ["replace", "$.data.a", "new"],
        ["create", "$.data.was", "<a>"],
        ["create", "$.data.is", "$.data.a"],
        ["replace", "$.type", "edited"],
        define={"a": "$.data.a", "type": "$.type"},
        template='["${a}", ${a}, "${$.data.a}", ${$.data.a}, ${$.data.was}, ${$.data.is}, "${type} ${$.type}"]',
    )
    result = transformer(event_of({"a": "old"}))
    assert result.data == ["old", "old", "new", "new", "old", "new", "t edited"]
    assert result.type == "edited"


def test_an_edited_content_type_gives_way_to_that_of_the_template() -> None:
    transformer = parse(
        ["replace", "$.datacontenttype", "text/json"], ["create", "$.subject", "x"], template="${$.data}"
    )
    result = transformer(event_of([1]))
    assert (result.data, result.datacontenttype, result.subject) == ("[1]", "text/plain", "x")


def test_data_is_read_anew_by_an_edited_content_type() -> None:
    assert parse(["replace", "$.datacontenttype", "text/plain"])(event_of([1])).data == "[1]"
    assert parse(["delete", "$.datacontenttype"])(event_of([1])).data == [1]
    with pytest.raises(TransformError, match="pipeline: data: it is not one JSON value"):
        parse(["replace", "$.datacontenttype", "text/json"])(event_of("abc", datacontenttype="text/plain"))


def test_a_variable_may_be_a_constant_of_any_kind() -> None:
    define = {"pattern": "a+", "zone": "Asia/Tokyo", "list": [1, [2]]}
    made = run(
        {"s": "baa", "d": "2026-01-01T15:00:00Z"},
        ["replace_with_regex", "$.data.s", "<pattern>", "x"],
        ["date_format", "$.data.d", "d H", "<zone>"],
        ["join", "$.data.j", "-", "<list>"],
        ["unfold_array", "<list>", "$.data.u"],
        ["create", "$.data['u-1'][1]", 3],
        ["create", "$.data.again", "<list>"],
        define=define,
    )
    assert made == {"s": "bx", "d": "02 00", "j": "1-2", "u-0": 1, "u-1": [2, 3], "again": [1, [2]]}


def test_data_too_deep_for_json_is_an_error() -> None:
    deep = "$.data" + ".a" * 140
    with pytest.raises(TransformError, match="pipeline: arrays and objects nest deeper than 128"):
        run({}, ["create", deep, 1])


# -- bounds


@pytest.mark.parametrize(
    "commands",
    [
        [["duplicate", "$.data", f"$.data.d{number}"] for number in range(100)],
        [["add_prefix", "$.data.s", "$.data.s"]] * 100,
        [["join", "$.data.s", "$.data.s", *["$.data.s"] * 50]] * 10,
        [["replace_string", "$.data.s", "x", "$.data.s"]] * 10,
        [["replace_with_regex", "$.data.s", "x", "$0$0$0$0$0$0$0$0"]] * 30,
        [["create", f"$.data.l[{number}]", "$.data.l"] for number in range(1, 100)],
        [["render_array", "$.data.l", "$.data.l", "<@>" * 100]] * 10,
    ],
    ids=["duplicate", "add_prefix", "join", "replace_string", "replace_with_regex", "create", "render_array"],
)
def test_growth_is_bounded(commands: list[list[Any]]) -> None:
    started = perf_counter()
    with pytest.raises(TransformError, match="than the limit named work allows"):
        run({"s": "x" * 50, "l": ["x" * 50]}, *commands, limits=Limits(work=500_000))
    assert perf_counter() - started < 20  # it would take years


def test_the_work_for_elements_is_bounded() -> None:
    commands = ["array_foreach", "$.data.l", ["extract_between_delimiters", "$.data.s", "@.t", "a", "b"]]
    data = {"l": [{}] * 1000, "s": "x" * 10_000 + "ab"}
    with pytest.raises(TransformError, match=r"element \d+: .*the limit named work"):
        run(data, commands, limits=Limits(work=1_000_000))
    with pytest.raises(TransformError, match="the limit named work"):
        run(data, ["array_foreach", "$.data.l", ["delete", "@.x"]], limits=Limits(work=50_000))


def test_the_output_is_bounded() -> None:
    for content_type, data in (("application/json", {"a": "x" * 90}), ("text/plain", "x" * 101)):
        with pytest.raises(TransformError, match="pipeline: the data grows longer than the limit named output"):
            parse(["add_suffix", "$.data" + ".a" * isinstance(data, dict), "0123456789"], limits=Limits(output=100))(
                event_of(data, datacontenttype=content_type)
            )


def test_many_matches_in_a_long_text_are_too_much() -> None:
    """Each match of the pattern looks at all of the rest of the text."""
    command = ["replace_with_regex", "$.data.s", "a.*b|a", ""]
    limits = Limits(work=10_000)
    assert run({"s": "a" * 50}, command, limits=limits) == {"s": ""}
    with pytest.raises(TransformError, match="the limit named work"):
        run({"s": "a" * 1_000}, command, limits=limits)
    with pytest.raises(TransformError, match="the limit named work"):
        run(
            {"l": ["a" * 200] * 10},
            ["array_foreach", "$.data.l", ["replace_with_regex", "@", *command[2:]]],
            limits=limits,
        )


def test_without_re2_the_command_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "re2", None)
    with pytest.raises(InvalidTransformer, match=r"need google-re2: pip install 'eventroute\[re2\]'"):
        parse(["replace_with_regex", "$.data.s", "a", "b"])


@pytest.mark.parametrize("text", ["\ud800", "a\ud800"])
def test_text_that_is_not_unicode_is_an_error(text: str) -> None:
    event = event_of({})
    event.data["s"] = text
    with pytest.raises(TransformError, match="not Unicode"):
        parse(["replace_with_regex", "$.data.s", "a", "b"])(event)
    with pytest.raises(TransformError, match="not Unicode"):
        parse(["upper_case", "$.data.s"])(event)


@pytest.mark.parametrize(
    ("limits", "commands", "message"),
    [
        (Limits(commands=2), [["delete", "$.data.a"]] * 3, r"pipeline\[2\]\.command: there are more than commands=2"),
        (Limits(commands=2), [["array_foreach", "$.data.a", *[["upper_case", "@"]] * 2]], "more than commands=2"),
        (Limits(arguments=3), [["join", "$.data.a", "", "a", "b"]], "more than arguments=3"),
        (
            Limits(nesting=1),
            [["array_foreach", "$.data.a", ["array_foreach", "@", ["array_foreach", "@", ["delete", "@.x"]]]]],
            r"pipeline\[0\]\.command\[2\]\[2\]: there are more than nesting=1",
        ),
        (Limits(pipeline_length=20), [["create", "$.data.a", "x" * 9]], "bytes, more than pipeline_length=20"),
    ],
)
def test_a_pipeline_is_bounded(limits: Limits, commands: list[list[Any]], message: str) -> None:
    with pytest.raises(InvalidTransformer, match=message):
        parse(*commands, limits=limits)


def test_nesting_beyond_all_bounds_is_refused() -> None:
    command: list[Any] = ["upper_case", "@"]
    for _ in range(10_000):
        command = ["array_foreach", "@", command]
    with pytest.raises(InvalidTransformer, match="nest deeper"):
        parse(command)


# -- commands of the application


def mask(value: str, keep: int) -> str:
    return "*" * (len(value) - keep) + value[len(value) - keep :]


MASK = Command(mask, arguments=(Argument("target", casts.text, Use.EDIT), Argument("kept", casts.position)))


def test_an_application_adds_commands() -> None:
    transformer = parse(["Mask", "$.data.key", 2], ["array_foreach", "$.data.l", ["mask", "@", 0]], own={"mask": MASK})
    assert transformer(event_of({"key": "secret", "l": ["ab"]})).data == {"key": "****et", "l": ["**"]}
    assert transformer == parse(
        ["mask", "$.data.key", 2], ["array_foreach", "$.data.l", ["mask", "@", 0]], own={"mask": MASK}
    )
    with pytest.raises(InvalidTransformer, match=r"command\[2\]: the kept: 'x' is not a number"):
        parse(["mask", "$.data.key", "x"], own={"mask": MASK})
    with pytest.raises(InvalidTransformer, match="there is no command 'mask'"):
        parse(["mask", "$.data.key", 1])


@pytest.mark.parametrize("error", [KeyError("k"), TypeError("k"), ZeroDivisionError("k"), ValueError("k")])
def test_a_fault_in_a_command_of_the_application_is_an_error_of_the_event(error: Exception) -> None:
    def fail(_value: Any) -> Any:
        raise error

    own = {"fail": Command(fail, arguments=(Argument("target", use=Use.EDIT),))}
    with pytest.raises(TransformError, match=r"^pipeline\[0\] \(fail\): .*k"):
        run({"a": 1}, ["fail", "$.data.a"], own=own)


def test_a_command_of_the_application_cannot_reach_the_event() -> None:
    kept: list[Any] = []

    def spoil(value: Any) -> Any:
        value["x"] = 1
        kept.append(value)
        return value

    own = {"spoil": Command(spoil, arguments=(Argument("target", use=Use.TARGET), Argument("value")))}
    event = event_of({"a": {}})
    result = parse(["spoil", "$.data.b", "$.data.a"], ["create", "$.data.b.y", 2], own=own)(event)
    kept[0]["late"] = True
    assert event.data == {"a": {}}
    assert result.data == {"a": {}, "b": {"x": 1, "y": 2}}


@pytest.mark.parametrize("value", [float("nan"), b"x", {1: 2}.keys(), "\ud800", object()])
def test_a_command_of_the_application_makes_json(value: Any) -> None:
    own = {"make": Command(lambda: value, arguments=(Argument("target", use=Use.TARGET),))}
    with pytest.raises(TransformError, match=r"^pipeline\[0\] \(make\)"):
        run({}, ["make", "$.data.a"], own=own)


@pytest.mark.parametrize("name", ["create", "Create", "a b", "", "1a", 5])
def test_a_command_of_the_application_has_a_name_of_its_own(name: Any) -> None:
    with pytest.raises(InvalidTransformer, match="the name of a command has a-z"):
        parse(own={name: MASK})


def test_a_command_of_the_application_is_a_command() -> None:
    with pytest.raises(InvalidTransformer, match="it must be a Command, not function"):
        parse(own={"mask": mask})


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (Argument("value"),),
        (Argument("a", use=Use.TARGET), Argument("b", use=Use.NEW)),
        (Argument("a", use=Use.TARGET), Argument("b", use=Use.COMMAND)),
    ],
)
def test_a_command_has_one_target(arguments: tuple[Argument, ...]) -> None:
    with pytest.raises(ValueError, match="one argument that is a target"):
        Command(mask, arguments=arguments)


def test_what_is_declared_is_checked() -> None:
    target = Argument("target", use=Use.TARGET)
    with pytest.raises(TypeError):
        Command(mask, arguments=[target])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Argument("a", use="target")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="optional"):
        Command(mask, arguments=(target,), optional=2)
    many = Command(lambda *values: list(values), arguments=(target,), rest=(Argument("a"), Argument("b")))
    assert run({}, ["many", "$.data.a", 1, 2, 3, 4], own={"many": many}) == {"a": [1, 2, 3, 4]}
    with pytest.raises(InvalidTransformer, match=r"many takes target, \.\.\.; there are 2 arguments"):
        parse(["many", "$.data.a", 1], own={"many": many})


# -- the value


def test_equal_pipelines_are_equal_and_compiled_once() -> None:
    one = parse(["upper_case", "$.data.a"], template="${$.data.a}")
    other = parse(["UPPER_CASE", "$['data']['a']"], template="${$.data.a}")
    assert one == other
    assert hash(one) == hash(other)
    assert one._program is None
    event = event_of({"a": "x"})
    assert one(event) == other(event)
    assert one._program is other._program
    assert one != parse(["upper_case", "$.data.b"], template="${$.data.a}")
    assert repr(one) == "Transformer(0 variables, 1 commands, template text of 11 characters)"


def test_the_explanation_shows_the_data_after_each_command() -> None:
    transformer = parse(
        ["upper_case", "$.data.a"],
        ["create", "$.subject", "$.data.a"],
        ["delete", "$.data.b"],
        ["math_add", "$.data.c", "$.data.a", 1],
    )
    explanation = transformer.explain(event_of({"a": "x", "b": [1]}))
    assert [step.data for step in explanation.steps] == [{"a": "X", "b": [1]}, {"a": "X", "b": [1]}, {"a": "X"}]
    assert [step.command for step in explanation.steps] == ["upper_case", "create", "delete"]
    assert explanation.steps[1].attributes["subject"] == "X"
    assert "subject" not in explanation.steps[0].attributes
    assert str(explanation).splitlines() == [
        'pipeline[0] upper_case: $.data.a = "X"',
        'pipeline[1] create: $.subject = "X"',
        "pipeline[2] delete: $.data.b = missing",
        "failed: pipeline[3] (math_add): the number $.data.a: 'X' is not a number",
    ]


def test_the_explanation_of_a_command_without_a_target_shows_the_data() -> None:
    command = ["debezium_convert_to_mongodb_sink", "id", "$.data.id"]
    explanation = parse(command).explain(event_of({"id": 1}, iodebeziumop="d"))
    assert str(explanation).startswith(
        'pipeline[0] debezium_convert_to_mongodb_sink: {"deletes":[{"filter":{"id":1}}]}'
    )
