"""The reference tells every operator, function and command, and no link in the docs leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from eventroute.filters import dialects
from eventroute.filters.cesql.functions import _FUNCTIONS as SQL_FUNCTIONS
from eventroute.filters.expr.functions import FUNCTIONS as EXPR_FUNCTIONS
from eventroute.filters.pattern.operators import OPERATORS as PATTERN_OPERATORS
from eventroute.transform.commands import COMMANDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)])


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_told_with_its_arguments(name: str) -> None:
    assert re.search(rf"`{name}\b", text("reference/transformers.md"))


@pytest.mark.parametrize("name", sorted(dialects.BUILT_IN))
def test_every_dialect_is_told(name: str) -> None:
    pages = [*DOCS.glob("reference/*.md"), DOCS / "tutorial" / "3-filters-and-transformers.md"]
    assert any(re.search(rf"[`\"]{name}[`\"]", page.read_text(encoding="utf-8")) for page in pages)


@pytest.mark.parametrize("name", sorted(PATTERN_OPERATORS))
def test_every_operator_of_patterns_is_told(name: str) -> None:
    assert re.search(rf"[`\"]{re.escape(name)}[`\"]", text("reference/patterns.md"))


@pytest.mark.parametrize("name", sorted({one.name for one in SQL_FUNCTIONS}))
def test_every_function_of_sql_is_told(name: str) -> None:
    assert re.search(rf"\b{name}\b", text("reference/sql.md"))


def keywords() -> set[str]:
    """The words of the grammar of `expr`."""
    grammar = (ROOT / "eventroute" / "filters" / "expr" / "grammar.lark").read_text(encoding="utf-8")
    return set(re.findall(r"/([A-Z]+)\\b/i", grammar)) | {"TRUE", "FALSE", "ANY", "ALL", "NONE"}


@pytest.mark.parametrize("word", sorted(keywords()))
def test_every_word_of_expr_is_told(word: str) -> None:
    assert re.search(rf"\b{word}\b", text("reference/expr.md"), re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(EXPR_FUNCTIONS))
def test_every_function_of_expr_is_told(name: str) -> None:
    assert re.search(rf"\b{name}\b", text("reference/expr.md"))


def anchor(heading: str) -> str:
    """A heading's anchor, as GitHub and the pages that Sphinx builds have it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def inlines(page: Path) -> Iterator[Token]:
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        yield from token.children or ()


def anchors(page: Path) -> set[str]:
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {anchor(title.replace("`", "")) for title in titles}


def targets(page: Path) -> Iterator[str]:
    for token in inlines(page):
        if token.type in {"link_open", "image"}:
            yield str(token.attrs.get("href") or token.attrs.get("src"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    """Within the project to a file and an anchor that are there; elsewhere to what is a plain address at least."""
    for target in targets(page):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme in {"https", "http"}, target
            assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]{2,}", parts.netloc), target
            continue
        file = (page.parent / parts.path).resolve() if parts.path else page
        assert file.exists(), target
        assert ROOT in file.parents, target
        if parts.fragment and file.suffix == ".md":
            assert parts.fragment in anchors(file), target


@pytest.mark.parametrize(
    ("heading", "made"),
    [
        ("How long they stay", "how-long-they-stay"),
        ("`eventroute.Batch`", "eventroutebatch"),
        ("A, B and C-D", "a-b-and-c-d"),
    ],
)
def test_an_anchor_is_made_of_its_heading(heading: str, made: str) -> None:
    assert anchor(heading.replace("`", "")) == made


def test_every_page_is_reached_from_another() -> None:
    """By a link or a table of contents."""
    reached = {(page.parent / target.partition("#")[0]).resolve() for page in PAGES for target in targets(page)}
    for page in PAGES:
        for listed in re.findall(r"```{toctree}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            lines = [line for line in listed.splitlines() if line and not line.startswith(":")]
            reached |= {found.resolve() for line in lines for found in page.parent.glob(f"{line.strip()}.md")} | {
                found.resolve() for line in lines for found in page.parent.glob(line.strip()) if found.suffix == ".md"
            }
            reached |= {(page.parent / f"{line.strip()}.md").resolve() for line in lines}
    alone = {page.resolve() for page in PAGES if page.parent != ROOT} - reached
    assert alone <= {DOCS / "index.md", DOCS / "performance" / "measured.md"}
