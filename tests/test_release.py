"""What is released beside the code: licences, promises and forms, each held against what it speaks of."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"all", "test", "lint", "bench", "docs", "dev"}
"""Extras that bring no package of their own to a user."""

CLASSIFIERS = {
    "MIT License": "MIT",
    "MIT": "MIT",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
}


def sections(text: str) -> dict[str, str]:
    return {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}


def table(text: str) -> list[tuple[str, ...]]:
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip().strip("`") for cell in line) for line in lines[1:]]


THIRD_PARTY = sections((ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8"))
ALWAYS = table(THIRD_PARTY["Always installed"])
EXTRAS = table(THIRD_PARTY["By extras"])


def names(requirements: list[str]) -> set[str]:
    return {Requirement(one).name for one in requirements} - {"eventroute"}


def test_every_direct_dependency_is_listed_and_no_other() -> None:
    assert {package for package, _ in ALWAYS} == names(PROJECT["dependencies"])
    listed: dict[str, set[str]] = {}
    for extra, package, _ in EXTRAS:
        listed.setdefault(extra, set()).add(package)
    extras = PROJECT["optional-dependencies"]
    assert listed == {extra: names(extras[extra]) for extra in extras if extra not in OURS and names(extras[extra])}


def test_testing_brings_both_event_loops() -> None:
    """The pages on storages and sinks of one's own run the contracts on both, with nothing but this extra."""
    assert "trio" in names(PROJECT["optional-dependencies"]["testing"])


@pytest.mark.parametrize(("package", "licence"), sorted({*ALWAYS, *(row[1:] for row in EXTRAS)}))
def test_the_licence_is_the_one_that_the_package_names(package: str, licence: str) -> None:
    try:
        about = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed here")
    said = {about["License-Expression"]} if about["License-Expression"] else {about["License"] or ""}
    for classifier in about.get_all("Classifier") or []:
        if classifier.startswith("License :: ") and not about["License-Expression"]:
            said.add(CLASSIFIERS[classifier.rpartition(" :: ")[2]])
    words = set(licence.split(" OR "))
    assert licence in said or words <= {CLASSIFIERS.get(one, one) for one in said}


@pytest.mark.parametrize("page", ["SECURITY.md", "CONTRIBUTING.md", "THIRD_PARTY.md"])
def test_files_and_suites_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    files = re.findall(r"`((?:tests|docs|eventroute|benchmarks)/[\w./-]+)`|\]\(([\w./-]+)\)", text)
    paths = {name for pair in files for name in pair if name and "NAME" not in name}
    assert paths
    assert [name for name in sorted(paths) if not (ROOT / name).exists()] == []
    for module, name in re.findall(r"`(eventroute(?:\.\w+)+)\.([A-Z]\w+)`", text):
        assert hasattr(importlib.import_module(module), name)
    for name in re.findall(r"`(test_\w+)`", text):
        assert any(f"def {name}(" in file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py"))


FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_forms_are_well_formed(form: Path) -> None:
    value = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.name == "config.yml":
        assert value == {"blank_issues_enabled": True}
        return
    assert set(value) == {"name", "description", "labels", "body"}
    asked = [one for one in value["body"] if one["type"] != "markdown"]
    assert len({one["id"] for one in asked}) == len(asked)
    assert all(one["attributes"]["label"] for one in asked)
    assert any(one["validations"]["required"] for one in asked if "validations" in one)


@pytest.fixture(scope="module")
def distributions() -> ModuleType:
    """What `.ci/run` looks at wheel and sdist with."""
    spec = importlib.util.spec_from_file_location("distributions", ROOT / ".ci" / "distributions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PACKAGE = ["eventroute/__init__.py", "eventroute/py.typed", "eventroute/transform/template.lark"]
INFO = [
    f"eventroute-1.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
]


def test_a_whole_wheel_has_no_fault(distributions: ModuleType) -> None:
    assert list(distributions.wheel_faults([*PACKAGE, *INFO], PACKAGE)) == []


@pytest.mark.parametrize(
    ("names", "package", "fault"),
    [
        ([*PACKAGE[:-1], *INFO], PACKAGE, "lacks eventroute/transform/template.lark"),
        ([*PACKAGE, "eventroute/notes.py", *INFO], PACKAGE, "holds eventroute/notes.py"),
        ([*PACKAGE, "tests/test_a.py", *INFO], PACKAGE, "holds tests/test_a.py"),
        ([*PACKAGE, *INFO[:-1]], PACKAGE, "lacks licenses/LICENSE"),
        ([*PACKAGE, "eventroute/.env", *INFO], [*PACKAGE, "eventroute/.env"], "eventroute/.env is of a kind"),
        ([*PACKAGE, "eventroute/a.db", *INFO], [*PACKAGE, "eventroute/a.db"], "eventroute/a.db is of a kind"),
    ],
)
def test_a_fault_of_a_wheel_is_named(
    distributions: ModuleType, names: list[str], package: list[str], fault: str
) -> None:
    (found,) = distributions.wheel_faults(names, package)
    assert fault in found


def test_a_fault_of_an_sdist_is_named(distributions: ModuleType) -> None:
    files = ["pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "THIRD_PARTY.md", "PKG-INFO"]
    whole = [*files, "eventroute/a.py", "tests/a.py", "docs/a.md", "benchmarks/a.py"]
    assert list(distributions.sdist_faults(whole)) == []
    assert list(distributions.sdist_faults(whole[1:])) == ["the sdist lacks pyproject.toml"]
    assert list(distributions.sdist_faults(whole[:-1])) == ["the sdist lacks benchmarks/"]
    assert list(distributions.sdist_faults([*whole, "tests/a.pyc"])) == ["the sdist holds tests/a.pyc"]


METADATA = """\
Name: eventroute
License-Expression: Apache-2.0
License-File: LICENSE
Description-Content-Type: text/markdown
Provides-Extra: all
Provides-Extra: cli
Provides-Extra: http
Provides-Extra: otel
Provides-Extra: postgres
Provides-Extra: server
Provides-Extra: testing
Provides-Extra: trio
Provides-Extra: web
Requires-Dist: anyio>=4

# eventroute
"""


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (lambda text: text, []),
        (lambda text: text.replace("Apache-2.0", "MIT"), ["License-Expression: MIT, not Apache-2.0"]),
        (lambda text: text.replace("Provides-Extra: cli\n", ""), ["lacks the extra cli"]),
        (lambda text: text.replace("anyio>=4", "anyio @ https://example.com/a.whl"), ["is an address"]),
        (lambda text: text.replace("\n# eventroute\n", ""), ["no description"]),
    ],
)
def test_a_fault_of_the_metadata_is_named(
    distributions: ModuleType, change: Callable[[str], str], faults: list[str]
) -> None:
    found = list(distributions.metadata_faults(change(METADATA)))
    assert len(found) == len(faults)
    assert all(one in other for one, other in zip(faults, found, strict=True))


def test_the_version_stands_in_one_place() -> None:
    found = [
        file.relative_to(ROOT).as_posix()
        for file in [*(ROOT / "eventroute").rglob("*.py"), ROOT / "docs" / "conf.py"]
        if PROJECT["version"] in file.read_text(encoding="utf-8")
    ]
    assert found == []
