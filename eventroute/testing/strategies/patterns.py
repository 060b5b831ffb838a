"""Event patterns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

from eventroute.jsontext import decode_json
from eventroute.paths import Field
from eventroute.testing.strategies.vocabulary import PLAIN, Vocabulary

__all__ = ["event_patterns", "places"]

_COMPARISONS: Final = ("=", "<", "<=", ">", ">=")


@st.composite
def event_patterns(draw: st.DrawFn, vocabulary: Vocabulary = PLAIN) -> dict[str, Any]:
    """What stands under `pattern`: event patterns of one to three of the fields that are attributes or names in data.

    Shrinks to one literal. Raises ValueError where the vocabulary has no such field.
    """
    known = places(vocabulary)
    if not known:
        raise ValueError("a pattern reads attributes and names in data, and the vocabulary has neither")
    tests = st.lists(_tests(vocabulary), min_size=1, max_size=2)
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
    if len(chosen) > 1 and draw(st.booleans()):
        return {"$or": [_nested(path, draw(tests)) for path in chosen]}
    pattern: dict[str, Any] = {}
    for path in chosen:
        _put(pattern, path, draw(tests))
    return pattern


def places(vocabulary: Vocabulary) -> list[Sequence[str]]:
    """The fields that patterns can read, by the names that lead to them."""
    return [path for path in map(_path, vocabulary.fields) if path is not None]


def _path(name: str) -> Sequence[str] | None:
    field = Field.parse(name)
    if field.attribute is not None:
        return (field.attribute,)
    names = tuple(step for step in field.segments if isinstance(step, str))
    return ("data", *names) if names and len(names) == len(field.segments) else None


def _nested(path: Sequence[str], tests: list[Any]) -> dict[str, Any]:
    pattern: dict[str, Any] = {}
    _put(pattern, path, tests)
    return pattern


def _put(pattern: dict[str, Any], path: Sequence[str], tests: list[Any]) -> None:
    """Let the pattern say this too, unless it says something of a part of the path, or below it."""
    *way, last = path
    inner: Any = pattern
    for name in way:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            return
    inner.setdefault(last, tests)


def _tests(vocabulary: Vocabulary) -> st.SearchStrategy[Any]:
    texts, filled = st.sampled_from(vocabulary.texts), st.sampled_from([*filter(None, vocabulary.texts)])
    numbers = st.sampled_from([decode_json(number.encode()) for number in vocabulary.numbers])
    wildcards = st.sampled_from([_wildcard(pattern) for pattern in vocabulary.patterns])
    folded = texts.map(lambda text: {"equals-ignore-case": text})
    return st.one_of(
        texts,
        numbers,
        st.sampled_from((True, False, None)),
        filled.map(lambda text: {"prefix": text}),
        filled.map(lambda text: {"suffix": text}),
        folded,
        st.builds(lambda sign, number: {"numeric": [sign, number]}, st.sampled_from(_COMPARISONS), numbers),
        wildcards.map(lambda pattern: {"wildcard": pattern}),
        st.one_of(texts, numbers, folded).map(lambda of: {"anything-but": of}),
        st.booleans().map(lambda wanted: {"exists": wanted}),
    )


def _wildcard(pattern: str) -> str:
    """A pattern of LIKE, as near as a wildcard comes to it."""
    escaped = pattern.replace("\\", "\\\\").replace("*", "\\*").replace("%", "*")
    while "**" in escaped:
        escaped = escaped.replace("**", "*")
    return escaped
