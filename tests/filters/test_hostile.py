"""Whatever is thrown at filters is refused with a clear error at a bound, or done in time that grows as it does."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import pytest

from eventroute.errors import EventrouteError, InvalidEvent, InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.faults import MAX_EXPRESSION
from eventroute.jsontext import MAX_DEPTH

EVENT = Event.create(
    type="t", source="/s", data={"l": [{"x": number} for number in range(500)], "s": "ab" * 1_000, "n": 1}
)


def cost(work: Callable[[], Any]) -> float:
    """Processor time, in seconds; the least of several runs, since others use the machine too."""
    times = []
    for _ in range(2):
        started = process_time()
        try:
            work()
        except EventrouteError as error:
            assert len(str(error)) < 2_000
        times.append(process_time() - started)
    return min(times)


def assert_linear(work: Callable[[int], Callable[[], Any]], size: int) -> None:
    """Four times the size costs less than ten times as much; what is quadratic costs sixteen times as much."""
    small, large = cost(work(size)), cost(work(4 * size))
    assert large < 10 * max(small, 0.004), f"{small:.4f} s for {size}, and {large:.4f} s for four times as much"


# -- large filters: read, evaluate, explain, lint, print, hold in an index

LARGE: dict[str, Callable[[int], Any]] = {
    "any": lambda n: {"any": [{"prefix": {f"data.k{number}": "x"}} for number in range(n)]},
    "exact": lambda n: {"exact": {f"data.k{number}": "x" for number in range(n)}},
    "not": lambda n: {"all": [{"not": {"suffix": {"data.s": f"x{number}"}}} for number in range(n)]},
    "sql AND": lambda n: {"sql": " AND ".join(["type = 't'"] * n)},
    "sql mixed": lambda n: {"sql": " OR n = 1 AND ".join(["type = 'x'"] * (n // 2))},
    "sql XOR": lambda n: {"sql": " XOR ".join(["EXISTS n"] * n)},
    "sql sum": lambda n: {"sql": "1" + " + 1" * n + " = 2"},
    "sql comparisons": lambda n: {"sql": "n" + " = n" * n},
    "sql IN": lambda n: {"sql": f"type IN ({', '.join(['source'] * n)})"},
    "sql arguments": lambda n: {"sql": f"CONCAT({', '.join(['type'] * n)}) = 'x'"},
    "sql text": lambda n: {"sql": f"type = '{'x' * 8 * n}'"},
    "expr OR": lambda n: " OR ".join(f"data.s = 'x{number}'" for number in range(n)),
    "expr AND": lambda n: " AND ".join(f"data.s != 'x{number}'" for number in range(n)),
    "expr XOR": lambda n: " XOR ".join(["data.s = 'x'"] * n),
    "expr spans": lambda n: " AND ".join(f"data.n < {number + 2}" for number in range(n)),
    "expr sum": lambda n: "data.n" + " + data.n" * n + " = 1",
    "expr IN": lambda n: f"data.s IN ({', '.join(map(str, range(n)))})",
    "expr arguments": lambda n: f"LENGTH(CONCAT({', '.join(['data.s'] * n)})) = 1",
    "expr LIKE": lambda n: f"data.s LIKE '{'%a_b' * n}'",
    "expr ANY": lambda n: f"ANY({' OR '.join(['data.l[*].x = 1000'] * n)})",
    "expr ALL": lambda n: f"ALL({' AND '.join(['data.l[*].x < 400'] * n)})",
    "expr NONE of many": lambda n: " AND ".join(["NONE(data.l[*].x = 1000)"] * (n // 10)),
    "expr parentheses": lambda n: "(" * 8 * n + "TRUE" + ")" * 8 * n,
    "expr minus": lambda n: "-" * 16 * n + "1 = 1",
}


@pytest.mark.parametrize("name", LARGE)
def test_large_filters_cost_what_they_are_long(name: str) -> None:
    def all_of_it(size: int) -> Callable[[], Any]:
        spec = LARGE[name](size)

        def work() -> None:
            rule = Filter.parse(spec)
            assert rule.explain(EVENT).matched is rule(EVENT)
            assert str(rule.explain(EVENT))
            rule.lint()
            assert Filter.parse(str(rule)) == rule
            index: FilterIndex[int] = FilterIndex()
            index.add(1, rule)
            assert (index.match(EVENT) == {1}) is rule(EVENT)

        return work

    assert_linear(all_of_it, 200)


def test_a_large_condition_is_explained_for_few_elements() -> None:
    """Each element's condition is compiled by itself, so their number goes down as the condition grows."""
    texts = [f"ALL({' AND '.join(['data.l[*].x < 99'] * size)})" for size in (1, 5, 1_000)]
    parts = [Filter.parse(text).explain(EVENT).parts for text in texts]
    assert [len(some) for some in parts] == [1, 1, 0]
    assert cost(lambda: Filter.parse(texts[-1]).explain(EVENT)) < 20


