"""`python .ci/reference.py HTML`: the pages that Sphinx built tell of every public name.

Public is what `import eventroute` offers, and whatever a page or the README imports from one of its modules.
"""

from __future__ import annotations

import importlib
import re
import sys
import zlib
from pathlib import Path

import eventroute

ROOT = Path(__file__).parents[1]
IMPORT = re.compile(r"^\s*from (eventroute(?:\.\w+)*) import (?:\(([^)]*)\)|([^\n]*))", re.MULTILINE)

ELSEWHERE = {"eventroute.filters.cesql.Function"}
"""docs/reference/sql.md tells of it in words, since there is another of that name."""


def told(inventory: bytes) -> set[str]:
    """The names in an `objects.inv`, whose list follows four lines of heading."""
    lines = zlib.decompress(inventory.split(b"\n", 4)[4]).decode().splitlines()
    return {line.partition(" ")[0] for line in lines if " py:" in line}


def imported(text: str) -> set[str]:
    """What the code on a page imports, by its full name."""
    return {
        f"{module}.{name.split()[0]}"
        for module, several, one in IMPORT.findall(text)
        for name in (several or one.partition("#")[0]).replace("\n", " ").split(",")
        if name.strip()
    }


def home(name: str) -> str:
    """A name in the module where its object is made: a package may hand it on."""
    module, _, last = name.rpartition(".")
    thing = getattr(importlib.import_module(module), last)
    return f"{getattr(thing, '__module__', module)}.{getattr(thing, '__qualname__', last)}"


def main(html: str) -> int:
    """Compare; the exit code."""
    known = told(Path(html, "objects.inv").read_bytes())
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    wanted = {f"eventroute.{name}" for name in eventroute.__all__}
    wanted |= set().union(*(imported(page.read_text(encoding="utf-8")) for page in pages))
    missing = [name for name in sorted(wanted - ELSEWHERE) if not known & {name, home(name)}]
    sys.stderr.writelines(f"the reference tells nothing of {name}\n" for name in missing)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
