"""The playground without a browser: what each draft comes to, and that whatever is sent stays text."""

from __future__ import annotations

import json
import re
import tomllib
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from eventroute import Filter, InvalidFilter, Subscription, Transformer
from eventroute.gateway.authorize import AccessRequest
from eventroute.jsontext import decode_json
from eventroute.web import playground
from eventroute.web.copies import copy_of, python_literal, toml_value
from eventroute.web.draft import DIALECTS, LANGUAGES, MODES, Draft, Own
from eventroute.web.outcome import LONGEST_DATA, MOST_CLAUSES, Outcome, outcome_of
from eventroute.web.playground import MAX_BODY, playground_app
from eventroute.web.samples import SAMPLES
from tests.gateway.asgi import Answer
from tests.web.browsing import Visitor

NOW = 1_795_000_000.0
EVENT = '{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"n": 1, "a": [1, 2]}}'


def draft(rules: str = "", dialect: str = "expr", **given: Any) -> Draft:
    return Draft(**{"kind": "cloudevent", "payload": EVENT, "rules": rules, "dialect": dialect, **given})


def tried(rules: str = "", dialect: str = "expr", **given: Any) -> Outcome:
    return outcome_of(draft(rules, dialect, **given), Own(), NOW)


def form(one: Draft) -> dict[str, str]:
    names = ("sample", "kind", "github", "payload", "dialect", "rules", "define", "pipeline", "template")
    more = ("template_type", "template_syntax", "mode", "language")
    return {name: getattr(one, name) for name in (*names, *more)}


