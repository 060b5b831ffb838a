"""How Sphinx builds these pages: `sphinx-build -W --keep-going -n docs FOLDER`, without a network."""

from __future__ import annotations

import importlib.metadata
import re
import textwrap
from typing import Any, get_origin

from sphinx.application import Sphinx

import eventroute
from eventroute.storage.base import Storage
from eventroute.storage.opening import OpenedStorage

project = "eventroute"
author = "The eventroute authors"
copyright = author
release = version = importlib.metadata.version("eventroute")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"eventroute {version}"
html_static_path = ["_static"]
html_show_copyright = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# A page for each name in `__all__`: the reference cannot fall behind the package.
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 90

# Without a network no link can lead to another project's pages; a link to a name of ours must lead somewhere, unless it
# stands for any type, for what a parsed expression is made of, or for how the storages are made: nobody's to build on.
nitpick_ignore_regex = [
    ("py:.*", r"(?!eventroute\b).*"),
    ("py:.*", r".*\.[A-Z]"),
    ("py:.*", r"eventroute\.filters\.(cesql|expr)\..*"),
    ("py:.*", r"eventroute\.paths\.syntax\..*"),
    ("py:.*", r"eventroute\.storage\.(calls|memory\.transfer|table_reads)\..*"),
    ("py:.*", r"eventroute\.(tracing\.views\.View|stats\.Here)"),
]

MEANT = re.compile(r"(?P<tick>`+)(?P<code>.+?)(?P=tick)|(?<!\S)\*\w[^*\n]*\*(?!\w)", re.DOTALL)
MARKUP = re.compile(r"[*|\\]|_\b")
DRAWN = re.compile(r"^(?!- )\S.*\n +\S|[│├└]", re.MULTILINE)  # hanging indents and trees


def plain_text(_app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Our docstrings are plain text with `code`, *stress*, lists and indented code: make reStructuredText of it."""
    paragraphs = re.split(r"\n(?:[ ]*\n)+", "\n".join(lines).strip("\n"))
    lines[:] = "\n\n".join(map(_paragraph, paragraphs)).split("\n")


def _paragraph(text: str) -> str:
    if text.startswith("    "):  # code
        return "::\n\n" + text
    if DRAWN.search(text) and not text.startswith("- "):
        return "::\n\n" + textwrap.indent(text, "    ")
    place, parts = 0, list[str]()
    for span in MEANT.finditer(text):
        parts += MARKUP.sub(r"\\\g<0>", text[place : span.start()]), f"``{span['code']}``" if span["code"] else span[0]
        place = span.end()
    return "".join([*parts, MARKUP.sub(r"\\\g<0>", text[place:])])


def public_bases(_app: Sphinx, _name: str, _object: Any, _options: Any, bases: list[type]) -> None:
    """A private base is nobody's business, nor is what opens a storage."""
    public = [base for base in bases if not base.__name__.startswith("_")]
    bases[:] = [Storage if get_origin(base) is OpenedStorage else base for base in public]


def once(_app: Sphinx, what: str, name: str, thing: Any, skip: bool, _options: Any) -> bool:
    """A public name has a page of its own, and needs no second place on the page of its module."""
    return skip or (what == "module" and name in eventroute.__all__ and getattr(eventroute, name) is thing)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", plain_text)
    app.connect("autodoc-process-bases", public_bases)
    app.connect("autodoc-skip-member", once)
