"""Commands on dates: formats of letters as in `Y-m-d H:i:s`, and time zones by their names in the IANA database."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from math import floor
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from eventroute.timestamps import parse_timestamp
from eventroute.transform.casts import number, shown, text
from eventroute.transform.command import Argument, Command, Shape, Use

__all__ = ["COMMANDS", "DateFormat"]

_WRITTEN: Final[Mapping[str, Callable[[datetime], str]]] = {
    "Y": lambda moment: f"{moment.year:04}",
    "y": lambda moment: f"{moment.year % 100:02}",
    "m": lambda moment: f"{moment.month:02}",
    "d": lambda moment: f"{moment.day:02}",
    "H": lambda moment: f"{moment.hour:02}",
    "h": lambda moment: f"{moment.hour % 12 or 12:02}",
    "i": lambda moment: f"{moment.minute:02}",
    "s": lambda moment: f"{moment.second:02}",
}
_FIELDS: Final = {"Y": "year", "y": "year", "m": "month", "d": "day", "H": "hour", "i": "minute", "s": "second"}
_LONGEST_FORMAT: Final = 200
_CENTURY_FROM: Final = 69  # as POSIX has it: 69 is 1969, 68 is 2068
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_is_zone = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,3}").fullmatch


@attrs.frozen
class DateFormat:
    """A format: letters that stand for a part of the date, each with whether it is one, and other characters."""

    parts: tuple[tuple[str, bool], ...]

    @classmethod
    def parse(cls, value: Any) -> DateFormat:
        """The format that a text says; a backslash takes the next character as it is. Raises ValueError."""
        source = text(value)
        if len(source) > _LONGEST_FORMAT:
            raise ValueError(f"a date format has at most {_LONGEST_FORMAT} characters")
        parts: list[tuple[str, bool]] = []
        characters = iter(source)
        for character in characters:
            if character != "\\":
                parts.append((character, character in _WRITTEN))
                continue
            escaped = next(characters, None)
            if escaped is None:
                raise ValueError("it ends in a backslash: write two for one")
            parts.append((escaped, False))
        return cls(tuple(parts))

    def write(self, moment: datetime) -> str:
        """The moment in this format."""
        return "".join([_WRITTEN[part](moment) if is_letter else part for part, is_letter in self.parts])


@attrs.frozen
class _ReadableFormat(DateFormat):
    """A format that a date can be read in, too."""

    pattern: re.Pattern[str]

    def read(self, written: str) -> datetime:
        """The date that a text in this format says, without a zone. Raises ValueError."""
        found = self.pattern.fullmatch(written)
        if found is None:
            raise ValueError(f"{shown(written)} is not in the date format")
        fields = {_FIELDS[letter]: int(digits) for letter, digits in found.groupdict().items()}
        if "y" in found.groupdict():
            fields["year"] += 1900 if fields["year"] >= _CENTURY_FROM else 2000
        return datetime(**fields)  # type: ignore[arg-type]  # noqa: DTZ001  # the fields are whole; the zone comes next


def _digits(letter: str) -> str:
    return f"(?P<{letter}>[0-9]{{{4 if letter == 'Y' else 2}}})"


@lru_cache(maxsize=64)
def _format(source: str) -> DateFormat:
    return DateFormat.parse(source)


def _date_format(value: Any) -> DateFormat:
    return _format(text(value))


def _readable_format(value: Any) -> _ReadableFormat:
    return _readable(text(value))


@lru_cache(maxsize=64)
def _readable(source: str) -> _ReadableFormat:
    parts = DateFormat.parse(source).parts
    letters = [part for part, is_letter in parts if is_letter]
    if "h" in letters:
        raise ValueError("`h` does not tell morning from evening: use `H`")
    fields = [_FIELDS[letter] for letter in letters]
    if len(set(fields)) < len(fields) or not {"year", "month", "day"} <= set(fields):
        raise ValueError("a date can be read by a format with year, month and day (`Y-m-d`), and no part twice")
    pattern = "".join([_digits(part) if is_letter else re.escape(part) for part, is_letter in parts])
    return _ReadableFormat(parts, re.compile(pattern))


@lru_cache(maxsize=64)
def _zone_named(name: str) -> tzinfo:
    if not _is_zone(name) or len(name) > 64:
        raise ValueError(f"{shown(name)} is not the name of a time zone such as Europe/Paris")
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ValueError(f"{shown(name)} is unknown: use a name such as Europe/Paris") from None


def _zone(value: Any) -> tzinfo:
    return _zone_named(text(value))


def _timestamp(value: Any) -> datetime:
    return parse_timestamp(text(value))


def _moment(value: Any) -> datetime:
    seconds = number(value)
    try:
        return _EPOCH + timedelta(seconds=floor(seconds))
    except OverflowError:
        raise ValueError(f"{shown(value)} seconds lie outside of the years 1 to 9999") from None


def _formatted(moment: datetime, form: DateFormat, zone: tzinfo = UTC) -> str:
    return form.write(_in_zone(moment, zone))


def _in_zone(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:
        raise ValueError("in that time zone it lies outside of the years 1 to 9999") from None


_DEFAULT_FORMAT: Final = _readable("Y-m-d H:i:s")


def _convert_timezone(value: str, from_zone: tzinfo, to_zone: tzinfo, form: _ReadableFormat = _DEFAULT_FORMAT) -> str:
    return form.write(_in_zone(form.read(value).replace(tzinfo=from_zone), to_zone))


_FORMAT: Final = Argument("format", _date_format)
_ZONE: Final = Argument("time zone", _zone)
_Leaf: Final = partial(Command, trusted=True)

COMMANDS: Final[Mapping[str, Shape]] = {
    "date_format": _Leaf(_formatted, arguments=(Argument("target", _timestamp, Use.EDIT), _FORMAT, _ZONE), optional=1),
    "unix_time_format": _Leaf(
        _formatted, arguments=(Argument("target", _moment, Use.EDIT), _FORMAT, _ZONE), optional=1
    ),
    "convert_timezone": _Leaf(
        _convert_timezone,
        arguments=(
            Argument("target", text, Use.EDIT),
            Argument("time zone from", _zone),
            Argument("time zone to", _zone),
            Argument("format", _readable_format),
        ),
        optional=1,
    ),
}
