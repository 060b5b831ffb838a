"""The walk over an event's values that finds what an index holds for them.

Values and the tree of fields are walked together, so a walk costs no more than the smaller of both. For trees of a
usual size the walk is compiled to one function, which takes half the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final, Generic, TypeAlias, TypeVar

from eventroute.filters.pattern.places import ARRAYS, Throughout
from eventroute.filters.tables import EXACT, Column
from eventroute.paths import Field

__all__ = ["MAX_COMPILED", "MAX_INLINE", "Branch", "Walk", "compile_walk", "walk"]

MAX_COMPILED: Final = 128
"""How many fields a compiled walk may have, as compiling takes some 0.05 ms a field."""

MAX_INLINE: Final = 10
"""How many names below one another a compiled walk follows by itself."""

E = TypeVar("E")
Row: TypeAlias = dict[str, Any]
"""Values by the text of their fields."""

Walk: TypeAlias = Callable[[Mapping[Any, Any], Row, list[E]], None]
"""Takes the values of an event, puts those of fields into the row, and adds the entries that it finds to the list."""


class Branch(Generic[E]):
    """A place in events that filters read, or that lies on the way to one."""

    __slots__ = ("arrays", "column", "indexes", "key", "names", "nullable", "throughout")

    def __init__(self) -> None:
        self.column: Column[E] | None = None
        self.throughout: Column[E] | None = None
        """What is held about the place as it is reached through arrays, too."""
        self.arrays = ""
        """The row's key for an array that stands here on the way to such a place, if there is any below."""
        self.key = ""
        """The field's text."""
        self.nullable = False
        """Whether it matters that the field is null; an attribute that is null is none."""
        self.names: dict[str, Branch[E]] = {}
        self.indexes: dict[int, Branch[E]] = {}

    def end(self, field: Field, column: Column[E]) -> None:
        """Make this the place of a field."""
        self.key = str(field)
        if isinstance(field, Throughout):
            self.throughout = column
        else:
            self.column = column
        self.nullable |= column.nulls and field.attribute is None

    @property
    def columns(self) -> list[Column[E]]:
        """All that is held about the place."""
        return [column for column in (self.column, self.throughout) if column is not None]

    def null(self, row: Row, found: list[E]) -> None:
        """Note that the field is there, and null."""
        row[self.key] = None
        for column in self.columns:
            column.look_up_null(found)

    def look_up(self, value: object, row: Row, found: list[E]) -> None:
        """Note the value of the field, which is not null, and look it up."""
        row[self.key] = value
        if self.column is not None:
            self.column.look_up(value, found)
        if self.throughout is not None:
            if isinstance(value, list):
                self.spread(value, row, found)
            else:
                self.throughout.look_up(value, found)

    def spread(self, values: list[Any], row: Row, found: list[E]) -> None:
        """Look up what stands in the elements of an array at this place, and below them."""
        if self.arrays:
            row[ARRAYS] = True
            row[self.arrays] = values
        several: set[E] = set()  # each element may find the same
        waiting: list[tuple[Branch[E], Any]] = [(self, values)]
        while waiting:
            branch, value = waiting.pop()
            if isinstance(value, list):
                waiting.extend((branch, element) for element in value)
            elif isinstance(value, dict):
                names = branch.names
                common = names if len(names) <= len(value) else value
                waiting.extend((names[name], value[name]) for name in common if name in names and name in value)
            elif branch.throughout is not None:
                several.update(_found(branch.throughout, value))
        found += several

    def below(self, step: str | int) -> Branch[E]:
        """The branch for one step further."""
        if isinstance(step, str):
            return self.names.setdefault(step, Branch())
        return self.indexes.setdefault(step, Branch())


def walk(tree: Mapping[Any, Branch[E]], event: Mapping[Any, Any], row: Row, found: list[E]) -> None:
    """Walk any tree."""
    places = [(tree, event)]
    for branches, values in places:  # which grows meanwhile
        for name in branches if len(branches) <= len(values) else values:
            branch, value = branches.get(name), values.get(name)
            if branch is None:
                continue
            if value is None:
                if branch.nullable and name in values:
                    branch.null(row, found)
                continue
            if branch.column is not None or branch.throughout is not None:
                branch.look_up(value, row, found)
            if isinstance(value, dict) and branch.names:
                places.append((branch.names, value))
            elif isinstance(value, list):
                if branch.arrays and branch.throughout is None:
                    branch.spread(value, row, found)
                places.append((branch.indexes, _elements(value, branch.indexes)))


