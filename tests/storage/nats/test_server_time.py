"""The server's time, as a process can tell it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventroute.storage.nats.server_time import ServerTime

SECOND = 1_000_000_000


class Ticking:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from(["told", "untold", "asked"])), min_size=1)
)
def test_it_is_behind_by_as_long_as_an_answer_took_and_never_ahead(steps: list[tuple[int, int, str]]) -> None:
    """Each message is stored, and after a while heard of: with its time or without, which may be asked for later."""
    clock, ahead, late = Ticking(), 5_000, 0
    server_time = ServerTime(clock)
    server_time.begin(round((clock.now + ahead) * SECOND))
    delays: dict[int, tuple[int, int]] = {}
    for sequence, (wait, delay, how) in enumerate(steps):
        clock.now += wait
        stamp = round((clock.now + ahead) * SECOND)
        clock.now += delay
        delays[sequence] = (stamp, delay)
        server_time.hear(sequence, stamp if how == "told" else None)
        if how == "told":
            late = delay
        elif how == "asked":
            server_time.learn(sequence, stamp)
            late = delay
        server_time.learn(sequence + 1, 1)  # not heard of yet
        assert server_time.now() == round((clock.now + ahead - late) * SECOND)


def test_what_was_heard_of_long_ago_tells_nothing() -> None:
    clock = Ticking()
    server_time = ServerTime(clock)
    server_time.begin(7)
    for sequence in range(1_000):
        server_time.hear(sequence, None)
    server_time.learn(1, 99)
    assert server_time.now() == 7
    server_time.learn(999, 99)
    assert server_time.now() == 99


def test_a_message_from_before_it_began_tells_nothing_either() -> None:
    clock = Ticking()
    server_time = ServerTime(clock)
    server_time.begin(99)
    server_time.hear(1, 7)
    assert server_time.now() == 99
    server_time.learn(1, 7)
    assert server_time.now() == 99
    server_time.hear(2, 99)
    clock.now += 1
    assert server_time.now() == 99 + SECOND
