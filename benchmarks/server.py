"""A PostgreSQL server of our own in a folder, that may be stopped and started while others use it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from attrs import frozen

from benchmarks.harness import Unavailable

__all__ = ["PrivateServer", "private_server"]

_PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt")
"""Where the programs are that are not in the path; below these, by version."""

_USER = "eventroute"


@frozen
class PrivateServer:
    """A server that listens on a socket in its folder, and to nobody else."""

    programs: Path
    folder: Path

    @property
    def url(self) -> str:
        """Its address for `open_storage`."""
        return f"postgresql://{_USER}@/postgres?host={quote(str(self.folder), safe='')}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' -c max_connections=200"
        self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: Literal["fast", "immediate"]) -> None:
        """Stop it; `immediate` is a crash, after which it has to recover."""
        self._run("pg_ctl", "stop", "-w", "-D", self.data, "-m", mode)

    def promote(self) -> None:
        """Make a standby the primary, and wait until it is."""
        self._run("pg_ctl", "promote", "-w", "-D", self.data)

    def make(self) -> None:
        """Make its files."""
        self._run("initdb", "-D", self.data, "-U", _USER, "--auth=trust", "--no-locale", "-E", "UTF8")

    @property
    def data(self) -> str:
        """The folder of its files."""
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of its programs, as somebody else where we are root, which it refuses."""
        user = _somebody() if os.geteuid() == 0 else None
        with (self.folder / "out").open("ab") as out:  # a pipe would stay open as long as the server runs
            done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
                [str(self.programs / program), *arguments],
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{(self.folder / 'out').read_text(encoding='utf-8')[-2000:]}")


@contextmanager
def private_server(folder: Path) -> Iterator[PrivateServer]:
    """A server that runs, with its files in a folder that is there. Raises Unavailable where there are no programs."""
    server = PrivateServer(_programs(), folder)
    if os.geteuid() == 0:
        shutil.chown(folder, _somebody())
    server.make()
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")


def _programs() -> Path:
    found = shutil.which("initdb")
    places: Sequence[Path] = [Path(found).resolve().parent] if found else []
    for place in (*places, *(one for top in _PLACES for one in sorted(Path(top).glob("*/bin"), reverse=True))):
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    raise Unavailable("needs the programs of a PostgreSQL server (initdb, pg_ctl), which are not here")


def _somebody() -> str:
    """An account without rights."""
    known = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
