from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.binding import UnsupportedMode
from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.gateway.app import Gateway
from eventroute.gateway.github import event_of, is_signed, signature_of
from eventroute.secrets import Secret
from eventroute.testing.clock import VirtualClock
from tests.gateway.asgi import call
from tests.gateway.standin import Log

SECRET = Secret("It's a Secret to Everybody")
NOW = 1_700_000_000.0
TEAM = "https://api.github.com/teams/1"
NOW_TEXT = "2023-11-14T22:13:20Z"
THEN = "2019-05-15T15:19:51Z"
URL = "https://api.github.com/repos/octo/hello"
STAR = b'{ "action":"created",\n "starred_at": "2019-05-15T15:20:40Z", "repository": {"url": "%s"}}' % URL.encode()


def headers(event: str, content_type: str = "application/json", **more: str) -> list[tuple[bytes, bytes]]:
    given = {"X-GitHub-Event": event, "X-GitHub-Delivery": "72d3162e", "Content-Type": content_type}
    return [(name.encode(), value.encode()) for name, value in (given | more).items()]


def read(event: str, payload: dict[str, Any]) -> Event:
    return event_of(headers(event), json.dumps(payload).encode(), now=NOW)


# -- the signature


def test_the_example_of_github_s_documentation() -> None:
    """docs.github.com, "Validating webhook deliveries", Testing the webhook payload validation."""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signature_of(b"Hello, World!", SECRET) == signature
    assert is_signed(signature, b"Hello, World!", [SECRET])


@given(st.binary(max_size=50), st.text(min_size=1), st.text(min_size=1), st.binary(min_size=1, max_size=8))
def test_a_signature_holds_for_its_body_and_secret_only(body: bytes, one: str, other: str, change: bytes) -> None:
    signature = signature_of(body, Secret(one))
    assert is_signed(signature, body, [Secret(other), Secret(one)])
    assert is_signed(signature, body, [Secret(other)]) == (one == other)
    assert not is_signed(signature, body + change, [Secret(one)])
    assert not is_signed(signature, body, [])


@pytest.mark.parametrize("given", [None, "", "sha256=", "sha1=" + "0" * 40, "sha256=" + "0" * 64, "\xff\ud800"])
def test_no_signature_is_none(given: str | None) -> None:
    assert not is_signed(given, STAR, [SECRET])


@pytest.mark.anyio
async def test_a_webhook_is_stored_with_its_payload_as_it_came() -> None:
    log = Log()
    gateway = Gateway(log, github={"default": SECRET}, clock=VirtualClock(NOW))
    signed = [*headers("star"), (b"X-Hub-Signature-256", signature_of(STAR, SECRET).encode())]
    answer = await call(gateway, "POST", "/default/github", signed, STAR)
    assert (answer.status, answer.json) == (202, {"offsets": [10]})
    (event,) = log.stored["default"]
    assert event.data_bytes == STAR
    assert dict(event.attributes) == {
        "specversion": "1.0",
        "id": "72d3162e",
        "source": URL,
        "type": "com.github.star.created",
        "time": "2019-05-15T15:20:40Z",
        "datacontenttype": "application/json",
    }


@pytest.mark.anyio
async def test_the_signature_is_checked_before_anything_is_parsed() -> None:
    log = Log()
    gateway = Gateway(log, github={"default": SECRET})
    for signature in (b"", signature_of(b"other", SECRET).encode()):
        sent = [(b"x-hub-signature-256", signature), (b"content-type", b"application/json")]
        answer = await call(gateway, "POST", "/default/github", sent, b"{ no JSON")
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "X-Hub-Signature-256"
    assert log.empty


@pytest.mark.anyio
async def test_two_secrets_while_one_is_replaced() -> None:
    log = Log()
    gateway = Gateway(log, github={"default": [Secret("new"), Secret("old")]})
    for name, status in (("old", 202), ("new", 202), ("older", 401)):
        signature = (b"x-hub-signature-256", signature_of(STAR, Secret(name)).encode())
        answer = await call(gateway, "POST", "/default/github", [*headers("star"), signature], STAR)
        assert answer.status == status


