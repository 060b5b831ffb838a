"""replace_with_regex: regular expressions by RE2, which never backtracks, so that no pattern can hang a router."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from eventroute.paths import MISSING
from eventroute.transform.casts import text
from eventroute.transform.command import Argument, Edit, Run, Shape, Use
from eventroute.transform.commands.text import TOO_LONG
from eventroute.transform.draft import Draft, Tree

__all__ = ["COMMANDS", "MAX_PATTERN", "MAX_REFERENCES", "STEPS_PER_CHARACTER"]

MAX_PATTERN: Final = 1_000
"""The longest pattern, in characters."""

MAX_REFERENCES: Final = 100
"""How many groups the new text may name."""

STEPS_PER_CHARACTER: Final = 8
"""How many steps of a search count as one character of the limit named work.

RE2 takes at most as many steps as the text has characters, times the size of the pattern's program; but each match is
followed by another search, so a text may be looked at as often as it matches.
"""

_MEMORY: Final = 1 << 20  # bytes that RE2 may use for one pattern
_reference = re.compile(r"\$(?:(?P<number>[0-9]{1,3})|\{(?P<name>[A-Za-z0-9_]+)\}|(?P<dollar>\$)|(?P<bad>))")


@attrs.frozen
class _Pattern:
    """A compiled pattern, the number of instructions of its program, and its groups by name and number."""

    compiled: Any
    size: int
    groups: Mapping[str, int]


def _pattern(value: Any) -> _Pattern:
    source = text(value)
    if len(source) > MAX_PATTERN:
        raise ValueError(f"a pattern has at most {MAX_PATTERN} characters")
    try:
        import re2  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra: only this command needs it
    except ImportError:
        raise ValueError("regular expressions need google-re2: pip install 'eventroute[re2]'") from None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        compiled = re2.compile(source, options)
    except (re2.error, UnicodeEncodeError) as error:
        detail = error.args[0] if error.args else ""
        shown = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else "it is not Unicode text"
        raise ValueError(f"RE2 does not take it: {shown}") from None
    groups = {str(number): number for number in range(compiled.groups + 1)} | compiled.groupindex
    return _Pattern(compiled, compiled.programsize, groups)


_Pieces = tuple[tuple[str, int], ...]
"""A replacement: texts, each with the group that follows it, or -1 after the last."""


def _pieces(new: str, groups: Mapping[str, int]) -> _Pieces:
    pieces: list[tuple[str, int]] = []
    before, start = "", 0
    for found in _reference.finditer(new):
        before += new[start : found.start()]
        start = found.end()
        if found["bad"] is not None:
            raise ValueError(f"the dollar at position {found.start()} names no group: write `$$` for a dollar")
        if found["dollar"]:
            before += "$"
            continue
        name = found["name"] or str(int(found["number"]))
        if name not in groups:
            raise ValueError(f"the pattern has no group {name!r}: it has {', '.join(groups)}")
        if len(pieces) == MAX_REFERENCES:
            raise ValueError(f"the new text names at most {MAX_REFERENCES} groups")
        pieces.append((before, groups[name]))
        before = ""
    return (*pieces, (before + new[start:], -1))


def _replace_with_regex(bound: Sequence[Any]) -> Run:
    place, pattern, new = bound

    def replace(draft: Draft, here: Tree) -> None:
        try:
            value = text(place.get(draft, here))
        except ValueError as error:
            raise ValueError(f"the target {place}: {error}") from None
        draft.spend(len(value))
        made = _replaced(draft, value, pattern(draft, here), new(draft, here))
        draft.spend(len(made))
        place.put(draft, here, made)

    return replace


def _replaced(draft: Draft, value: str, pattern: _Pattern, new: str) -> str:
    """The text with every match replaced. Raises ValueError where that is too much work or too long."""
    pieces = _pieces(new, pattern.groups)
    result: list[str] = []
    end, length = 0, len(value)
    try:
        for found in pattern.compiled.finditer(value):
            draft.spend((len(value) - end) * pattern.size // STEPS_PER_CHARACTER)
            result.append(value[end : found.start()])
            end = found.end()
            length += sum(_size(found, *piece) for piece in pieces) - (end - found.start())
            if length > draft.room:
                raise ValueError(TOO_LONG)
            result += [part for before, group in pieces for part in (before, found[group] or "" if group >= 0 else "")]
    except UnicodeError:
        raise ValueError("the text or a match of the pattern is not Unicode text") from None
    return "".join([*result, value[end:]])


def _size(found: Any, before: str, group: int) -> int:
    return len(before) + (found.end(group) - found.start(group) if group >= 0 else 0)


def _check_groups(values: Sequence[Any]) -> None:
    _, pattern, new = values
    if new is not MISSING:
        _pieces(new, pattern.groups)


COMMANDS: Final[Mapping[str, Shape]] = {
    "replace_with_regex": Edit(
        bind=_replace_with_regex,
        arguments=(
            Argument("target", use=Use.EDIT),
            Argument("pattern", _pattern, Use.CONSTANT),
            Argument("new text", text),
        ),
        check=_check_groups,
    )
}
