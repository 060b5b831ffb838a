"""Expressions in `expr`.

A condition is drawn as nested tuples, which `written` turns into text: that leaves the tuples for who wants to say what
the text means without parsing it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

from hypothesis import strategies as st

from eventroute.testing.strategies.growing import grown
from eventroute.testing.strategies.vocabulary import PLAIN, Vocabulary

__all__ = ["Spec", "clauses", "expressions", "specs", "written"]

Spec: TypeAlias = tuple[Any, ...]
"""The name of a kind of condition or value, and what it is made of."""

_Specs: TypeAlias = st.SearchStrategy[Spec]

_KINDS = st.sampled_from(("ANY", "ALL", "NONE"))
_JOINTS = st.sampled_from(("AND", "OR", "XOR"))
_ORDERS = st.sampled_from(("=", "!=", "<", ">", "<=", ">=", "<>"))
_BOOLEANS = st.booleans().map(lambda truth: ("boolean", truth))


# Composite, and so are its like, to have a short repr: hypothesis warns of a long one. What it draws from is made once,
# as equal strategies that are made again may be simplified otherwise.
@st.composite
def expressions(draw: st.DrawFn, vocabulary: Vocabulary = PLAIN) -> str:
    """Expressions in `expr` of up to nine conditions, quantifiers in one another included.

    Each is valid. Shrinks to one short condition.
    """
    return written(draw(specs(vocabulary)))


@lru_cache(maxsize=16)
def specs(vocabulary: Vocabulary = PLAIN) -> _Specs:
    """Conditions of every kind, joined."""
    return _joined(clauses(vocabulary))


def clauses(vocabulary: Vocabulary = PLAIN) -> _Specs:
    """Conditions of every kind, not joined but within a quantifier."""
    words = _Words(vocabulary)
    return words.tests(words.fields) | _quantified(words)


class _Words:
    """Strategies for what conditions are made of."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.fields = st.sampled_from(vocabulary.fields).map(lambda name: ("field", name))
        self.texts = st.sampled_from(vocabulary.texts).map(lambda text: ("text", text))
        self.numbers = st.sampled_from(vocabulary.numbers).map(lambda text: ("number", text))
        self.patterns = st.sampled_from(vocabulary.patterns)

    def elements(self, array: str) -> _Specs:
        """Values in an element of an array that stands in hand."""
        return st.sampled_from(self.vocabulary.elements).map(lambda below: ("each", array, below))

    def tests(self, places: _Specs) -> _Specs:
        """Conditions on some places."""
        text_calls, number_calls = self._calls(places)
        texts, numbers = places | text_calls, places | number_calls
        negated = st.booleans()
        options = st.lists(self.texts | self.numbers | _BOOLEANS, min_size=1, max_size=3).map(tuple)
        parts = st.sampled_from(("STARTS WITH", "ENDS WITH", "CONTAINS"))
        conditions: list[_Specs] = [
            st.tuples(st.just("compare"), places, st.sampled_from(("=", "!=")), _BOOLEANS),
            st.tuples(st.just("in"), places, options, negated),
            st.tuples(st.just("like"), texts, self.patterns, negated),
            st.tuples(st.just("part"), texts, parts, self.texts | texts, negated),
            st.tuples(st.just("null"), texts, negated),
            st.tuples(st.just("exists"), places),
            st.tuples(st.just("truth"), places | st.tuples(st.just("call"), st.just("BOOL"), places)),
        ]
        for left, right in ((texts, self.texts | places), (numbers, self.numbers | places)):
            conditions += [
                st.tuples(st.just("compare"), left, _ORDERS, right),
                st.tuples(st.just("compare"), right, _ORDERS, left),
                st.tuples(st.just("in"), left, st.lists(right, min_size=1, max_size=3).map(tuple), negated),
                st.tuples(st.just("between"), left, right, right, negated),
            ]
        return st.one_of(conditions)

    def _calls(self, places: _Specs) -> tuple[_Specs, _Specs]:
        """Texts and numbers that are reckoned."""
        texts, numbers = places | self.texts, places | self.numbers
        text_calls = st.one_of(
            st.tuples(st.just("call"), st.sampled_from(("LOWER", "UPPER", "TRIM")), texts),
            st.tuples(st.just("call"), st.sampled_from(("CONCAT", "CONCAT_WS")), texts, texts),
            st.tuples(st.just("call"), st.sampled_from(("LEFT", "RIGHT", "SUBSTRING")), texts, numbers),
            st.tuples(st.just("call"), st.just("SUBSTRING"), texts, numbers, numbers),
            st.tuples(st.just("call"), st.just("STRING"), places),
        )
        number_calls = st.one_of(
            st.tuples(st.just("call"), st.just("LENGTH"), texts),
            st.tuples(st.just("call"), st.just("ABS"), numbers),
            st.tuples(st.just("call"), st.just("INT"), texts | _BOOLEANS),
            st.tuples(st.just("minus"), numbers),
            _reckoned(numbers, "+-"),
            _reckoned(numbers, "*/%"),
            _reckoned(_reckoned(numbers, "*/%") | numbers, "+-"),
        )
        return text_calls, number_calls


