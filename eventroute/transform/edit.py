"""The compiler of pipelines: from steps to functions on a draft, with nothing left to look up by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

import attrs

from eventroute.jsontext import decode_json, encode_json, same_json
from eventroute.paths import MISSING, Path
from eventroute.transform.casts import any_value, found_or_missing, text
from eventroute.transform.command import Argument, Cast, Command, Edit, Read, Run, Use
from eventroute.transform.define import Constant, Variable
from eventroute.transform.draft import DataPlace, Draft, Place, Tree
from eventroute.transform.pipeline import Element, Pipeline, Reference, Step, Value

__all__ = ["Edits", "compile_pipeline"]

Edits: TypeAlias = tuple[tuple[str, Run], ...]
"""What runs, each with where it stands in the pipeline."""


def compile_pipeline(pipeline: Pipeline, define: Mapping[str, Variable]) -> Edits:
    """The commands as functions, in their order."""
    return tuple(
        (f"pipeline[{number}] ({step.name})", _bound(step, define)) for number, step in enumerate(pipeline.steps)
    )


def _bound(step: Step, define: Mapping[str, Variable]) -> Run:
    command = step.command
    bound: list[Any] = []
    for index, value in enumerate(step.values):
        argument = cast(Argument, command.argument(index))
        if isinstance(value, Step):
            bound.append((f"command[{index + 1}] ({value.name})", _bound(value, define)))
        elif argument.writes:
            bound.append(value)
        else:
            bound.append(_reader(argument, value, define))
    if isinstance(command, Edit):
        return command.bind(bound)
    return _application(cast(Command, command), bound)


@attrs.frozen
class _Known:
    """Reads a constant."""

    value: Any

    def __call__(self, _draft: Draft, _here: Tree) -> Any:
        return self.value


def _reader(argument: Argument, value: Value, define: Mapping[str, Variable]) -> Read:
    """A function that reads an argument, casts it and counts it."""
    source = define[value.name] if isinstance(value, Reference) else value
    if isinstance(source, Constant):
        return _Known(argument.cast(source.value))
    return _reader_of(argument.cast, f"the {argument.name} {value}", _getter(value, source))


def _reader_of(cast_value: Cast, name: str, get: Read) -> Read:
    weighs_all = cast_value not in (any_value, found_or_missing)
    takes_text = cast_value is text

    def read(draft: Draft, here: Tree) -> Any:
        found = get(draft, here)
        if found.__class__ is str:
            draft.room -= len(found)
            if takes_text:
                return found
        elif weighs_all and found.__class__ in _CONTAINERS:
            draft.spend_on(found)
        try:
            return cast_value(found)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    return read


_CONTAINERS: Final = (dict, list)


def _getter(value: Value, source: Value | Path) -> Read:
    if isinstance(source, Element):
        read_element = source.path.read
        return lambda _draft, here: read_element(here.data)
    path = cast(Path, source)
    if isinstance(value, Reference):
        return lambda draft, _here: path(draft.source)
    steps = [segment.selectors[0] for segment in path.segments] if path.singular else []
    if steps[:1] == ["data"]:
        return DataPlace(str(path), tuple(cast("list[str | int]", steps[1:])), in_element=False).get
    read: Read = lambda draft, _here: path(draft)  # type: ignore[arg-type]  # noqa: E731  # it reads as an event
    return read


def _application(command: Command, bound: list[Any]) -> Run:
    """What runs a command that is a function: reads the arguments, calls it, writes the result."""
    index = next(index for index, argument in enumerate(command.arguments) if argument.writes)
    target, place = command.arguments[index], cast("Place", bound[index])
    reads: list[Read] = [*bound[:index], *bound[index + 1 :]]
    if target.use is Use.EDIT:
        reads.insert(index, _reader_of(target.cast, f"the {target.name} {place}", place.get))
    compute = _computation(command, reads)
    put, share = place.put, place.share

    def run(draft: Draft, here: Tree) -> None:
        value = compute(draft, here)
        if value.__class__ is str:
            draft.room -= len(value)
        elif value.__class__ in _CONTAINERS:
            draft.spend_on(value)
            share(draft, here)
        if draft.room < 0:
            draft.spend(0)
        put(draft, here, value)

    return _guarded(run, place, target.use)


def _computation(command: Command, reads: list[Read]) -> Read:
    """A function that reads the arguments and calls the function; nearly always only the first must be read."""
    function = command.function if command.trusted else _distrusted(command.function)
    if command.grows:
        return lambda draft, here: function(draft.room, *[read(draft, here) for read in reads])
    if reads and all(isinstance(read, _Known) for read in reads[1:]):
        first, known = reads[0], [read.value for read in reads[1:] if isinstance(read, _Known)]
        return lambda draft, here: function(first(draft, here), *known)
    return lambda draft, here: function(*[read(draft, here) for read in reads])


def _guarded(run: Run, place: Place, use: Use) -> Run:
    """Runs a command only where its target is there, or is not, as its use wants it."""
    if use not in (Use.NEW, Use.EXISTING):
        return run
    wanted = use is Use.EXISTING
    complaint = f"{place} is missing in this event" if wanted else f"{place} exists already"

    def run_guarded(draft: Draft, here: Tree) -> None:
        if (place.get(draft, here) is not MISSING) is not wanted:
            raise ValueError(complaint)
        run(draft, here)

    return run_guarded


def _distrusted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the application, kept from what belongs to the event, and its result from what is not JSON."""

    def checked(*values: Any) -> Any:
        try:
            value = function(*map(_copied, values))
        except _FAULTS as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        made = decode_json(encode_json(value))
        if not same_json(value, made):
            raise ValueError(
                "it returned no JSON value: it must be of strings, numbers, true, false, null, lists, dicts"
            )
        return made

    return checked


_FAULTS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError)


def _copied(value: Any) -> Any:
    return decode_json(encode_json(value)) if value.__class__ in _CONTAINERS else value
