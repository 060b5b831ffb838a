from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.expr.functions import MAX_TEXT

BASE = (
    '{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2020-06-01T12:00:00Z","count":5,"flag":true,"data":'
)
DATA = """{
    "i": 7, "f": 0.1, "g": 2.50, "big": 123456789012345678901234567890, "exp": 1e23, "neg": -7, "zero": 0,
    "long": 0.1000000000000000055511151231257827, "huge": 1e400, "tiny": 1e-400, "s": "text", "u": "GRÜSSE", "n": "12",
    "e": "", "t": true, "no": false, "z": null, "l": [1, 2, 3], "o": {"a": 1}, "day": "2020-06-01T14:00:00+02:00",
    "fine": "2020-06-01T12:00:00.123456789Z", "date": "2020-06-01", "esc": "100%_\\\\\\n", "vast": 1e9999999999999999999
}"""
EVENT = Event.from_json(BASE + DATA + "}")

TRUE = [
    # numbers, exactly
    "data.i = 7",
    "data.i = 7.0",
    "data.i = 70e-1",
    "7 = data.i",
    "data.f = 0.1",
    "data.f != 0.10000000000000001",
    "data.g = 2.5",
    "data.big = 123456789012345678901234567890",
    "data.big > 123456789012345678901234567889",
    "data.big != 123456789012345678901234567890.5",
    "data.exp = 100000000000000000000000",
    "data.exp > 99999999999999991611392",
    "data.long > data.f",
    "data.long != 0.1",
    "data.huge > 1e308",
    "data.huge = 1e400",
    "data.tiny > 0",
    "data.tiny = 1e-400",
    "data.tiny < 5e-324",
    "data.vast > data.huge",
    "data.neg < -6.9",
    "count = 5",
    "data.i IN (1, 7.0)",
    "data.f + 0.1 IN (0.2)",
    "data.long IN (0.1000000000000000055511151231257827)",
    "data.f + 0.1 NOT IN (0.3)",
    "data.f IN (0.1)",
    "data.exp IN (1e23)",
    "data.i BETWEEN 7 AND 7",
    "data.i NOT BETWEEN 8 AND 9",
    "data.f BETWEEN 0.1 AND 0.2",
    "data.g NOT IN (2, 3)",
    # arithmetic
    "data.f + 0.2 = 0.3",
    "data.i / 2 = 3.5",
    "data.i / 7 = 1",
    "data.neg % 4 = -3",
    "data.i % -4 = 3",
    "7 % 2.5 = 2",
    "-7.5 % 2 = -1.5",
    "data.big * data.big = 15241578753238836750495351562536198787501905199875019052100",
    "1 / 3 = 0.3333333333333333333333333333333333",
    "data.i - 1 - 1 = 5",
    "-data.i = data.neg",
    "data.i * 2 + 1 = 15",
    "2 * (data.i + 1) = 16",
    "1e300 * 1e300 > 1e308",
    "data.f * 3 = 0.3",
    "data.g / 0.5 = 5",
    "-data.f = -0.1",
    "1 / 8 = 0.125",
    "-(-data.long) = data.long",
    "data.huge / 1e400 = 1",
    # texts
    "data.s = 'text'",
    "data.s != 'Text'",
    "data.s > 'tex'",
    "data.s >= 'text'",
    "data.e = ''",
    "data.e < data.s",
    "data.s LIKE 't%'",
    "data.s LIKE '_ex_'",
    "data.s LIKE '%x%'",
    "data.s NOT LIKE 'T%'",
    "data.s LIKE 'text'",
    "data.esc LIKE '100\\%\\_%'",
    "data.esc LIKE '100%_'",
    "data.e LIKE '%'",
    "data.e NOT LIKE '_'",
    "data.s STARTS WITH 'te'",
    "data.s ENDS WITH 'xt'",
    "data.s CONTAINS 'ex'",
    "data.s CONTAINS ''",
    "data.s NOT STARTS WITH 'x'",
    "data.s NOT ENDS WITH data.e OR TRUE",
    "data.s CONTAINS SUBSTRING(data.s, 2, 2)",
    "data.s STARTS WITH LEFT(data.s, 1)",
    "data.s ENDS WITH RIGHT(data.s, 2)",
    "data.s NOT CONTAINS UPPER(data.s)",
    "data.s IN ('a', 'text')",
    "data.s NOT IN ('a', 'b')",
    "data.s IN ('a', LOWER('TEXT'))",
    "'text' IN (data.e, data.s)",
    "data.s BETWEEN 'a' AND 'z'",
    "'it''s' = CONCAT('it', '''', 's')",
    "data.n = '12'",
    "data CONTAINS '\"s\"'",
    # times
    "time = '2020-06-01T12:00:00.000Z'",
    "time = '2020-06-01T14:00:00+02:00'",
    "data.day = '2020-06-01t12:00:00z'",
    "time < '2020-06-01T12:00:00.000001Z'",
    "time BETWEEN '2020-01-01T00:00:00Z' AND '2021-01-01T00:00:00Z'",
    "time NOT BETWEEN '2021-01-01T00:00:00Z' AND '2022-01-01T00:00:00Z'",
    "time IN ('2020-06-01T10:00:00-02:00', 'x')",
    "time NOT IN ('2020-06-01T12:00:01Z')",
    "data.fine = '2020-06-01T12:00:00.123456Z'",
    "time >= '2020-06-01T12:00:00Z'",
    "data.date < '2020-06-02'",
    "time != data.day",
    "time BETWEEN data.date AND '2021-01-01T00:00:00Z'",
    # booleans
    "data.t",
    "flag",
    "data.t = TRUE",
    "data.t != FALSE",
    "data.no = FALSE",
    "NOT data.no",
    "data.t != data.no",
    "data.t = flag",
    "data.t IN (TRUE)",
    "data.no NOT IN (TRUE)",
    "BOOL('TRUE')",
    "BOOL(1)",
    "BOOL(data.t)",
    "NOT BOOL(0)",
    "TRUE = TRUE",
    "data.t XOR data.no",
    "data.t XOR data.t XOR data.t",
    "NOT (data.t XOR data.t)",
    # null and missing
    "data.z IS NULL",
    "data.q IS NULL",
    "data.s IS NOT NULL",
    "EXISTS data.z",
    "NOT EXISTS data.q",
    "EXISTS flag",
    "subject IS NULL",
    "NOT EXISTS subject",
    "EXISTS data",
    "LOWER(data.i) IS NULL",
    "data.i / 0 IS NULL",
    "data.l[5] IS NULL",
    "data.l[2] IS NOT NULL",
    "EXISTS data.l[-1]",
    "NOT EXISTS data.o.a.b",
    # functions
    "LENGTH(data.s) = 4",
    "LENGTH(data.l) = 3",
    "LENGTH(data.u) = 6",
    "LOWER(data.u) = 'grüsse'",
    "UPPER('ß') = 'SS'",
    "TRIM(' \u3000a b\t') = 'a b'",
    "TRIM('\x1fa') != 'a'",
    "CONCAT() = ''",
    "CONCAT('a', 'b') = 'ab'",
    "CONCAT_WS('-', 'a', 'b', 'c') = 'a-b-c'",
    "CONCAT_WS(',') = ''",
    "LEFT('abc', 2) = 'ab'",
    "LEFT('abc', 9) = 'abc'",
    "RIGHT('abc', 2) = 'bc'",
    "RIGHT('abc', 0) = ''",
    "SUBSTRING('abcdef', 2) = 'bcdef'",
    "SUBSTRING('Sakila', -3) = 'ila'",
    "SUBSTRING('Sakila', -5, 3) = 'aki'",
    "SUBSTRING('abc', 0) = ''",
    "SUBSTRING('abc', 0, 2) = ''",
    "SUBSTRING('abcdef', 2, 99) = 'bcdef'",
    "LEFT('abc', 2.0) = 'ab'",
    "ABS(data.neg) = 7",
    "ABS(-0.5) = 0.5",
    "ABS(data.long) = data.long",
    "INT('-12') = -12",
    "INT(data.n) + 1 = 13",
    "INT(2.9) = 2",
    "INT(-2.9) = -2",
    "INT(TRUE) = 1",
    "INT(data.exp) = 1e23",
    "STRING(data.i) = '7'",
    "STRING(data.t) = 'true'",
    "STRING(2.50) = '2.5'",
    "STRING(data.s) = data.s",
    "STRING(1 / 4) = '0.25'",
    "INT(data.tiny) = 0",
    "LEFT('abc', data.i / 7) = 'a'",
    "LENGTH(STRING(data.big)) = 30",
    "INT(INT('5')) = 5",
    "BOOL(data.f)",
    "NOT BOOL('false')",
    # arrays
    "ANY(data.l[*] = 2)",
    "ALL(data.l[*] > 0)",
    "NONE(data.l[*] > 3)",
    "NOT ALL(data.l[*] > 1)",
]

