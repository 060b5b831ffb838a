"""The functions of CESQL (section 3.5): the built-in ones, and those that an application brings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from attrs import Factory, field, frozen

from eventroute.errors import InvalidFilter
from eventroute.filters.cesql.casts import LARGEST, SMALLEST, Type, Value, boolean, integer, shown, string, type_of
from eventroute.filters.cesql.errors import ErrorKind, FunctionFailure

__all__ = ["BUILT_IN", "Function", "Functions"]

_name = re.compile(r"[A-Za-z][A-Za-z_]*").fullmatch


def _upper(name: str) -> str:
    return name.upper()


@frozen
class Function:
    """A function by its name (letters and `_`, in any case), the types of its parameters and of its result.

    Arguments are cast to the parameters' types, where None means any; `rest` is the type of any number of further
    arguments. `apply` gets the arguments and returns the value. It depends on nothing but its arguments, and says that
    it has no value by raising FunctionFailure. A value of another type than `result` is an error too. What else it
    raises reaches whoever evaluates.
    """

    name: str = field(converter=_upper)
    parameters: tuple[Type | None, ...]
    result: Type
    apply: Callable[..., Value]
    rest: Type | None = None

    def __attrs_post_init__(self) -> None:
        if not _name(self.name):
            raise InvalidFilter(f"{self.name!r} is no function name, which has letters and '_' only", where="functions")

    @property
    def arity(self) -> int:
        """The number of arguments; the least one if there may be more."""
        return len(self.parameters)

    def parameter(self, place: int) -> Type | None:
        """The type of the argument at a place."""
        return self.parameters[place] if place < len(self.parameters) else self.rest

    def call(self, arguments: Iterable[Value]) -> Value:
        """The value for arguments of the right types. Raises FunctionFailure with one of the right type."""
        try:
            value = self.apply(*arguments)
        except FunctionFailure as failure:
            if failure.value is None or not self._returns(failure.value):
                raise FunctionFailure(failure.reason, self.result.zero, kind=failure.kind) from None
            raise
        if not self._returns(value):
            raise FunctionFailure(
                f"{self.name} returned a {type(value).__name__} that is no {self.result.value}", self.result.zero
            )
        return value

    def _returns(self, value: Any) -> bool:
        if type(value) is int and not SMALLEST <= value <= LARGEST:
            return False
        return type(value) in (bool, int, str) and type_of(value) is self.result

    def __str__(self) -> str:
        names = [_words(parameter) for parameter in self.parameters]
        names += [f"{self.rest.value}..."] if self.rest else []
        return f"{self.name}({', '.join(names)}) -> {self.result.value}"


def _words(parameter: Type | None) -> str:
    return "Any" if parameter is None else parameter.value


@frozen
class Functions:
    """The functions that an expression may call. Functions of one name differ in how many arguments they take.

    Raises InvalidFilter where two of them cannot be told apart (section 3.5).
    """

    added: tuple[Function, ...] = ()
    _by_name: dict[str, list[Function]] = field(init=False, eq=False, repr=False, default=Factory(dict))

    def __attrs_post_init__(self) -> None:
        for function in (*_FUNCTIONS, *self.added):
            self._by_name.setdefault(function.name, []).append(function)
        for namesakes in self._by_name.values():
            _tell_apart(namesakes)

    @property
    def names(self) -> Iterable[str]:
        """The names of all functions."""
        return self._by_name.keys()

    def named(self, name: str) -> list[Function]:
        """All functions of a name."""
        return self._by_name.get(name, [])

    def find(self, name: str, arity: int) -> Function | None:
        """The function that so many arguments are for, or None."""
        for function in self.named(name):
            if arity == function.arity or (function.rest and arity > function.arity):
                return function
        return None


def _tell_apart(namesakes: list[Function]) -> None:
    arities = [function.arity for function in namesakes]
    open_ended = [function for function in namesakes if function.rest]
    first = namesakes[0]
    if len(set(arities)) < len(arities):
        raise InvalidFilter(f"there are two functions {first.name} with as many arguments", where="functions")
    if len(open_ended) > 1 or (open_ended and open_ended[0].arity < max(arities)):
        raise InvalidFilter(
            f"a function {first.name} with any number of arguments must ask for more of them than the others do",
            where="functions",
        )


# -- built-in functions

# White_Space of Unicode; str.strip would take U+001C to U+001F too.
_WHITE_SPACE: Final = "".join(
    (*map(chr, range(9, 14)), " \x85\xa0\u1680", *map(chr, range(0x2000, 0x200B)), "\u2028\u2029\u202f\u205f\u3000")
)


def _left(text: str, size: int) -> str:
    if size < 0:
        raise FunctionFailure(f"LEFT cannot take {size} characters", text)
    return text[:size]


def _right(text: str, size: int) -> str:
    if size < 0:
        raise FunctionFailure(f"RIGHT cannot take {size} characters", text)
    return text[max(len(text) - size, 0) :]


def _substring(text: str, position: int, size: int = LARGEST) -> str:
    if size < 0:
        raise FunctionFailure(f"SUBSTRING cannot take {size} characters", "")
    if abs(position) > len(text):
        raise FunctionFailure(f"position {position} is not in a text of {len(text)} characters", "")
    if position == 0:
        return ""
    start = position - 1 if position > 0 else len(text) + position
    return text[start : start + size]


def _absolute(number: int) -> int:
    if number == SMALLEST:
        raise FunctionFailure(f"ABS({SMALLEST}) has more than 32 bits", LARGEST, kind=ErrorKind.MATH)
    return abs(number)


def _int(value: Value) -> int:
    number = integer(value)
    if number is None:
        raise FunctionFailure(f"{shown(value)} is no Integer", 0, kind=ErrorKind.CAST)
    return number


def _bool(value: Value) -> bool:
    truth = boolean(value)
    if truth is None:
        raise FunctionFailure(f"{shown(value)} is no Boolean", False, kind=ErrorKind.CAST)
    return truth


_B, _I, _S = Type.BOOLEAN, Type.INTEGER, Type.STRING
_FUNCTIONS: Final = (
    Function("INT", (None,), _I, _int),
    Function("BOOL", (None,), _B, _bool),
    Function("STRING", (None,), _S, string),
    Function("LENGTH", (_S,), _I, len),
    Function("CONCAT", (), _S, lambda *texts: "".join(texts), rest=_S),
    Function("CONCAT_WS", (_S,), _S, lambda separator, *texts: separator.join(texts), rest=_S),
    Function("LOWER", (_S,), _S, str.lower),
    Function("UPPER", (_S,), _S, str.upper),
    Function("TRIM", (_S,), _S, lambda text: text.strip(_WHITE_SPACE)),
    Function("LEFT", (_S, _I), _S, _left),
    Function("RIGHT", (_S, _I), _S, _right),
    Function("SUBSTRING", (_S, _I), _S, _substring),
    Function("SUBSTRING", (_S, _I, _I), _S, _substring),
    Function("ABS", (_I,), _I, _absolute),
)

BUILT_IN: Final = Functions()
"""The built-in functions alone."""
