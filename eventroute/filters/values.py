"""How the value of a field is compared as text."""

from __future__ import annotations

from collections.abc import Sequence

from eventroute.canonical import canonical_text

__all__ = ["among", "ends", "equals", "starts", "texts"]


def texts(value: object) -> Sequence[str]:
    """The texts that a value is compared by: a scalar's one, those of all elements of an array of scalars, else none.

    Null has no text, also as an element. An array with an array or object in it is no array of scalars.
    """
    if not isinstance(value, list):
        text = canonical_text(value)
        return () if text is None else (text,)
    if any(isinstance(element, list | dict) for element in value):
        return ()
    return [text for element in value if (text := canonical_text(element)) is not None]


def equals(value: object, literal: str) -> bool:
    """Whether a text of the value is the literal."""
    return literal in texts(value)


def among(value: object, literals: frozenset[str]) -> bool:
    """Whether a text of the value is one of the literals."""
    return not literals.isdisjoint(texts(value))


def starts(value: object, literals: str | tuple[str, ...]) -> bool:
    """Whether a text of the value begins with the literal, or one of them."""
    return any(text.startswith(literals) for text in texts(value))


def ends(value: object, literals: str | tuple[str, ...]) -> bool:
    """Whether a text of the value ends with the literal, or one of them."""
    return any(text.endswith(literals) for text in texts(value))