FALSE = [
    # nothing is cast
    "data.n = 12",
    "data.i = '7'",
    "data.t = 1",
    "data.t = 'true'",
    "data.no = 0",
    "data.s = TRUE",
    "data.s",
    "data.i",
    "data.z",
    "data.l",
    "data.n > 1",
    "data.i LIKE '7'",
    "data.i STARTS WITH '7'",
    "LENGTH(data.i) = 1",
    "flag = 'true'",
    # unlike kinds, nothing and null compare with nothing
    "data.n != 12",
    "data.i != '7'",
    "data.i NOT IN ('7')",
    "data.i NOT IN (8, '7')",
    "data.s NOT IN (1)",
    "data.t != 1",
    "data.t NOT IN ('x')",
    "data.i NOT LIKE 'x'",
    "data.i NOT STARTS WITH 'x'",
    "data.s NOT BETWEEN 1 AND 2",
    "data.i NOT BETWEEN 'a' AND 'b'",
    "data.q = 1",
    "data.q != 1",
    "data.q < 1",
    "data.q NOT IN (1)",
    "data.q NOT LIKE 'x'",
    "data.q NOT BETWEEN 1 AND 2",
    "data.q NOT CONTAINS 'x'",
    "data.q",
    "data.z = 0",
    "data.z != 0",
    "data.z NOT IN (0)",
    "data.q = data.q",
    "data.z = data.z",
    "data.l = data.l",
    "data.o = data.o",
    "data.l != data.o",
    "data.o NOT IN ('x')",
    "data.t < data.no",
    "data.t BETWEEN data.no AND data.t",
    "data.s CONTAINS data.q",
    "data.s NOT CONTAINS data.q",
    "data.s NOT STARTS WITH data.i",
    "data.i NOT BETWEEN data.q AND 3",
    "data.i NOT BETWEEN 9 AND data.q",
    "data.i IN (data.q)",
    "data.i NOT IN (1, data.q)",
    "data.i NOT IN (1, data.s)",
    "data.t NOT IN (data.i)",
    "data.i NOT IN (TRUE)",
    "data.s NOT IN (TRUE)",
    "data.l NOT IN (1)",
    "data.z IN (TRUE)",
    "data.o IN ('x')",
    # no value
    "data.i / 0 = 0",
    "data.i % 0 = 0",
    "data.i / 0.0 != 5",
    "1e4 / 0 > 1",
    "data.s + 1 != 5",
    "data.i + data.q != 5",
    "-data.s != 5",
    "-data.q = 0",
    "LEFT('abc', -1) != 'x'",
    "LEFT('abc', 1.5) != 'x'",
    "LEFT(data.q, 1) != 'x'",
    "RIGHT('abc', -1) != 'x'",
    "RIGHT(data.i, 1) != 'x'",
    "RIGHT('abc', data.s) != 'x'",
    "SUBSTRING('abc', 4) != 'x'",
    "SUBSTRING('abc', -4) != 'x'",
    "SUBSTRING('abc', 1, -1) != 'x'",
    "SUBSTRING(data.i, 1) != 'x'",
    "SUBSTRING('abc', data.q) != 'x'",
    "LOWER(data.i) != 'x'",
    "UPPER(data.l) != 'x'",
    "TRIM(data.z) != 'x'",
    "LENGTH(data.o) != 5",
    "CONCAT('a', data.i) != 'x'",
    "CONCAT_WS(data.i, 'a') != 'x'",
    "ABS(data.s) != 5",
    "INT('1.5') != 5",
    "INT(' 1') != 5",
    "INT('') != 5",
    "INT('\u0661') != 5",
    "INT(data.l) != 5",
    "INT(data.huge) != 0 AND FALSE",
    "INT(data.vast) != 5",
    "BOOL('yes')",
    "BOOL(data.l)",
    "BOOL(data.z)",
    "NOT BOOL('TRUE')",
    "STRING(data.l) != 'x'",
    "STRING(data.z) != 'x'",
    "data.vast + 1 != 0 AND FALSE",
    "LEFT('abc', data.huge) != 'x'",
    # times
    "time = '2020-06-01T12:00:01Z'",
    "data.s < '2020-06-01T12:00:00Z'",
    "data.s != '2020-06-01T12:00:00Z'",
    "data.date > '2019-01-01T00:00:00Z'",
    "data.date NOT IN ('2019-01-01T00:00:00Z')",
    "data.i > '2020-06-01T12:00:00Z'",
    "data.s NOT BETWEEN '2020-01-01T00:00:00Z' AND '2021-01-01T00:00:00Z'",
    "time = data.day",
    "time = '2020-06-01T12:00:00'",
    # texts
    "data.s LIKE 'T%'",
    "data.s LIKE 'tex'",
    "data.s LIKE 'ext'",
    "data.s CONTAINS 'EX'",
    "data.s > 'text'",
    "data.e > ''",
    "data.s IN ('a', 'b')",
    "data.s NOT IN ('text')",
    "data.s NOT LIKE '%'",
    "data.s STARTS WITH 'text '",
]


