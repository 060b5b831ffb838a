"""The command `eventroute`. What its exit codes mean is told in `eventroute.cli.failure`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

__all__ = ["main"]

_EXTRAS = {
    "click": "cli",
    "rich": "cli",
    "starlette": "server",
    "uvicorn": "server",
    "aiohttp": "http",
    "jinja2": "web",
}


def main() -> None:
    """Run the command line; where a package of an extra is missing, say which one to install."""
    _open_what_is_closed()
    try:
        from eventroute.cli.commands import commands  # noqa: PLC0415  # an extra: this module must import without it

        commands(prog_name="eventroute")
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        message = f"{error.name} is not installed: pip install 'eventroute[{extra}]'"
        told = {"error": {"kind": "MissingExtra", "message": message, "extra": extra, "exit_code": 2}}
        print(json.dumps(told) if "--json" in sys.argv else f"Error: {message}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # while the modules were loaded
        sys.exit(130)


def _open_what_is_closed() -> None:
    """Such a standard stream is empty, or leads nowhere: the next file that is opened must not take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - it stays open
