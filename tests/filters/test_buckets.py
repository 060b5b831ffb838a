from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventroute.filters.buckets import Bucket, put, take

keys = st.sampled_from("ab")
entries = st.integers(0, 3)


@given(st.lists(st.tuples(keys, entries), max_size=12))
def test_buckets_are_sets_by_key(held: list[tuple[str, int]]) -> None:
    buckets: dict[str, Bucket[int]] = {}
    model: dict[str, set[int]] = {}
    for key, entry in held:
        assert put(buckets, key, entry) is (key not in model)
        model.setdefault(key, set()).add(entry)
        assert {one: sorted(bucket) for one, bucket in buckets.items()} == {
            one: sorted(bucket) for one, bucket in model.items()
        }
    for key, entry in dict.fromkeys(held):
        model[key].remove(entry)
        assert take(buckets, key, entry) is (not model[key])
        model = {one: bucket for one, bucket in model.items() if bucket}
        assert {one: set(bucket) for one, bucket in buckets.items()} == model