@pytest.mark.parametrize("text", TRUE)
def test_what_holds(text: str) -> None:
    rule = Filter.parse(text)
    assert rule(EVENT)
    assert not Filter.parse(f"NOT ({text})")(EVENT)
    explanation = rule.explain(EVENT)
    assert explanation.matched
    assert explanation.why


@pytest.mark.parametrize("text", FALSE)
def test_what_does_not_hold(text: str) -> None:
    rule = Filter.parse(text)
    assert not rule(EVENT)
    assert Filter.parse(f"NOT ({text})")(EVENT)
    assert Filter.parse(f"({text}) OR type = 't'")(EVENT)
    assert not rule.explain(EVENT).matched


def test_numbers_that_grow_without_bound_are_no_value() -> None:
    event = Event.create(type="t", source="/", data={"n": 10**4000, "f": 1.5})
    assert Filter.parse("data.n * 10 > 0")(event)
    assert not Filter.parse("data.n * data.n > 0")(event)
    assert not Filter.parse("data.n * data.n * data.n * 0 = 0")(event)
    assert not Filter.parse("data.n + 1e-400 * 1e-400 * 1e-400 > 0")(event)
    assert Filter.parse("data.n / 3 > 0")(event)
    assert Filter.parse("data.n % 7 >= 0")(event)


