"""Filters in every dialect."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from eventroute.errors import InvalidFilter
from eventroute.filters import Filter
from eventroute.testing.strategies.expr import expressions
from eventroute.testing.strategies.growing import grown
from eventroute.testing.strategies.patterns import event_patterns, places
from eventroute.testing.strategies.sql import sql_expressions
from eventroute.testing.strategies.vocabulary import PLAIN, Vocabulary

__all__ = ["DIALECTS", "filter_specs", "filters"]

_Spec: TypeAlias = dict[str, Any]


def _object(dialect: str) -> Callable[[Vocabulary], st.SearchStrategy[_Spec]]:
    def strategy(vocabulary: Vocabulary) -> st.SearchStrategy[_Spec]:
        texts = st.sampled_from([*filter(None, vocabulary.texts)])
        fields = st.sampled_from(vocabulary.fields)
        one = st.builds(lambda field, text: {field: text}, fields, texts)  # simpler to hypothesis than a dictionary
        if len(set(vocabulary.fields)) > 1:
            one |= st.dictionaries(fields, texts, min_size=2, max_size=3)
        return one.map(lambda members: {dialect: members})

    return strategy


# Each dialect by its name: those that read events themselves, and those that join others.
_READING: Final[Mapping[str, Callable[[Vocabulary], st.SearchStrategy[_Spec]]]] = {
    "exact": _object("exact"),
    "prefix": _object("prefix"),
    "suffix": _object("suffix"),
    "expr": lambda vocabulary: expressions(vocabulary).map(lambda text: {"expr": text}),
    "sql": lambda vocabulary: sql_expressions(vocabulary).map(lambda text: {"sql": text}),
    "pattern": lambda vocabulary: event_patterns(vocabulary).map(lambda members: {"pattern": members}),
}
_JOINING: Final[Mapping[str, Callable[[st.SearchStrategy[_Spec]], st.SearchStrategy[_Spec]]]] = {
    "all": lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda of: {"all": of}),
    "any": lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda of: {"any": of}),
    "not": lambda inner: inner.map(lambda of: {"not": of}),
}

DIALECTS: Final = (*_READING, *_JOINING)
"""The dialects that are drawn."""


@st.composite
def filter_specs(
    draw: st.DrawFn, dialects: Collection[str] = DIALECTS, vocabulary: Vocabulary = PLAIN, *, max_depth: int = 2
) -> _Spec:
    """Filters as the JSON objects that `Filter.parse` reads, in these dialects and no others.

    Clauses that read events, in up to `max_depth` of `all`, `any` and `not`. Shrinks to one clause, in the first of
    `exact`, `prefix`, `suffix`, `expr`, `sql`, `pattern` that may be drawn. `sql` is not where the vocabulary has no
    attributes, nor `pattern` where it has no names in data either. Raises InvalidFilter unless one of them may be
    drawn, and for a dialect that is not known here.
    """
    return draw(_specs(tuple(dialects), vocabulary, max_depth))


@st.composite
def filters(
    draw: st.DrawFn, dialects: Collection[str] = DIALECTS, vocabulary: Vocabulary = PLAIN, *, max_depth: int = 2
) -> Filter:
    """Filters; as `filter_specs`, parsed."""
    return Filter.parse(draw(_specs(tuple(dialects), vocabulary, max_depth)))


@lru_cache(maxsize=16)
def _specs(dialects: tuple[str, ...], vocabulary: Vocabulary, max_depth: int) -> st.SearchStrategy[_Spec]:
    readable = {"sql": vocabulary.attributes, "pattern": places(vocabulary)}
    known = [name for name in _READING if name in dialects and readable.get(name, vocabulary.fields)]
    reading = [_READING[name](vocabulary) for name in known]
    if not reading or not set(dialects) <= set(DIALECTS):
        raise InvalidFilter(
            f"expected some of {', '.join(DIALECTS)}, and one of the first {len(_READING)}, not {', '.join(dialects)}",
            where="dialects",
        )
    joining = [strategy for name, strategy in _JOINING.items() if name in dialects]
    if not joining:
        return st.one_of(reading)
    return grown(st.one_of(reading), lambda inner: st.one_of([joined(inner) for joined in joining]), max_depth)
