"""What the forms of both text languages share: JSON values that stand for syntax trees (see `stored`)."""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeVar

__all__ = ["BadForm", "array", "flag", "named", "word"]

E = TypeVar("E", bound=Enum)


class BadForm(ValueError):
    """Something is no form of a syntax tree."""


def named(kind: type[E]) -> dict[str, E]:
    """The members of an enumeration by the texts that stand for them."""
    return {member.value: member for member in kind}


def flag(value: object) -> bool:
    """A boolean."""
    if value is not True and value is not False:
        raise BadForm(f"{value!r:.80} is no boolean")
    return value


def word(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise BadForm(f"{value!r:.80} is no text")
    return value


def array(value: object) -> list[Any]:
    """An array that is not empty."""
    if not isinstance(value, list) or not value:
        raise BadForm(f"{value!r:.80} is no array with something in it")
    return value
