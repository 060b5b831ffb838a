"""docs/reference/settings.md tells every setting, its default and its bounds, and the bounds are where it says; and
docs/howto/serve.md does for the file of a broker.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from eventroute import BusSettings, Retention
from eventroute.errors import EventrouteError, InvalidConfiguration
from eventroute.push.outcome import DEFAULT_OUTCOMES
from eventroute.serving.config import load
from eventroute.serving.tomlfile import Table
from eventroute.storage.memory import MemoryStorage

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("`")[0]: part for part in PAGE.split("\n## `")[1:]}
NEEDED: dict[str, dict[str, Any]] = {
    "eventroute.Rate": {"events": 1},
    "eventroute.Handshake": {"origin": "example.com"},
    "eventroute.Router": {"storage": MemoryStorage()},
    "eventroute.SQLiteStorage": {"path": "events.db"},
    "eventroute.storage.nats.server.Server": {"addresses": ("nats://127.0.0.1",)},
    "eventroute.storage.postgres.storage.PostgresStorage": {"address": "postgresql://127.0.0.1/test"},
}
MANY = {"ports", "schemes"}
"""What takes several values: each is bounded."""


def find(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module(module), kind)


def rows(name: str) -> list[list[str]]:
    lines = [line.strip("|").split("|") for line in SECTIONS[name].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line] for line in lines]


def defaults(kind: Any) -> dict[str, Any]:
    """Each setting's default, or `attrs.NOTHING`."""
    if attrs.has(kind):
        return {
            one.name: one.default.factory() if isinstance(one.default, attrs.Factory) else one.default  # type: ignore[arg-type]
            for one in attrs.fields(kind)
        }
    parameters = list(inspect.signature(kind).parameters.values())
    return {one.name: attrs.NOTHING if one.default is one.empty else one.default for one in parameters}


def written(value: Any) -> str:
    """A default as the page has it."""
    match value:
        case attrs.NOTHING | None:
            return "none" if value is None else "required"
        case bool() | str():
            return f"`{value}`"
        case int() | float():
            return f"{value:,}" if value == int(value) and isinstance(value, int) else f"{value:,.10g}"
        case frozenset():
            return ", ".join(f"`{one}`" for one in sorted(value)) or "any"
        case dict() | tuple():
            return f"`{value!r}`"
    if value is DEFAULT_OUTCOMES:
        return "`DEFAULT_OUTCOMES`"
    return f"`{type(value).__name__}()`" if value == type(value)() or not attrs.has(type(value)) else f"`{value!r}`"


@pytest.mark.parametrize("name", SECTIONS)
def test_each_setting_is_told_with_its_default(name: str) -> None:
    told = {row[0].strip("`"): row[1] for row in rows(name)}
    assert told == {setting: written(value) for setting, value in defaults(find(name)).items()}


def numbers() -> list[tuple[str, str, str]]:
    return [(name, row[0].strip("`"), row[2]) for name in SECTIONS for row in rows(name) if row[2]]


def parsed(text: str) -> tuple[list[Any], list[Any]]:
    """Values that a bound allows, and such as it refuses."""
    if text.startswith("`"):
        return re.findall(r"`([^`]+)`", text), ["no such word"]
    figures = [float(one.replace(",", "")) for one in re.findall(r"\d[\d,.]*", text)]
    low, high = figures[0], figures[1] if figures[1:] else None
    whole = all(one == int(one) for one in figures)
    step = 1 if whole and low else 0.0001
    kind: Callable[[float], Any] = int if whole else float
    if text.startswith("above"):
        allowed, refused = [low + 1], [low, low - 1]
    else:
        allowed, refused = [low], [low - step]
    if high is not None:
        allowed, refused = [*allowed, high], [*refused, high + 1]
    return [kind(one) for one in allowed], [kind(one) if one == int(one) else one for one in refused]


