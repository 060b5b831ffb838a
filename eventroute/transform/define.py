"""`define`: variables, each a path into the incoming event or a constant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

import attrs

from eventroute.errors import InvalidPath, InvalidTransformer
from eventroute.jsontext import decode_json, encode_json, same_json
from eventroute.paths import Path
from eventroute.transform.limits import Limits

__all__ = ["Constant", "Variable", "is_path", "parse_define", "parse_path"]

_name = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}").fullmatch
_PATHS: Final = 1_000
is_path = re.compile(r"\$(?:[.\[]|\Z)").match


@attrs.frozen
class Constant:
    """A value that is the same for every event, kept as JSON text so that nobody can change it."""

    text: bytes

    @property
    def value(self) -> Any:
        """The value, a new one each time."""
        return decode_json(self.text)


Variable: TypeAlias = "Path | Constant"


@lru_cache(maxsize=_PATHS)
def parse_path(text: str) -> Path:
    """As `Path.parse`; many transformers read the same places, and share what that takes."""
    return Path.parse(text)


def parse_define(spec: object, limits: Limits) -> dict[str, Variable]:
    """The variables of a transformer: text that is `$` or starts with `$.` or `$[` is a path, all else a constant.

    Raises InvalidTransformer naming the variable.
    """
    if not isinstance(spec, Mapping):
        raise InvalidTransformer("it must be an object: variable name -> path or constant", where="define")
    if len(spec) > limits.variables:
        raise InvalidTransformer(
            f"it has {len(spec)} variables, more than variables={limits.variables}", where="define"
        )
    variables = {_checked_name(name): _variable(name, value) for name, value in spec.items()}
    size = sum(len(variable.text) for variable in variables.values() if isinstance(variable, Constant))
    if size > limits.constants:
        raise InvalidTransformer(
            f"its constants have {size} bytes, more than constants={limits.constants}", where="define"
        )
    return variables


def _checked_name(name: object) -> str:
    if isinstance(name, str) and _name(name):
        return name
    raise InvalidTransformer(
        "the name of a variable has letters a-z, A-Z, digits, `_` and `-`, at most 64, and starts with no digit or `-`",
        where=f"define.{ascii(name)[:80]}",
    )


def _variable(name: str, value: object) -> Variable:
    where = f"define.{name}"
    if isinstance(value, str) and is_path(value):
        try:
            return parse_path(value)
        except InvalidPath as error:
            raise InvalidTransformer(str(error), where=where) from error
    try:
        text = encode_json(value)
    except ValueError as error:
        raise InvalidTransformer(f"it is no JSON value: {error}", where=where) from None
    if not same_json(value, decode_json(text)):
        raise InvalidTransformer(
            "it is no JSON value: use strings, numbers, true, false, null, lists, objects", where=where
        )
    return Constant(text)
