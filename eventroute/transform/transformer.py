"""The transformer: parsed and compiled when it is made, then a function from event to event."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakValueDictionary

import attrs

from eventroute.errors import InvalidTransformer, TransformError
from eventroute.event import Event
from eventroute.jsontext import decode_json
from eventroute.transform.command import Command
from eventroute.transform.compiler import check_template, compile_template
from eventroute.transform.define import Constant, Variable, parse_define
from eventroute.transform.draft import Draft, Place
from eventroute.transform.edit import compile_pipeline
from eventroute.transform.explain import Explanation, Step
from eventroute.transform.limits import DEFAULT_LIMITS, Limits
from eventroute.transform.pipeline import Pipeline, all_commands, parse_pipeline
from eventroute.transform.program import Program
from eventroute.transform.template import Syntax, Template, TemplateType, parse_template

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["Transformer"]

_KEYS: Final = ("define", "pipeline", "template", "template_type", "template_syntax")
_CONTENT_TYPES: Final = {TemplateType.JSON: "application/json", TemplateType.TEXT: "text/plain"}
_E = TypeVar("_E", bound=Enum)


@attrs.frozen(repr=False)
class Transformer:
    """Reshapes events: `transformer(event)` is a new event, and the one that came in stays as it is.

    Transformers that mean the same are equal. Made by `Transformer.parse`, compiled when it is first used.
    """

    define: Mapping[str, Variable] = attrs.field(hash=False)
    """What each variable is: a path into the event, or a constant."""

    pipeline: Pipeline
    _template: Template | None
    template_syntax: Syntax
    limits: Limits
    _program: Program | None = attrs.field(init=False, eq=False, default=None)

    @classmethod
    def parse(
        cls,
        spec: Mapping[str, Any],
        *,
        limits: Limits = DEFAULT_LIMITS,
        commands: Mapping[str, Command] | None = None,
    ) -> Transformer:
        """The transformer of its JSON form, whose every key is optional.

        `define`: variable name -> path into the event, or a constant. `pipeline`: a list of
        `{"command": [name, arguments...]}`. `template`: the new data, with placeholders.
        `template_type`: json, text or none; told by the template's first character if absent.
        `template_syntax`: dollar (`${name}`, the default) or angle (`<name>`).
        `commands` are the application's own, by name, for pipelines to use beside the built-in ones.

        Raises InvalidTransformer, naming the place, for whatever is not understood. Nothing is ignored.
        """
        if not isinstance(spec, Mapping):
            raise InvalidTransformer(f"a transformer is an object, not {type(spec).__name__}")
        for key in spec:
            if key not in _KEYS:
                raise InvalidTransformer(f"unknown key; known are {', '.join(_KEYS)}", where=ascii(key)[:80])
        define = parse_define(spec.get("define", {}), limits)
        pipeline = parse_pipeline(spec.get("pipeline", []), define, limits, all_commands(commands))
        syntax = _choice(Syntax, spec.get("template_syntax", Syntax.DOLLAR.value), "template_syntax")
        template = _parsed_template(spec, syntax, define, limits)
        return cls(MappingProxyType(define), pipeline, template, syntax, limits)

    @property
    def template(self) -> str | None:
        """The text of the template, or None where there is none."""
        return None if self._template is None else self._template.text

    @property
    def template_type(self) -> TemplateType:
        """What the template makes."""
        return TemplateType.NONE if self._template is None else self._template.type

    def __call__(self, event: BaseCloudEvent) -> Event:
        """The event in its new shape; the same attributes, but for those that the pipeline edits, and
        `datacontenttype` where there is a template.

        Raises TransformError where this event cannot be transformed, InvalidEvent where it is no CloudEvent.
        """
        program = self._program or self._compiled()
        return program(Event.from_cloudevent(event))

    def explain(self, event: BaseCloudEvent) -> Explanation:
        """The variables with their values, the event after each command, and the result or why there is none.

        Raises InvalidEvent where it is no CloudEvent.
        """
        program = self._program or self._compiled()
        source = Event.from_cloudevent(event)
        variables = {
            name: variable.value if isinstance(variable, Constant) else variable(source)
            for name, variable in self.define.items()
        }
        steps: list[Step] = []
        try:
            result = program(source, lambda number, draft: steps.append(self._step(number, draft)))
        except TransformError as error:
            return Explanation(variables, tuple(steps), None, error)
        return Explanation(variables, tuple(steps), result, None)

    def _step(self, number: int, draft: Draft) -> Step:
        draft.owned.clear()  # so that later commands change none of what is shown
        step = self.pipeline.steps[number]
        places = {str(value): value.get(draft, draft) for value in step.values if isinstance(value, Place)}
        return Step(step.name, places, MappingProxyType(dict(draft.attributes)), draft.data)

    def _compiled(self) -> Program:
        """The program, which equal transformers share."""
        key = (frozenset(self.define.items()), self.pipeline, self._template, self.limits)
        program = _programs.get(key)
        if program is None:
            program = _programs[key] = Program(
                compile_pipeline(self.pipeline, self.define),
                None if self._template is None else compile_template(self._template, self.define, self.limits),
                None if self._template is None else _CONTENT_TYPES[self._template.type],
                self.limits,
            )
        object.__setattr__(self, "_program", program)
        return program

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, without what is the default; `parse` with the same limits makes an equal one of it."""
        spec: dict[str, Any] = {}
        if self.define:
            spec["define"] = {
                name: source.value if isinstance(source, Constant) else str(source)
                for name, source in self.define.items()
            }
        if self.pipeline.steps:
            spec["pipeline"] = decode_json(self.pipeline.text)
        if self._template is not None:
            spec["template"] = self._template.text
            spec["template_type"] = self._template.type.value
        if self.template_syntax is not Syntax.DOLLAR:
            spec["template_syntax"] = self.template_syntax.value
        return spec

    def __repr__(self) -> str:
        size = f" of {len(self.template)} characters" if self.template is not None else ""
        commands = f"{len(self.pipeline.steps)} commands, " if self.pipeline.steps else ""
        return f"Transformer({len(self.define)} variables, {commands}template {self.template_type.value}{size})"


_programs: WeakValueDictionary[Hashable, Program] = WeakValueDictionary()


def _parsed_template(
    spec: Mapping[str, Any], syntax: Syntax, define: Mapping[str, Variable], limits: Limits
) -> Template | None:
    """The parsed template, or None where there is none."""
    text = spec.get("template", "")
    if not isinstance(text, str):
        raise InvalidTransformer(f"it must be a string, not {type(text).__name__}", where="template")
    kind = _choice(TemplateType, spec["template_type"], "template_type") if "template_type" in spec else None
    if kind is TemplateType.NONE and text:
        raise InvalidTransformer("it is none, and there is a template: take one of them out", where="template_type")
    if kind in _CONTENT_TYPES and "template" not in spec:
        raise InvalidTransformer(f"it is {kind.value}, and there is no template: add one", where="template_type")
    if kind is TemplateType.NONE or (kind is None and not text):
        return None
    template = parse_template(text, type=kind, syntax=syntax, defined=define, limits=limits)
    check_template(template, define, limits)
    return template


def _choice(kind: type[_E], value: object, where: str) -> _E:
    for choice in kind:
        if choice.value == value:
            return choice
    known = " or ".join(repr(choice.value) for choice in kind)
    raise InvalidTransformer(f"{ascii(value)[:80]} is unknown; it is {known}", where=where)
