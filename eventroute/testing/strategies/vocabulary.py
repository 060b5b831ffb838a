"""The words that filters are made of."""

from __future__ import annotations

from typing import Any, Final

from attrs import Attribute, field, fields, frozen, validators

from eventroute.paths import Field

__all__ = ["PLAIN", "Vocabulary"]

_texts: Final[tuple[Any, ...]] = (
    validators.min_len(1),
    validators.deep_iterable(validators.instance_of(str), validators.instance_of(tuple)),
)


def _fields(_: object, __: Attribute[Any], names: tuple[str, ...]) -> None:
    for name in names:
        Field.parse(name)


@frozen(repr=False)
class Vocabulary:
    """What filters that are drawn may read, and what they compare it with; none of it may be empty.

    Simple words stand first, as shrinking prefers them. Give it the fields and literals of your own events, and what is
    drawn looks like your rules. Raises InvalidPath for a field that is none.
    """

    fields: tuple[str, ...] = field(
        default=("type", "source", "subject", "time", "data.a", "data.b", "data.a.b", "data.l[0].n", "data['odd key']"),
        validator=[*_texts, _fields],
    )
    """Attributes and paths, `data` itself too; `sql` takes the attributes."""

    arrays: tuple[str, ...] = field(default=("data.l", "data.b"), validator=[*_texts, _fields])
    """Paths of arrays that quantifiers of `expr` range over."""

    elements: tuple[str, ...] = field(default=(".n", "", ".m", "[0]"), validator=_texts)
    """What is read of such an array's elements: the rest of a path, or nothing for the element itself."""

    inner: tuple[str, ...] = field(default=(".m",), validator=_texts)
    """Paths to arrays within such elements."""

    texts: tuple[str, ...] = field(
        default=("a", "b", "ab", "abc", "t", "5", "1.5", "true", "it's", "100%", "a_c", "é", "2020-01-01T00:00:00Z"),
        validator=_texts,
    )
    """Texts; `exact` and the like take those that are not empty."""

    numbers: tuple[str, ...] = field(
        default=("0", "1", "5", "10", "-7", "1.5", "0.1", "1e2", "12345678901234567890123"), validator=_texts
    )
    """Numbers as they are written; `sql` takes whole ones of 32 bits."""

    patterns: tuple[str, ...] = field(
        default=("a%", "%b", "%", "%b%", "a_c", "_", "", "a%c", "100\\%", "%a%b%"), validator=_texts
    )
    """Patterns of LIKE."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The fields that are attributes."""
        return tuple(name for name in self.fields if Field.parse(name).attribute is not None)

    @property
    def integers(self) -> tuple[int, ...]:
        """The numbers that are written as whole ones and have 32 bits at most."""
        whole = [int(number) for number in self.numbers if number.removeprefix("-").isdecimal()]
        return tuple(number for number in whole if -(2**31) <= number < 2**31)

    def __repr__(self) -> str:
        """What is not as usual."""
        own = [(one.name, getattr(self, one.name)) for one in fields(Vocabulary)]
        told = [f"{name}={words!r}" for name, words in own if words != getattr(PLAIN, name)]
        return f"Vocabulary({', '.join(told)})"


PLAIN: Final = Vocabulary()
"""Short words that meet often."""