@pytest.mark.parametrize(("name", "setting", "text"), numbers())
def test_a_bound_lies_where_the_page_says(name: str, setting: str, text: str) -> None:
    allowed, refused = parsed(text)
    needed = NEEDED.get(name, {})
    if setting == "when_stuck":
        needed = {"order_by": "subject"}
    for value in allowed:
        find(name)(**needed | {setting: [value] if setting in MANY else value})
    for value in refused:
        with pytest.raises((EventrouteError, ValueError)):
            find(name)(**needed | {setting: [value] if setting in MANY else value})


def test_what_makes_up_a_policy_is_told() -> None:
    """No setting of one of our classes is left out."""
    told = {find(name) for name in SECTIONS}
    used = {type(value) for kind in told for value in defaults(kind).values() if attrs.has(type(value))}
    missing = {kind.__name__ for kind in used - told} - {"OutcomeTable", "Secrets"}  # these are no settings
    assert missing == set()


# -- the file of a broker, in docs/howto/serve.md ------------------------------------------------------------------

FILE = """
storage = "memory:"
[gateway]
[buses.orders]
publishers = [{ bearer = "env:A" }, { basic = { user = "a", password = "env:A" } }]
managers = [{ bearer = "env:A" }]
[buses.orders.retention]
[playground]
users = [{ bearer = "env:A" }]
[operator]
users = [{ bearer = "env:A" }]
[http]
"""
"""Whoever reads it comes by every key, whether it is there or not."""

CREDENTIAL = "credential"
"""The section of what is in a list of credentials."""

IN_WORDS = {("", "grace"): "see below", (CREDENTIAL, "bearer"): "none", (CREDENTIAL, "basic"): "none"}
IN_WORDS |= {
    ("gateway", "port"): "8080",
    ("buses.NAME", "retention"): "three days",
    ("http", "secrets"): "any; where a bus has `managers`, none",
}
"""Defaults that are more, or less, than a value."""


def section_of(place: tuple[object, ...]) -> str:
    """The section of the page where a table of the file is told."""
    for at, part in enumerate(place):
        if part in ("publishers", "managers", "users"):
            return ".".join([CREDENTIAL, *map(str, place[at + 2 :])])
    named = ("buses", "NAME", *place[2:]) if place[:1] == ("buses",) and len(place) > 1 else place
    return ".".join(map(str, named))


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """Every key that a file is asked for, with its section."""
    found: set[tuple[str, str]] = set()

    def watch(name: str) -> None:
        before = getattr(Table, name)

        def watched(self: Table, key: str, *arguments: Any) -> Any:
            found.add((section_of(self.place), key))
            return before(self, key, *arguments)

        monkeypatch.setattr(Table, name, watched)

    for name in ("get", "many", "table", "tables"):
        watch(name)
    (tmp_path / "broker.toml").write_text(FILE)
    load(tmp_path / "broker.toml")
    return {(section, key) for section, key in found if section != "buses"}  # whose keys are names


def file_rows() -> dict[tuple[str, str], tuple[str, str]]:
    """Each key with its section: what the page says of its default and its bounds."""
    page = (ROOT / "docs" / "howto" / "serve.md").read_text(encoding="utf-8")
    page = page.partition("\n## The file\n")[2].partition("\n## ")[0]
    section, columns, told = "", 0, {}
    for line in page.splitlines():
        if found := re.match(r"`\[+([\w.]+)\]+`", line):
            section = found[1]
        elif line == "### Credentials":
            section = CREDENTIAL
        elif line.startswith("| key |"):
            columns = line.count("|") - 1
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            *inner, key = cells[0].strip("`").split(".")
            told[".".join([section, *inner]), key] = cells[1], cells[2] if columns == 4 else ""
    return told


def test_every_key_of_a_brokers_file_is_told(asked: set[tuple[str, str]]) -> None:
    told = file_rows()
    tables = {("", section.partition(".")[0]) for section, _ in asked} | {("", "subscriptions")}
    assert asked - tables == told.keys()


