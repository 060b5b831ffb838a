"""Expressions in `sql`, that is CESQL.

As in `expr` beside it, an expression is drawn as nested tuples, which `written` turns into text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from eventroute.testing.strategies.growing import grown
from eventroute.testing.strategies.vocabulary import PLAIN, Vocabulary

__all__ = ["ARITIES", "LEVELS", "Spec", "predicates", "specs", "sql_expressions", "written"]

Spec: TypeAlias = tuple[Any, ...]
"""The name of a kind of expression, and what it is made of."""

_Specs: TypeAlias = st.SearchStrategy[Spec]

LEVELS: Final = {
    **dict.fromkeys(("AND", "OR", "XOR"), 0),
    **dict.fromkeys(("=", "!=", "<>", "<", "<=", ">", ">="), 1),
    **dict.fromkeys(("+", "-"), 2),
    **dict.fromkeys(("*", "/", "%"), 3),
}
"""How tight binary operators bind (CESQL 1.0.0, section 3.6)."""

ARITIES: Final = {
    **dict.fromkeys(("INT", "BOOL", "STRING", "LENGTH", "LOWER", "UPPER", "TRIM", "ABS"), (1, 1)),
    **dict.fromkeys(("LEFT", "RIGHT"), (2, 2)),
    "SUBSTRING": (2, 3),
    "CONCAT": (0, 3),
    "CONCAT_WS": (1, 3),
}
"""The functions, with how many arguments they get here."""

_OTHERS: Final = {"like": 4, "in": 4, "not": 5, "negative": 5}
_NEGATED: Final = st.booleans()


@st.composite
def sql_expressions(draw: st.DrawFn, vocabulary: Vocabulary = PLAIN) -> str:
    """Expressions in `sql`: conditions as people write them for filters, and expressions of every kind.

    Each is valid, and operators nest up to three deep. Shrinks to one short condition. The vocabulary must have an
    attribute.
    """
    return written(draw(_either(vocabulary)))


@lru_cache(maxsize=16)
def _either(vocabulary: Vocabulary) -> _Specs:
    return predicates(vocabulary) | specs(vocabulary)


@lru_cache(maxsize=16)
def specs(vocabulary: Vocabulary = PLAIN) -> _Specs:
    """Expressions of every kind, of which many are no conditions, and err for most events."""
    words = _Words(vocabulary)
    return grown(words.leaves, words.operations, 3) | predicates(vocabulary)


@lru_cache(maxsize=16)
def predicates(vocabulary: Vocabulary = PLAIN) -> _Specs:
    """Comparisons joined by AND, OR, XOR and NOT."""
    words = _Words(vocabulary)
    return grown(words.comparisons(), lambda inner: st.builds(lambda one: ("not", one), inner) | _logics(inner), 3)


class _Words:
    """Strategies for what expressions are made of."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        scalars = st.sampled_from((*filter(_sayable, vocabulary.texts), *vocabulary.integers, False, True))
        names = st.sampled_from(vocabulary.attributes)
        self.attributes = names.map(lambda name: ("attribute", name))
        self.literals = scalars.map(lambda value: ("literal", value))
        self.exists = names.map(lambda name: ("exists", name))
        self.leaves = self.attributes | self.literals | self.exists
        self.patterns = st.sampled_from([*filter(_sayable, vocabulary.patterns)])

    def comparisons(self) -> _Specs:
        """What filters are mostly made of."""
        operators = st.sampled_from(("=", "=", "!=", "<"))
        some = st.lists(self.literals, min_size=1, max_size=4)
        return st.one_of(
            st.builds(_binary, operators, self.attributes, self.literals | self.attributes),
            self.exists,
            st.builds(_like, self.attributes, self.patterns, _NEGATED),
            st.builds(_in, self.attributes, some, _NEGATED),
            st.builds(_binary, st.just("="), self.literals, self.attributes),
        )

    def operations(self, inner: _Specs) -> _Specs:
        """Everything that can be made of other expressions."""
        some = st.lists(inner, min_size=1, max_size=3) | st.lists(self.literals, min_size=1, max_size=4)
        return st.one_of(
            self.comparisons(),
            _logics(inner),
            st.builds(lambda one: ("not", one), inner),
            st.builds(_binary, st.sampled_from(sorted(LEVELS)), inner, inner),
            st.builds(_like, inner, self.patterns, _NEGATED),
            st.builds(_in, inner, some, _NEGATED),
            st.builds(lambda one: ("negative", one), inner),
            st.sampled_from(sorted(ARITIES)).flatmap(lambda name: _calls(name, inner)),
        )


def _logics(inner: _Specs) -> _Specs:
    return st.builds(_binary, st.sampled_from(("AND", "AND", "OR", "OR", "XOR")), inner, inner)


def _calls(name: str, inner: _Specs) -> _Specs:
    least, most = ARITIES[name]
    return st.lists(inner, min_size=least, max_size=most).map(lambda arguments: ("call", name, arguments))


def _binary(operator: str, left: Spec, right: Spec) -> Spec:
    return ("binary", operator, left, right)


def _like(operand: Spec, pattern: str, negated: bool) -> Spec:
    return ("like", operand, pattern, negated)


def _in(operand: Spec, elements: list[Spec], negated: bool) -> Spec:
    return ("in", operand, elements, negated)


# -- text


def written(spec: Spec) -> str:
    """The text of an expression, with no more parentheses than it needs."""
    kind, *parts = spec
    return _RENDERINGS[kind](*parts)


def _level(spec: Spec) -> int:
    return LEVELS[spec[1]] if spec[0] == "binary" else _OTHERS.get(spec[0], 6)


def _within(spec: Spec, place: int) -> str:
    return written(spec) if _level(spec) >= place else f"({written(spec)})"


def _infix(operator: str, left: Spec, right: Spec) -> str:
    own = LEVELS[operator]
    return f"{_within(left, own)} {operator} {_within(right, own + 1)}"


def _sayable(text: str) -> bool:
    """Whether a literal can be the text: a backslash in it keeps the quote after it."""
    return "\\" not in text or not (text.endswith("\\") or "'" in text or '"' in text)


def _quoted(value: str) -> str:
    if "'" in value:
        return '"' + value.replace('"', '\\"') + '"'
    return f"'{value}'"


_RENDERINGS: Final[dict[str, Callable[..., str]]] = {
    "literal": lambda value: _quoted(value) if isinstance(value, str) else str(value),
    "attribute": str,
    "exists": lambda name: f"exists {name}",
    "not": lambda operand: f"not {_within(operand, 5)}",
    "negative": lambda operand: f"-({written(operand)})",
    "like": lambda operand, pattern, negated: f"{_within(operand, 4)} {'NOT ' * negated}LIKE {_quoted(pattern)}",
    "in": lambda operand, elements, negated: (
        f"{_within(operand, 4)} {'not ' * negated}In ({', '.join(map(written, elements))})"
    ),
    "call": lambda name, arguments: f"{name}({','.join(map(written, arguments))})",
    "binary": _infix,
}
