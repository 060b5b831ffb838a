"""`eventroute try`: exit codes agree with what it tries, errors are told in short, and no event obeys the terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from eventroute import Event, Filter, InvalidFilter, Transformer, TransformError
from eventroute.cli import trial
from eventroute.cli.commands import commands
from eventroute.jsontext import MAX_DEPTH, encode_json
from eventroute.testing.strategies import events, json_values
from eventroute.trial import shown

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.example.made"}
EVENT = Event({**ATTRIBUTES, "datacontenttype": "application/json"}, {"name": "Ada", "n": 2**64 + 1})
HELLO = {"define": {"name": "$.data.name", "none": "$.data.no"}, "template": '{"hello": "${name}"}'}
CLAUSES = [
    "type LIKE 'com.%'",
    "data.n > 5",
    "EXISTS data.name",
    '{"exact": {"type": "com.example.made"}}',
    '[{"prefix": {"source": "/"}}]',
    '{"not": {"suffix": {"source": "p"}}}',
    "[]",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "event.json").write_bytes(EVENT.to_json())
    (tmp_path / "hello.json").write_text(json.dumps(HELLO))
    return tmp_path


def attempt(*arguments: str, stdin: bytes = b"") -> Result:
    result = CliRunner().invoke(commands, ["try", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    assert result.exit_code in {0, 1, 2}
    return result


def filters(*texts: str) -> list[str]:
    return [argument for text in texts for argument in ("--filter", text)]


def document(*arguments: str, stdin: bytes = b"", code: int = 0) -> dict[str, Any]:
    result = attempt(*arguments, "--json", stdin=stdin)
    assert result.exit_code == code, result.output
    assert obeyed(result.stdout) == ""
    assert result.stdout.isascii()
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def refusal(*arguments: str, stdin: bytes = b"") -> str:
    """The message of exit code 2, with and without --json."""
    result = attempt(*arguments, stdin=stdin)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert obeyed(result.stderr) == ""
    message, *caret = result.stderr.removeprefix("Error: ").rstrip("\n").split("\n")
    assert len(caret) in {0, 2}
    told = attempt(*arguments, "--json", stdin=stdin)
    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr.isascii()
    error = json.loads(told.stderr)["error"]
    assert error["exit_code"] == 2
    assert error["message"].startswith(error["where"])
    return "\n".join([message, *caret])


def obeyed(text: str) -> str:
    """What a terminal might obey."""
    return "".join(char for char in text if not char.isprintable() and char not in "\n\t")


@given(events(), st.lists(st.sampled_from(CLAUSES), max_size=3))
@settings(max_examples=60)
def test_the_exit_code_is_what_the_filters_say(event: Event, texts: list[str]) -> None:
    wanted = all(Filter.parse(json.loads(text) if text[0] in "{[" else text)(event) for text in texts)
    result = attempt("--event", "-", *filters(*texts), stdin=event.to_json())
    assert (result.exit_code, result.stderr) == (0 if wanted else 1, "")
    assert result.stdout.splitlines()[0] == ("matched" if wanted else "not matched")
    assert ("\nresult" in result.stdout) is wanted
    assert obeyed(result.stdout) == ""
    told = document("--event", "-", *filters(*texts), stdin=event.to_json(), code=result.exit_code)
    assert told["matched"] is wanted
    if wanted:
        assert Event.from_json(encode_json(told["result"])) == Event.from_json(
            json.dumps(json.loads(event.to_json())).encode()
        )


@given(events())
@settings(max_examples=60)
def test_the_result_is_the_transformers(event: Event) -> None:
    spec = {"define": {"d": "$.data"}, "pipeline": [{"command": ["delete", "$.data.a"]}], "template": '{"d": ${d}}'}
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "t.json"
        file.write_text(json.dumps(spec))
        result = attempt("--event", "-", "--transformer", str(file), "--mode", "structured", stdin=event.to_json())
    try:
        wanted = Transformer.parse(spec)(Event.from_json(event.to_json()))
    except TransformError as error:
        assert result.exit_code == 2
        assert str(error).split("\n")[0] in result.stderr
    else:
        assert result.exit_code == 0
        assert result.stdout.endswith(shown(wanted.to_json().decode()) + "\n")


garbage = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(str.encode),
    json_values().map(encode_json),
    st.integers(0, 200).map(lambda cut: EVENT.to_json()[:cut]),
    st.just(b"[" * 100_000),
)


@given(garbage)
@settings(max_examples=100)
def test_garbage_is_no_event(raw: bytes) -> None:
    if raw == EVENT.to_json():
        return
    message = refusal("--event", "-", stdin=raw)
    assert message.startswith("standard input")


@given(garbage, st.sampled_from([".json", ".toml"]))
@settings(max_examples=100)
def test_garbage_is_no_transformer(raw: bytes, ending: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / f"t{ending}"
        file.write_bytes(raw)
        (Path(name) / "event.json").write_bytes(EVENT.to_json())
        result = attempt("--event", f"{name}/event.json", "--transformer", str(file))
        if result.exit_code == 0:  # an empty TOML file and {} are transformers
            assert (trial.read_transformer(file, sys.stdin.buffer).to_dict()) == {}
        else:
            assert refusal("--event", f"{name}/event.json", "--transformer", str(file)).startswith(str(file))


@given(st.text(max_size=20))
@settings(max_examples=100)
def test_what_is_no_filter_is_refused_with_its_place(text: str) -> None:
    try:
        Filter.parse(text)
    except InvalidFilter:
        wanted = {2}
    else:
        wanted = {0, 1}
    arguments = ["--event", "-", f"--filter={text}"]
    assert attempt(*arguments, stdin=EVENT.to_json()).exit_code in wanted
    if wanted == {2}:
        assert refusal(*arguments, stdin=EVENT.to_json())


def test_match_explanation_and_result_are_printed() -> None:
    result = attempt("--event", "event.json", *filters("data.n > 5"), "--transformer", "hello.json")
    assert result.exit_code == 0
    assert result.stdout == (
        "matched\n  ✓ data.n > 5: data.n is 18446744073709551617\n\n"
        'transformer\n  name = "Ada"\n  none = missing\n\n'
        'result, application/json\n{"hello": "Ada"}\n'
    )


def test_what_does_not_match_is_not_transformed() -> None:
    arguments = ("--event", "event.json", *filters("data.n > 5", "data.n < 5"), "--transformer", "hello.json")
    result = attempt(*arguments)
    assert result.exit_code == 1
    assert [line[:3] for line in result.stdout.splitlines()] == ["not", "  ✓", "  ✗"]
    assert set(document(*arguments, code=1)) == {"matched", "explanations"}


def test_the_document_has_all_there_is() -> None:
    spec = {**HELLO, "pipeline": [{"command": ["delete", "$.data.name"]}, {"command": ["create", "$.data.a", "1"]}]}
    told = document(
        "--event", "event.json", *filters('{"all": [{"exact": {"type": "com.example.made"}}]}'),
        "--transformer", "-", "--mode", "binary", stdin=json.dumps(spec).encode(),
    )  # fmt: skip
    [match] = told["explanations"]
    assert match["parts"][0]["value"] == "com.example.made"
    assert told["variables"] == {"name": "Ada"}
    assert [(step["command"], step["places"], step["data"]) for step in told["steps"]] == [
        ("delete", {}, {"n": 2**64 + 1}),
        ("create", {"$.data.a": "1"}, {"n": 2**64 + 1, "a": "1"}),
    ]
    assert told["result"]["data"] == {"hello": "Ada"}
    assert told["message"]["headers"]["ce-type"] == "com.example.made"
    assert told["message"]["body"] == '{"hello": "Ada"}'


def test_a_transformer_that_fails_is_an_error_after_its_steps(folder: Path) -> None:
    spec = {**HELLO, "pipeline": [{"command": ["delete", "$.data.n"]}, {"command": ["create", "$.data.name", "x"]}]}
    (folder / "bad.json").write_text(json.dumps(spec))
    result = attempt("--event", "event.json", "--transformer", "bad.json")
    assert result.exit_code == 2
    assert result.stdout.splitlines()[-1] == "  pipeline[0] delete: $.data.n = missing"
    assert result.stderr.startswith("Error: pipeline[1]")
    told = document("--event", "event.json", "--transformer", "bad.json", code=2)
    assert told["matched"] is True
    assert len(told["steps"]) == 1
    assert told["error"].startswith("pipeline[1]")
    assert "result" not in told


@pytest.mark.parametrize(
    ("attributes", "data", "mode", "end"),
    [
        ({}, None, [], "\nresult\n(no data)\n"),
        ({}, None, ["--mode", "binary"], f"content-type: application/cloudevents+json\n\n{json.dumps(ATTRIBUTES)}\n"),
        ({"datacontenttype": "text/plain"}, "é\x1b\r\n\U000e0001", [], "text/plain\né\\u001b\\u000d\n\\udb40\\udc01\n"),
        ({"datacontenttype": "image/png"}, b"\xff\x1b", [], "image/png\n(2 bytes that are no text)\n"),
        ({"datacontenttype": "image/png"}, b"\xff\x1b", ["--mode", "binary"], "\n\n(2 bytes that are no text)\n"),
        ({"datacontenttype": "image/png"}, b"a\x1b", ["--mode", "binary"], "image/png\n\na\\u001b\n"),
    ],
)
def test_results_of_any_kind(attributes: dict[str, str], data: object, mode: list[str], end: str) -> None:
    event = Event({**ATTRIBUTES, **attributes}, data)
    result = attempt("--event", "-", *mode, stdin=event.to_json())
    assert result.exit_code == 0
    assert (
        result.stdout.replace('", "', '","')
        .replace('": "', '":"')
        .endswith(end.replace('", "', '","').replace('": "', '":"'))
    )


def test_a_body_that_is_no_text_is_base64_in_the_document() -> None:
    event = Event({**ATTRIBUTES, "datacontenttype": "image/png"}, b"\xff\x1b")
    told = document("--event", "-", "--mode", "binary", stdin=event.to_json())
    assert told["message"]["body_base64"] == told["result"]["data_base64"] == "/xs="


def test_data_as_deep_as_may_be_is_shown(folder: Path) -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    event = EVENT.replace(data=json.loads(deep)).to_json()
    (folder / "t.json").write_text('{"define": {"d": "$.data"}, "pipeline": [{"command": ["delete", "$.data[0]"]}]}')
    told = document(
        "--event", "-", *filters('{"all": [{"not": {"exact": {"data": "x"}}}]}'), "--transformer", "t.json",
        stdin=event,
    )  # fmt: skip
    assert json.dumps(told["variables"]["d"]) == deep
    assert told["steps"][0]["data"] == told["result"]["data"] == []
    assert json.dumps(document("--event", "-", stdin=event)["result"]["data"]) == deep


def test_a_step_that_nests_too_deep_says_so(folder: Path) -> None:
    (folder / "t.json").write_text('{"pipeline": [{"command": ["create", "$.data.a.b", "$.data.deep"]}]}')
    event = EVENT.replace(data={"deep": json.loads("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)), "a": {}})
    told = document("--event", "-", "--transformer", "t.json", stdin=event.to_json(), code=2)
    assert told["steps"][0]["data"] == "not JSON: " + told["error"].removeprefix("pipeline: ")


HOSTILE = "\x1b]0;gotcha\x07\x1b[2J\x9b31m\u202e\x7f\u2028"


def test_hostile_text_is_never_obeyed(folder: Path) -> None:
    event = EVENT.replace(data={"name": HOSTILE, HOSTILE: 1})
    (folder / "text.json").write_text('{"define": {"name": "$.data.name"}, "template": "Hi ${name}"}')
    arguments = ["--event", "-", *filters('{"not": {"exact": {"data.name": "x"}}}'), "--transformer", "text.json"]
    for mode in ([], ["--mode", "binary"], ["--mode", "structured"]):
        result = attempt(*arguments, *mode, stdin=event.to_json())
        assert result.exit_code == 0
        assert obeyed(result.output) == ""
        assert "\\u001b" in result.output
        told = document(*arguments, *mode, stdin=event.to_json())
        assert told["variables"]["name"] == HOSTILE
    assert refusal("--event", "-", *filters(HOSTILE), stdin=event.to_json()).endswith("\n  ^")
    assert "\N{REPLACEMENT CHARACTER}" in refusal("--event", f"nowhere{HOSTILE}")


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["--event", "nowhere"], b"", "nowhere: it cannot be read: No such file or directory"),
        (["--event", "."], b"", ".: it cannot be read: Is a directory"),
        (["--event", "-"], b" \n", "standard input: it is empty, and should be JSON"),
        (["--event", "-"], b'{"a": "\xff"}', "standard input: it is not UTF-8: byte 7"),
        (["--event", "-"], b'{"a":\n [1,\n  x]}', "standard input line 3, column 3: JSON is malformed: "),
        (["--event", "-"], b'{"a":', "standard input: it is not JSON that can be read: Input data was truncated"),
        (["--event", "-"], b'{"action": "created"}', "standard input: it is JSON, and no CloudEvent: one looks like {"),
        (["--event", "-"], b'[{"specversion": "1.0"}]', "standard input: it is JSON, and no CloudEvent: one looks"),
        (["--event", "-"], b'{"specversion": "1.0"}', "standard input: id: it is missing, and CloudEvents requires it"),
        (["--event", "event.json", "--filter", "data.n >> 5"], b"", "--filter: expr line 1, column 9: unexpected '>'"),
        (["--event", "event.json", "--filter", '{"exact" {}}'], b"", "--filter line 1, column 10: JSON is malformed"),
        (["--event", "event.json", "--filter", '["\ud800"]'], b"", "--filter: it is not UTF-8: byte 2"),
        (["--event", "event.json", "--filter", "type = '\udcff'"], b"", "--filter: expr line 1, column 9: half of"),
        (["--event", "event.json", "--filter", '{"exac": {}}'], b"", "--filter: unknown dialect 'exac'; did you"),
        (["--event", "event.json", *filters("data.n > 5", '["type >"]')], b"", "--filter 2: filters[0].expr line 1, c"),
        (
            ["--event", "event.json", "--transformer", "-"],
            b"[]",
            "standard input: a transformer is an object, not list",
        ),
        (["--event", "event.json", "--transformer", "-"], b'{"a": 1}', "standard input: 'a': unknown key; known are "),
        (["--event", "event.json", "--transformer", "no.toml"], b"", "no.toml: the file cannot be read: "),
        (["--event", "event.json", "--transformer", "no.json"], b"", "no.json: it cannot be read: "),
    ],
)
def test_an_error_names_the_place(arguments: list[str], stdin: bytes, message: str) -> None:
    assert refusal(*arguments, stdin=stdin).startswith(message)


def test_a_fault_in_toml_has_its_line_and_its_caret(folder: Path) -> None:
    (folder / "t.toml").write_text('template_type = "text"\ntemplate = "Hi ${"\n')
    message = refusal("--event", "event.json", "--transformer", "t.toml")
    first, excerpt, caret = message.split("\n")
    assert first.startswith("t.toml:2: template line 1, column 6: it ends too early")
    assert excerpt[: caret.index("^")] == "  Hi ${"


def test_toml_is_read() -> None:
    Path("t.TOML").write_text("""define = { n = "$.data.name" }\ntemplate = 'Hi ${n}'\n""")
    assert attempt("--event", "event.json", "--transformer", "t.TOML").stdout.endswith("text/plain\nHi Ada\n")


def test_a_file_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "MAX_FILE_BYTES", 10)
    assert refusal("--event", "event.json") == "event.json: it has more than 10 bytes"


@pytest.mark.parametrize(
    "arguments",
    [[], ["--event", "-", "more"], ["--event", "-", "--transformer", "-"], ["--event", "-", "--mode", "batches"]],
)
def test_wrong_use_is_exit_2(arguments: list[str]) -> None:
    result = attempt(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


def test_help_has_examples() -> None:
    shown = attempt("--help").stdout
    assert shown.count("  eventroute try --event ") == 3


def process(*arguments: str, prefix: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    program = "from eventroute.cli import main; main()"
    return subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" try "${{@:2}}" {prefix}', sys.executable, program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_an_output_that_cannot_show_a_character_does_not_end_it() -> None:
    done = process("--event", "event.json", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u2713 all" in done.stdout


def test_a_closed_standard_input_is_an_empty_one() -> None:
    done = process("--event", "-", prefix="<&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: standard input: it is empty, and should be JSON\n"
