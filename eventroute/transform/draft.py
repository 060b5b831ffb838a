"""The draft: an event while a pipeline edits it, copied no further than it is changed.

Of the data, the containers along the path of a change are copied, once; all else is shared with the incoming event.
`owned` are the copies: only they may be changed. A container that is read to be written to a second place belongs to
both, so nothing is owned any more after that.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, TypeAlias

import attrs

from eventroute.attributes import check_attributes
from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.paths import MISSING
from eventroute.payload import Kind

__all__ = ["REQUIRED", "AttributePlace", "DataPlace", "Draft", "Place", "Tree", "check_attribute"]

REQUIRED: Final = ("specversion", "id", "source", "type")
"""The attributes that no event is without."""

_REQUIRED_VALUES: Final = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}
_Steps: TypeAlias = tuple[str | int, ...]


class Tree:
    """A JSON value that is edited: the data of a draft, or one element of an array."""

    __slots__ = ("data", "kind", "owned")

    data: Any
    kind: Kind
    owned: dict[int, object]

    def __init__(self, data: object) -> None:
        self.data = data
        self.kind = Kind.JSON
        self.owned = {}

    def replace(self, data: object) -> None:
        """Puts another value into the place of the whole."""
        self.data = data


class Draft(Tree):
    """An event that is edited. It can be read as an event can: it has `attributes`, `data` and `kind`.

    `room` is how many characters the commands may still read and write; `limit` names what it started with.
    """

    __slots__ = ("attributes", "changes", "data_changed", "room", "source")

    def __init__(self, source: Event, room: int) -> None:
        self.source = source
        self.attributes: Mapping[str, Any] = source.attributes
        self.changes: dict[str, Any] = {}
        self.data_changed = False
        self.kind = source.kind
        self.owned = {}
        self.room = room

    def __getattr__(self, name: str) -> Any:
        """Called for `data` before it was first used: an event whose data nobody reads is not decoded."""
        if name != "data":
            raise AttributeError(name)
        self.data = self.source.data
        return self.data

    def replace(self, data: object) -> None:
        """Puts other data into the place of the whole."""
        self.data = data
        self.data_changed = True
        self.kind = Kind.TEXT if self.kind is Kind.TEXT and isinstance(data, str) else Kind.JSON

    def clear(self) -> None:
        """Takes the data away."""
        self.data = None
        self.data_changed = True
        self.kind = Kind.NONE

    def spend(self, amount: int) -> None:
        """Counts what a command read or wrote. Raises ValueError where it was too much."""
        self.room -= amount
        if self.room < 0:
            raise ValueError("the commands read and write more characters than the limit named work allows")

    def spend_on(self, value: object) -> None:
        """Counts the size of a value, looking at no more of it than there is room for."""
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                self.spend(len(item) + 2)
            elif isinstance(item, dict):
                self.spend(2 + len(item) * 4 + sum(map(len, item)))
                waiting.extend(item.values())
            elif isinstance(item, list):
                self.spend(2 + len(item))
                waiting.extend(item)
            else:
                self.spend(8)


@attrs.frozen
class AttributePlace:
    """An attribute as a place to read, write and delete."""

    name: str

    def get(self, draft: Draft, _here: Tree) -> Any:
        """The attribute's value, or MISSING."""
        return draft.attributes.get(self.name, MISSING)

    def put(self, draft: Draft, _here: Tree, value: object) -> None:
        """Sets the attribute. Raises ValueError for what is no attribute's value."""
        checked = check_attribute(self.name, value)
        draft.attributes = {**draft.attributes, self.name: checked}
        draft.changes[self.name] = checked

    def share(self, draft: Draft, _here: Tree) -> None:
        """An attribute is no container."""

    def delete(self, draft: Draft, _here: Tree) -> None:
        """Takes the attribute away, if it is there."""
        if self.name in draft.attributes:
            draft.attributes = {name: value for name, value in draft.attributes.items() if name != self.name}
            draft.changes[self.name] = None

    def __str__(self) -> str:
        return f"$.{self.name}"


def check_attribute(name: str, value: object) -> object:
    """An attribute's value in its wire type. Raises ValueError for a value or a name that CloudEvents does not know."""
    if value is None:
        raise ValueError("null is no value of an attribute: delete it, or give it another value")
    try:
        return check_attributes({**_REQUIRED_VALUES, name: value})[name]
    except InvalidEvent as error:
        raise ValueError(str(error)) from None


