"""Templates: what they may say, what is refused and where, and how large they may be."""

from __future__ import annotations

import time
from typing import Any

import pytest

from eventroute.errors import InvalidTransformer
from eventroute.paths import Path
from eventroute.transform import Limits, Transformer
from eventroute.transform.template import Hole, Members, Place, Syntax, Template, TemplateType, parse_template

DEFINE = {"star_count": "$.data.stars", "repo": "$.data.repo"}


def parsed(text: str, **changes: Any) -> Template:
    given: dict[str, Any] = {"type": None, "syntax": Syntax.DOLLAR, "defined": DEFINE, "limits": Limits()}
    return parse_template(text, **given | changes)


def refused(text: str, **changes: Any) -> InvalidTransformer:
    with pytest.raises(InvalidTransformer) as caught:
        parsed(text, **changes)
    return caught.value


def test_parts_keep_the_text_between_the_placeholders() -> None:
    template = parsed('{ "a":\t${repo},\r\n"b${$.data.x}" : [1.50, -0e+7,true] }')
    assert template.type is TemplateType.JSON
    assert template.parts == (
        '{ "a":\t',
        Hole("repo", Place.VALUE, 1, 8),
        ',\r\n"b',
        Hole(Path.parse("$.data.x"), Place.STRING, 2, 3),
        '" : [1.50, -0e+7,true] }',
    )


def test_a_path_that_is_a_member_may_be_missing_with_its_comma() -> None:
    hole = Hole(Path.parse("$.data.x"), Place.VALUE, 1, 9)
    template = parsed("[true , ${$.data.x} ]")
    assert template.parts[0] == "[true "
    assert isinstance(template.parts[1], Members)
    assert template.parts[1].items[0].parts == (", ", hole)
    assert template.parts[2] == " ]"


@pytest.mark.parametrize(
    ("text", "type"),
    [
        ('{"a": 1}', TemplateType.JSON),
        ("[]", TemplateType.JSON),
        ('"text"', TemplateType.JSON),
        (' \n\t{"a": 1}', TemplateType.JSON),
        ("${repo}", TemplateType.TEXT),
        ("<b>", TemplateType.TEXT),
        ("5", TemplateType.TEXT),
        (" ", TemplateType.TEXT),
    ],
)
def test_the_type_is_told_by_the_first_character(text: str, type: TemplateType) -> None:
    assert parsed(text).type is type


@pytest.mark.parametrize(
    "text",
    [
        "true",
        " null ",
        "-1.5e-3",
        '"\\u00e9\\ud83d\\ude00\\n"',
        "${repo}",
        "[[],{}, [ ], { }]",
        '{"":""}',
        '"\x7f\u2028"',
    ],
)
def test_any_json_text_is_a_json_template(text: str) -> None:
    assert parsed(text, type=TemplateType.JSON).type is TemplateType.JSON


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ('{"a": ${starcount}}', 9, "the variable 'starcount' is not defined; did you mean 'star_count'?"),
        ('{"a": ${other}}', 9, "the variable 'other' is not defined; add 'other' to define"),
        ('{"a": "${repo"}', 14, "unexpected '\"'; expected `}`"),
        ('{"a": "${repo} ${', 18, "it ends too early; expected the name of a variable or a path"),
        ("{${repo}: 1}", 2, "unexpected '$'; expected a name in quotes or `}`"),
        ('{"a" 1}', 6, "unexpected '1'; expected `:`"),
        ('{"a": 1,}', 9, "unexpected '}'; expected a name in quotes"),
        ("[1 2]", 4, "unexpected '2'; expected `,` or `]`"),
        ("[1,]", 4, "unexpected ']'; expected a JSON value"),
        ("[01]", 3, "unexpected '1'; expected `,` or `]`"),
        ("[NaN]", 2, "unexpected 'N'; expected a JSON value or `]`"),
        ("[+1]", 2, "unexpected '+'; expected a JSON value or `]`"),
        ("{'a': 1}", 2, 'unexpected "\'"; expected a name in quotes or `}`'),
        ('{"a": 1} x', 10, "unexpected 'x'; expected the end of the template"),
        ('{"a":', 6, "it ends too early; expected a JSON value"),
        ('["abc', 6, "the string has no end: add a double quote"),
        ('["\\x"]', 3, "this is no escape of JSON: write a backslash as two"),
        ('["\\ud800"]', 3, "this is no escape of JSON"),
        ('["\\ud800\\u0041"]', 3, "this is no escape of JSON"),
        ('["\\udc00"]', 3, "this is no escape of JSON"),
        ('["a\tb"]', 4, "a string cannot hold '\\t': write it as an escape such as \\n"),
        ('["a\nb"]', 4, "a string cannot hold '\\n'"),
        ('["\ud800"]', 3, "half of a surrogate pair is not text"),
        ("[${$.data[}]", 4, "expected a quoted name"),
        ("[${$data}]", 4, "'$data' at position 1"),
        ("[${repo.name}]", 8, "unexpected '.'; expected `}`"),
        ("[${9}]", 4, "unexpected '9'; expected the name of a variable or a path such as $.data.x (write $${"),
        ("${}", 3, "unexpected '}'; expected the name of a variable"),
        ("a ${repo", 9, "it ends too early; expected `}`"),
    ],
)
def test_what_is_refused_is_shown_with_its_place(text: str, column: int, reason: str) -> None:
    error = refused(text)
    assert error.where == f"template line 1, column {column}"
    message, *_, caret = error.reason.split("\n  ")
    assert message.startswith(reason) or reason in message
    assert caret == " " * (column - 1) + "^"


