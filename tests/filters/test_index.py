from __future__ import annotations

import gc
import json
import threading
import tracemalloc
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.cover import LONGEST_AFFIX
from eventroute.filters.plan import MAX_NAMES
from eventroute.filters.syntax import MAX_DEPTH
from eventroute.filters.tables import MAX_RECENT, MAX_RECENT_FOUND, MAX_RECENT_TEXT
from eventroute.filters.walk import MAX_COMPILED
from eventroute.testing.strategies import events as any_events
from tests.filters.interpreter import accepted, events, matches, raws, specs

EVENT = Event.create(type="t", source="/s", subject="abc", data={"a": 5, "l": ["x", 1]})


def indexed(filters: dict[Any, Any]) -> FilterIndex[Any]:
    index: FilterIndex[Any] = FilterIndex()
    for key, spec in filters.items():
        index.add(key, Filter.parse(spec))
    return index


# -- the index is a dictionary of filters that are all asked


@given(st.lists(specs(), max_size=12), st.lists(events(), min_size=1, max_size=3))
def test_the_index_is_brute_force(filters: list[Any], some: list[Event]) -> None:
    index = indexed(dict(enumerate(filters)))
    for event in some:
        expected = {key for key, spec in enumerate(filters) if matches(spec, event)}
        assert index.match(event) == expected
        assert index.match_json(event.to_json()) == expected


@given(st.lists(specs(), max_size=12), raws().filter(accepted))
@example(
    [{"exact": {"data.a": "1"}}], '{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"eyJhIjoxfQ=="}'
)
def test_raw_bytes_match_as_the_event_they_are(filters: list[Any], raw: str) -> None:
    index = indexed(dict(enumerate(filters)))
    expected = index.match(Event.from_json(raw))
    for same in (raw, raw.encode(), bytearray(raw.encode()), memoryview(raw.encode())):
        assert index.match_json(same) == expected


@given(st.lists(specs(), max_size=6), any_events())
def test_any_event_of_the_specification_is_matched(filters: list[Any], event: Event) -> None:
    index = indexed(dict(enumerate(filters)))
    assert index.match(event) == index.match_json(event.to_json())
    assert index.match(event) == {key for key, spec in enumerate(filters) if matches(spec, event)}


@given(st.lists(specs(), max_size=10), st.lists(events(), min_size=1, max_size=3), st.data())
def test_the_order_in_which_filters_come_and_go_does_not_matter(
    filters: list[Any], some: list[Event], data: st.DataObject
) -> None:
    numbers = st.permutations(range(len(filters)))
    gone = data.draw(st.sets(st.sampled_from(range(len(filters))))) if filters else set()
    found = []
    for coming, going in ((data.draw(numbers), data.draw(numbers)) for _ in range(3)):
        index: FilterIndex[int] = FilterIndex()
        for key in coming:
            index.add(key, Filter.parse(filters[key]))
        for key in going:
            if key in gone:
                index.discard(key)
        found.append([(index.match(event), index.match_json(event.to_json())) for event in some])
    assert found[0] == found[1] == found[2]
    assert all(one == other == one - gone for one, other in found[0])


class Index(RuleBasedStateMachine):
    """An index beside a dictionary, while filters come, change and go."""

    def __init__(self) -> None:
        super().__init__()
        self.index: FilterIndex[int] = FilterIndex()
        self.model: dict[int, Any] = {}

    @rule(key=st.integers(0, 9), spec=specs() | st.just([]))
    def add(self, key: int, spec: Any) -> None:
        self.index.add(key, Filter.parse(spec))
        self.model[key] = spec

    @rule(key=st.integers(0, 9), data=st.data())
    def add_an_equal_one(self, key: int, data: st.DataObject) -> None:
        if self.model:
            spec = self.model[data.draw(st.sampled_from(sorted(self.model)))]
            self.index.add(key, Filter.parse(spec))
            self.model[key] = spec

    @rule(key=st.integers(0, 9))
    def discard(self, key: int) -> None:
        self.index.discard(key)
        self.model.pop(key, None)

    @rule(event=events())
    def match(self, event: Event) -> None:
        expected = {key for key, spec in self.model.items() if matches(spec, event)}
        assert self.index.match(event) == expected
        assert self.index.match_json(event.to_json()) == expected
        assert self.index.stats().candidates >= len({Filter.parse(self.model[key]) for key in expected})

    @invariant()
    def counts(self) -> None:
        stats = self.index.stats()
        assert len(self.index) == stats.keys == len(self.model)
        assert stats.filters == len({Filter.parse(spec) for spec in self.model.values()})
        assert stats.always <= stats.filters <= stats.always + stats.exact + stats.prefix + stats.suffix

    def teardown(self) -> None:
        for key in self.model:
            self.index.discard(key)
        assert not self.index._columns
        assert not self.index._entries
        assert not self.index._rests
        assert not self.index._always
        assert self.index.match(EVENT) == set()


