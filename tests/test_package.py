"""What holds for the package as a whole: its shape, what importing it costs, what it declares."""

from __future__ import annotations

import ast
import graphlib
import importlib.metadata
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eventroute

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "eventroute").rglob("*.py"))
MAX_LINES = 400
MAX_FUNCTION_LINES = 50

# Each costs as much as all the rest of `import eventroute`, or belongs to an extra.
NOT_AT_IMPORT = {
    "aiohttp",
    "click",
    "cloudevents",
    "h11",
    "hypothesis",
    "jinja2",
    "jsonpath_ng",
    "lark",
    "nats",
    "psycopg",
    "pytest",
    "re2",
    "rich",
    "starlette",
    "trio",
    "uvicorn",
}

# A layer, and those that it must know nothing of. Only the router and what is built on it know all.
ABOVE = {"router", "publisher", "gateway", "web", "cli"}
UNKNOWN_TO = {
    "storage": {"filters", "transform", "push", *ABOVE},
    "filters": {"storage", "transform", "push", *ABOVE},
    "transform": {"storage", "filters", "push", *ABOVE},
    "push": {"filters", "transform", *ABOVE},
}
UNKNOWN_INSIDE_PUSH = {
    "policy": {"sinks", "lane", "worker"},
    "sinks": {"lane", "worker"},
    "lane": {"worker"},
}


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(file: Path) -> set[str]:
    """All that a module imports, wherever: in functions and under TYPE_CHECKING too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


MODULES = {module_name(file): imports(file) for file in FILES}


def layer(module: str) -> str:
    return [*module.split("."), ""][1]


def test_import_is_lean() -> None:
    """Measured by what gets imported, since times depend on the machine."""
    program = "import sys, eventroute; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "eventroute" in done.stdout.split()
    assert not NOT_AT_IMPORT & set(done.stdout.split())


def test_public_names_can_be_imported_and_are_sorted() -> None:
    assert eventroute.__all__
    assert [name for name in eventroute.__all__ if not hasattr(eventroute, name)] == []
    assert sorted(set(eventroute.__all__)) == sorted(eventroute.__all__)


def test_init_shows_what_it_exports_and_nothing_else() -> None:
    shown = {name for name, value in vars(eventroute).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert shown <= {*eventroute.__all__, "annotations"}


@pytest.mark.parametrize("name", eventroute.__all__)
def test_what_is_public_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(eventroute, name))


def test_types_are_shipped() -> None:
    spec = importlib.util.find_spec("eventroute")
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).with_name("py.typed").is_file()


def test_modules_import_in_one_direction() -> None:
    graph = {module: {name for name in names if name in MODULES} - {module} for module, names in MODULES.items()}
    assert list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize("module", sorted(MODULES))
def test_layers_know_only_what_lies_below(module: str) -> None:
    known = {layer(name) for name in MODULES[module] if name.startswith("eventroute.")}
    assert not known & UNKNOWN_TO.get(layer(module), set())


@pytest.mark.parametrize("part", UNKNOWN_INSIDE_PUSH)
def test_parts_of_push_know_only_what_lies_below(part: str) -> None:
    modules = [names for module, names in MODULES.items() if module.startswith(f"eventroute.push.{part}.")]
    known = {name.split(".")[2] for names in modules for name in names if name.startswith("eventroute.push.")}
    assert modules
    assert not known & UNKNOWN_INSIDE_PUSH[part]


@pytest.mark.parametrize("file", FILES, ids=map(module_name, FILES))
def test_modules_and_functions_stay_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_LINES
    long = [
        f"{node.name}: {lines} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_what_is_imported_is_declared() -> None:
    required = importlib.metadata.requires("eventroute") or []
    declared = {
        re.split(r"[^\w.-]", line)[0].lower().replace("-", "_")
        for line in required
        if not re.search(r"extra == .(test|lint|docs|dev)\b", line)  # those are not for users
    }
    providers = importlib.metadata.packages_distributions()
    third_party = {
        top
        for names in MODULES.values()
        for top in {name.partition(".")[0] for name in names}
        if top not in sys.stdlib_module_names and top != "eventroute"
    }
    undeclared = {
        top for top in third_party if not {name.lower().replace("-", "_") for name in providers.get(top, [])} & declared
    }
    assert undeclared == set()