def _found(column: Column[E], value: object) -> list[E]:
    """What a column finds for a value that is neither array nor object."""
    found: list[E] = []
    if value is None:
        column.look_up_null(found)
    else:
        column.look_up(value, found)
    return found


def _elements(values: list[Any], indexes: Mapping[int, object]) -> dict[int, Any]:
    size = len(values)
    return {at: values[at] for at in indexes if -size <= at < size}


def compile_walk(names: Mapping[str, Branch[E]]) -> Walk[E]:
    """The walk of a tree whose first steps are names. What is long, wide or has indexes is left to `walk`."""
    writer = _Writer()
    source = "\n".join(["def compiled(d0, row, found):", *writer.members(names, 0), "    return"])
    exec(compile(source, "<walk>", "exec", dont_inherit=True), writer.names)  # noqa: S102  # written here
    function: Walk[E] = writer.names["compiled"]
    return function


class _Writer:
    """Writes the function. `d0`, `d1`... are objects within one another, `v` is a value, `b` a bucket."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"walk": walk}
        self._numbers = count()

    def _bound(self, value: object) -> str:
        name = f"k{next(self._numbers)}"
        self.names[name] = value
        return name

    def members(self, names: Mapping[str, Branch[Any]], depth: int) -> Iterator[str]:
        """The statements that read members of the object `d<depth>`."""
        indent = "    " * (depth + 1)
        for name, branch in names.items():
            yield f"{indent}v = d{depth}.get({name!r})"
            if branch.indexes or depth == MAX_INLINE:
                yield f"{indent}if v is not None or {name!r} in d{depth}:"
                yield f"{indent}    walk({self._bound({name: branch})}, {{{name!r}: v}}, row, found)"
                continue
            if branch.columns:
                yield from self._field(branch, indent)
                if branch.nullable:
                    yield f"{indent}elif {name!r} in d{depth}: {self._bound(branch.null)}(row, found)"
            if branch.names:
                yield f"{indent}if v.__class__ is dict:"
                yield f"{indent}    d{depth + 1} = v"
                yield from self.members(branch.names, depth + 1)
                if branch.arrays and branch.throughout is None:
                    yield f"{indent}elif v.__class__ is list: {self._bound(branch.spread)}(v, row, found)"

    def _field(self, branch: Branch[Any], indent: str) -> Iterator[str]:
        """The statements that note the value of a field and look it up in those columns that hold anything."""
        indent += "    "
        yield f"{indent[4:]}if v is not None:"
        yield f"{indent}row[{branch.key!r}] = v"
        known = [(self._bound(column), column) for column in branch.columns if column.kinds.some]
        if known:
            yield f"{indent}if v.__class__ is str:"
            for name, column in known:
                yield from self._text(name, column, f"{indent}    ")
            yield f"{indent}elif v.__class__ is int:"
            for name, column in known:
                yield from self._whole(name, column, f"{indent}    ")
        if branch.throughout is not None:
            condition = "else" if known else "if v.__class__ is list"
            yield f"{indent}{condition}: {self._bound(branch.look_up)}(v, row, found)"
        elif known:
            yield f"{indent}else: {known[0][0]}.look_up(v, found)"

    def _text(self, bound: str, column: Column[Any], indent: str) -> Iterator[str]:
        if column.kinds.affixes:
            yield f"{indent}recent = {bound}.recent"
            yield f"{indent}b = recent.get(v)"
            yield f"{indent}found += {bound}.learn(v, recent) if b is None else b"
        elif column.kinds.exact:
            yield f"{indent}b = {self._bound(column.exact.get)}(v)"
            yield f"{indent}if b is not None: found += b"
        else:
            yield f"{indent}pass"

    def _whole(self, bound: str, column: Column[Any], indent: str) -> Iterator[str]:
        if column.numbers is not None and not column.kinds.texts:
            yield f"{indent}if {-EXACT} <= v <= {EXACT}: {self._bound(column.numbers.look_up)}(v, found)"
            yield f"{indent}else: {bound}.look_up_whole(v, found)"
        else:
            yield f"{indent}{bound}.look_up_whole(v, found)"
