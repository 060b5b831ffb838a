"""What a command is: its arguments, each with what it is used for and cast to, and the function that it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
from attrs.validators import deep_iterable, ge, instance_of, is_callable

from eventroute.transform.casts import any_value

if TYPE_CHECKING:
    from eventroute.transform.draft import Draft, Tree

__all__ = ["Argument", "Cast", "Command", "Edit", "Read", "Run", "Shape", "Use"]

Cast: TypeAlias = Callable[[Any], Any]
Read: TypeAlias = "Callable[[Draft, Tree], Any]"
"""Gives an argument's value in a draft; the tree is the current element, or the draft where there is none."""

Run: TypeAlias = "Callable[[Draft, Tree], None]"
"""Runs a command on a draft. Raises ValueError."""


class Use(Enum):
    """What a command does with an argument."""

    VALUE = "value"
    """Reads it: a path, a variable or a constant."""
    SOURCE = "source"
    """Reads it: a path or a variable, not a constant."""
    CONSTANT = "constant"
    """Knows it when the transformer is made: a constant, or a variable that is one."""
    TARGET = "target"
    """Writes to this path, whether something is there or not."""
    NEW = "new"
    """Writes to this path, where nothing may be yet."""
    EXISTING = "existing"
    """Writes to this path, where something must be."""
    EDIT = "edit"
    """Reads this path, and writes the result to it."""
    REMOVED = "removed"
    """Takes away what is at this path."""
    COMMAND = "command"
    """A command, as a list, that runs for each element of an array."""


@attrs.frozen
class Argument:
    """One argument of a command.

    `name` is what errors call it. `cast` turns a value that was read into what the function wants, and raises
    ValueError for one that cannot be: `casts.text`, `casts.number` and so on, or your own.
    """

    name: str = attrs.field(validator=instance_of(str))
    cast: Cast = attrs.field(default=any_value, validator=is_callable())
    use: Use = attrs.field(default=Use.VALUE, validator=instance_of(Use))

    @property
    def writes(self) -> bool:
        """Whether it is a path that the command changes."""
        return self.use not in _READ and self.use is not Use.COMMAND


_READ = frozenset({Use.VALUE, Use.SOURCE, Use.CONSTANT})


_are_arguments = deep_iterable(instance_of(Argument), instance_of(tuple))


@attrs.frozen(eq=False)
class Shape:
    """What all commands declare: their arguments, of which the last `optional` may be left out.

    `rest` are arguments that may follow, together, any number of times. `check` looks at all values together when the
    transformer is made, with MISSING for what only an event will tell, and raises ValueError.
    """

    arguments: tuple[Argument, ...] = attrs.field(validator=_are_arguments, kw_only=True)
    rest: tuple[Argument, ...] = attrs.field(default=(), validator=_are_arguments, kw_only=True)
    optional: int = attrs.field(default=0, validator=[instance_of(int), ge(0)], kw_only=True)
    check: Callable[[Sequence[Any]], None] | None = attrs.field(default=None, kw_only=True)

    @optional.validator
    def _check_optional(self, _attribute: object, value: int) -> None:
        if value > len(self.arguments):
            raise ValueError(f"optional is at most the number of arguments, {len(self.arguments)}, not {value}")

    def argument(self, index: int) -> Argument | None:
        """The declaration of the argument at an index, or None where the command takes not so many."""
        more = index - len(self.arguments)
        if more < 0:
            return self.arguments[index]
        return self.rest[more % len(self.rest)] if self.rest else None

    def takes(self, count: int) -> bool:
        """Whether so many arguments are right."""
        more = count - len(self.arguments)
        return -self.optional <= more <= 0 or (more > 0 and bool(self.rest) and more % len(self.rest) == 0)


@attrs.frozen(eq=False)
class Command(Shape):
    """A command of a pipeline that computes a value and writes it to its target.

    `function` is given the values of the arguments in their order, but for the target, unless its use is EDIT; what it
    returns is written there. It raises ValueError, saying why, for what it cannot do.
    `trusted`: it changes nothing that it is given and returns nothing but JSON; otherwise both are copied and checked.
    `grows`: it is given, before all else, how many characters its result may have.
    """

    function: Callable[..., Any] = attrs.field(validator=is_callable())
    trusted: bool = attrs.field(default=False, kw_only=True)
    grows: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        others = [argument for argument in (*self.arguments, *self.rest) if argument.use not in _READ]
        if len(others) != 1 or others[0] not in self.arguments or others[0].use in (Use.COMMAND, Use.REMOVED):
            raise ValueError("a command has one argument that is a target, as Argument('target', use=Use.TARGET) is")


@attrs.frozen(eq=False)
class Edit(Shape):
    """A command that edits a draft as no function of values could.

    `bind` makes what runs of the bound arguments: a Place for a target, a Run for a command, else a Read.
    """

    bind: Callable[[Sequence[Any]], Run]
