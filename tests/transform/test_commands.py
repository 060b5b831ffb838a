"""Every command, an example a line of what it does and of what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from eventroute.errors import InvalidTransformer, TransformError
from eventroute.event import Event
from eventroute.jsontext import decode_json, encode_json
from eventroute.transform import Transformer
from eventroute.transform.commands import COMMANDS

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json"}
Arguments = list[Any]
S = "$.data.s"
T = "$.data.t"
L = "$.data.l"


def run(command: Arguments, data: Any, **attributes: Any) -> Event:
    pipeline = [{"command": command}]
    return Transformer.parse({"pipeline": pipeline})(Event({**ATTRIBUTES, **attributes}, data))


EXAMPLES: list[tuple[Arguments, Any, Any]] = [
    # structure: the command, the data before, the data after
    (["create", T, 1], {}, {"t": 1}),
    (["create", T, S], {"s": {"a": 1}}, {"s": {"a": 1}, "t": {"a": 1}}),
    (["create", T, None], {}, {"t": None}),
    (["create", "$.data.a.b.c", "x"], {}, {"a": {"b": {"c": "x"}}}),
    (["create", "$.data.a[0].b", "x"], {}, {"a": [{"b": "x"}]}),
    (["create", "$.data.a[1]", "x"], {"a": [0]}, {"a": [0, "x"]}),
    (["create", T, r"\$.data.s"], {}, {"t": "$.data.s"}),
    (["create", T, r"\<b>"], {}, {"t": "<b>"}),
    (["create", T, "$5"], {}, {"t": "$5"}),
    (["create", T, "@"], {}, {"t": "@"}),
    (["create", T, "a <b>"], {}, {"t": "a <b>"}),
    (["create", "$.data.all", "$.data"], {"a": 1}, {"a": 1, "all": {"a": 1}}),
    (["delete", T], {"t": 1, "u": 2}, {"u": 2}),
    (["delete", T], {"u": 2}, {"u": 2}),
    (["delete", "$.data.a.b"], {"a": 5}, {"a": 5}),
    (["delete", "$.data.a[0]"], {"a": [1, 2]}, {"a": [2]}),
    (["delete", "$.data.a[-1]"], {"a": [1, 2]}, {"a": [1]}),
    (["delete", "$.data"], {"a": 1}, None),
    (["replace", T, "b"], {"t": "a"}, {"t": "b"}),
    (["replace", T, "b"], {"t": None}, {"t": "b"}),
    (["replace", "$.data.a[0]", {"x": 1}], {"a": [1, 2]}, {"a": [{"x": 1}, 2]}),
    (["replace", "$.data", [1]], {"a": 1}, [1]),
    (["move", S, T], {"s": 1}, {"t": 1}),
    (["move", S, "$.data.a.b"], {"s": {"x": 1}}, {"a": {"b": {"x": 1}}}),
    (["move", "$.data.a[0]", "$.data.a[1].x"], {"a": [1, {"y": 2}]}, {"a": [{"y": 2, "x": 1}]}),
    (["rename", "$.data.a.b", "$.data.a.c"], {"a": {"b": None}}, {"a": {"c": None}}),
    (["duplicate", S, T], {"s": [1]}, {"s": [1], "t": [1]}),
    # text
    (["upper_case", T], {"t": "aé1"}, {"t": "AÉ1"}),
    (["upper_case", T], {"t": True}, {"t": "TRUE"}),
    (["lower_case", T], {"t": "AÉ1"}, {"t": "aé1"}),
    (["capitalize_sentence", T], {"t": "the end. of It"}, {"t": "The end. of It"}),
    (["capitalize_sentence", T], {"t": "  éa"}, {"t": "  Éa"}),
    (["capitalize_sentence", T], {"t": ""}, {"t": ""}),
    (["capitalize_word", T], {"t": "the  enD\nof 3rd"}, {"t": "The  EnD\nOf 3rd"}),
    (["add_prefix", T, "a-"], {"t": "b"}, {"t": "a-b"}),
    (["add_prefix", T, S], {"t": 1.5, "s": {"a": [1]}}, {"t": '{"a":[1]}1.5', "s": {"a": [1]}}),
    (["add_suffix", T, 7], {"t": "b"}, {"t": "b7"}),
    (["add_suffix", T, "x"], {"t": 10**30}, {"t": "1000000000000000000000000000000x"}),
    (["join", T, ", ", S], {"s": ["a", 1, True]}, {"s": ["a", 1, True], "t": "a, 1, true"}),
    (["join", T, "", S, "x", "y"], {"s": [["a"], [["b"], []]]}, {"s": [["a"], [["b"], []]], "t": "abxy"}),
    (["join", T, "-", S], {"s": [], "t": 1}, {"s": [], "t": ""}),
    (["join", T, "-", "$.data.l[*].n"], {"l": [{"n": 1}, {}, {"n": 2}]}, {"l": [{"n": 1}, {}, {"n": 2}], "t": "1-2"}),
    (["replace_string", T, "a", "bb"], {"t": "banana"}, {"t": "bbbnbbnbb"}),
    (["replace_string", T, "x", "$1"], {"t": "axb"}, {"t": "a$1b"}),
    (["replace_with_regex", T, "a+", "-"], {"t": "baab a"}, {"t": "b-b -"}),
    (["replace_with_regex", T, "(a)(?P<n>b)?", "$$${n}$1"], {"t": "ab a"}, {"t": "$ba $a"}),
    (["replace_with_regex", T, "(.)(.)", "$2$1${0}"], {"t": "éx"}, {"t": "xééx"}),
    (["replace_with_regex", T, "", "."], {"t": "éa"}, {"t": ".é.a."}),
    (["replace_with_regex", T, "z", "."], {"t": ""}, {"t": ""}),
    (["replace_between_positions", T, 1, 3, "X"], {"t": "abcde"}, {"t": "aXde"}),
    (["replace_between_positions", T, 1, 1, "X"], {"t": "ab"}, {"t": "aXb"}),
    (["replace_between_positions", T, "0", 2.0, ""], {"t": "ab"}, {"t": ""}),
    (["replace_between_delimiters", T, "a", "c", "Z"], {"t": "a-b-c"}, {"t": "Z"}),
    (["replace_between_delimiters", T, "(", ")", "Z"], {"t": "x)(y)(z)"}, {"t": "x)Z(z)"}),
    (["replace_between_delimiters", T, "'", "'", ""], {"t": "a'b'c"}, {"t": "ac"}),
    (["split_with_delimiter", S, ", ", T], {"s": "a, b, , c"}, {"s": "a, b, , c", "t": ["a", "b", "", "c"]}),
    (["split_with_delimiter", S, "x", T], {"s": ""}, {"s": "", "t": [""]}),
    (["split_from_start", S, 2, T], {"s": "abc"}, {"s": "abc", "t": ["ab", "c"]}),
    (["split_from_start", S, 5, T], {"s": "abc"}, {"s": "abc", "t": ["abc", ""]}),
    (["split_between_positions", S, 1, 3, T], {"s": "abcd"}, {"s": "abcd", "t": ["a", "bc", "d"]}),
    (["split_between_positions", S, 1, 9, T], {"s": "abcd"}, {"s": "abcd", "t": ["a", "bcd", ""]}),
    (["split_between_positions", S, 8, 9, T], {"s": "abcd"}, {"s": "abcd", "t": ["abcd", "", ""]}),
    (["split_with_intervals", S, 1, 2, T], {"s": "abcdef"}, {"s": "abcdef", "t": ["a", "bc", "de", "f"]}),
    (["split_with_intervals", S, 9, 2, T], {"s": "ab"}, {"s": "ab", "t": ["ab"]}),
    (["split_with_interval", S, 0, 2, T], {"s": "abcd"}, {"s": "abcd", "t": ["", "ab", "cd"]}),
    (["extract_between_positions", S, T, 1, 3], {"s": "abcd"}, {"s": "abcd", "t": "bc"}),
    (["extract_between_positions", S, T, 4, 4], {"s": "abcd", "t": 1}, {"s": "abcd", "t": ""}),
    (["extract_between_delimiters", S, T, "<", "/>"], {"s": "a<b/>c"}, {"s": "a<b/>c", "t": "b"}),
    (["extract_missing", S, T, "no", "yes"], {}, {"t": "no"}),
    (["extract_missing", S, T, "no", "yes"], {"s": ""}, {"s": "", "t": "no"}),
    (["extract_missing", S, T, "no", "yes"], {"s": None}, {"s": None, "t": "no"}),
    (["extract_missing_action", S, T, "no", "yes"], {"s": []}, {"s": [], "t": "no"}),
    (["extract_missing", S, T, "no", "yes"], {"s": 0, "t": 1}, {"s": 0, "t": "yes"}),
    (["extract_missing", S, T, "no", S], {"s": False}, {"s": False, "t": False}),
    (["check_custom_values", S, "an", T, True, False], {"s": "banana"}, {"s": "banana", "t": True}),
    (["check_custom_values", S, "x", T, True, {"no": 1}], {"s": "banana"}, {"s": "banana", "t": {"no": 1}}),
    (["length", T, S], {"s": "éa"}, {"s": "éa", "t": 2}),
    (["length", T, S], {"s": [1, [2, 3]]}, {"s": [1, [2, 3]], "t": 2}),
    (["length", T, S], {"s": {"a": 1}}, {"s": {"a": 1}, "t": 1}),
    (["length", T, S], {"s": -15}, {"s": -15, "t": 3}),
    # numbers
    (["math_add", T, S, 1], {"s": 41}, {"s": 41, "t": 42}),
    (["math_add", T, 0.1, 0.2], {}, {"t": 0.3}),
    (["math_add", T, "0.1", "0.2", 3, S], {"s": "-1e0"}, {"s": "-1e0", "t": 2.3}),
    (["math_add", T, 2**70, 1], {}, {"t": 2**70 + 1}),
    (["math_add", T, 1.5, 1.5], {}, {"t": 3}),
    (["math_sub", T, 1, 0.9], {}, {"t": 0.1}),
    (["math_mul", T, 3, "1.1", 10], {}, {"t": 33}),
    (["math_mul", T, 10**40, 10**40], {}, {"t": 10**80}),
    (["math_div", T, 6, 3], {}, {"t": 2}),
    (["math_div", T, -7, 2], {}, {"t": -3.5}),
    (["math_div", T, 10**50 + 10, 10], {}, {"t": 10**49 + 1}),
    (["math_div", T, 1, 8], {"t": 0}, {"t": 0.125}),
    (["condition_if", T, S, "==", "5", "y", "n"], {"s": 5}, {"s": 5, "t": "y"}),
    (["condition_if", T, S, "==", True, "y", "n"], {"s": "true"}, {"s": "true", "t": "y"}),
    (["condition_if", T, S, "==", None, "y", "n"], {"s": None}, {"s": None, "t": "y"}),
    (["condition_if", T, S, "==", "null", "y", "n"], {"s": None}, {"s": None, "t": "n"}),
    (["condition_if", T, S, "==", [1], "y", "n"], {"s": [1]}, {"s": [1], "t": "y"}),
    (["condition_if", T, S, "!=", 5.0, "y", "n"], {"s": 5}, {"s": 5, "t": "n"}),
    (["condition_if", T, S, ">=", 5, "y", "n"], {"s": "5.0"}, {"s": "5.0", "t": "y"}),
    (["condition_if", T, S, ">", 9, "y", "n"], {"s": "10"}, {"s": "10", "t": "y"}),
    (["condition_if", T, S, "<=", 9, "y", "n"], {"s": 10}, {"s": 10, "t": "n"}),
    (["condition_if", T, S, "<", 2**64 + 1, "y", S], {"s": 2**64}, {"s": 2**64, "t": "y"}),
    (["condition_if", T, S, "<", 5, "$.data.none", {"a": 1}], {"s": 9}, {"s": 9, "t": {"a": 1}}),
    # dates
    (["date_format", T, "Y-m-d H:i:s"], {"t": "2026-11-03T14:05:06.789+02:00"}, {"t": "2026-11-03 12:05:06"}),
    (["date_format", T, r"y/m/d h \H\i\\"], {"t": "2026-11-03T00:05:06Z"}, {"t": "26/11/03 12 Hi\\"}),
    (["date_format", T, "d h", "Asia/Tokyo"], {"t": "2026-11-03T15:05:06Z"}, {"t": "04 12"}),
    (["date_format", T, "Y", "UTC"], {"t": "0001-01-01T00:00:00Z"}, {"t": "0001"}),
    (["unix_time_format", T, "Y-m-d H:i:s"], {"t": 1700000000}, {"t": "2023-11-14 22:13:20"}),
    (["unix_time_format", T, "H:i:s", "Europe/Paris"], {"t": "-0.5"}, {"t": "00:59:59"}),
    (["convert_timezone", T, "UTC", "Asia/Tokyo"], {"t": "2026-01-31 23:00:00"}, {"t": "2026-02-01 08:00:00"}),
    (
        ["convert_timezone", T, "Europe/Paris", "America/New_York", "d.m.y H\\h"],
        {"t": "01.07.68 12h"},
        {"t": "01.07.68 06h"},
    ),
    (["convert_timezone", T, "UTC", "UTC", "d.m.y"], {"t": "01.07.69"}, {"t": "01.07.69"}),
    # arrays
    (["array_foreach", "$.data.l", ["upper_case", "@"]], {"l": ["a", "b"]}, {"l": ["A", "B"]}),
    (["array_foreach", "$.data.l", ["upper_case", "@"]], {"l": []}, {"l": []}),
    (
        [
            "array_foreach",
            "$.data.l",
            ["add_suffix", "@.n", "$.data.x"],
            ["create", "@.m[0]", "@.n"],
            ["delete", "@.d"],
        ],
        {"l": [{"n": "a", "d": 1}, {"n": "b"}], "x": "!"},
        {"l": [{"n": "a!", "m": ["a!"]}, {"n": "b!", "m": ["b!"]}], "x": "!"},
    ),
    (
        ["array_foreach", "$.data.l", ["array_foreach", "@.m", ["math_mul", "@", "@", 2]]],
        {"l": [{"m": [1, 2]}, {"m": []}]},
        {"l": [{"m": [2, 4]}, {"m": []}]},
    ),
    (["array_foreach", "$.data.l", ["create", "@.c", "@"]], {"l": [{"a": 1}]}, {"l": [{"a": 1, "c": {"a": 1}}]}),
    (["array_foreach", "$.data.l", ["unfold_array", "@.u", "@.v"]], {"l": [{"u": [1]}]}, {"l": [{"u": [1], "v-0": 1}]}),
    (
        ["render_array", T, "$.data.l", r"<@.a> \<b> <@['c d'][0]>!"],
        {"l": [{"a": "x", "c d": [None]}, {"a": {"y": 1.5}, "c d": [True]}]},
        {
            "l": [{"a": "x", "c d": [None]}, {"a": {"y": 1.5}, "c d": [True]}],
            "t": ["x <b> null!", '{"y":1.5} <b> true!'],
        },
    ),
    (["render_array", T, "$.data.l[*].a", "-<@>"], {"l": [{"a": 1}]}, {"l": [{"a": 1}], "t": ["-1"]}),
    (["render_array", T, "$.data.l", "x"], {"l": [1, 2]}, {"l": [1, 2], "t": ["x", "x"]}),
    (["unfold_array", S, "$.data.i"], {"s": [{"a": 1}, 2]}, {"s": [{"a": 1}, 2], "i-0": {"a": 1}, "i-1": 2}),
    (["unfold_array", S, "$.data.a.b"], {"s": [None]}, {"s": [None], "a": {"b-0": None}}),
    (["unfold_array", S, "$.data.i"], {"s": []}, {"s": []}),
]


def ids(example: Any) -> str | None:
    return encode_json(example).decode()[:80] if isinstance(example, list | dict) else None


@pytest.mark.parametrize(("command", "before", "after"), EXAMPLES, ids=ids)
def test_a_command_makes_of_the_data(command: Arguments, before: Any, after: Any) -> None:
    assert run(command, before).data == after


@pytest.mark.parametrize(("command", "before", "after"), EXAMPLES, ids=ids)
def test_names_are_read_in_any_case(command: Arguments, before: Any, after: Any) -> None:
    assert run([command[0].upper(), *command[1:]], before).data == after


def test_every_command_has_an_example() -> None:
    assert {command[0] for command, _, _ in EXAMPLES} | {"debezium_convert_to_mongodb_sink"} == set(COMMANDS)


FAILURES: list[tuple[Arguments, Any, str]] = [
    (["create", T, 1], {"t": None}, r"\$\.data\.t exists already"),
    (["create", T, S], {}, r"the value \$\.data\.s: it is missing"),
    (["create", "$.data.a.b", 1], {"a": 5}, "'b' to write: what should hold it is no object"),
    (["create", "$.data.a.b", 1], {"a": None}, "no object"),
    (["create", "$.data.a.b", 1], {"a": [1]}, "no object"),
    (["create", "$.data.a[0]", 1], {"a": {}}, "no array"),
    (["create", "$.data.a[2]", 1], {"a": [1]}, "there is no element 2: the array has 1"),
    (["create", "$.data.a[-1]", 1], {"a": []}, "there is no element -1"),
    (["create", "$.data.a", 1], "text", "no object"),
    (["replace", T, 1], {}, r"\$\.data\.t is missing"),
    (["move", S, T], {}, r"\$\.data\.s is missing"),
    (["move", S, T], {"s": 1, "t": None}, "exists already"),
    (["rename", S, T], {"s": 1, "t": 2}, "exists already"),
    (["duplicate", S, T], {"s": 1, "t": 2}, "exists already"),
    (["duplicate", S, T], {}, "missing"),
    (["upper_case", T], {}, r"the target \$\.data\.t: it is missing"),
    (["upper_case", T], {"t": None}, "it is null"),
    (["add_prefix", T, S], {"t": "a"}, r"the prefix \$\.data\.s: it is missing"),
    (["join", T, "-", S], {"s": ["a", None]}, "it is null"),
    (["replace_string", T, S, "x"], {"t": "a", "s": ""}, "it is empty"),
    (["replace_with_regex", T, "(a)", S], {"t": "a", "s": "$2"}, "the pattern has no group '2'"),
    (["replace_between_positions", T, 1, 4, "X"], {"t": "abc"}, "the end 4 lies past the text, which has 3"),
    (["replace_between_positions", T, S, 1, "X"], {"t": "abc", "s": 2}, "the start 2 lies after the end 1"),
    (["replace_between_positions", T, S, 1, "X"], {"t": "abc", "s": -1}, "negative"),
    (["replace_between_positions", T, S, 1, "X"], {"t": "abc", "s": 0.5}, "not a whole number"),
    (["replace_between_delimiters", T, "(", ")", "X"], {"t": "a)b"}, "the start delimiter is not in"),
    (["replace_between_delimiters", T, "(", ")", "X"], {"t": "a)b("}, "the end delimiter is not in"),
    (["split_with_delimiter", S, ",", T], {"s": "a", "t": None}, "exists already"),
    (["split_with_delimiter", S, ",", T], {}, "missing"),
    (["split_from_start", S, 1, T], {"s": "a", "t": 1}, "exists already"),
    (["split_between_positions", S, 2, "$.data.e", T], {"s": "a", "e": 1}, "lies after"),
    (["split_between_positions", S, 1, 2, T], {"s": "a", "t": 1}, "exists already"),
    (["split_with_intervals", S, 1, "$.data.e", T], {"s": "a", "e": 0}, "it is 0"),
    (["split_with_intervals", S, 1, 2, T], {"s": "a", "t": 1}, "exists already"),
    (["extract_between_positions", S, T, 1, 3], {"s": "ab"}, "past the text"),
    (["extract_between_delimiters", S, T, "(", ")"], {"s": "ab"}, "not in the text"),
    (["extract_missing", S, T, "$.data.none", 1], {}, "the value if true"),
    (["check_custom_values", S, "a", T, 1, 2], {}, "missing"),
    (["length", T, S], {"s": None}, "null has no length"),
    (["math_add", T, S, 1], {"s": "1,5"}, "'1,5' is not a number"),
    (["math_add", T, S, 1], {"s": True}, "true is not a number"),
    (["math_add", T, S, 1], {"s": None}, "null is not a number"),
    (["math_add", T, S, 1], {"s": {}}, "an object is not a number"),
    (["math_add", T, S, 1], {}, "missing"),
    (["math_add", T, S, 1], {"s": "1e99999999"}, "too large"),
    (["math_add", T, S, "1e-4000"], {"s": "1e4000"}, "the result needs more than 4300 digits"),
    (["math_mul", T, S, S], {"s": "1e4000"}, "the result needs more than 4300 digits"),
    (["math_div", T, 1, S], {"s": 0}, "nothing can be divided"),
    (["math_div", T, "1e-4000", S], {"s": "3e4000"}, "the result needs more than 4300 digits"),
    (["condition_if", T, S, "==", 1, 1, 2], {}, "missing"),
    (["condition_if", T, S, "<", 1, 1, 2], {"s": "a"}, "'a' is not a number"),
    (["condition_if", T, 1, S, 1, 1, 2], {"s": "=>"}, "'=>' is no operator: it is one of == != >= > <= <"),
    (["condition_if", T, 1, "==", 1, S, 2], {}, "missing"),
    (["date_format", T, "Y"], {"t": "2026-11-03"}, "not an RFC 3339 date-time"),
    (["date_format", T, "Y", S], {"t": "2026-11-03T00:00:00Z", "s": "Mars/North"}, "'Mars/North' is unknown"),
    (["date_format", T, S], {"t": "2026-11-03T00:00:00Z", "s": "Y\\"}, "ends in a backslash"),
    (["date_format", T, "Y", "Asia/Tokyo"], {"t": "9999-12-31T23:00:00Z"}, "outside of the years"),
    (["unix_time_format", T, "Y"], {"t": 10**18}, "outside of the years"),
    (["unix_time_format", T, "Y"], {"t": "x"}, "not a number"),
    (["convert_timezone", T, "UTC", "UTC"], {"t": "2026-01-01T00:00:00"}, "not in the date format"),
    (["convert_timezone", T, "UTC", "UTC"], {"t": "2026-02-30 00:00:00"}, "day"),
    (["array_foreach", T, ["upper_case", "@"]], {"t": "a"}, "'a' is not an array"),
    (["array_foreach", T, ["upper_case", "@"]], {}, "missing"),
    (["array_foreach", T, ["upper_case", "@.a"]], {"t": [{"a": "x"}, {}]}, r"element 1: command\[2\] \(upper_case\): "),
    (["render_array", T, S, "<@.a>"], {"s": [{"a": 1}, {}]}, r"element 1: @\.a is missing"),
    (["render_array", T, S, "<@.a>"], {"s": {}}, "an object is not an array"),
    (["unfold_array", S, "$.data.i"], {"s": [1, 2], "i-1": None}, r"\$\.data\.i-1 exists already"),
]


@pytest.mark.parametrize(("command", "data", "message"), FAILURES, ids=ids)
def test_a_command_fails_and_says_why(command: Arguments, data: Any, message: str) -> None:
    with pytest.raises(TransformError, match=message) as caught:
        run(command, data)
    assert caught.value.where == f"pipeline[0] ({command[0]})"


REFUSALS: list[tuple[Arguments, str]] = [
    (["create", T], r"\]\.command: create takes target, value; there are 1 arguments"),
    (["create", "t", 1], r"command\[1\]: the target: it is written to, so it must be a path that starts with \$"),
    (["create", 5, 1], r"command\[1\]: the target: it is written to"),
    (["create", "$", 1], r"command\[1\]: the target: \$ is the whole event"),
    (["create", "$.data[*]", 1], "names and indexes only"),
    (["create", "$[0]", 1], "is no place in an event"),
    (["create", "$.subject.x", 1], "is no place in an event"),
    (["create", "$.Subject", 1], "no attribute name"),
    (["create", "$.data_base64", 1], "this is the payload"),
    (["create", "$.type", 1], r"\$\.type is in every event: use replace"),
    (["create", T, "$.data["], r"command\[2\]: the value: .*position"),
    (["create", T, "<none>"], r"command\[2\]: the value: the variable 'none' is not defined; add 'none' to define"),
    (["create", T, "@.x"], "is a path of an element, and this is not in array_foreach"),
    (["delete", "$.id"], r"\$\.id is required of every event"),
    (["move", "$.source", T], "required of every event"),
    (["rename", "$.data.a", "$.data.a.b"], "a value cannot move into itself"),
    (["move", "$.data.a[0]", "$.data.a[-1].x"], "a value cannot move into itself"),
    (["duplicate", "a", T], r"command\[1\]: the source: it must be a path or a variable, not a constant"),
    (["replace_string", T, "", "x"], r"command\[2\]: the old text: it is empty"),
    (["replace_with_regex", T, "(", "x"], r"command\[2\]: the pattern: RE2 does not take it: missing \)"),
    (["replace_with_regex", T, r"(a)\1", "x"], "RE2 does not take it: invalid escape"),
    (["replace_with_regex", T, "(a{99}){99}{99}", "x"], "RE2 does not take it"),
    (["replace_with_regex", T, "a" * 1001, "x"], "a pattern has at most 1000 characters"),
    (["replace_with_regex", T, "$.data.s", "x"], r"command\[2\]: the pattern: it must be a constant, not \$\.data\.s"),
    (["replace_with_regex", T, "(a)", "$2"], "the pattern has no group '2': it has 0, 1"),
    (["replace_with_regex", T, "(a)", "$x"], "the dollar at position 0 names no group: write `\\$\\$`"),
    (["replace_with_regex", T, "(a)", "$1" * 101], "at most 100 groups"),
    (["replace_between_positions", T, 3, 2, "x"], r"\]\.command: the start 3 lies after the end 2"),
    (["replace_between_positions", T, -1, 2, "x"], r"command\[2\]: the start: -1 is negative"),
    (["replace_between_positions", T, "a", 2, "x"], r"command\[2\]: the start: 'a' is not a number"),
    (["split_between_positions", S, 3, 2, T], "the start 3 lies after the end 2"),
    (["extract_between_positions", S, T, 3, 2], "the start 3 lies after the end 2"),
    (["replace_between_delimiters", T, "", "a", "x"], "it is empty"),
    (["split_with_delimiter", S, "", T], "it is empty"),
    (["split_with_intervals", S, 0, 0, T], "it is 0: give at least 1"),
    (["upper_case", T, 1], "upper_case takes target; there are 2 arguments"),
    (["add_prefix", T, None], r"command\[2\]: the prefix: it is null"),
    (["math_add", T, 1], "math_add takes target, number, number, ...; there are 2"),
    (["math_add", T, 1, [1]], r"command\[3\]: the number: an array is not a number"),
    (["math_sub", T, 1, 2, 3], "math_sub takes target, number, number; there are 4"),
    (["math_div", T, 1, "0.0"], r"command\[3\]: the divisor: it is 0"),
    (["condition_if", T, 1, "=", 1, 2, 3], r"command\[3\]: the operator: '=' is no operator"),
    (["condition_if", T, S, ">", "x", 2, 3], "'x' is not a number"),
    (["condition_if", T, "x", ">", S, 2, 3], "'x' is not a number"),
    (["date_format", T, "Y\\"], "it ends in a backslash"),
    (["date_format", T, "Y" * 201], "at most 200 characters"),
    (["date_format", T, "Y", "Mars/North"], r"command\[3\]: the time zone: .*'Mars/North' is unknown"),
    (["date_format", T, "Y", "../etc/passwd"], "not the name of a time zone"),
    (["date_format", T, "Y", "America"], "is unknown"),
    (["date_format", T, "Y", "UTC", "x"], r"date_format takes target, format, \[time zone\]; there are 4"),
    (["convert_timezone", T, "UTC", "Nowhere"], r"command\[3\]: the time zone to: .*unknown"),
    (["convert_timezone", T, "UTC", "UTC", "Y-m-d h"], "`h` does not tell morning from evening"),
    (["convert_timezone", T, "UTC", "UTC", "H:i"], "year, month and day"),
    (["convert_timezone", T, "UTC", "UTC", "Y-m-d y"], "no part twice"),
    (["array_foreach", T], "array_foreach takes target, command, ...; there are 1"),
    (["array_foreach", "$.subject", ["upper_case", "@"]], r"\$\.subject is an attribute, and no attribute is an array"),
    (["array_foreach", T, "upper_case"], r"command\[2\]: it must be a list"),
    (["array_foreach", T, ["upper_cas", "@"]], r"command\[2\]\[0\]: there is no command 'upper_cas'; did you mean"),
    (["array_foreach", T, ["upper_case", T]], r"command\[2\]\[1\]: .* inside array_foreach .* starts with @"),
    (["array_foreach", T, ["delete", "@"]], "@ is the element itself"),
    (["array_foreach", T, ["create", "@.x", "$..a"]], "may have many results"),
    (["array_foreach", T, ["debezium_convert_to_mongodb_sink", "a", 1]], "has no target, so it cannot run for"),
    (["render_array", T, S, "$.data.x"], "it must be a constant"),
    (["render_array", T, S, "<@.a"], "the placeholder at position 0 has no end"),
    (["render_array", T, S, "<@.a b>"], "position"),
    (["render_array", T, S, "<@[*]>"], "may have many results"),
    (["unfold_array", S, "$.data"], "the prefix must end in a name"),
    (["unfold_array", S, "$.data[0]"], "the prefix must end in a name"),
    (["unfold_array", S, "$.subject"], "the prefix must end in a name"),
    (["debezium_convert_to_mongodb_sink"], "takes key, value of the key, ...; there are 0"),
    (["debezium_convert_to_mongodb_sink", "a", 1, "b"], "there are 3 arguments"),
    (["debezium_convert_to_mongodb_sink", "a", 1, "a", 2], "a key is there twice"),
    (["debezium_convert_to_mongodb_sink", S, 1], r"command\[1\]: the key: it must be a constant"),
    (["no_such"], r"command\[0\]: there is no command 'no_such'; known are add_prefix, "),
    (["upercase", T], "did you mean 'upper_case'"),
]


@pytest.mark.parametrize(("command", "message"), REFUSALS, ids=ids)
def test_a_command_is_refused_when_made(command: Arguments, message: str) -> None:
    with pytest.raises(InvalidTransformer, match=message) as caught:
        Transformer.parse({"pipeline": [{"command": ["delete", "$.data.x"]}, {"command": command}]})
    assert caught.value.where.startswith("pipeline[1].command")


# -- attributes


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        (["create", "$.subject", "$.data.s"], "subject", "abc"),
        (["upper_case", "$.type"], "type", "T"),
        (["replace", "$.source", "/x"], "source", "/x"),
        (["delete", "$.abc"], "abc", None),
        (["delete", "$['subject']"], "subject", None),
        (["move", "$.abc", "$.xyz"], "xyz", 5),
        (["move", "$.data.s", "$.xyz"], "xyz", "abc"),
        (["math_add", "$.abc", "$.abc", 1], "abc", 6),
        (["create", "$.time", "2026-01-01T00:00:00Z"], "time", "2026-01-01T00:00:00Z"),
        (["length", "$.xyz", "$.data.s"], "xyz", 3),
    ],
    ids=ids,
)
def test_attributes_are_edited_by_the_same_paths(command: Arguments, name: str, value: Any) -> None:
    result = run(command, {"s": "abc"}, abc=5)
    assert result.attributes.get(name) == value
    assert Event.from_json(result.to_json()) == result


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["create", "$.subject", None], "null is no value of an attribute"),
        (["create", "$.subject", 1.5], "subject: it must be a string, not float"),
        (["create", "$.xyz", 1.5], "it is of type float"),
        (["create", "$.xyz", {"a": 1}], "it is of type dict"),
        (["create", "$.xyz", 2**31], "at most 32 bits"),
        (["create", "$.time", "today"], "time: 'today' is not an RFC 3339 date-time"),
        (["replace", "$.source", "a b"], "source: it is not a URI"),
        (["replace", "$.specversion", "2.0"], "specversion"),
        (["create", "$.subject", ""], "subject: it is empty"),
    ],
    ids=ids,
)
def test_an_attribute_takes_only_a_type_of_cloudevents(command: Arguments, message: str) -> None:
    with pytest.raises(TransformError, match=message) as caught:
        run(command, {})
    assert caught.value.where == f"pipeline[0] ({command[0]})"


# -- debezium

ROW = {"id": 7, "name": "n", "v": [1]}


@pytest.mark.parametrize(
    ("operation", "made"),
    [
        ("c", {"inserts": [ROW]}),
        ("r", {"inserts": [ROW]}),
        ("u", {"updates": [{"filter": {"id": 7}, "update": {"$set": {"name": "n", "v": [1]}}}]}),
        ("d", {"deletes": [{"filter": {"id": 7}}]}),
    ],
)
def test_a_change_of_debezium_becomes_a_write(operation: str, made: Any) -> None:
    command = ["debezium_convert_to_mongodb_sink", "id", "$.data.id"]
    assert run(command, ROW, iodebeziumop=operation).data == made


def test_a_deletion_of_debezium_needs_no_object() -> None:
    command = ["debezium_convert_to_mongodb_sink", "id", "$.subject", "kind", "x"]
    assert run(command, None, iodebeziumop="d", subject="7").data == {"deletes": [{"filter": {"id": "7", "kind": "x"}}]}


@pytest.mark.parametrize(
    ("data", "attributes", "message"),
    [
        ({"id": 1}, {"iodebeziumop": "x"}, r"\$\.iodebeziumop is 'x', and must be c, r, u or d"),
        ({"id": 1}, {}, "iodebeziumop is missing, and must be"),
        ([1], {"iodebeziumop": "u"}, r"\$\.data is an array, and the row that changed is an object"),
    ],
)
def test_a_change_that_is_none_is_an_error(data: Any, attributes: dict[str, str], message: str) -> None:
    with pytest.raises(TransformError, match=message):
        run(["debezium_convert_to_mongodb_sink", "id", 1], data, **attributes)


# -- content types and kinds of data


@pytest.mark.parametrize(
    ("content_type", "data", "command", "made"),
    [
        ("text/plain", "abc", ["upper_case", "$.data"], "ABC"),
        ("text/plain; charset=iso-8859-1", "é".encode("latin-1"), ["create", "$.subject", "x"], "é"),
        ("text/plain", None, ["create", "$.data", "x"], "x"),
        (None, None, ["create", "$.data.a", 1], {"a": 1}),
        (None, 5, ["replace", "$.data", None], None),
        ("application/ld+json", [1], ["replace", "$.data[0]", 2], [2]),
        ("image/png", b"\x00", ["delete", "$.data"], None),
        ("image/png", b"\x00", ["create", "$.subject", "x"], b"\x00"),
    ],
)
def test_the_content_type_is_kept(content_type: str | None, data: Any, command: Arguments, made: Any) -> None:
    result = run(command, data, datacontenttype=content_type)
    assert result.data == made
    assert result.datacontenttype == content_type
    assert Event.from_json(result.to_json()) == result


@pytest.mark.parametrize(
    ("content_type", "data", "command", "message"),
    [
        ("text/plain", "abc", ["replace", "$.data", {"a": 1}], "dict does not go with datacontenttype"),
        ("text/plain", "abc", ["replace", "$.data", None], "null does not go with datacontenttype"),
        ("image/png", b"\x00", ["create", "$.data.a", 1], "no object"),
        ("image/png", b"\x00", ["upper_case", "$.data"], "missing"),
    ],
)
def test_data_that_does_not_go_with_the_content_type_is_an_error(
    content_type: str, data: Any, command: Arguments, message: str
) -> None:
    with pytest.raises(TransformError, match=message):
        run(command, data, datacontenttype=content_type)


def test_null_is_not_the_absence_of_data() -> None:
    assert run(["replace", "$.data", None], 5).data_text == "null"
    assert not run(["delete", "$.data"], 5).has_data


# -- numbers stay exact


@pytest.mark.parametrize(
    ("one", "other", "made"),
    [
        (b"0.1", b"0.2", b"0.3"),
        (b"1.10", b"1.10", b"2.2"),
        (b"12345678901234567890.123456789", b"0", b"12345678901234567890.123456789"),
        (b"1e400", b"1e399", b"11" + b"0" * 399),
        (b"1e-400", b"1e-401", b"1.1E-400"),
        (b"-0.0", b"0", b"0"),
        (b"9007199254740993", b"0", b"9007199254740993"),
    ],
)
def test_sums_are_exact(one: bytes, other: bytes, made: bytes) -> None:
    result = run(["math_add", T, "$.data.a", "$.data.b"], b'{"a":%b,"b":%b}' % (one, other))
    text = (result.data_bytes or b"").partition(b'"t":')[2][:-1]
    assert text.lower() == made.lower()


def test_a_quotient_without_end_is_rounded_to_34_digits() -> None:
    assert run(["math_div", T, 2, 3], {}).data_bytes == b'{"t":0.6666666666666666666666666666666667}'
    assert decode_json(run(["math_div", T, 1, "3e10"], {}).data_bytes or b"")["t"] > 0
