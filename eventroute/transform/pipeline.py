"""Pipelines: commands that edit an event one after another, parsed to a frozen tree when the transformer is made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

import attrs

from eventroute.errors import InvalidTransformer
from eventroute.jsontext import decode_json, encode_json, same_json
from eventroute.paths import MISSING, Path
from eventroute.transform.casts import shown
from eventroute.transform.command import Argument, Command, Shape, Use
from eventroute.transform.commands import COMMANDS
from eventroute.transform.define import Constant, Variable, is_path, parse_path
from eventroute.transform.draft import REQUIRED, AttributePlace, DataPlace, Place, check_attribute
from eventroute.transform.limits import Limits

__all__ = ["Element", "Pipeline", "Reference", "Step", "Value", "all_commands", "parse_pipeline"]


@attrs.frozen
class Reference:
    """`<name>`: a variable of define."""

    name: str

    def __str__(self) -> str:
        return f"<{self.name}>"


@attrs.frozen
class Element:
    """`@.x`: a path into the current element of an array."""

    path: Path

    def __str__(self) -> str:
        return "@" + str(self.path)[1:]


Value: TypeAlias = "Path | Element | Reference | Constant | Place | Step"


@attrs.frozen
class Step:
    """One command with its arguments."""

    name: str
    command: Shape
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.name} {' '.join(str(value) for value in self.values if isinstance(value, _WRITTEN))}".rstrip()


_WRITTEN: Final = (AttributePlace, DataPlace)


@attrs.frozen
class Pipeline:
    """Commands in their order. `text` is the JSON that they were read from."""

    steps: tuple[Step, ...]
    text: bytes = attrs.field(eq=False)


_is_name = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch
_is_element = re.compile(r"@(?:[.\[]|\Z)").match
_reference = re.compile(r"<([A-Za-z_][A-Za-z0-9_-]{0,63})>").fullmatch
_escaped = re.compile(r"\\[$@<]").match


def all_commands(own: Mapping[str, Command] | None) -> Mapping[str, Shape]:
    """The built-in commands and the application's own. Raises InvalidTransformer for a name that cannot be."""
    if not own:
        return COMMANDS
    for name, command in own.items():
        if not isinstance(name, str) or not _is_name(name) or name in COMMANDS:
            raise InvalidTransformer(
                "the name of a command has a-z, digits and `_`, starts with a letter, and is not taken",
                where=f"commands {ascii(name)[:80]}",
            )
        if not isinstance(command, Command):
            raise InvalidTransformer(f"it must be a Command, not {type(command).__name__}", where=f"commands {name!r}")
    return {**COMMANDS, **own}


def parse_pipeline(
    spec: object, define: Mapping[str, Variable], limits: Limits, commands: Mapping[str, Shape]
) -> Pipeline:
    """The commands of a transformer. Raises InvalidTransformer naming the command and the argument."""
    if not isinstance(spec, list):
        raise InvalidTransformer("it must be a list of commands", where="pipeline")
    try:
        text = encode_json(spec)
        same = same_json(spec, decode_json(text))
    except ValueError as error:
        raise InvalidTransformer(f"it is not JSON: {error}", where="pipeline") from None
    if not same:
        reason = "it is not JSON: use strings, numbers, true, false, null, lists, objects"
        raise InvalidTransformer(reason, where="pipeline")
    if len(text) > limits.pipeline_length:
        raise InvalidTransformer(
            f"it has {len(text)} bytes, more than pipeline_length={limits.pipeline_length}", where="pipeline"
        )
    parser = _Parser(define, limits, commands)
    return Pipeline(tuple(parser.entry(entry, f"pipeline[{number}]") for number, entry in enumerate(spec)), text)


