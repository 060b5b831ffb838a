"""Commands on text: case, prefixes, joins, parts. Positions count characters from 0, the end not included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from eventroute.paths import MISSING
from eventroute.transform.casts import any_value, found_or_missing, interval, non_empty_text, position, rendered, text
from eventroute.transform.command import Argument, Command, Shape, Use

__all__ = ["COMMANDS", "TOO_LONG", "joined"]

TOO_LONG: Final = "the text grows longer than the limit named work allows"

_first_of_words = partial(re.compile(r"(?<!\S)\S").sub, lambda found: found[0].upper())
_first = partial(re.compile(r"\S").sub, lambda found: found[0].upper(), count=1)


def _capitalize_word(value: str) -> str:
    return _first_of_words(value)


def _capitalize_sentence(value: str) -> str:
    return _first(value)


def _add_prefix(value: str, prefix: str) -> str:
    return prefix + value


def _add_suffix(value: str, suffix: str) -> str:
    return value + suffix


def _join(room: int, separator: str, *values: Any) -> str:
    return joined(room, separator, [text(scalar) for scalar in _flat(values)])


def _to_join(value: Any) -> Any:
    """A value whose every element will be looked at."""
    return any_value(value)


def joined(room: int, separator: str, texts: Sequence[str]) -> str:
    """Texts with a separator between them. Raises ValueError where that has more characters than `room`."""
    if sum(map(len, texts)) + len(separator) * (len(texts) - 1) > room:
        raise ValueError(TOO_LONG)
    return separator.join(texts)


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, list):
                waiting.append(iter(value))
                break
            yield value
        else:
            waiting.pop()


def _replace_string(room: int, value: str, old: str, new: str) -> str:
    if len(value) + value.count(old) * (len(new) - len(old)) > room:
        raise ValueError(TOO_LONG)
    return value.replace(old, new)


def _replace_between_positions(value: str, start: int, end: int, new: str) -> str:
    _check_range(value, start, end)
    return value[:start] + new + value[end:]


def _extract_between_positions(value: str, start: int, end: int) -> str:
    _check_range(value, start, end)
    return value[start:end]


def _check_range(value: str, start: int, end: int) -> None:
    _in_order(start, end)
    if end > len(value):
        raise ValueError(f"the end {end} lies past the text, which has {len(value)} characters")


def _in_order(start: int, end: int) -> None:
    if start > end:
        raise ValueError(f"the start {start} lies after the end {end}")


def _check_order(first: int, values: Sequence[Any]) -> None:
    start, end = values[first : first + 2]
    if start is not MISSING and end is not MISSING:
        _in_order(start, end)


def _between(value: str, start: str, end: str) -> tuple[int, int]:
    """Where the text between the first start and the first end after it begins and ends."""
    opened = value.find(start)
    if opened < 0:
        raise ValueError("the start delimiter is not in the text")
    opened += len(start)
    closed = value.find(end, opened)
    if closed < 0:
        raise ValueError("the end delimiter is not in the text after the start delimiter")
    return opened, closed


def _replace_between_delimiters(value: str, start: str, end: str, new: str) -> str:
    opened, closed = _between(value, start, end)
    return value[: opened - len(start)] + new + value[closed + len(end) :]


def _extract_between_delimiters(value: str, start: str, end: str) -> str:
    opened, closed = _between(value, start, end)
    return value[opened:closed]


def _split_with_delimiter(value: str, delimiter: str) -> list[str]:
    return value.split(delimiter)


def _split_from_start(value: str, place: int) -> list[str]:
    return [value[:place], value[place:]]


def _split_between_positions(value: str, start: int, end: int) -> list[str]:
    _in_order(start, end)
    return [value[:start], value[start:end], value[end:]]


def _split_with_intervals(value: str, start: int, size: int) -> list[str]:
    return [value[:start], *(value[at : at + size] for at in range(start, len(value), size))]


def _extract_missing(value: Any, if_true: Any, if_false: Any) -> Any:
    empty = value is MISSING or value is None or value in ("", [], {})
    return if_true if empty else if_false


def _check_custom_values(value: str, wanted: str, if_true: Any, if_false: Any) -> Any:
    return if_true if wanted in value else if_false


def _length(value: Any) -> int:
    if value is None:
        raise ValueError("null has no length")
    return len(value if isinstance(value, str | list | dict) else rendered(value))


_EDITED: Final = Argument("target", text, Use.EDIT)
_SOURCE: Final = Argument("source", text, Use.SOURCE)
_TARGET: Final = Argument("target", use=Use.TARGET)
_NEW: Final = Argument("target", use=Use.NEW)
_POSITIONS: Final = (Argument("start", position), Argument("end", position))
_DELIMITERS: Final = (Argument("start delimiter", non_empty_text), Argument("end delimiter", non_empty_text))
_CHOICES: Final = (Argument("value if true"), Argument("value if false"))
_REPLACEMENT: Final = Argument("new text", text)
_Leaf: Final = partial(Command, trusted=True)

_EXTRACT_MISSING: Final = _Leaf(
    _extract_missing, arguments=(Argument("source", found_or_missing, Use.SOURCE), _TARGET, *_CHOICES)
)
_SPLIT_WITH_INTERVALS: Final = _Leaf(
    _split_with_intervals, arguments=(_SOURCE, Argument("start", position), Argument("interval", interval), _NEW)
)

COMMANDS: Final[Mapping[str, Shape]] = {
    "upper_case": _Leaf(str.upper, arguments=(_EDITED,)),
    "lower_case": _Leaf(str.lower, arguments=(_EDITED,)),
    "capitalize_sentence": _Leaf(_capitalize_sentence, arguments=(_EDITED,)),
    "capitalize_word": _Leaf(_capitalize_word, arguments=(_EDITED,)),
    "add_prefix": _Leaf(_add_prefix, arguments=(_EDITED, Argument("prefix", text))),
    "add_suffix": _Leaf(_add_suffix, arguments=(_EDITED, Argument("suffix", text))),
    "join": _Leaf(
        _join,
        arguments=(_TARGET, Argument("separator", text), Argument("value", _to_join)),
        rest=(Argument("value", _to_join),),
        grows=True,
    ),
    "replace_string": _Leaf(
        _replace_string, arguments=(_EDITED, Argument("old text", non_empty_text), _REPLACEMENT), grows=True
    ),
    "replace_between_positions": _Leaf(
        _replace_between_positions, arguments=(_EDITED, *_POSITIONS, _REPLACEMENT), check=partial(_check_order, 1)
    ),
    "replace_between_delimiters": _Leaf(_replace_between_delimiters, arguments=(_EDITED, *_DELIMITERS, _REPLACEMENT)),
    "split_with_delimiter": _Leaf(
        _split_with_delimiter, arguments=(_SOURCE, Argument("delimiter", non_empty_text), _NEW)
    ),
    "split_from_start": _Leaf(_split_from_start, arguments=(_SOURCE, Argument("position", position), _NEW)),
    "split_between_positions": _Leaf(
        _split_between_positions, arguments=(_SOURCE, *_POSITIONS, _NEW), check=partial(_check_order, 1)
    ),
    "split_with_intervals": _SPLIT_WITH_INTERVALS,
    "split_with_interval": _SPLIT_WITH_INTERVALS,
    "extract_between_positions": _Leaf(
        _extract_between_positions, arguments=(_SOURCE, _TARGET, *_POSITIONS), check=partial(_check_order, 2)
    ),
    "extract_between_delimiters": _Leaf(_extract_between_delimiters, arguments=(_SOURCE, _TARGET, *_DELIMITERS)),
    "extract_missing": _EXTRACT_MISSING,
    "extract_missing_action": _EXTRACT_MISSING,
    "check_custom_values": _Leaf(_check_custom_values, arguments=(_SOURCE, Argument("text", text), _TARGET, *_CHOICES)),
    "length": _Leaf(_length, arguments=(_TARGET, Argument("value"))),
}