def test_texts_that_grow_without_bound_are_no_value() -> None:
    event = Event.create(type="t", source="/", data={"s": "x" * (MAX_TEXT // 2)})
    assert Filter.parse(f"LENGTH(CONCAT(data.s, data.s)) = {MAX_TEXT}")(event)
    assert not Filter.parse("LENGTH(CONCAT(data.s, data.s, 'x')) > 0")(event)
    assert not Filter.parse("LENGTH(CONCAT_WS(data.s, 'a', 'b', 'c')) > 0")(event)


@pytest.mark.parametrize("data", [b"\xff", None, "text", 5, [1]])
@pytest.mark.parametrize(
    "text", ["data.a = 1", "data.a IS NOT NULL", "EXISTS data.a", "ANY(data.a[*] = 1)", "data[0].a > 1"]
)
def test_paths_lead_nowhere_in_other_data(data: Any, text: str) -> None:
    assert not Filter.parse(text)(Event.create(type="t", source="/", data=data))


def test_data_is_the_payload_as_text() -> None:
    assert Filter.parse("data = 'plain' AND LENGTH(data) = 5")(Event.create(type="t", source="/", data="plain"))
    assert Filter.parse("data = '[1]' AND ANY(data[*] = 1)")(Event.create(type="t", source="/", data=[1]))
    assert Filter.parse("NOT EXISTS data")(Event.create(type="t", source="/", data=b"\xff"))


def test_an_integer_attribute_is_a_number() -> None:
    event = Event.create(type="t", source="/", extensions={"n": 5, "s": "5"})
    assert Filter.parse("n = 5 AND n < 6 AND s = '5'")(event)
    assert not Filter.parse("n = '5' OR s = 5")(event)


def test_decimals_beyond_binary64() -> None:
    assert str(Filter.parse("data.a = 0.10000000000000000555")) == '{"expr":"data.a = 0.10000000000000000555"}'
    tiny = f"0.{'0' * 1000}1"
    assert Decimal(tiny) > 0
    assert Filter.parse(str(Filter.parse(f"data.a = {tiny}"))) == Filter.parse(f"data.a = {tiny}")
    assert Filter.parse(f"data.a = -{tiny} OR TRUE")(EVENT)
    assert Filter.parse(f"-(-{tiny}) = {tiny}")(EVENT)
