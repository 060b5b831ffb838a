"""`python -m benchmarks.match_memory [COUNT]`: what so many subscriptions take in memory, beyond their own text."""

from __future__ import annotations

import gc
import sys
import tracemalloc

from benchmarks.workloads.match_load import define, document, restore


def main(count: int) -> None:
    definitions = define([document(number) for number in range(count)])
    text = sum(map(len, definitions))
    gc.collect()
    tracemalloc.start()
    table = restore(definitions)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    print(f"{len(table.filters()):,} subscriptions: a definition has {text / count:,.0f} bytes")
    print(f"routes, filters and index take {held / count:,.0f} bytes each beside it")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