def test_the_hint_that_it_may_be_text_is_there_only_if_the_type_was_guessed() -> None:
    assert '"template_type": "text"' in str(refused("[INFO] ${repo}"))
    assert '"template_type": "text"' not in str(refused("[INFO] ${repo}", type=TemplateType.JSON))
    assert parsed("[INFO] ${repo}", type=TemplateType.TEXT).type is TemplateType.TEXT


def test_the_place_counts_lines_and_shows_only_what_is_near() -> None:
    error = refused('{"a":\r\n  1,\n' + " " * 100 + '"b": ${zz}, "c": 1}')
    assert error.where == "template line 3, column 108"
    _, line, caret = error.reason.split("\n")
    assert line.endswith('"b": ${zz}, "c": 1}')
    assert line[len(caret) - 1 :].startswith("zz}")
    assert len(line) < 90


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in str(refused('{"a": "\x1b[31m"}'))


@pytest.mark.parametrize("name", ["a", "_", "A-b_9"])
def test_names_are_found_with_white_space_around_them(name: str) -> None:
    (hole,) = parsed(f"${{ {name}\t}}", defined=[name]).parts
    assert isinstance(hole, Hole)
    assert hole.source == name


@pytest.mark.parametrize(
    "path", ["$", "$.data['}']", '$.data["a\\"}b"]', "$['a b'].c", "$.data[?@.a == '}'].b", "$..a", "$.data[1:2]"]
)
def test_paths_in_placeholders_may_hold_any_character_in_quotes(path: str) -> None:
    (hole,) = parsed(f"${{ {path} }}").parts
    assert isinstance(hole, Hole)
    assert hole.source == Path.parse(path)


def test_text_is_kept_to_the_character() -> None:
    text = ' $ $$ $$x {a} } <b> \\ \x00\t\n"${'[:-2]
    assert parsed(text, type=TemplateType.TEXT).parts == (text,)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a$${b}", ("a", "${", "b}")),
        ("$$${b}", ("$", "${", "b}")),
        ("$${$${", ("${", "${")),
        ('["$${repo}"]', ('["', "${", 'repo}"]')),
    ],
)
def test_two_dollars_and_a_brace_are_a_literal(text: str, parts: tuple[str, ...]) -> None:
    assert parsed(text).parts == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a <repo> b", ("a ", Hole("repo", Place.TEXT, 1, 3), " b")),
        (r"a \<repo> b > ${c}", ("a ", "<", "repo> b > ${c}")),
        ("<$.data['>']>", (Hole(Path.parse("$.data['>']"), Place.TEXT, 1, 1),)),
        (r"\\ \a", (r"\\ \a",)),
        (r'["\\<repo>\<"]', (r'["\\', Hole("repo", Place.STRING, 1, 5), "<", '"]')),
        ("[1,<repo>]", ("[1,", Hole("repo", Place.VALUE, 1, 4), "]")),
    ],
)
def test_the_angle_syntax(text: str, parts: tuple[Any, ...]) -> None:
    assert parsed(text, syntax=Syntax.ANGLE).parts == parts


def test_the_angle_syntax_refuses_what_opens_nothing() -> None:
    error = refused("1 < 2", syntax=Syntax.ANGLE)
    assert error.where == "template line 1, column 5"
    assert r"(write \< for a literal <)" in error.reason
    assert "expected `>`" in refused("<repo", syntax=Syntax.ANGLE).reason


@pytest.mark.parametrize(
    ("limits", "allowed", "too_much"),
    [
        (Limits(template_length=3), "abc", "abcd"),
        (Limits(template_tokens=3), "[1]", "[1,1]"),
        (Limits(nesting=2), '[{"a":[]}]'.replace("[]", "1"), '[{"a":[]}]'),
        (Limits(placeholders=2), "${repo}${repo}", "${repo}${repo}${repo}"),
    ],
)
def test_templates_are_bounded(limits: Limits, allowed: str, too_much: str) -> None:
    parsed(allowed, limits=limits)
    error = refused(too_much, limits=limits)
    assert "=" in error.reason
    assert error.where.startswith("template")


SIZE = 500_000
HOSTILE = {
    "brackets": "[" * SIZE,
    "objects": '{"a":' * (SIZE // 5),
    "open strings": '["' + "a" * SIZE,
    "quotes": '"' * SIZE,
    "escapes": '"' + "\\n" * (SIZE // 2) + '"',
    "dollars": "$" * SIZE,
    "literal placeholders": "$${" * (SIZE // 3),
    "open placeholders": "${" * (SIZE // 2),
    "open quotes in a path": "${$" + "'" * SIZE,
    "escapes in a path": "${$['" + "\\'" * (SIZE // 2),
    "numbers": "[" + "1," * (SIZE // 2) + "1]",
    "digits": "[" + "1" * SIZE + "]",
    "white space": "[" + " " * SIZE + "]",
    "names": "${" + "a" * SIZE + "}",
    "lines": "\n" * SIZE + "${zz}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_templates_are_read_or_refused_quickly(text: str) -> None:
    started = time.process_time()
    for kind in ("json", "text"):
        try:
            Transformer.parse({"template": text, "template_type": kind})
        except InvalidTransformer as error:
            assert len(str(error)) < 1000  # that it is not raised is right too
    assert time.process_time() - started < 10, "quadratic work on this text takes minutes"
