from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from eventroute.errors import InvalidFilter, StorageError, Unauthorized
from eventroute.gateway.authorize import AccessRequest, Authorize, Basic, credentials
from eventroute.gateway.limits import RequestLimits
from eventroute.secrets import Secret
from eventroute.web.access import is_loopback
from eventroute.web.csrf import COOKIE, FIELD, HEADER
from eventroute.web.forms import Form
from eventroute.web.headers import CONTENT_SECURITY_POLICY
from eventroute.web.shell import HTMX, Shell
from tests.web.browsing import Visitor

pytestmark = pytest.mark.anyio


def anybody(request: AccessRequest) -> None:
    pass


def site(
    authorize: Authorize | None = anybody, *, limits: RequestLimits | None = None, key: bytes | None = None
) -> ASGIApp:
    shell = Shell(action="manage", authorize=authorize, limits=limits, csrf_key=key)

    async def show(request: Request) -> Response:
        return shell.page(request, "refused.html", title=request.query_params.get("title", "Page"), problem=_Nothing())

    async def take(request: Request, form: Form) -> Response:
        return PlainTextResponse(f"{form.get('text')}|{form.all('each')}|{form.get('other', 'none')}")

    async def fail(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind == "filter":
            raise InvalidFilter("<b>bold</b>", where="filters[0]")
        raise StorageError("the path of a file") if kind == "storage" else ZeroDivisionError

    return shell.app(
        [
            shell.get("/", show),
            shell.get("/of/{bus}", show, name="of"),
            shell.post("/take", take),
            shell.get("/fail/{kind}", fail),
        ]
    )


class _Nothing:
    status = 200
    detail = "detail"
    where = ""


async def test_a_page_allows_nothing_but_its_own_files() -> None:
    answer = await Visitor(site()).get("/")
    assert answer.status == 200
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    text = answer.body.decode()
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=|https?://", text)


async def test_htmx_evaluates_nothing() -> None:
    assert HTMX["allowEval"] is False
    assert HTMX["allowScriptTags"] is False
    assert HTMX["includeIndicatorStyles"] is False
    text = (await Visitor(site()).get("/")).body.decode()
    found = re.search(r'name="htmx-config" content="([^"]*)"', text)
    assert found is not None
    assert '"allowEval": false' in unescape(found[1])


@pytest.mark.parametrize("mount", ["", "/ops/pages"])
async def test_what_a_page_loads_is_there_wherever_it_is_mounted_and_kept_for_ever(mount: str) -> None:
    app = Starlette(routes=[Mount(mount, site())]) if mount else site()
    visitor = Visitor(app)
    text = (await visitor.get(f"{mount}/")).body.decode()
    loaded = re.findall(r'(?:href|src)="(/[^"]*)"', text)
    assert {path.rpartition("/")[2] for path in loaded} >= {"htmx.js", "eventroute.css", "mark.svg"}
    for path in loaded:
        assert path.startswith(f"{mount}/static/")
        answer = await visitor.get(path)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].partition(";")[0] in ("text/css", "text/javascript", "image/svg+xml")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/static/0/htmx.js", "/static/0/nothing", "/static/0/..%2fshell.py", "/nothing"])
async def test_what_is_not_there(path: str) -> None:
    answer = await Visitor(site()).get(path)
    assert answer.status == 404
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert b"404 Not Found" in answer.body


async def test_a_form_of_ours_is_taken() -> None:
    visitor = Visitor(site())
    await visitor.get("/")
    answer = await visitor.post("/take", {"text": "a\r\nb", "each": ["1", "2"]})
    assert answer.body == b"a\nb|['1', '2']|none"


async def test_a_token_may_be_in_a_field() -> None:
    visitor = Visitor(site())
    await visitor.get("/")
    answer = await visitor.post("/take", {FIELD: visitor.token}, headers={HEADER: ""})
    assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {HEADER: "0" * 64},
        {HEADER: ""},
        {HEADER: "\xff"},
        {"cookie": ""},
        {"cookie": f"{COOKIE}={'A' * 32}"},
        {"cookie": f"{COOKIE}="},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost:8000"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"authorization": "Basic YTpi"},
    ],
    ids=str,
)
async def test_a_form_of_others_is_refused(headers: dict[str, str]) -> None:
    """The last one: a token is good for the one who was shown it."""
    visitor = Visitor(site())
    await visitor.get("/")
    answer = await visitor.post("/take", {"text": "a"}, headers=headers)
    assert answer.status == 403
    assert b"load it again" in answer.body or b"another site" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin", "origin": "https://outside.example"},  # a proxy has its own name for us
        {"origin": "http://localhost:8000"},
        {"origin": "https://localhost:8000"},
    ],
)
async def test_what_the_browser_vouches_for_is_taken(headers: dict[str, str]) -> None:
    visitor = Visitor(site())
    await visitor.get("/")
    assert (await visitor.post("/take", {}, headers=headers)).status == 200


async def test_processes_with_one_key_take_each_others_forms() -> None:
    visitor = Visitor(site(key=b"k" * 32))
    await visitor.get("/")
    visitor.app = site(key=b"k" * 32)
    assert (await visitor.post("/take", {})).status == 200
    visitor.app = site(key=b"l" * 32)
    assert (await visitor.post("/take", {})).status == 403


