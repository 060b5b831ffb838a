"""The order keeper equals a plain model: of each key the smallest offset first, one at a time, none before a row."""

from __future__ import annotations

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from eventroute.push.delivery import Delivery
from eventroute.push.lane.turns import Turns
from eventroute.storage.base import WaitingKey


def delivery(offset: int, key: int | None, *, recorded: bool = False) -> Delivery:
    return Delivery("s", offset, b"{}", key=key, recorded=recorded)


@define(eq=False)
class Model:
    """All deliveries of a lane in plain lists: those that may begin, those that have, those that wait in the ledger."""

    waiting: list[Delivery] = field(factory=list)
    out: list[Delivery] = field(factory=list)
    rows: dict[int, int] = field(factory=dict)
    began: list[Delivery] = field(factory=list)

    def begin(self) -> None:
        for one in sorted(self.waiting, key=lambda each: each.offset):
            older = [offset for offset, key in self.rows.items() if key == one.key and offset < one.offset]
            beside = any(other.key == one.key for other in self.out)
            if one.key is None or not (older or beside):
                self.waiting.remove(one)
                self.out.append(one)
                self.began.append(one)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "come", "deliver", "fail", "give up", "come back", "learn"]),
        st.sampled_from([1, 2, None]),
    ),
    max_size=40,
)


@given(STEPS)
def test_it_equals_the_model(steps: list[tuple[str, int | None]]) -> None:
    ready: list[Delivery] = []
    turns, model = Turns(ready.append), Model()
    for offset, (step, key) in enumerate(steps, 1):
        out = next((one for one in model.out if one.key == key), None)
        if step == "come":
            one = delivery(offset, key)
            turns.add(one)
            model.waiting.append(one)
        elif step == "deliver" and out is not None:
            turns.done(out)
            model.out.remove(out)
        elif step == "give up" and out is not None:
            turns.end_when_written(out)
            assert not [one for one in ready if one not in model.began], "its key went on before that was written"
            turns.given_up(out.offset)
            model.out.remove(out)
        elif step == "fail" and out is not None and key is not None:
            assert turns.put_away(out) == []
            turns.written(out.offset)
            model.out.remove(out)
            model.rows[out.offset] = key
        elif step == "come back" and key in model.rows.values():
            first = min(offset for offset, one in model.rows.items() if one == key)
            back = delivery(first, key, recorded=True)
            assert turns.back(back, turns.known())
            turns.add(back)
            del model.rows[first]
            model.waiting.append(back)
        elif step == "learn":  # another process has settled the first row of the key
            gone = min((offset for offset, one in model.rows.items() if one == key), default=0)
            model.rows.pop(gone, None)
            known = turns.known()
            turns.learn([WaitingKey(offset, one, False) for offset, one in sorted(model.rows.items())], known)
        model.begin()
        assert by_key(ready) == by_key(model.began)
        assert turns.behind == len(model.waiting)
        assert turns.away == len(model.rows)


def by_key(deliveries: list[Delivery]) -> dict[int | None, list[int]]:
    """The offsets of each key; keys may begin in any order among each other."""
    return {one.key: [each.offset for each in deliveries if each.key == one.key] for one in deliveries}


def test_nothing_is_kept_of_a_key_that_is_done() -> None:
    turns = Turns(lambda one: None)
    first, second = delivery(1, 1), delivery(2, 1)
    turns.add(first)
    turns.add(second)
    turns.done(first)
    assert len(turns) == 1
    turns.put_away(second)
    turns.written(2)
    turns.learn([], turns.known())
    assert len(turns) == turns.away == turns.behind == 0


def test_what_is_behind_a_failed_one_and_has_a_row_goes_back_with_it() -> None:
    ready: list[Delivery] = []
    turns = Turns(ready.append)
    first, second, third = (delivery(offset, 1, recorded=offset < 3) for offset in (1, 2, 3))
    for one in (first, second, third):
        turns.add(one)
    assert turns.put_away(first) == [second]
    assert turns.put_away(second) == []
    assert [one.offset for one in ready] == [1]
    assert turns.is_behind_row(third)
    assert (turns.away, turns.behind, turns.unwritten) == (2, 1, 2)
    assert turns.is_first(1)
    assert not turns.is_first(2)
    assert turns.waits(delivery(2, 1))
    assert not turns.waits(delivery(3, 1))


def test_what_is_not_written_yet_stands_before_what_the_ledger_hands_out() -> None:
    turns = Turns(lambda one: None)
    turns.put_away(delivery(1, 1))
    known = turns.known()
    turns.written(1)
    assert not turns.back(delivery(2, 1, recorded=True), known)
    assert turns.back(delivery(2, 1, recorded=True), turns.known())


def test_one_without_a_row_of_its_key_minds_no_row() -> None:
    ready: list[Delivery] = []
    turns = Turns(ready.append)
    turns.learn([WaitingKey(1, 7, True)], frozenset())
    redriven = Delivery("s", 3, b"{}", key=7, keyed=False, recorded=True)
    turns.add(delivery(5, 7))
    turns.add(redriven)
    assert ready == [redriven]
    turns.put_away(redriven)
    assert turns.away == 1


def test_what_has_not_begun_can_be_taken_out() -> None:
    ready: list[Delivery] = []
    turns = Turns(ready.append)
    begun, *others = (delivery(offset, offset % 2) for offset in (1, 2, 3))
    for one in (begun, *others):
        turns.add(one)
    begun.begun = True
    assert turns.drain() == others
    turns.add(others[1])
    assert [one.offset for one in ready] == [1, 2]
    turns.done(begun)
    assert [one.offset for one in ready] == [1, 2, 3]