TestIndex = Index.TestCase
TestIndex.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


# -- keys


def test_a_key_has_one_filter() -> None:
    index = indexed({"k": {"exact": {"type": "other"}}})
    assert index.match(EVENT) == set()
    index.add("k", Filter.parse({"exact": {"type": "t"}}))
    assert index.match(EVENT) == {"k"}
    assert len(index) == 1
    index.add("k", Filter.parse({"exact": {"type": "t"}}))
    assert (len(index), index.match(EVENT)) == (1, {"k"})
    index.discard("k")
    index.discard("k")
    assert (len(index), index.match(EVENT)) == (0, set())


def test_the_keys_are_told_as_they_were() -> None:
    index = indexed({"a": "type = 't'", "b": "type = 't'", "c": {"exact": {"type": "u"}}})
    told = iter(index)
    index.discard("a")
    assert list(told) == ["a", "b", "c"]
    assert list(index) == ["b", "c"]


def test_equal_filters_are_held_and_evaluated_once() -> None:
    spec = [{"exact": {"type": "t"}}, {"prefix": {"data.a": "5"}}]
    index = indexed(dict.fromkeys(range(100), spec))
    assert index.match(EVENT) == set(range(100))
    assert (index.stats().keys, index.stats().filters, index.stats().candidates) == (100, 1, 1)
    for key in range(99):
        index.discard(key)
    assert index.match(EVENT) == {99}


def test_the_set_that_a_match_gives_is_the_callers() -> None:
    index = indexed({"k": {"exact": {"type": "t"}}, "all": []})
    index.match(EVENT).clear()
    assert index.match(EVENT) == {"k", "all"}


# -- what is looked up, and what is evaluated


def test_only_what_an_event_has_is_evaluated() -> None:
    index = indexed({number: {"exact": {"type": "t", "subject": f"s{number}"}} for number in range(1000)})
    assert index.match(EVENT) == set()
    assert index.stats().candidates <= 2
    index.add("k", Filter.parse({"exact": {"type": "t", "subject": "abc"}}))
    assert index.match(EVENT) == {"k"}
    assert index.stats().candidates <= 2


def test_what_filters_leave_alike_is_tested_once() -> None:
    seen: list[Event] = []

    def test(event: Any) -> bool:
        seen.append(event)
        return True

    index: FilterIndex[int] = FilterIndex()
    for number in range(100):
        found = [{"prefix": {"subject": "abc"[: number % 3 + 1]}}, {"exact": {"id": f"{number}"}}]
        spec: list[Any] = [{"any": found}, {"my": 1}]
        index.add(number, Filter.parse(spec, dialects={"my": lambda value, where: test}))
    for times in (1, 2):
        assert index.match(EVENT) == set(range(100))
        assert len(seen) == times
    stats = index.stats()
    assert (stats.filters, stats.tests, stats.candidates, stats.evaluations) == (100, 1, 100, 1)
    for number in range(1, 100):
        index.discard(number)
    assert index.match(EVENT) == {0}
    index.discard(0)
    assert not index._rests