@attrs.frozen
class DataPlace:
    """A place in the data, or in the current element of an array, reached by names and indexes."""

    text: str
    steps: _Steps
    in_element: bool
    parents: _Steps = attrs.field(init=False, eq=False)
    named: bool = attrs.field(init=False, eq=False)
    """Whether the last step is a name."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "parents", self.steps[:-1])
        object.__setattr__(self, "named", bool(self.steps) and isinstance(self.steps[-1], str))

    def get(self, draft: Draft, here: Tree) -> Any:
        """The value there, or MISSING."""
        value = here.data if self.in_element else draft.data
        if not self.steps and not self.in_element and draft.kind not in _READABLE:
            return MISSING
        try:
            for step in self.steps:
                if value.__class__ is str:  # it has indexes too, and is no array
                    return MISSING
                value = value[step]
        except (LookupError, TypeError):  # TypeError: neither object nor array
            return MISSING
        return value

    def put(self, draft: Draft, here: Tree, value: object) -> None:
        """Puts a value there and makes the parents that are missing. Raises ValueError where a parent is a scalar.

        A container must not be in the tree already, or `owned` must have been cleared.
        """
        tree = here if self.in_element else draft
        if not self.steps:
            tree.replace(value)
            return
        node, owned = tree.data, tree.owned
        try:  # as it is after the first change: the parents are owned, and the last of them is an object
            for step in self.parents:
                node = node[step] if id(node) in owned else None
        except (LookupError, TypeError):
            node = None
        if id(node) in owned and node.__class__ is dict and self.named:
            node[self.steps[-1]] = value
        else:
            _assign(_parent(tree, self.steps), self.steps[-1], value)

    def share(self, draft: Draft, here: Tree) -> None:
        """Owns nothing any more, because containers of the tree are about to get a second place in it."""
        (here if self.in_element else draft).owned.clear()

    def delete(self, draft: Draft, here: Tree) -> None:
        """Takes away what is there, if anything is; the elements after it move up."""
        tree = here if self.in_element else draft
        if not self.steps:
            draft.clear()
        elif self.get(draft, here) is not MISSING:
            del _parent(tree, self.steps)[self.steps[-1]]

    def numbered(self, number: int) -> DataPlace:
        """The place beside this one whose name ends in `-number`."""
        return DataPlace(f"{self.text}-{number}", (*self.steps[:-1], f"{self.steps[-1]}-{number}"), self.in_element)

    def __str__(self) -> str:
        return self.text


Place: TypeAlias = AttributePlace | DataPlace
_READABLE: Final = (Kind.JSON, Kind.TEXT)


def _child(value: Any, step: Any) -> Any:
    if value.__class__ is (dict if step.__class__ is str else list):
        try:
            return value[step]
        except LookupError:
            pass
    return MISSING


def _parent(tree: Tree, steps: _Steps) -> Any:
    """The container of the last step, owned, as all above it are."""
    node = _root(tree, steps[0])
    owned = tree.owned
    for step, below in pairwise(steps):
        child = _child(node, step)
        if id(child) not in owned:
            child = _copy(child, below)
            owned[id(child)] = child
            _assign(node, step, child)
        node = child
    return node


def _root(tree: Tree, step: str | int) -> Any:
    root = tree.data
    if id(root) not in tree.owned:
        root = _copy(MISSING if root is None and tree.kind is Kind.NONE else root, step)
        tree.owned[id(root)] = root
        tree.replace(root)
    return root


def _copy(value: Any, step: str | int) -> dict[str, Any] | list[Any]:
    """A copy of a container that `step` leads into; a new one where it is missing."""
    if step.__class__ is str:
        if value.__class__ is dict:
            return value.copy()
        if value is MISSING:
            return {}
        raise ValueError(f"there is no member {step!r:.60} to write: what should hold it is no object")
    if value.__class__ is list:
        return value.copy()
    if value is MISSING:
        return []
    raise ValueError(f"there is no element {step} to write: what should hold it is no array")


def _assign(node: Any, step: Any, value: object) -> None:
    if node.__class__ is not (dict if step.__class__ is str else list):
        kind = "object" if step.__class__ is str else "array"
        raise ValueError(f"{step!r:.60} cannot be written: what should hold it is no {kind}")
    if node.__class__ is list and step == len(node):
        node.append(value)
        return
    try:
        node[step] = value
    except IndexError:
        raise ValueError(f"there is no element {step}: the array has {len(node)}") from None