class _Parser:
    """Reads the commands of one pipeline, and counts them."""

    def __init__(self, define: Mapping[str, Variable], limits: Limits, commands: Mapping[str, Shape]) -> None:
        self.define = define
        self.limits = limits
        self.commands = commands
        self.steps = 0
        self.values = 0

    def entry(self, entry: object, where: str) -> Step:
        if not isinstance(entry, dict) or set(entry) != {"command"}:
            raise InvalidTransformer('it must be an object {"command": [name, arguments...]}', where=where)
        return self.step(entry["command"], f"{where}.command", nesting=0)

    def step(self, written: object, where: str, nesting: int) -> Step:
        """One command; `nesting` is how many array_foreach it stands in."""
        if not isinstance(written, list) or not written or not isinstance(written[0], str):
            raise InvalidTransformer("it must be a list: the name of a command and its arguments", where=where)
        self.count(len(written) - 1, where, nesting)
        name = written[0].lower()
        command = self.commands.get(name)
        if command is None:
            near = get_close_matches(name[:64], self.commands, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(self.commands))}"
            raise InvalidTransformer(f"there is no command {shown(written[0])}; {hint}", where=f"{where}[0]")
        if not command.takes(len(written) - 1):
            raise InvalidTransformer(
                f"{name} takes {_usage(command)}; there are {len(written) - 1} arguments", where=where
            )
        if nesting and not any(argument.writes for argument in command.arguments):
            raise InvalidTransformer(f"{name} has no target, so it cannot run for an element", where=where)
        values = tuple(
            self.value(command.argument(index), value, f"{where}[{index + 1}]", nesting)
            for index, value in enumerate(written[1:])
        )
        self.check(command, values, where)
        return Step(name, command, values)

    def count(self, arguments: int, where: str, nesting: int) -> None:
        self.steps += 1
        self.values += arguments
        for limit, bound, found in (
            ("commands", self.limits.commands, self.steps),
            ("arguments", self.limits.arguments, self.values),
            ("nesting", self.limits.nesting, nesting),
        ):
            if found > bound:
                raise InvalidTransformer(f"there are more than {limit}={bound} of them", where=where)

    def value(self, argument: Argument | None, written: object, where: str, nesting: int) -> Value:
        if argument is None:
            raise AssertionError("the number of arguments was looked at before")
        try:
            if argument.use is Use.COMMAND:
                return self.step(written, where, nesting + 1)
            if argument.writes:
                return self.place(argument, written, nesting)
            value = self.read(written, nesting)
            self.check_kind(argument, value)
        except InvalidTransformer:
            raise
        except ValueError as error:
            raise InvalidTransformer(f"the {argument.name}: {error}", where=where) from None
        return value

    def read(self, written: object, nesting: int) -> Path | Element | Reference | Constant:
        """What an argument that is read is: a path, an element's path, a variable, else a constant."""
        if not isinstance(written, str):
            return Constant(encode_json(written))
        if is_path(written):
            path = parse_path(written)
            if nesting and not path.singular:
                raise ValueError(f"{written[:80]} may have many results: for an element, use names and indexes only")
            return path
        if _is_element(written) and (nesting or written != "@"):
            if not nesting:
                raise ValueError(f"{written[:80]} is a path of an element, and this is not in array_foreach")
            return Element(parse_path("$" + written[1:]))
        found = _reference(written)
        if found is not None:
            return self.reference(found[1])
        return Constant(encode_json(written[1:] if _escaped(written) else written))

    def reference(self, name: str) -> Reference:
        if name in self.define:
            return Reference(name)
        near = get_close_matches(name, self.define, n=1)
        hint = f"did you mean <{near[0]}>?" if near else f"add {name!r} to define, or write \\<{name}> for that text"
        raise ValueError(f"the variable {name!r} is not defined; {hint}")

    def check_kind(self, argument: Argument, value: Value) -> None:
        """Refuses what can never do: a constant that is no source, an unknown that must be known, a bad constant."""
        constant = self.constant(value)
        if constant is None:
            if argument.use is Use.CONSTANT:
                raise ValueError(f"it must be a constant, not {value}")
            return
        if argument.use is Use.SOURCE and isinstance(value, Constant):
            raise ValueError("it must be a path or a variable, not a constant")
        argument.cast(constant.value)

    def constant(self, value: Value) -> Constant | None:
        source = self.define[value.name] if isinstance(value, Reference) else value
        return source if isinstance(source, Constant) else None

    def place(self, argument: Argument, written: object, nesting: int) -> Place:
        """The place that an argument writes to."""
        root = "@" if nesting else "$"
        if not isinstance(written, str) or not (_is_element if nesting else is_path)(written):
            inside = " inside array_foreach" if nesting else ""
            raise ValueError(f"it is written to, so{inside} it must be a path that starts with {root}")
        path = parse_path("$" + written[1:])
        if not path.singular:
            raise ValueError("it is written to, so it must have names and indexes only")
        steps = tuple(selector for segment in path.segments for selector in segment.selectors)
        place = _place(str(path), steps, in_element=bool(nesting))
        _check_use(argument.use, place)
        return place

    def check(self, command: Shape, values: Sequence[Value], where: str) -> None:
        if command.check is None:
            return
        known: list[Any] = []
        for index, value in enumerate(values):
            argument, constant = command.argument(index), self.constant(value)
            if isinstance(value, _WRITTEN):
                known.append(value)
            else:
                known.append(MISSING if constant is None or argument is None else argument.cast(constant.value))
        try:
            command.check(known)
        except ValueError as error:
            raise InvalidTransformer(str(error), where=where) from None


def _place(path: str, steps: tuple[Any, ...], *, in_element: bool) -> Place:
    if in_element:
        return DataPlace("@" + path[1:], steps, in_element=True)
    if not steps:
        raise ValueError("$ is the whole event, which cannot be written: name an attribute, or $.data")
    if steps[0] == "data":
        return DataPlace(path, steps[1:], in_element=False)
    if len(steps) > 1 or not isinstance(steps[0], str):
        raise ValueError(f"{path[:80]} is no place in an event: write $.data.name, or $.name for an attribute")
    if steps[0] not in REQUIRED:
        check_attribute(steps[0], _EXAMPLES.get(steps[0], "x"))
    return AttributePlace(steps[0])


_EXAMPLES: Final = {"time": "2026-01-01T00:00:00Z", "datacontenttype": "a/b", "dataschema": "a:b"}


def _check_use(use: Use, place: Place) -> None:
    if isinstance(place, AttributePlace):
        if place.name in REQUIRED and use is Use.REMOVED:
            raise ValueError(f"{place} is required of every event, and cannot be taken away")
        if place.name in REQUIRED and use is Use.NEW:
            raise ValueError(f"{place} is in every event: use replace")
    elif place.in_element and not place.steps and use is Use.REMOVED:
        raise ValueError("@ is the element itself, and cannot be taken away")


def _usage(command: Shape) -> str:
    names = [argument.name for argument in command.arguments]
    required = len(names) - command.optional
    words = [*names[:required], *(f"[{name}]" for name in names[required:])]
    return ", ".join([*words, *(["..."] if command.rest else [])]) or "no arguments"
