from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventroute.copying.offsets import Offsets
from eventroute.storage.base import Bounds

gaps = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=0, max_size=12)


@given(gaps, st.integers(20, 30), st.integers(20, 50))
def test_two_logs_with_gaps(steps: list[tuple[int, int]], source: int, target: int) -> None:
    """Events are where they are; all else is as near to them, on the same side, and in order."""
    pairs = []
    first = source, target
    for ours, theirs in steps:
        pairs.append((source, target))
        source, target = source + ours, target + theirs
    offsets = Offsets(Bounds(first[0], source), Bounds(first[1], target))
    for pair in pairs:
        offsets.add(*pair)
    moved = {offset: offsets(offset) for offset in range(first[0] - 20, source + 20)}
    assert all(moved[ours] == theirs for ours, theirs in pairs)
    assert list(moved.values()) == sorted(moved.values())
    assert [moved[first[0] - far] for far in range(1, 20)] == [first[1] - far for far in range(1, 20)]
    assert [moved[source + far] for far in range(20)] == [target + far for far in range(20)]
    for offset in range(first[0], source):
        following = [theirs for ours, theirs in pairs if ours >= offset]
        assert moved[offset] == (following[0] if following else target)