def texts(answer: Answer) -> str:
    """What a reader sees of a page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.body.decode())).split())


async def attempt(one: Draft) -> Answer:
    visitor = Visitor(playground_app())
    await visitor.get("/")
    return await visitor.post("/", form(one))


# -- samples -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", SAMPLES)
def test_the_rules_of_a_sample_match_it_and_its_transformer_works(name: str, dialect: str) -> None:
    sample = SAMPLES[name]
    one = Draft.of_sample(sample)
    outcome = tried(**{**form(one), "dialect": dialect, "rules": sample.rules[dialect]})
    assert outcome.faults == {}
    assert outcome.matched
    assert outcome.failure is None
    assert outcome.body
    assert outcome.copy


def test_samples_of_github_become_events_as_at_the_gateway() -> None:
    attributes = dict(outcome_of(Draft.of_sample(SAMPLES["issues"]), Own(), NOW).event)
    assert attributes["type"] == "com.github.issues.opened"
    assert attributes["source"] == "https://api.github.com/repos/octocat/weather-bot"


# -- a draft -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "rules"),
    [
        ("json", '{"exact": {"type": "t"}}'),
        ("json", '[{"exact": {"type": "t"}}, "data.n = 1"]'),
        ("json", '"data.n = 1"'),
        ("json", "[]"),
        ("json", " "),
        ("expr", "data.n = 1"),
        ("expr", ""),
        ("sql", "type = 't'"),
        ("pattern", '{"type": ["t"]}'),
    ],
)
def test_each_dialect_matches(dialect: str, rules: str) -> None:
    outcome = tried(rules, dialect)
    assert outcome.matched
    assert outcome.clauses[0].matched
    assert not outcome.faults


@pytest.mark.parametrize(
    ("dialect", "rules", "reason"),
    [
        ("json", '{"exact": ', "it is not JSON"),
        ("json", '{"exakt": {"type": "t"}}', "did you mean 'exact'?"),
        ("json", "5", "expected an object"),
        ("expr", "type ==== 't'", "unexpected '='"),
        ("expr", '{"exact": {"type": "t"}}', "unexpected"),
        ("sql", "type LIKE", "too early"),
        ("pattern", '{"type": "t"}', ""),
        ("pattern", "x", "JSON is malformed"),
        ("expr", "(" * 5_000, ""),
        ("expr", "x" * 70_000, "at most 65536"),
        ("json", "\ud800", "UTF-8"),
    ],
)
def test_what_is_no_filter_is_told_at_its_editor(dialect: str, rules: str, reason: str) -> None:
    outcome = tried(rules, dialect)
    assert list(outcome.faults) == ["rules"]
    assert reason in outcome.faults["rules"].reason
    assert outcome.matched is None
    assert outcome.body is not None  # the transformer is shown all the same


def test_a_caret_stands_under_the_fault() -> None:
    fault = tried("type = 't' AND\n  data.n >> 1").faults["rules"]
    line, caret = fault.excerpt.split("\n")
    assert line[caret.index("^") :] == "> 1"
    assert "line 2, column 11" in fault.where


@pytest.mark.parametrize(
    ("given", "editor", "reason"),
    [
        ({"payload": "{"}, "payload", "not JSON"),
        ({"payload": "{}"}, "payload", "no CloudEvent"),
        ({"payload": ""}, "payload", "empty"),
        ({"payload": EVENT.replace('"t"', '""')}, "payload", "type"),
        ({"payload": "[" * 200 + "]" * 200}, "payload", ""),
        ({"kind": "github", "github": "", "payload": "{}"}, "payload", "name the event"),
        ({"kind": "github", "github": "é\u20ac", "payload": "{}"}, "payload", "name the event"),
        ({"kind": "github", "github": "star", "payload": "[]"}, "payload", "JSON object"),
        ({"kind": "github", "github": "star", "payload": "{}"}, "payload", "repository.url"),
        ({"kind": "github", "github": "star", "payload": "{"}, "payload", "not JSON"),
        ({"define": "{"}, "define", "not JSON"),
        ({"define": "[]"}, "define", ""),
        ({"define": "null"}, "define", ""),
        ({"define": '{"a": "$.["}'}, "define", "expected a name"),
        ({"pipeline": "x"}, "pipeline", "JSON is malformed"),
        ({"pipeline": '[{"command": ["nope"]}]'}, "pipeline", "no command"),
        ({"pipeline": json.dumps([{"command": ["delete", "$.data.n"]}] * 51)}, "pipeline", "50"),
        ({"template": '{"a": ${}}'}, "template", "unexpected"),
        ({"template": "${nobody}"}, "template", "nobody"),
        ({"template": "x", "template_type": "nope"}, "template", "unknown"),
        ({"template": "x", "template_syntax": "nope"}, "template", "unknown"),
        ({"template_type": "json"}, "template", "add one"),
    ],
)
def test_what_is_wrong_elsewhere_is_told_at_its_editor(given: dict[str, str], editor: str, reason: str) -> None:
    outcome = tried("type = 't'", **given)
    assert list(outcome.faults) == [editor]
    assert reason in outcome.faults[editor].reason + outcome.faults[editor].where
    assert outcome.copy == ""
    assert (outcome.matched is None) is (editor == "payload")
    assert outcome.body is None


def test_all_faults_are_told_at_once() -> None:
    outcome = tried("type =", payload="{", define="{", pipeline="{", template="${")
    assert set(outcome.faults) == {"rules", "payload", "define", "pipeline"}


def test_a_mismatch_is_explained_and_shows_what_would_come_out() -> None:
    outcome = tried("type = 'u' AND ANY(data.a[*] = 3)", template="it is ${$.data.n}")
    assert outcome.matched is False
    assert [(clause.depth, clause.matched) for clause in outcome.clauses] == [(0, False), (1, False), (1, False)]
    assert outcome.clauses[1].why == "type is 't'"
    assert outcome.body == "it is 1"


def test_what_a_clause_saw_is_shown_where_words_do_not_say_it() -> None:
    outcome = tried('{"exact": {"data.a": "3"}}', "json")
    assert outcome.clauses[0].value == "[1,2]"


def test_oddities_are_told() -> None:
    assert "CloudEvents knows no attribute" in tried("nothing = 1").oddities[0].reason


def test_steps_and_variables() -> None:
    pipeline = [{"command": ["create", "$.data.m", "x"]}, {"command": ["delete", "$.data.a"]}]
    outcome = tried(define='{"n": "$.data.n", "none": "$.data.none"}', pipeline=json.dumps(pipeline))
    assert outcome.variables == (("n", "1"), ("none", None))
    assert [step.command for step in outcome.steps] == ["create", "delete"]
    assert outcome.steps[0].places == {"$.data.m": '"x"'}
    assert outcome.steps[0].data == '{"n":1,"a":[1,2],"m":"x"}'
    assert outcome.body == '{"n":1,"m":"x"}'


def test_a_transformer_that_fails_says_why() -> None:
    outcome = tried(pipeline='[{"command": ["math_add", "$.data.x", "$.data.a", 1]}]')
    assert outcome.failure is not None
    assert outcome.failure.where.startswith("pipeline[0]")
    assert outcome.body is None


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_of_delivery(mode: str) -> None:
    outcome = tried(mode=mode, template='{"n": ${$.data.n}}')
    content_type = dict(outcome.headers)["content-type"]
    assert outcome.body is not None
    body = json.loads(outcome.body)
    match mode:
        case "binary":
            assert (content_type, body, dict(outcome.headers)["ce-type"]) == ("application/json", {"n": 1}, "t")
        case "structured":
            assert (content_type, body["data"]) == ("application/cloudevents+json", {"n": 1})
        case _:
            assert (content_type, body[0]["data"]) == ("application/cloudevents-batch+json", {"n": 1})


def test_bytes_are_not_shown_as_text() -> None:
    payload = '{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data_base64": "/wA="}'
    assert tried(payload=payload).body == "(2 bytes that are no text)"


def test_what_is_long_is_cut_and_says_so() -> None:
    payload = json.dumps({**json.loads(EVENT), "data": {"text": "x" * 100_000}})
    outcome = tried(" OR ".join(f"data.n = {n}" for n in range(MOST_CLAUSES + 100)), payload=payload)
    assert len(outcome.clauses) == MOST_CLAUSES
    assert outcome.more_clauses == 101
    assert outcome.body is not None
    assert outcome.body.endswith("… (100,012 characters)")
    assert len(outcome.body) < LONGEST_DATA + 100


def test_what_would_turn_the_text_beside_it_round_is_escaped() -> None:
    payload = json.dumps({**json.loads(EVENT), "subject": "a\u202eb", "data": "\u2066\u200bc\x1b[2J"})
    outcome = tried("subject = 'a\u202eb'", payload=payload)
    assert outcome.matched
    whole = repr([outcome.clauses, outcome.event, outcome.body, outcome.copy])
    assert not {"\u202e", "\u2066", "\u200b", "\x1b"} & set(whole)
    assert ("subject", "a\\u202eb") in outcome.event


@given(
    st.fixed_dictionaries(
        {
            "payload": st.text() | st.just(EVENT),
            "rules": st.text(),
            "define": st.text(),
            "pipeline": st.text(),
            "template": st.text(),
            "kind": st.sampled_from(["cloudevent", "github"]),
            "github": st.text(max_size=8) | st.just("star"),
            "dialect": st.sampled_from(sorted(DIALECTS)),
            "language": st.sampled_from(sorted(LANGUAGES)),
        }
    )
)
def test_whatever_is_written_there_is_an_outcome(given_texts: dict[str, str]) -> None:
    outcome = tried(**given_texts)
    assert outcome.faults or outcome.matched is not None


def test_an_applications_own_dialects_and_commands() -> None:
    def parity(value: object, where: str) -> Filter:
        if value != "odd":
            raise InvalidFilter("odd is all there is", where=where)
        return Filter.parse("data.n = 1")

    own = Own({"parity": parity}, {})
    assert outcome_of(draft('{"parity": "odd"}', "json"), own, NOW).matched
    assert "odd is all" in outcome_of(draft('{"parity": 1}', "json"), own, NOW).faults["rules"].reason


# -- copies ------------------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_toml_says_the_same(value: object) -> None:
    try:
        text = toml_value(value)
    except ValueError:
        assert "\\ud" in json.dumps(value)
        return
    assert tomllib.loads(f"v = {text}") == {"v": value}
    assert all(char.isprintable() for char in text)


@given(VALUES | st.none())
def test_python_says_the_same(value: object) -> None:
    assert eval(python_literal(value), {}) == value


@pytest.mark.parametrize("name", SAMPLES)
def test_a_copy_is_the_same_subscription(name: str) -> None:
    sample = SAMPLES[name]
    for dialect in DIALECTS:
        one = draft(**{**form(Draft.of_sample(sample)), "dialect": dialect, "rules": sample.rules[dialect]})
        read = one.read(Own(), NOW)
        [table] = tomllib.loads(copy_of("toml", read))["subscriptions"]
        from_file = Subscription.from_dict(table)
        names: dict[str, Any] = {}
        exec(copy_of("python", read), names)
        from_python = names["subscription"]
        body = copy_of("curl", read).split("--data-raw '")[1].split("'\n\n#")[0].replace("'\"'\"'", "'")
        from_curl = Subscription.from_dict({"id": "my-subscription", **decode_json(body.encode())})
        for made in (from_file, from_python, from_curl):
            assert Filter.parse(list(made.filters)) == Filter.parse(read.spec)
            assert Transformer.parse(made.transformer or {}) == Transformer.parse(read.transformer_spec)


@pytest.mark.parametrize(
    ("language", "rules", "reason"),
    [
        ("toml", '{"pattern": {"data": {"x": [null]}}}', "TOML cannot say null"),
        ("toml", '{"pattern": {"data": {"x": [0.1000000000000000000001]}}}', "TOML cannot say a number"),
        ("python", '{"pattern": {"data": {"x": [0.1000000000000000000001]}}}', "float cannot hold"),
    ],
)
def test_what_a_language_cannot_say_is_told(language: str, rules: str, reason: str) -> None:
    outcome = tried(rules, "json", language=language)
    assert outcome.copy == ""
    assert reason in outcome.copy_fault
    assert tried(rules, "json", language="curl").copy


def test_nothing_but_the_event_is_copied_where_there_are_no_rules() -> None:
    assert (
        tried(language="toml").copy
        == '[[subscriptions]]\nid = "my-subscription"\nsink = "https://example.com/events"\n'
    )
    assert "filters" not in tried(language="python").copy
    assert "filters" not in tried(language="curl").copy


# -- over HTTP ---------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("mount", ["", "/tools/playground"])
async def test_the_page_comes_with_an_outcome_and_needs_no_script(mount: str) -> None:
    app = Starlette(routes=[Mount(mount, playground_app())]) if mount else playground_app()
    visitor = Visitor(app)
    page = await visitor.get(f"{mount}/")
    assert page.status == 200
    assert "mona-lisa has starred weather-bot, which has 80 stars now" in texts(page)
    assert f'action="{mount}/"'.encode() in page.body
    again = await visitor.post(f"{mount}/", form(draft("type = 'u'")), headers={"hx-request": ""})
    assert b"<html" in again.body
    assert "does not match" in texts(again)
    assert "type = 'u'" in texts(again)


@pytest.mark.anyio
async def test_an_attempt_is_a_part_of_the_page() -> None:
    answer = await attempt(draft("type = 't'"))
    assert answer.status == 200
    assert b"<html" not in answer.body
    assert "matches" in texts(answer)
    assert answer.body.count(b"hx-swap-oob") == 6


@pytest.mark.anyio
async def test_lists_are_closed_as_often_as_they_are_opened() -> None:
    answer = await attempt(draft("NOT (type = 'u' OR NOT (data.n = 1 AND NOT data.n = 2)) AND type = 't'"))
    for tag in ("ul", "li", "section", "div"):
        assert len(re.findall(rf"<{tag}[ >]", answer.body.decode())) == answer.body.decode().count(f"</{tag}>")


@pytest.mark.anyio
async def test_faults_are_shown_with_their_caret() -> None:
    text = (await attempt(draft("type >> 't'"))).body.decode()
    assert 'id="rules-fault"' in text
    assert "the filter cannot be read" in text
    assert re.search(r"<pre[^>]*>type &gt;&gt; &#39;t&#39;\n      \^</pre>", text)


@pytest.mark.anyio
async def test_hostile_content_stays_text() -> None:
    evil = "</textarea></pre><script>alert(1)</script><img src=x onerror=alert(1)>"
    payload = json.dumps({**json.loads(EVENT), "subject": evil, "data": {evil: evil}})
    one = draft(f"subject = '{evil}' AND type = '{evil}'", payload=payload, template=evil + "${$.subject}", github=evil)
    visitor = Visitor(playground_app())
    await visitor.get("/")
    for headers in ({}, {"hx-request": ""}):
        answer = await visitor.post("/", form(one), headers=headers)
        assert answer.status == 200
        assert b"<img src=x" not in answer.body
        assert b"<script>" not in answer.body


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/event", "/rules"])
async def test_samples_are_loaded(path: str) -> None:
    visitor = Visitor(playground_app())
    answer = await visitor.get(f"{path}?sample=push")
    assert answer.status == 200
    assert "commits" in texts(answer) or "messages" in texts(answer)
    assert (await visitor.get(f"{path}?sample=nothing")).status == 404
    assert (await visitor.get(path)).status == 404


@pytest.mark.anyio
async def test_what_is_too_large_is_refused_politely() -> None:
    answer = await attempt(draft("x" * (MAX_BODY + 1)))
    assert answer.status == 413
    assert "at most 2,097,152 bytes" in texts(answer)


@pytest.mark.anyio
async def test_choices_that_there_are_not_are_the_defaults() -> None:
    visitor = Visitor(playground_app())
    await visitor.get("/")
    answer = await visitor.post("/", {"mode": "x", "language": "x", "dialect": "x", "sample": "x", "kind": "x"})
    assert answer.status == 200
    assert b'value="binary" checked' in answer.body
    assert b'value="toml" checked' in answer.body


@pytest.mark.anyio
async def test_the_hook_is_asked_whether_somebody_may_try() -> None:
    asked: list[tuple[str, str]] = []

    def authorize(request: AccessRequest) -> None:
        asked.append((request.action, request.bus))

    await Visitor(playground_app(authorize=authorize), client="192.0.2.7").get("/")
    assert asked == [("try", "")]
    assert (await Visitor(playground_app(), client="192.0.2.7").get("/")).status == 403


@pytest.mark.anyio
async def test_one_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which no time is left at all."""
    visitor = Visitor(playground_app())
    await visitor.get("/")
    monkeypatch.setattr(playground, "PATIENCE", 0.0)
    answer = await visitor.post("/", form(draft("type = 't'")))
    assert answer.status == 503
    assert "takes longer than" in texts(answer)
