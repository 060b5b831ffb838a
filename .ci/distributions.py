"""`python .ci/distributions.py WHEEL SDIST`: what is in them, and what must not be. Says what is wrong, and fails."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from email import message_from_string
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIXES = {".py", ".lark", ".json", ".typed", ".html", ".css", ".js", ".svg", ".sql", ".md", ".txt", ".woff2"}
"""Of files that a package may hold."""

METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
NOT_SHIPPED = ("docs/_build/", ".venv", "htmlcov/", ".git/")


def wheel_faults(names: Iterable[str], wanted: Iterable[str]) -> Iterator[str]:
    """What is there and should not be, or the reverse; `wanted` are the files of the package."""
    found, package = set(names), set(wanted)
    beside = {name for name in found if not name.startswith("eventroute/")}
    info = {name.partition(".dist-info/")[2] for name in beside if ".dist-info/" in name}
    yield from (f"the wheel lacks {name}" for name in sorted(package - found))
    yield from (f"the wheel holds {name}, which is not in the package" for name in sorted(found - package - beside))
    yield from (f"the wheel holds {name}" for name in sorted(beside) if ".dist-info/" not in name)
    yield from (f"the wheel's metadata lacks {name}" for name in sorted(METADATA - info))
    yield from (f"{name} is of a kind that no package needs" for name in sorted(package) if strange(name))


def strange(name: str) -> bool:
    """Whether a file in the package looks as if it had been left there."""
    return Path(name).suffix not in SUFFIXES or any(part.startswith((".", "__pycache__")) for part in Path(name).parts)


def sdist_faults(names: Iterable[str]) -> Iterator[str]:
    """Each name without the folder that holds all."""
    found = set(names)
    needed = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "THIRD_PARTY.md", "PKG-INFO")
    yield from (f"the sdist lacks {name}" for name in needed if name not in found)
    for folder in ("eventroute/", "tests/", "docs/", "benchmarks/"):
        if not any(name.startswith(folder) for name in found):
            yield f"the sdist lacks {folder}"
    yield from (f"the sdist holds {name}" for name in sorted(found) if name.endswith((".pyc", ".db")))
    yield from (f"the sdist holds {name}" for name in sorted(found) if name.startswith(NOT_SHIPPED))


def metadata_faults(text: str) -> Iterator[str]:
    """What an index, or a lawyer, would miss."""
    fields = message_from_string(text)
    for name, value in {"License-Expression": "Apache-2.0", "License-File": "LICENSE", "Name": "eventroute"}.items():
        if fields[name] != value:
            yield f"the metadata has {name}: {fields[name]}, not {value}"
    if fields["Description-Content-Type"] != "text/markdown" or not fields.get_payload():
        yield "the metadata has no description in Markdown"
    extras = set(fields.get_all("Provides-Extra") or ())
    for extra in sorted({"http", "server", "cli", "trio", "postgres", "otel", "testing", "web", "all"} - extras):
        yield f"the metadata lacks the extra {extra}"
    if any("@" in requirement for requirement in fields.get_all("Requires-Dist") or ()):
        yield "a requirement is an address: no index takes that"


def main(wheel: str, sdist: str) -> int:
    """Look at both; the exit code."""
    package = [path.relative_to(ROOT).as_posix() for path in (ROOT / "eventroute").rglob("*") if path.is_file()]
    package = [name for name in package if "__pycache__" not in name]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        faults = [*wheel_faults(names, package), *metadata_faults(archive.read(metadata).decode())]
    with tarfile.open(sdist) as archive:
        faults += sdist_faults(name.partition("/")[2] for name in archive.getnames())
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