def test_every_module_that_reads_the_file_is_looked_at(asked: set[tuple[str, str]]) -> None:
    """A key in a place that FILE does not have would be asked for by nobody."""
    keys: set[str] = set()
    for module in (ROOT / "eventroute").rglob("*.py"):
        source = module.read_text(encoding="utf-8")
        if re.search(r"from eventroute\.serving\.tomlfile import .*\bTable\b", source):
            keys |= set(re.findall(r'\b(?:get|need|many|tables?)\(\s*"(\w+)"', source))
            keys |= set(re.findall(r'\b_(?:age|bounded)\(\w+, "(\w+)"', source))
            keys |= set(re.findall(r'\bread_page\(\w+, "(\w+)"', source))
    assert {"bearer", "users", "port", "dead_letter_age", "operator"} < keys
    assert keys == {key for _, key in asked}


def in_file(value: Any) -> str:
    """A value as the page has it: as TOML does."""
    match value:
        case None | ():
            return "none"
        case bool() | tuple():
            return f"`{json.dumps(value)}`"
        case frozenset():
            return f"`{json.dumps(sorted(value))}`"
    return written(value)


@pytest.mark.parametrize(("section", "key"), file_rows())
def test_a_default_of_the_file_is_what_it_is_without(section: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "broker.toml").write_text('storage = "memory:"\n[playground]\n[operator]\n')
    configuration = load(tmp_path / "broker.toml")
    told = file_rows()[section, key][0]
    if (section, key) in IN_WORDS:
        assert told == IN_WORDS[section, key]
        return
    if section == f"{CREDENTIAL}.basic" or key == "storage":
        assert told == "required"
        return
    places: dict[str, tuple[Any, ...]] = {
        "": (configuration,),
        "gateway": (configuration.gateway, configuration.gateway.limits),
        "buses.NAME": (configuration.buses["default"], BusSettings()),
        "buses.NAME.retention": (Retention(),),
        "playground": (configuration.playground,),
        "operator": (configuration.operator,),
        "http": (configuration.http, configuration.http.addresses),
    }
    (value,) = [getattr(place, key) for place in places[section] if hasattr(place, key)]
    assert told == ("any" if not value and key in ("hosts", "ports") else in_file(value))


def test_defaults_in_words_are_right(tmp_path: Path) -> None:
    (tmp_path / "broker.toml").write_text('storage = "memory:"\n')
    configuration = load(tmp_path / "broker.toml")
    assert configuration.grace is None
    assert configuration.gateway.port == 8_080
    assert configuration.http.secrets.allowed is None
    assert BusSettings().retention == Retention(max_age=3 * 86_400)


def file_bounds() -> list[tuple[str, str, str]]:
    return [(*place, bounds) for place, (_, bounds) in file_rows().items() if bounds]


@pytest.mark.parametrize(("section", "key", "bounds"), file_bounds())
def test_a_bound_of_the_file_lies_where_the_page_says(section: str, key: str, bounds: str, tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    head = f"[{section.replace('NAME', 'orders')}]\n" if section else ""
    allowed, refused = parsed(bounds)
    for value in allowed:
        file.write_text(f'storage = "memory:"\n{head}{key} = {json.dumps(value)}\n')
        load(file)
    for value in refused:
        file.write_text(f'storage = "memory:"\n{head}{key} = {json.dumps(value)}\n')
        with pytest.raises(InvalidConfiguration, match=key):
            load(file)


def test_the_file_has_the_bounds_of_the_library() -> None:
    """What is a setting of the library has the same bounds on both pages."""
    library = {
        "gateway": ("eventroute.gateway.limits.RequestLimits",),
        "buses.NAME": ("eventroute.BusSettings",),
        "buses.NAME.retention": ("eventroute.Retention",),
        "http": ("eventroute.HttpSettings", "eventroute.AddressPolicy"),
    }
    for section, names in library.items():
        for row in (row for name in names for row in rows(name)):
            told = file_rows().get((section, row[0].strip("`")))
            assert told is None or told[1].removesuffix(" s") == row[2], (section, row[0])