async def test_the_cookie_goes_nowhere_else() -> None:
    app = Starlette(routes=[Mount("/ops", site())])
    answer = await Visitor(app).get("/ops/")
    cookie = answer.headers["set-cookie"].lower()
    assert "path=/ops/;" in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    assert "secure" in (await Visitor(app, scheme="https").get("/ops/")).headers["set-cookie"].lower()


async def test_a_cookie_is_set_once() -> None:
    visitor = Visitor(site())
    await visitor.get("/")
    token = visitor.token
    assert "set-cookie" not in (await visitor.get("/")).headers
    assert visitor.token == token


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"a=1", "application/json", 415),
        (b"a=1", "", 415),
        (b"a=\xff", "application/x-www-form-urlencoded", 400),
        (b"a=%ff", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 201, "application/x-www-form-urlencoded", 400),
        (b"a" * 2_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_what_is_no_form_is_refused(body: bytes, content_type: str, status: int) -> None:
    visitor = Visitor(site(limits=RequestLimits(max_body=1_000)))
    await visitor.get("/")
    answer = await visitor.send("POST", "/take", {"content-type": content_type, HEADER: visitor.token}, body)
    assert answer.status == status


async def test_a_get_where_a_form_is_wanted() -> None:
    assert (await Visitor(site()).get("/take")).status == 405


@pytest.mark.parametrize(
    ("client", "host", "more", "status"),
    [
        ("127.0.0.1", "localhost:8000", {}, 200),
        ("127.0.0.1", "127.0.0.1", {}, 200),
        ("::1", "[::1]:8000", {}, 200),
        ("::1", "[::1]", {}, 200),
        ("127.0.0.1", "play.localhost:80", {}, 200),
        ("127.0.0.1", "evil.example:8000", {}, 403),  # a name elsewhere that leads here
        ("127.0.0.1", "localhost.evil.example", {}, 403),
        ("192.0.2.7", "localhost:8000", {}, 403),
        (None, "localhost:8000", {}, 403),
        ("127.0.0.1", "", {}, 403),
        ("127.0.0.1", "localhost", {"x-forwarded-for": "192.0.2.7"}, 403),  # a proxy passes it on
        ("127.0.0.1", "localhost", {"forwarded": "for=192.0.2.7"}, 403),
    ],
)
async def test_without_a_hook_it_is_for_this_machine_alone(
    client: str | None, host: str, more: dict[str, str], status: int
) -> None:
    visitor = Visitor(site(None), client=client, host=host)
    answer = await visitor.get("/", headers=more)
    assert answer.status == status
    assert (b"give it one" in answer.body) is (status == 403)


async def test_the_hook_is_told_of_bus_and_action() -> None:
    asked: list[tuple[str, str, str]] = []

    async def authorize(request: AccessRequest) -> None:
        asked.append((request.bus, request.action, request.method))

    visitor = Visitor(site(authorize))
    await visitor.get("/of/orders")
    await visitor.get("/")
    await visitor.post("/take", {})
    assert asked == [("orders", "manage", "GET"), ("", "manage", "GET"), ("", "manage", "POST")]


async def test_a_browser_is_asked_for_a_password() -> None:
    known = credentials({}, managers={"orders": [Basic("ann", Secret("s3cret"))]})
    visitor = Visitor(site(known))
    answer = await visitor.get("/of/orders")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert b"needs one of its credentials" in answer.body
    assert (await visitor.get("/of/orders", headers={"authorization": "Basic YW5uOnMzY3JldA=="})).status == 200


async def test_who_is_refused_is_not_read() -> None:
    def nobody(request: AccessRequest) -> None:
        raise Unauthorized("no", forbidden=True)

    answer = await Visitor(site(nobody)).send("POST", "/take", {}, b"x")
    assert (answer.status, answer.received) == (403, 0)


async def test_an_error_is_shown_as_text_and_keeps_secrets() -> None:
    visitor = Visitor(site())
    answer = await visitor.get("/fail/filter")
    assert answer.status == 400
    assert b"&lt;b&gt;bold&lt;/b&gt;" in answer.body
    assert b"filters[0]" in answer.body
    assert b"<html" in answer.body
    part = await visitor.get("/fail/filter", headers={"hx-request": "true"})
    assert part.status == 400
    assert b"<html" not in part.body
    assert b"filters[0]" in part.body
    answer = await visitor.get("/fail/storage")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert b"the path of a file" not in answer.body


async def test_a_fault_of_ours_shows_nothing_and_is_guarded_too() -> None:
    sent = Visitor(site())
    with pytest.raises(ZeroDivisionError):  # for the log of the server
        await sent.get("/fail/fault")
    assert sent.last is not None
    assert sent.last.status == 500
    assert sent.last.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert b"ZeroDivisionError" not in sent.last.body


@given(title=st.text(max_size=40))
async def test_whatever_is_shown_is_text(title: str) -> None:
    shell = Shell(action="manage", authorize=anybody)
    request = Request({"type": "http", "headers": [], "method": "GET", "path": "/", "server": ("localhost", 80)})
    shell.app([])
    body = shell.page(request, "problem.html", title=title, problem=_Nothing()).body
    text = bytes(body).decode()
    shown = text.partition("<strong>")[2].partition("</strong>")[0]
    assert "<" not in shown
    assert (
        re.sub(r"\r\n?", "\n", unescape(shown)).removesuffix(".")
        == re.sub(r"\r\n?", "\n", title).encode("utf-8", "replace").decode()
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]", "a.localhost", "LOCALHOST."])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.7", "localhost.example", "1", "localhost "])
def test_no_loopback(host: str) -> None:
    assert not is_loopback(host)
