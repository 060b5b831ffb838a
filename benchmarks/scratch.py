"""Where workloads keep what they make once and measure on often."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

__all__ = ["scratch"]


@cache
def _made(workload: str) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=f"{workload}-", dir=".")  # goes when the process ends


def scratch(workload: str) -> Path:
    """A workload's own folder, on the disk where the process was started; it is gone with the process."""
    return Path(_made(workload).name)
