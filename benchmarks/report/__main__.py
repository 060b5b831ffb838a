"""`python -m benchmarks.report FOLDER` makes a folder's tables and plots anew from its figures."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.report.page import JSON, read, write

if __name__ == "__main__":
    folder = Path(*sys.argv[1:])
    write(folder, read((folder / JSON).read_text(encoding="utf-8")))