def test_what_a_text_found_is_forgotten_when_filters_change() -> None:
    index = indexed({"a": {"prefix": {"subject": "a"}}, "c": {"suffix": {"subject": "c"}}})
    for key, spec, expected in (
        ("a2", {"prefix": {"subject": "a"}}, {"a", "c", "a2"}),
        ("x", {"exact": {"subject": "abc"}}, {"a", "c", "a2", "x"}),
        ("a", {"exact": {"subject": "a"}}, {"c", "a2", "x"}),
        ("c", None, {"a2", "x"}),
        ("a2", None, {"x"}),
        ("x", None, set()),
    ):
        assert index.match(EVENT) == index.match(EVENT)
        if spec is None:
            index.discard(key)
        else:
            index.add(key, Filter.parse(spec))
        for _ in range(2):
            assert index.match(EVENT) == index.match_json(EVENT.to_json()) == expected


WAYS = (
    {"exact": {"data.a": "5"}},
    {"prefix": {"data.a": "5"}},
    {"suffix": {"data.a": "5"}},
    "data.a BETWEEN 4 AND 6",
    "data.a > '2020-01-01T00:00:00Z'",
    "EXISTS data.a",
    {"pattern": {"data": {"a": [5]}}},
)
"""Filters that are found by one field, each in another way."""


@given(st.permutations(WAYS), st.permutations(WAYS))
def test_a_field_may_come_to_be_looked_up_in_other_ways(coming: list[Any], going: list[Any]) -> None:
    values = (5, "5", "2026-01-01T00:00:00Z", True, 5.0, None, [5], ["5", 6], [{"a": 5}], {"a": 5}, 2**60)
    told = [Event.create(type="t", source="/s", data={"a": value}).to_json() for value in values]
    index = indexed({"read": {"not": {"exact": {"data.a": "no"}}}})
    held: list[Any] = []
    for change, chosen in [(held.append, one) for one in coming] + [(held.remove, one) for one in going]:
        change(chosen)
        if chosen in held:
            index.add(WAYS.index(chosen), Filter.parse(chosen))
        else:
            index.discard(WAYS.index(chosen))
        for raw in told:
            expected = {WAYS.index(one) for one in held if Filter.parse(one)(Event.from_json(raw))}
            assert index.match_json(raw) == {*expected, "read"}


def test_what_is_kept_in_mind_is_bounded() -> None:
    index: FilterIndex[Any] = FilterIndex()
    for number in range(2 * MAX_RECENT_FOUND):
        index.add(number, Filter.parse([{"prefix": {"subject": "s"}}, {"not": {"exact": {"id": f"{number}"}}}]))
    index.add("t", Filter.parse({"prefix": {"subject": "t"}}))
    [column] = [column for field, column in index._columns.items() if str(field) == "subject"]
    everything = set(range(2 * MAX_RECENT_FOUND))
    assert index.match(EVENT.replace({"subject": "s1", "id": "x"})) == everything
    assert index.match(EVENT.replace({"subject": "t" * (MAX_RECENT_TEXT + 1)})) == {"t"}
    assert not column.recent
    for number in range(MAX_RECENT + 10):
        assert index.match(EVENT.replace({"subject": f"t{number}"})) == {"t"}
        assert len(column.recent) <= MAX_RECENT
    assert column.recent


def test_many_keys_of_one_filter_are_not_copied() -> None:
    index = indexed({("a", number): {"prefix": {"subject": "a"}} for number in range(1000)})
    index.add("ab", Filter.parse({"prefix": {"subject": "ab"}}))
    assert len(index.match(EVENT)) == 1001
    [column] = index._columns.values()
    assert {len(one) for one in column.recent["abc"]} == {1, 1000}
    index.discard(("a", 0))
    assert len(index.match(EVENT)) == 1000


def test_long_arrays_find_each_filter_once() -> None:
    index = indexed({number: {"prefix": {"data.l": "x" * (number + 1)}} for number in range(100)})
    index.add("there", Filter.parse("EXISTS data.l"))
    event = Event.create(type="t", source="/s", data={"l": [f"{'x' * 100}{number}" for number in range(1000)]})
    assert index.match(event) == {*range(100), "there"}
    assert index.stats().candidates == 101
    assert len(index._last[0]) <= 102  # the present one is found by the texts, too


