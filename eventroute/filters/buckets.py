"""Entries by key, in dictionaries that other threads look up meanwhile.

Most often one entry has a key. It stands in a tuple then: a set would take four times the memory.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

__all__ = ["Bucket", "put", "take"]

E = TypeVar("E")
T = TypeVar("T")
Bucket: TypeAlias = set[E] | tuple[E]


def put(buckets: dict[T, Bucket[E]], key: T, entry: E) -> bool:
    """Hold an entry under a key; says whether the key is new."""
    bucket = buckets.get(key)
    if bucket is None:
        buckets[key] = (entry,)
        return True
    if isinstance(bucket, set):
        bucket.add(entry)
    elif bucket[0] is not entry:
        buckets[key] = {bucket[0], entry}
    return False


def take(buckets: dict[T, Bucket[E]], key: T, entry: E) -> bool:
    """Let go of an entry that is held under a key; says whether the key is gone with it."""
    bucket = buckets[key]
    if isinstance(bucket, set):
        bucket.remove(entry)
        if bucket:
            return False
    del buckets[key]
    return True
