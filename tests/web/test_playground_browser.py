"""The playground in a browser, clicked through; pictures of it are left in build/screenshots."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from eventroute.web.playground import MAX_BODY, playground_app
from tests.web.conftest import Opens, accessible, picture, served

SIZES = [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390)]


@pytest.fixture(scope="module")
def url(browser: Browser) -> Iterator[str]:
    with served(playground_app()) as address:
        yield f"{address}/"


def shows(page: Page, selector: str, text: str | re.Pattern[str]) -> None:
    expect(page.locator(selector)).to_contain_text(text)


def write(page: Page, editor: str, text: str) -> None:
    page.locator(f"#{editor}").fill(text)


def test_picking_samples(opened: Opens, url: str) -> None:
    page = opened(url)
    shows(page, "#body", "mona-lisa has starred weather-bot")
    page.locator("#sample").select_option("issues")
    shows(page, "#match-title + *", "does not match")
    shows(page, ".clauses", "type is 'com.github.issues.opened'")
    assert page.locator("#github").input_value() == "issues"
    page.get_by_text("Load its rules").click()
    shows(page, "#match-title + *", re.compile(r"^\s*matches"))
    shows(page, "#steps", "capitalize_sentence")
    picture(page, "issues")
    page.locator("#sample").select_option("order")
    expect(page.locator("#kind-cloudevent")).to_be_checked()
    expect(page.locator("#github")).not_to_be_visible()


def test_a_mismatch_is_explained(opened: Opens, url: str) -> None:
    page = opened(url)
    page.locator("#dialect-expr").check()
    write(page, "rules-text", "type = 'com.github.star.created' AND data.repository.stargazers_count > 5000")
    shows(page, "#match-title + *", "does not match")
    shows(page, ".clauses", "data.repository.stargazers_count is 80")
    assert page.locator(".clauses .fails").count() == 2
    shows(page, "#outcome", "so nothing is delivered")
    picture(page, "mismatch")


def test_a_syntax_error_has_a_caret_below_it(opened: Opens, url: str) -> None:
    page = opened(url)
    page.locator("#dialect-expr").check()
    write(page, "rules-text", "type >> 'x'")
    shows(page, "#rules-fault pre", "type >> 'x'\n      ^")
    shows(page, "#match-title + *", "not known")
    accessible(page)
    picture(page, "fault")
    write(page, "rules-text", "type > 'x'")
    expect(page.locator("#rules-fault .problem")).to_have_count(0)


def test_the_transformer_step_by_step(opened: Opens, url: str) -> None:
    page = opened(url)
    write(page, "define", '{"name": "$.data.repository.name"}')
    write(page, "pipeline", '[{"command": ["upper_case", "$.data.sender.login"]}]')
    write(page, "template", '{"hello": "${$.data.sender.login}", "from": "${name}"}')
    shows(page, "#variables", "weather-bot")
    shows(page, "#steps", "MONA-LISA")
    shows(page, "#body", '{"hello": "MONA-LISA", "from": "weather-bot"}')
    page.locator("#steps summary").click()
    shows(page, "#steps details pre", '"login":"MONA-LISA"')
    page.locator("#mode-structured").check()
    shows(page, ".headers", "application/cloudevents+json")
    expect(page.locator("#steps details")).to_have_attribute("open", "")  # what was opened stays so
    page.locator("#mode-batch").check()
    shows(page, ".headers", "application/cloudevents-batch+json")
    write(page, "template", '{"hello": ${}')
    shows(page, "#template-fault", "expected the name of a variable")


def test_copies(opened: Opens, url: str) -> None:
    page = opened(url)
    for language, begins in {"toml": "[[subscriptions]]", "python": "import eventroute", "curl": "# make"}.items():
        page.locator(f"#language-{language}").check()
        shows(page, "#copy", begins)
        page.locator("[data-copy=copy]").click()
        shows(page, "#said", "copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(begins)
        assert copied == page.locator("#copy").text_content()
    page.locator("[data-copy=body]").click()
    shows(page, "#said", "Copy body: copied")
    assert "mona-lisa" in page.evaluate("navigator.clipboard.readText()")


def test_a_link_opens_what_was_tried(opened: Opens, url: str) -> None:
    page = opened(url)
    page.locator("#sample").select_option("reading")
    shows(page, "#match-title + *", "does not match")
    page.locator("#dialect-expr").check()
    write(page, "rules-text", "data.celsius > 30 AND site = 'north'")
    write(page, "template", "\u00fcber ${$.data.celsius} \U0001f321")
    page.locator("#mode-structured").check()
    shows(page, "#body", "31.5")
    page.locator("#share").click()
    shows(page, "#said", "Link: copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    other = opened(link)
    shows(other, "#body", "\u00fcber 31.5 \U0001f321")
    shows(other, "#match-title + *", re.compile(r"^\s*matches"))
    names = ("sample", "kind", "payload", "dialect", "rules", "define", "pipeline", "template", "mode", "language")
    read = f"{json.dumps(names)}.map((name) => document.getElementById('play').elements.namedItem(name).value)"
    assert other.evaluate(read) == page.evaluate(read)


@pytest.mark.parametrize("fragment", ["AAAA", "q1YqSixXslIqKEotS8xTqgUA", "x" * 500_001], ids=["junk", "other", "long"])
def test_a_link_that_cannot_be_read_says_so_or_changes_nothing(opened: Opens, url: str, fragment: str) -> None:
    page = opened(f"{url}#try={fragment}")
    shows(page, "#body", "mona-lisa has starred weather-bot")
    if fragment != "q1YqSixXslIqKEotS8xTqgUA":
        shows(page, "#said", "This link cannot be read")


def test_each_dialect_keeps_its_text(opened: Opens, url: str) -> None:
    page = opened(url)
    write(page, "rules-text", '{"exact": {"type": "mine"}}')
    page.locator("#dialect-sql").check()
    assert page.locator("#rules-text").input_value().startswith("type LIKE")
    write(page, "rules-text", "FALSE")
    page.locator("#dialect-json").check()
    assert page.locator("#rules-text").input_value() == '{"exact": {"type": "mine"}}'
    page.locator("#dialect-sql").check()
    assert page.locator("#rules-text").input_value() == "FALSE"
    page.locator("#kind-cloudevent").check()
    assert page.locator("#payload").input_value() == ""
    page.locator("#kind-github").check()
    assert "starred_at" in page.locator("#payload").input_value()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.className"))


def test_with_the_keyboard_alone(opened: Opens, url: str) -> None:
    page = opened(url)
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        outline = page.evaluate(
            "(() => { const one = document.activeElement, box = one.closest('.choice label') || one;"
            " return getComputedStyle(box).outlineStyle + getComputedStyle(box).outlineWidth })()"
        )
        assert outline == "solid2px", seen[-1]
        if seen[-1] == "rules-text":
            page.keyboard.press("Control+a")
            page.keyboard.type('{"suffix": {"type": "created"}}')
            shows(page, ".clauses", '{"suffix":{"type":"created"}}')
        if seen[-1] == "mode-binary":
            break
    assert seen[:2] == ["skip", "sample"]
    assert {"share", "kind-github", "payload", "dialect-json", "define", "pipeline", "template"} <= set(seen)
    page.keyboard.press("ArrowRight")
    shows(page, ".headers", "application/cloudevents+json")
    assert focused(page) == "mode-structured"


@pytest.mark.parametrize(("scheme", "width"), SIZES)
def test_axe_finds_nothing_and_nothing_is_too_wide(opened: Opens, url: str, scheme: str, width: int) -> None:
    page = opened(url, width=width, height=844, scheme=scheme)
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, f"page-{scheme}-{width}")
    write(page, "rules-text", '{"all": [{"exact": {"subjec": "x"}}, {"prefix": {"data.repository.topics": "bo"}}]}')
    shows(page, "#outcome", "Odd:")
    write(page, "template", "${nobody}")
    shows(page, "#template-fault", "nobody")
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, f"odd-{scheme}-{width}")


def test_hostile_content_stays_text(opened: Opens, url: str) -> None:
    page = opened(url)
    evil = "</textarea></pre></script><script>alert(1)</script><img src=x onerror=alert(2)><b id=evil>"
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": evil,
        "subject": "a\u202eb\u2066",
        "data": {evil: evil},
    }
    page.locator("#kind-cloudevent").check()
    write(page, "payload", json.dumps(event))
    page.locator("#dialect-expr").check()
    write(page, "rules-text", f"type = '{evil}' AND subject = 'a\u202eb\u2066'")
    write(page, "template", evil + "${$.subject}")
    shows(page, ".clauses", evil[:30])
    shows(page, "#body", "a\\u202eb\\u2066")
    assert page.locator("#evil, img[src=x], pre script, code script").count() == 0
    assert "\u202e" not in (page.locator("#outcome").text_content() or "")
    page.locator("#share").click()
    shows(page, "#said", "Link: copied")
    other = opened(page.url)
    shows(other, ".clauses", evil[:30])
    assert other.locator("#evil, img[src=x], pre script, code script").count() == 0
    picture(other, "hostile")


def test_ten_megabytes_are_refused_politely(opened: Opens, url: str) -> None:
    page = opened(url)
    page.evaluate("document.getElementById('payload').value = 'x'.repeat(10_000_000); htmx.trigger('#play', 'refresh')")
    shows(page, "#outcome", "too long to be tried")
    shows(page, "#outcome", f"{MAX_BODY:,} are allowed")
    write(page, "payload", "{}")
    shows(page, "#payload-fault", "")