def test_stats() -> None:
    index = indexed(
        {
            1: {"exact": {"type": "t"}},
            2: {"prefix": {"subject": "a"}},
            3: {"any": [{"suffix": {"subject": "c"}}, {"exact": {"type": "u"}}]},
            4: {"not": {"exact": {"data.a": "1"}}},
            5: [],
            6: [],
        }
    )
    assert index.match(EVENT) == {1, 2, 3, 4, 5, 6}
    stats = index.stats()
    assert (stats.keys, stats.filters, stats.always, stats.candidates) == (6, 5, 2, 5)
    assert (stats.exact, stats.prefix, stats.suffix, stats.fields) == (2, 1, 1, 3)
    assert (stats.tests, stats.evaluations) == (2, 2)


def test_prefixes_and_suffixes_of_all_lengths() -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(LONGEST_AFFIX + 50))
    filters: dict[Any, Any] = {
        ("prefix", size): {"prefix": {"data.a": text[:size]}} for size in range(1, len(text) + 1)
    }
    filters |= {("suffix", size): {"suffix": {"data.a": text[-size:]}} for size in range(1, len(text) + 1)}
    filters |= {("odd", size): {"suffix": {"data.a": f"!{text[-size:]}"}} for size in (1, 100, len(text))}
    index = indexed(filters)
    for size in (1, 2, LONGEST_AFFIX, LONGEST_AFFIX + 1, len(text)):
        event = Event.create(type="t", source="/s", data={"a": text[:size]})
        assert index.match(event) == {key for key, spec in filters.items() if Filter.parse(spec)(event)}
        assert ("prefix", size) in index.match(event)
    assert len(index.match(Event.create(type="t", source="/s", data={"a": text}))) == 2 * len(text)


# -- raw bytes


def test_only_what_filters_read_is_decoded() -> None:
    index = indexed({"k": {"exact": {"type": "t", "data.a.b": "1"}}})
    raw = b'{"type":"t","id":5,"data":{"x":1e999999,"a":{"b":1,"c":"\xff"},"d":' + b"[" * 300 + b"]" * 300 + b"}}"
    assert index.match_json(raw) == {"k"}  # though it is no valid event
    with pytest.raises(InvalidEvent):
        Event.from_json(raw)


def test_where_no_filter_reads_anything_nothing_is_decoded() -> None:
    index = indexed({"all": [], "every": {"any": [{"not": {"exact": {"a": "1"}}}, {"exact": {"a": "1"}}]}})
    assert index.match_json(b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}') == {"all", "every"}
    index.discard("every")
    assert index.match_json(b"no event") == {"all"}
    index.add("type", Filter.parse({"exact": {"type": "t"}}))
    with pytest.raises(InvalidEvent):
        index.match_json(b"no event")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"type":1e5',
        b'{"data":{"a":',
        b'{"data":{"a":{"b":[}}}',
        "\ud800",
    ],
)
def test_what_cannot_be_read_is_an_invalid_event(raw: Any) -> None:
    for spec in ({"exact": {"type": "t"}}, {"exact": {"data.a.b": "1"}}, {"exact": {"data": "1"}}):
        with pytest.raises(InvalidEvent):
            indexed({"k": spec}).match_json(raw)


def test_text_that_is_read_is_utf_8() -> None:
    index = indexed({"k": {"exact": {"type": "t"}}})
    with pytest.raises(InvalidEvent, match="UTF-8"):
        index.match_json(b'{"type":"\xff"}')


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_an_event_that_nests_too_deep_is_an_invalid_event(brackets: tuple[str, str]) -> None:
    depth = 100_000
    data = brackets[0] * depth + "1" + brackets[1] * depth
    raw = f'{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{data}}}'
    for field in ("data", "data.a", "data.a.a", "data.a[0]"):
        with pytest.raises(InvalidEvent):
            indexed({"k": {"exact": {field: "1"}}}).match_json(raw)


