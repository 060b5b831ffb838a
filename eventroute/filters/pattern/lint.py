"""What is odd about an event pattern, though it is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from eventroute.filters.expr.lint import known
from eventroute.filters.expr.places import CORE
from eventroute.filters.oddity import Oddity
from eventroute.filters.pattern.evaluation import passes
from eventroute.filters.pattern.parser import CHOICE
from eventroute.filters.pattern.printing import at, pattern_text
from eventroute.filters.pattern.tree import (
    DATA,
    Affix,
    AnythingBut,
    Equal,
    Exists,
    Leaf,
    Numeric,
    Object,
    Path,
    Test,
    Wildcard,
    can_miss,
)
from eventroute.paths import Field

__all__ = ["lint"]

_REQUIRED: Final = frozenset({"specversion", "id", "source", "type"})
_ABSENT: Final = Leaf((Exists(False),))


def lint(tree: Object) -> Iterator[Oddity]:
    """Parts that never match, and those that may not mean what they seem to."""
    waiting: list[tuple[Path, Object | Leaf]] = [((), tree)]
    while waiting:
        path, one = waiting.pop()
        if isinstance(one, Leaf):
            yield from (Oddity(pattern_text(at(path, one)), reason) for reason in _leaf(path, one))
            continue
        for name, reason in _together(one):
            yield Oddity(_name((*path, name)), reason)
        waiting.extend((path, choice) for choice in reversed(one.choices))
        waiting.extend(((*path, name), below) for name, below in reversed(one.members))


def _name(path: Path) -> str:
    return str(Field(None, path[1:]) if path[0] == DATA else Field(path[0]))


def _leaf(path: Path, leaf: Leaf) -> Iterator[str]:
    if path[0] != DATA:
        yield from known(Field(path[0]))
        yield from _attribute(path[0], leaf)
    for test in leaf.tests:
        yield from _test(test)
    yield from _beside(leaf)


def _attribute(name: str, leaf: Leaf) -> Iterator[str]:
    """An attribute is a text, a number or a boolean; those of CloudEvents are texts, and some are always there."""
    for test in leaf.tests:
        if test == Equal(None):
            yield f"{name} is an attribute, and never null: write {{'exists': false}}"
        elif isinstance(test, Exists) and name in _REQUIRED:
            yield f"each event has {name}"
        elif name in CORE and _is_no_text(test):
            yield f"{name} is a text, and never {_said(test)}"


def _is_no_text(test: Test) -> bool:
    return isinstance(test, Numeric) or (isinstance(test, Equal) and not isinstance(test.value, str))


def _said(test: Test) -> str:
    return pattern_text(Leaf((test,)))[1:-1]


def _test(test: Test) -> Iterator[str]:
    match test:
        case Numeric(low, high) if low is not None and high is not None:
            if low.number > high.number or (low.number == high.number and not (low.included and high.included)):
                yield f"it never matches: no number is in {_said(test)}"
        case Wildcard("*"):
            yield "each text fits: write {'prefix': ''} for any text, {'exists': true} for any value"
        case Wildcard(text) if "*" not in text.replace("\\*", ""):
            yield "the pattern has no * that is not escaped: write the text by itself"
        case Affix(_, "") as affix:
            yield f"each text has the empty {affix.edge.value}: it holds for any text"
        case Equal(str() as text) | Affix(_, text) if "*" in text:
            yield "* is a character like others here: write {'wildcard': ...} where it stands for any text"


def _beside(leaf: Leaf) -> Iterator[str]:
    """What is odd about tests of which one must hold."""
    tests = leaf.tests
    if len(set(tests)) < len(tests):
        yield "it says the same twice"
    if Exists(True) in tests and len(tests) > 1:
        others = Leaf(tuple(test for test in tests if test != Exists(True)))
        yield "it always matches" if Exists(False) in tests else f"exists says it all: {_all(others)} adds nothing"
    excluded = [test for test in tests if isinstance(test, AnythingBut)]
    if _holds_for_each(excluded, tests):
        yield (
            "it holds for each value, as one differs from this or from that: write one anything-but with a list"
            if len(excluded) > 1
            else "it holds for each value: what anything-but leaves out stands beside it"
        )


def _all(leaf: Leaf) -> str:
    return ", ".join(_said(test) for test in leaf.tests)


def _holds_for_each(excluded: list[AnythingBut], tests: tuple[Test, ...]) -> bool:
    """Whether each value that one `anything-but` of texts or numbers leaves out passes another test."""
    for one in excluded:
        others: list[Any] = [test for test in tests if test is not one]
        values = [test.value for test in one.tests if isinstance(test, Equal)]
        if len(values) == len(one.tests) and all(any(passes(test, value) for test in others) for value in values):
            return True
    return False


def _together(one: Object) -> Iterator[tuple[str, str]]:
    """What is odd about an object's choices beside its members, by the name of the member."""
    members = dict(one.members)
    for name in dict.fromkeys(name for choice in one.choices for name, _ in choice.members if name in members):
        below = [dict(choice.members)[name] for choice in one.choices if name in dict(choice.members)]
        if members[name] == _ABSENT and not any(map(can_miss, below)):
            yield name, f"that it does not exist stands beside {CHOICE}, so what {CHOICE} says of it never matches"
        elif isinstance(members[name], Object):
            reason = f"it stands in {CHOICE} and beside it: where it is an array, two elements may hold, one for each"
            yield name, f"{reason}; put all of it into {CHOICE} where one element must"