# -- texts that are no filter

PIECES = (
    *("(", ")", "[", "]", "{", "'", '"', "\\", "`", ",", ".", "-", "+", "!", "=", "%", "*", "$", "#", "\n", " ", "\0"),
    *("''", "'a", '"a', "NOT ", "ANY(", "ABS(", "a IN (", "1,", "a.", "data[", "data.a", "['a']", "[*]", ".a", "[0]"),
    *("1e", "9", "0.", "a = ", "a AND ", "a LIKE '%_", "x", "_", "x1", "é", "STARTS ", "BETWEEN ", "EXISTS ", "f("),
)


@pytest.mark.parametrize("dialect", ["sql", "expr"])
@pytest.mark.parametrize("before", ["", "a = 1 AND ", "data", "a = '"])
def test_what_repeats_itself_is_read_or_refused_in_linear_time(dialect: str, before: str) -> None:
    def read(size: int) -> Callable[[], Any]:
        texts = [before + piece * size for piece in PIECES]

        def work() -> None:
            for text in texts:
                try:
                    Filter.parse({dialect: text})
                except InvalidFilter as error:
                    assert len(str(error)) < 500

        return work

    assert_linear(read, 500)


@pytest.mark.parametrize("dialect", ["sql", "expr"])
@pytest.mark.parametrize("piece", PIECES)
def test_a_megabyte_is_refused_at_once(dialect: str, piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    with pytest.raises(InvalidFilter, match=f"at most {MAX_EXPRESSION} are allowed"):
        Filter.parse({dialect: text})
    assert cost(lambda: Filter.parse({dialect: text})) < 0.05


@pytest.mark.parametrize("text", ['{"not":' * 100_000, "[" * 1_000_000, '{"all":[' * 100_000, '["a",' * 100_000])
def test_json_text_that_nests_too_deep(text: str) -> None:
    with pytest.raises(
        InvalidFilter, match="begins as JSON does, and is none: arrays and objects nest deeper than 128"
    ):
        Filter.parse(text)


# -- large events

FILTERS: dict[str, Any] = {
    "exact": {"exact": {"data.a": "1"}},
    "not": {"not": {"prefix": {"data": "x"}}},
    "sql": {"sql": "type = 't' AND LENGTH(source) < 5"},
    "path": "data.a.a.a = 1 OR data.k7 = 7",
    "quantified": "ANY(data.l[*].a = -1) OR ALL(data[*].b = 2)",
    "text": "data CONTAINS 'nowhere' OR data LIKE '%n_where%no_where%'",
    "exists": "EXISTS data.l[-1] AND NOT EXISTS data.zzz",
}


def raw(data: str) -> bytes:
    return b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":' + data.encode() + b"}"


def wide(size: int) -> str:
    members = ",".join(f'"k{number}":{number}' for number in range(size))
    return f'{{{members},"l":[{",".join(["{}"] * size)}]}}'


@pytest.mark.parametrize("name", FILTERS)
def test_large_events_cost_what_they_are_long(name: str) -> None:
    rule = Filter.parse(FILTERS[name])
    index: FilterIndex[int] = FilterIndex()
    index.add(1, rule)

    def all_of_it(size: int) -> Callable[[], Any]:
        document = raw(wide(size))

        def work() -> None:
            event = Event.from_json(document)
            matched = rule(event)
            assert rule.explain(event).matched is matched
            assert len(str(rule.explain(event))) < 2_000
            assert (index.match_json(document) == {1}) is matched

        return work

    assert_linear(all_of_it, 10_000)


def test_an_event_of_a_million_members() -> None:
    document = raw(wide(1_000_000))
    event = Event.from_json(document)
    for spec in FILTERS.values():
        rule = Filter.parse(spec)
        assert rule.explain(event).matched is rule(event)


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 10_000, 1_000_000])
@pytest.mark.parametrize(("left", "right"), [('{"a":', "}"), ("[", "]")])
def test_events_nested_deep(left: str, right: str, depth: int) -> None:
    document = raw(left * depth + "1" + right * depth)
    index: FilterIndex[str] = FilterIndex()
    for name, spec in FILTERS.items():
        index.add(name, Filter.parse(spec))
    if depth > MAX_DEPTH:
        with pytest.raises(InvalidEvent, match="deeper than 128"):
            Event.from_json(document)
        with pytest.raises(InvalidEvent, match="deeper than 128"):
            index.match_json(document)
        return
    event = Event.from_json(document)
    for spec in FILTERS.values():
        rule = Filter.parse(spec)
        assert rule.explain(event).matched is rule(event)
        assert str(rule.explain(event))


def test_data_of_a_program_nested_deep() -> None:
    data: Any = 1
    for _ in range(10_000):
        data = {"a": data}
    with pytest.raises(InvalidEvent, match="deeper than 128"):
        Event.create(type="t", source="/", data=data)
