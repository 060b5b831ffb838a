"""A receiver in a process of its own, that takes any POST and does no more than it must."""

from __future__ import annotations

import atexit
import subprocess
import sys
from functools import cache

__all__ = ["receiver_url"]


@cache
def receiver_url() -> str:
    """The URL of the receiver, which is started once and stopped when this process ends."""
    command = [sys.executable, "-m", "benchmarks.http_clients", "--receiver"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command line
    atexit.register(process.wait)
    atexit.register(process.terminate)
    port = process.stdout.readline().strip() if process.stdout else ""
    return f"http://127.0.0.1:{port}/"
