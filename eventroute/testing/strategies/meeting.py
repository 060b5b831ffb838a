"""Events that filters meet, or just miss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.syntax import Quantifier
from eventroute.paths import MISSING, Field
from eventroute.testing.strategies.aims import Aim, Array, Joint, Leaf, Odd, Opposite, aim_of
from eventroute.testing.strategies.events import events
from eventroute.testing.strategies.laying import laid, placed

__all__ = ["events_for"]

_MOST_DRAWS: Final = 200  # of values for one event; clauses beyond are not aimed at
_MOST_ELEMENTS: Final = 2  # that an array has beside the one which decides


def events_for(*filters: Filter, base: st.SearchStrategy[Event] | None = None) -> st.SearchStrategy[Event]:
    """Events that match these filters, and such as just do not: each verdict, and each of two filters', is common.

    For each filter a verdict is drawn, and the fields that the filter reads get values with which its clauses say so:
    its own literals, values right beside them, values of other types, nulls, or nothing at all. Now and then a field
    gets another of these values. A filter that nothing, or everything, matches has one verdict all the same, and so
    may clauses that contradict each other; of a dialect that is a function nothing is known.

    The events are those of `base` (the simplest event, or any valid one) with these values put in. Shrinks to the
    simplest event with as few and as simple values as will do.
    """
    aims = tuple(aim_of(one.syntax) for one in filters)
    leaves = [leaf for aim in aims for leaf in _leaves(aim) if leaf.fields]
    return _events_for(aims, leaves, st.just(_SIMPLEST) | events() if base is None else base)


_SIMPLEST: Final = Event({"specversion": "1.0", "id": "1", "source": "/", "type": "t"})


@st.composite
def _events_for(draw: st.DrawFn, aims: Sequence[Aim], leaves: Sequence[Leaf], base: st.SearchStrategy[Event]) -> Event:
    event = draw(base)
    marksman = _Marksman(draw)
    for aim in draw(st.permutations(aims)):
        marksman.aim(aim, draw(st.sampled_from((False, True, True))))
    spoilt = draw(st.integers(0, 3)) == 3
    if leaves and spoilt:
        leaf: Leaf = draw(st.sampled_from(leaves))
        marksman.wishes[draw(st.sampled_from(leaf.fields))] = draw(st.sampled_from(leaf.values))
    wishes = {field: value for field, value in marksman.wishes.items() if not _in_hand(field)}
    try:
        return laid(event, wishes)
    except InvalidEvent:  # data that JSON cannot say
        return event


def _in_hand(field: Field) -> bool:
    """Whether it is in an element that nobody made."""
    return bool(field.segments) and str(field.segments[0]).startswith("\x00")


def _leaves(aim: Aim) -> list[Leaf]:
    waiting, found = [aim], list[Leaf]()
    while waiting:
        match waiting.pop():
            case Leaf() as leaf:
                found.append(leaf)
            case Joint(_, operands) | Odd(operands):
                waiting.extend(reversed(operands))
            case Opposite(operand) | Array(condition=operand):
                waiting.append(operand)
    return found


class _Marksman:
    """Finds values of fields with which a filter gives a verdict."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.wishes: dict[Field, Any] = {}
        self._draw = draw
        self._draws = 0

    def _number(self, most: int) -> int:
        """A number from 0 to `most`."""
        self._draws += 1
        return self._draw(st.integers(0, most)) if most else 0

    def aim(self, aim: Aim, verdict: bool) -> None:
        match aim:
            case Leaf():
                self._hit(aim, verdict)
            case Opposite(operand):
                self.aim(operand, not verdict)
            case Joint(each, operands):
                odd = None if verdict is each or not operands else self._number(len(operands) - 1)
                self._joint(operands, each, odd)
            case Odd(operands):
                self._joint(operands, False, self._number(len(operands) - 1) if verdict else None)
            case Array():
                self._array(aim, verdict)

    def _joint(self, operands: Sequence[Aim], verdict: bool, odd: int | None) -> None:
        """All operands get one verdict, but one of them; that last, so that no other undoes it."""
        for place, operand in enumerate(operands):
            if self._draws > _MOST_DRAWS:
                return
            if place != odd:
                self.aim(operand, verdict)
        if odd is not None:
            self.aim(operands[odd], not verdict)

    def _hit(self, leaf: Leaf, verdict: bool) -> None:
        known = [field for field in leaf.fields if field in self.wishes]
        if known and leaf.says(self.wishes) is verdict:
            return
        choices = leaf.hits if verdict else leaf.misses
        if choices:
            for field, value in choices[self._number(len(choices) - 1)].items():
                self.wishes.pop(field, None)  # the latest stands last
                self.wishes[field] = value

    def _array(self, array: Array, verdict: bool) -> None:
        common = array.quantifier is Quantifier.ALL
        with_odd = verdict is (array.quantifier is Quantifier.ANY)
        elements = [self._element(array, common) for _ in range(self._number(_MOST_ELEMENTS))]
        if with_odd:
            elements.append(self._element(array, not common))
        self.wishes.pop(array.field, None)
        self.wishes[array.field] = elements

    def _element(self, array: Array, verdict: bool) -> Any:
        around = self.wishes
        self.wishes = {field: value for field, value in around.items() if field.segments[:1] != (array.name,)}
        self.aim(array.condition, verdict)
        element: Any = MISSING
        for field, value in self.wishes.items():
            if field.segments[:1] == (array.name,):
                element = placed(element, field.segments[1:], value)
            else:
                around[field] = value
        self.wishes = around
        return {} if element is MISSING else element