def test_an_event_with_a_million_members_is_matched() -> None:
    members = ",".join(f'"n{number}":{number}' for number in range(10**6))
    raw = f'{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{{{members},"a":1}}}}'.encode()
    index = indexed(
        {
            "few": {"exact": {"data.n7": "7", "data.a": "1"}},
            "range": "data.n999999 > 5",
            "other": {"prefix": {"data.n8": "9"}},
        }
    )
    assert index.match_json(raw) == {"few", "range"}
    assert index.match(Event.from_json(raw)) == {"few", "range"}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("12345678901234567890.5", "12345678901234567890.5"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("1.50", "1.5"),
        ("1e400", "1e400"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("-0.0", "0"),
    ],
)
def test_numbers_are_read_as_the_event_reads_them(number: str, text: str) -> None:
    raw = f'{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{{"a":{number},"l":[{number}]}}}}'
    [read] = {Filter.parse({"exact": {f"data.{name}": text}})(Event.from_json(raw)) for name in ("a", "l")}
    for field in ("data.a", "data.l"):
        assert bool(indexed({"k": {"exact": {field: text}}}).match_json(raw)) is read
    assert indexed({"k": {"prefix": {"data.a": text[:1]}}}).match_json(raw) == indexed(
        {"k": {"prefix": {"data.a": text[:1]}}}
    ).match(Event.from_json(raw))


ODD_NAMES = ["", " ", "é", "😀", '"', "'", "\\", "\n", "\x7f", "a.b", "class", "self", "total", "__proto__", "x" * 300]


def test_members_of_any_name_are_read() -> None:
    filters = {}
    for name in ODD_NAMES:
        quoted = name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        filters[name] = {"exact": {f"data['{quoted}'].a": "1", f"data.a['{quoted}']": "2"}}
    index = indexed(filters)
    for name in ODD_NAMES:
        data = {name: {"a": 1}, "a": {name: 2}}
        event = Event.create(type="t", source="/s", data=data)
        assert index.match(event) == index.match_json(event.to_json()) == {name}


@pytest.mark.parametrize("size", [MAX_NAMES, MAX_NAMES + 1, MAX_COMPILED, MAX_COMPILED + 1, 2000])
def test_many_fields(size: int) -> None:
    filters: dict[Any, Any] = {number: {"exact": {f"data.a.n{number}": "1", "type": "t"}} for number in range(size)}
    index = indexed(filters | {"x": {"exact": {"data.a[0]": "1"}}, "y": {"prefix": {"data.b": "1"}}})
    for data, expected in (
        ({"a": {"n0": 1, "n1": 2, f"n{size - 1}": 1, "other": 1}}, {0, size - 1}),
        ({"a": {f"n{number}": 1 for number in range(size)}, "b": 1}, {*range(size), "y"}),
        ({"a": [1, {"n0": 1}]}, {"x"}),
        ({"a": 1, "b": [12, None]}, {"y"}),
        ([1], set()),
    ):
        event = Event.create(type="t", source="/s", data=data)
        assert index.match(event) == index.match_json(event.to_json()) == expected


# -- functions of an application's


def test_functions_get_the_whole_event() -> None:
    seen: list[Event] = []

    def test(event: Any) -> bool:
        seen.append(event)
        return bool(event.get_id() == "1")

    dialects = {"my": lambda value, where: test}
    index: FilterIndex[str] = FilterIndex()
    index.add("alone", Filter.parse({"my": 1}, dialects=dialects))
    index.add("beside", Filter.parse([{"exact": {"type": "t"}}, {"not": {"my": 1}}], dialects=dialects))
    event = Event.create(type="t", source="/s", id="1", data=b"x")
    assert index.match(event) == index.match_json(event.to_json()) == {"alone"}
    assert seen == [event] * 4
    assert index.stats().always == 1
    for key in ("alone", "beside"):
        index.discard(key)
    index.add("other", Filter.parse({"exact": {"type": "t"}}))
    assert index.match_json(b'{"type":"t"}') == {"other"}  # only what is needed is read again