@pytest.mark.anyio
async def test_a_bus_without_a_secret_takes_no_webhooks() -> None:
    log = Log()
    gateway = Gateway(log, github={"default": SECRET})
    assert (await call(gateway, "POST", "/audit/github", headers("star"), STAR)).status == 404
    assert log.empty


# -- the event


def test_a_form_gives_the_same_event() -> None:
    form = "application/x-www-form-urlencoded"
    body = f"a=b&payload={quote_plus(STAR.decode())}".encode()
    event = event_of(headers("star", form), body, now=NOW)
    assert event == event_of(headers("star"), STAR, now=NOW)
    assert event.data_bytes == STAR


@pytest.mark.parametrize(
    ("given", "body", "where"),
    [
        (headers(""), STAR, "X-GitHub-Event"),
        (headers("Star!"), STAR, "X-GitHub-Event"),
        (headers("star", **{"X-GitHub-Delivery": ""}), STAR, "X-GitHub-Delivery"),
        (headers("star", **{"X-GitHub-Delivery": "\x01"}), STAR, "id"),
        (headers("star"), b"", "data"),
        (headers("star"), b"[1]", "data"),
        (headers("star"), b"{}}", "data"),
        (headers("star"), b'{"a": "\xff"}', "data"),
        (headers("star"), b'{"a":' * 2_000 + b"1" + b"}" * 2_000, "data"),
        (headers("star"), b"{}", "source"),
        (headers("star"), b'{"sender": {"url": "not a URL"}}', "source"),
        (headers("star", "application/x-www-form-urlencoded"), b"a=b", "payload"),
        (headers("star", "application/x-www-form-urlencoded"), b"payload={}&payload={}", "payload"),
        (headers("star", "application/x-www-form-urlencoded"), b"payload=%FF", "data"),
    ],
)
def test_what_is_no_webhook(given: list[tuple[bytes, bytes]], body: bytes, where: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        event_of(given, body, now=NOW)
    assert caught.value.where == where


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/cloudevents+json"])
def test_an_unknown_content_type(content_type: str) -> None:
    with pytest.raises(UnsupportedMode):
        event_of(headers("star", content_type), STAR, now=NOW)


@pytest.mark.parametrize(
    ("event", "payload", "attributes"),
    [
        (
            "issue_comment",
            {"action": "created", "issue": {"url": f"{URL}/issues/1"}, "comment": {"id": 5, "updated_at": THEN}},
            (f"{URL}/issues/1", "com.github.issue_comment.created", "5", THEN),
        ),
        (
            "create",
            {"ref": "v1", "ref_type": "tag", "repository": {"url": URL}},
            (URL, "com.github.create.tag", "v1", NOW_TEXT),
        ),
        (
            "delete",
            {"ref": "v1", "ref_type": "branch", "repository": {"url": URL}},
            (URL, "com.github.delete.branch", "v1", NOW_TEXT),
        ),
        (
            "deployment_status",
            {"action": "created", "repository": {"url": URL}, "deployment_status": {"state": "success", "url": "u"}},
            (URL, "com.github.deployment_status.success", "u", NOW_TEXT),
        ),
        (
            "push",
            {"ref": "refs/heads/main", "repository": {"url": URL}},
            (URL, "com.github.push", "refs/heads/main", NOW_TEXT),
        ),
        (
            "fork",
            {"repository": {"url": URL}, "forkee": {"url": "f", "created_at": THEN}},
            (URL, "com.github.fork", "f", THEN),
        ),
        (
            "commit_comment",
            {"action": "created", "comment": {"url": f"{URL}/comments/3", "commit_id": "6113", "id": 3}},
            (f"{URL}/comments/3/6113", "com.github.commit_comment.created", "3", NOW_TEXT),
        ),
        (
            "marketplace_purchase",
            {"action": "changed", "sender": {"url": "https://api.github.com/users/octo"}, "effective_date": THEN},
            ("https://api.github.com/users", "com.github.marketplace_purchase.changed", None, THEN),
        ),
        (
            "membership",
            {"action": "added", "scope": "team", "team": {"url": TEAM}, "member": {"login": "octo"}},
            (TEAM, "com.github.membership.team.added", "octo", NOW_TEXT),
        ),
        (
            "release",
            {
                "action": "published",
                "repository": {"url": URL},
                "release": {"id": 1, "created_at": "2019-01-01T00:00:00Z", "published_at": THEN},
            },
            (URL, "com.github.release.published", "1", THEN),
        ),
        (
            "installation",
            {"action": "created", "installation": {"id": 2, "account": {"url": URL}, "updated_at": 1557933591}},
            (URL, "com.github.installation.created", "2", THEN),
        ),
        (
            "check_run",
            {
                "action": "created",
                "repository": {"url": URL},
                "check_run": {"id": 4, "completed_at": None, "started_at": "2019-01-01T00:00:00Z"},
            },
            (URL, "com.github.check_run.created", "4", "2019-01-01T00:00:00Z"),
        ),
        (
            "security_advisory",
            {"action": "published", "security_advisory": {"ghsa_id": "GHSA-1"}},
            ("github.com", "com.github.security_advisory.published", "GHSA-1", NOW_TEXT),
        ),
        (
            "status",
            {"state": "failure", "sha": "6113", "repository": {"url": URL}},
            (URL, "com.github.status.failure", "6113", NOW_TEXT),
        ),
    ],
)
def test_the_table(event: str, payload: dict[str, Any], attributes: tuple[str, ...]) -> None:
    made = read(event, payload)
    assert (made.source, made.type, made.subject, made.time) == attributes


@pytest.mark.parametrize(
    ("event", "payload", "source", "type_"),
    [
        ("ping", {"repository": {"url": URL}, "organization": {"url": "o"}, "sender": {"url": "s"}}, URL, "ping"),
        ("ping", {"organization": {"url": "o"}, "sender": {"url": "s"}}, "o", "ping"),
        ("ping", {"sender": {"url": "s"}}, "s", "ping"),
        ("brand_new", {"action": "made", "sender": {"url": "s"}}, "s", "brand_new.made"),
        # a row that cannot be used
        ("projects_v2_item", {"action": "edited", "organization": {"url": "o"}}, "o", "projects_v2_item.edited"),
        (
            "issue_comment",
            {"action": "made", "issue": {"url": None}, "sender": {"url": "s"}},
            "s",
            "issue_comment.made",
        ),
        ("create", {"ref_type": 1.5, "repository": {"url": URL}}, URL, "create"),
        ("team_add", {"repository": {"url": URL}}, URL, "team_add"),
        ("repository_dispatch", {"action": "a\x07b", "sender": {"url": "s"}}, "s", "repository_dispatch"),
    ],
)
def test_what_stands_in_for_a_row(event: str, payload: dict[str, Any], source: str, type_: str) -> None:
    made = read(event, payload)
    assert (made.source, made.type, made.subject, made.time) == (source, f"com.github.{type_}", None, NOW_TEXT)


def test_what_a_payload_says_is_never_read_as_a_place() -> None:
    made = read(
        "create", {"ref": "{sender.login}", "ref_type": "{ref}", "repository": {"url": URL}, "sender": {"login": "x"}}
    )
    assert (made.subject, made.type) == ("{sender.login}", "com.github.create.{ref}")


def test_a_subject_or_time_that_breaks_the_specification_is_left_out() -> None:
    made = read("label", {"action": "created", "label": {"name": "a\x00"}, "repository": {"url": URL}})
    assert made.subject is None
    made = read(
        "issues", {"action": "opened", "issue": {"number": 1, "updated_at": "soon"}, "repository": {"url": URL}}
    )
    assert made.time == NOW_TEXT


def test_every_payload_that_github_documents(shared: Path) -> None:
    files = sorted((shared / "data" / "github").glob("*/*.json"))
    assert len(files) > 100
    for file in files:
        body = file.read_bytes()
        event = event_of(headers(file.parent.name), body, now=NOW)
        assert event.type.startswith(f"com.github.{file.parent.name}"), file
        assert event.data_bytes == body
        assert Event.from_json(event.to_json()) == event
        assert event.source.startswith(("https://api.github.com/", "https://github.com/", "github.com")), file