def _reckoned(operands: _Specs, operators: str) -> _Specs:
    return st.lists(operands, min_size=2, max_size=3).flatmap(
        lambda found: st.tuples(
            st.just("reckon"),
            st.just(tuple(found)),
            st.tuples(*[st.sampled_from(operators)] * (len(found) - 1)),
        )
    )


def _joined(conditions: _Specs, depth: int = 2) -> _Specs:
    return grown(
        conditions,
        lambda inner: st.one_of(
            st.tuples(st.just("NOT"), inner),
            st.builds(lambda joint, found: (joint, *found), _JOINTS, st.lists(inner, min_size=2, max_size=3)),
        ),
        depth,
    )


@st.composite
def _quantified(draw: st.DrawFn, words: _Words) -> Spec:
    """A quantifier over an array, over arrays in an array, or one quantifier within another."""
    outer = draw(st.sampled_from(words.vocabulary.arrays))
    array = ("array", outer)
    form = draw(st.sampled_from(("one", "deep", "within")))
    if form == "one":
        return ("quantified", draw(_KINDS), (array,), _with(draw, words, outer, words.elements(outer) | words.fields))
    below = draw(st.sampled_from(words.vocabulary.inner))
    inner = ("each", outer, below)
    path = f"{outer}[*]{below}"
    near = words.elements(path) | words.elements(outer)
    if form == "deep":
        return ("quantified", draw(_KINDS), (array, inner), _with(draw, words, path, near | words.fields))
    condition: Spec = ("quantified", draw(_KINDS), (inner,), _with(draw, words, path, near))
    if draw(st.booleans()):
        condition = (draw(_JOINTS), draw(words.tests(words.elements(outer))), condition)
    return ("quantified", draw(_KINDS), (array,), condition)


def _with(draw: st.DrawFn, words: _Words, array: str, places: _Specs) -> Spec:
    """A condition that surely reads an element of the array."""
    surely: Spec = ("exists", draw(words.elements(array)))
    if draw(st.booleans()):
        surely = ("compare", draw(words.elements(array)), draw(_ORDERS), draw(words.texts | words.numbers))
    more = draw(st.none() | _joined(words.tests(places), 1))
    return surely if more is None else (draw(_JOINTS), surely, more)


# -- text


def written(spec: Spec) -> str:
    """The text of a condition or value; whatever is made of parts stands in parentheses."""
    match spec:
        case ("AND" | "OR" | "XOR" as joint, *operands):
            return f"({f' {joint} '.join(map(written, operands))})"
        case ("NOT", operand):
            return f"(NOT {written(operand)})"
        case ("truth", value):
            return written(value)
        case ("exists", value):
            return f"exists {written(value)}"
        case ("null", value, negated):
            return f"{written(value)} is {'not ' * negated}null"
        case ("quantified", kind, _, condition):
            return f"{kind}({written(condition)})"
    return _comparison(spec) or _value(spec)


def _comparison(spec: Spec) -> str:
    match spec:
        case ("compare", left, operator, right):
            return f"{written(left)} {operator} {written(right)}"
        case ("in", value, options, negated):
            return f"{written(value)} {'Not ' * negated}In ({', '.join(map(written, options))})"
        case ("between", value, low, high, negated):
            return f"{written(value)} {'NOT ' * negated}BETWEEN {written(low)} AND {written(high)}"
        case ("like", value, pattern, negated):
            return f"{written(value)} {'NOT ' * negated}LIKE {_quoted(pattern)}"
        case ("part", value, place, part, negated):
            return f"{written(value)} {'NOT ' * negated}{place} {written(part)}"
    return ""


def _value(spec: Spec) -> str:
    match spec:
        case ("each", array, below):
            return f"{array}[*]{below}"
        case ("text", text):
            return _quoted(text)
        case ("minus", operand):
            return f"-{written(operand)}"
        case ("call", name, *arguments):
            return f"{name.lower()}({', '.join(map(written, arguments))})"
        case ("reckon", operands, operators):
            steps = [f" {operator} {written(one)}" for operator, one in zip(operators, operands[1:], strict=True)]
            return f"({written(operands[0])}{''.join(steps)})"
    [_, word] = spec  # a field, an array, a number, a boolean
    return str(word)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
