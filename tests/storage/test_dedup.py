from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventroute.storage.dedup import Seen, place

batches = st.lists(st.tuples(st.integers(0, 8), st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e"]), max_size=6)))


@given(batches, st.integers(1, 10), st.integers(1, 4))
def test_it_is_what_a_list_of_all_that_came_would_tell(
    batches: list[tuple[int, list[bytes]]], window: int, limit: int
) -> None:
    """The model keeps every first of an identity, in order, and looks through all of them each time."""
    log: list[tuple[bytes, int, int]] = []
    known: dict[bytes, Seen] = {}
    now = end = last = 0
    for wait, identities in batches:
        now += wait
        placed = place(identities, known, end=end, last=last, now=now, since=now - window, limit=limit)
        expected: list[int] = []
        new: list[int] = []
        for number, identity in enumerate(identities):
            counting = [entry for entry in log[-limit:] if entry[1] >= now - window]
            found = [offset for one, _, offset in counting if one == identity]
            if not found:
                found = [end + len(new)]
                log.append((identity, now, found[0]))
                new.append(number)
            expected.append(found[-1])
        assert (list(placed.offsets), list(placed.new)) == (expected, new)
        known |= placed.seen
        end, last = end + len(new), placed.last
        assert last == len(log)
        assert [seen.serial for seen in placed.seen.values()] == sorted(seen.serial for seen in placed.seen.values())
