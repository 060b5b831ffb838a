"""A receiver in a process of its own, that takes any POST and does no more than it must."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["a_core_each", "receiver_url"]


@cache
def receiver_url() -> str:
    """The URL of the receiver, which is started once and stopped when this process ends."""
    command = [sys.executable, "-m", "benchmarks.http_clients", "--receiver"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command line
    atexit.register(process.wait)
    atexit.register(process.terminate)
    if sys.platform == "linux":
        os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
    port = process.stdout.readline().strip() if process.stdout else ""
    return f"http://127.0.0.1:{port}/"


@contextmanager
def a_core_each() -> Iterator[None]:
    """Keep the caller, and the threads that it starts, on another core than the receiver has, as far as the system can
    do that and has two: else they are on one core now and then, which costs either more than there is to measure.
    """
    receiver_url()
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
