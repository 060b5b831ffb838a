"""`python .ci/extras.py FOLDER`: the package that was installed into FOLDER works with each extra and no other.

All that is installed here stays where it is: what neither the extra nor its dependencies bring cannot
be imported.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder

from packaging.requirements import Requirement

PROOFS = {
    "": 'eventroute.Filter.parse("a = 1"); eventroute.open_storage("memory:")',
    "http": "import eventroute.push.sinks.aiohttp_client",
    "server": "import uvicorn, eventroute.gateway.app",
    "cli": "import eventroute.cli.commands",
    "trio": 'import anyio, eventroute.push.sinks.h11_client; anyio.run(anyio.sleep, 0, backend="trio")',
    "re2": 'eventroute.Transformer.parse({"pipeline": [{"command": ["replace_with_regex", "$.data", "a+", "b"]}]})',
    "otel": "import eventroute.telemetry; eventroute.telemetry.OpenTelemetry()",
    "postgres": 'eventroute.open_storage("postgresql://127.0.0.1/nobody")',
    "web": 'import uvicorn; from eventroute.web.shell import Shell; Shell(action="try").app([])',
    "nats": 'eventroute.open_storage("nats://127.0.0.1:4222/nobody"); import nats',
    "uvloop": "import uvloop",
    "testing": "import eventroute.testing.storage, eventroute.testing.sink, eventroute.testing.strategies",
    "all": "import eventroute.cli.commands, eventroute.gateway.app, eventroute.push.sinks.aiohttp_client, trio",
}
"""What each extra is enough for."""

NOT_FOR_USERS = {"test", "lint", "bench", "docs", "dev"}


def normal(name: str) -> str:
    """A distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def brought(extra: str) -> set[str]:
    """The distributions that come with the package and an extra."""
    found, waiting = set[tuple[str, str]](), [("eventroute", one) for one in {"", extra}]
    while waiting:
        name, wanted = waiting.pop()
        if (normal(name), wanted) in found:
            continue
        found.add((normal(name), wanted))
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                waiting += [(requirement.name, one) for one in {"", *requirement.extras}]
    return {name for name, _ in found}


class Absent(MetaPathFinder):
    """Lets nothing be imported that belongs to other distributions than those."""

    def __init__(self, allowed: set[str]) -> None:
        self.allowed = allowed
        self.providers = importlib.metadata.packages_distributions()

    def find_spec(self, fullname: str, _path: Sequence[str] | None, _target: object = None) -> None:
        """Raise where it is another's; else leave it to others to find."""
        providers = self.providers.get(fullname.partition(".")[0])
        if providers and not {normal(name) for name in providers} & self.allowed:
            raise ModuleNotFoundError(f"{fullname} is not brought", name=fullname)


def prove(folder: str, extra: str) -> None:
    """Run the proof in this process."""
    sys.path.insert(0, folder)
    sys.meta_path.insert(0, Absent(brought(extra)))
    import eventroute  # noqa: PLC0415  # what was installed into the folder

    if not str(eventroute.__file__).startswith(folder):
        raise SystemExit(f"{eventroute.__file__} is not in {folder}")
    exec(PROOFS[extra], {"eventroute": eventroute})  # noqa: S102  # our own words


def main(folder: str) -> int:
    """Prove each in a process of its own; the exit code."""
    (about,) = importlib.metadata.distributions(name="eventroute", path=[folder])
    missing = set(about.metadata.get_all("Provides-Extra") or ()) - NOT_FOR_USERS - set(PROOFS)
    bad = [f"nothing proves the extra {extra}" for extra in sorted(missing)]
    for extra in PROOFS:
        command = [sys.executable, "-W", "error", __file__, folder, f"[{extra}]"]
        environment = os.environ | {"HYPOTHESIS_NO_PLUGINS": "1"}  # trio is one
        if subprocess.run(command, check=False, cwd=folder, env=environment).returncode:  # noqa: S603  # our own words
            bad.append(f"[{extra}] is not enough")
    sys.stderr.writelines(f"{one}\n" for one in bad)
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[2:]:
        prove(sys.argv[1], sys.argv[2].strip("[]"))
    else:
        sys.exit(main(sys.argv[1]))