def test_a_function_may_change_the_index() -> None:
    index: FilterIndex[int] = FilterIndex()
    numbers = count(1)

    def test(event: Any) -> bool:
        index.add(next(numbers), Filter.parse([]))
        return True

    index.add(0, Filter.parse({"my": 1}, dialects={"my": lambda value, where: test}))
    assert 0 in index.match(EVENT)


# -- threads


def test_a_match_sees_each_filter_before_or_after_a_change() -> None:
    """A key that changes between two filters, both of which match, is matched all the time."""
    one, other = Filter.parse({"exact": {"type": "t"}}), Filter.parse({"suffix": {"subject": "c"}})
    index: FilterIndex[str] = FilterIndex()
    index.add("k", one)
    failures: list[BaseException | str] = []
    stop = threading.Event()

    def change() -> None:
        try:
            for number in range(3000):
                index.add("k", other if number % 2 else one)
                index.add("passing", Filter.parse({"exact": {f"x{number % 7}": "1"}}))
                index.discard("passing")
        except Exception as error:  # noqa: BLE001  # whatever it is, the test fails for it
            failures.append(error)
        finally:
            stop.set()

    def match() -> None:
        raw = EVENT.to_json()
        try:
            while not stop.is_set():
                if index.match(EVENT) != {"k"} or index.match_json(raw) != {"k"}:
                    failures.append("k was not matched")
                    return
        except Exception as error:  # noqa: BLE001  # whatever it is, the test fails for it
            failures.append(error)

    threads = [threading.Thread(target=target) for target in (change, match, match)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_what_is_kept_in_mind_is_no_older_than_the_index() -> None:
    """Keys that come and go under texts that are looked up all the time: each change is seen by the next match."""
    index: FilterIndex[int] = FilterIndex()
    every = [Filter.parse({"prefix": {"subject": "abc"[: number % 3 + 1]}}) for number in range(30)]
    failures: list[str] = []
    stop = threading.Event()

    def match() -> None:
        while not stop.is_set():
            index.match(EVENT)

    threads = [threading.Thread(target=match) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(100):
        for key, one in enumerate(every):
            index.add(key, one)
        if index.match(EVENT) != set(range(30)):
            failures.append(f"{turn}: not all that came")
        for key in range(turn % 30, 30):
            index.discard(key)
        if index.match(EVENT) != set(range(turn % 30)):
            failures.append(f"{turn}: not all that stayed")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_change_during_a_match_is_seen_whole() -> None:
    """As above, at the worst moment, which threads hit rarely."""
    index: FilterIndex[Any] = FilterIndex()
    moved = False

    def move(event: Any) -> bool:
        nonlocal moved
        if not moved:
            moved = True
            index.add("k", Filter.parse({"exact": {"source": "/s"}}))
        return False

    index.add("k", Filter.parse({"all": [{"exact": {"type": "t"}}, {"my": 2}]}, dialects={"my": lambda v, w: move}))
    assert index.match(EVENT) == {"k"}


# -- sizes


def test_a_subscription_takes_at_most_2_kilobytes() -> None:
    filters = [
        {"exact": {"type": "t", "data.repository.full_name": "o/r{}"}},
        {"prefix": {"source": "https://example.com/{}/"}},
        {"all": [{"exact": {"type": "t"}}, {"not": {"exact": {"data.sender.login": "u{}"}}}]},
        {"any": [{"exact": {"subject": "a{}"}}, {"suffix": {"subject": "b{}"}}]},
    ]
    size = 2000
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        index: FilterIndex[int] = FilterIndex()
        for number in range(size):
            spec = json.loads(json.dumps(filters[number % 4]).replace("{}", str(number)))
            index.add(number, Filter.parse(spec))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(index) == size
    assert (after - before) / size < 2048


def test_the_deepest_filter_is_indexed() -> None:
    spec: Any = {"exact": {"type": "t"}}
    for _ in range(MAX_DEPTH - 1):
        spec = {"all": [spec]}
    index = indexed({"k": spec})
    assert index.match(EVENT) == {"k"}
    assert index.stats().exact == 1
