"""The command `eventroute`. Exit codes: 0 done, 1 the answer is no (or not all ended well), 2 wrong use or an error."""

from __future__ import annotations

import sys

__all__ = ["main"]

_EXTRAS = {"click": "cli", "rich": "cli", "starlette": "server", "uvicorn": "server", "aiohttp": "http"}


def main() -> None:
    """Run the command line; where a package of an extra is missing, say which one to install."""
    try:
        from eventroute.cli.commands import commands  # noqa: PLC0415  # an extra: this module must import without it

        commands(prog_name="eventroute")
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(f"eventroute: {error.name} is not installed: pip install 'eventroute[{extra}]'", file=sys.stderr)
        sys.exit(2)
