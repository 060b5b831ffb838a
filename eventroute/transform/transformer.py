"""The transformer: parsed and compiled when it is made, then a function from event to event."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from eventroute.errors import InvalidEvent, InvalidTransformer, TransformError
from eventroute.event import Event
from eventroute.transform.compiler import Render, compile_template
from eventroute.transform.define import Constant, Variable, parse_define
from eventroute.transform.explain import Explanation
from eventroute.transform.limits import DEFAULT_LIMITS, Limits
from eventroute.transform.template import Syntax, Template, TemplateType, parse_template

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["Transformer"]

_KEYS: Final = ("define", "pipeline", "template", "template_type", "template_syntax")
_CONTENT_TYPES: Final = {TemplateType.JSON: "application/json", TemplateType.TEXT: "text/plain"}
_BARE_EVENT: Final = Event({"specversion": "1.0", "id": "1", "source": "/", "type": "t"})
_E = TypeVar("_E", bound=Enum)


@attrs.frozen(repr=False)
class Transformer:
    """Reshapes events: `transformer(event)` is a new event, and the one that came in stays as it is.

    Transformers that mean the same are equal. Made by `Transformer.parse`.
    """

    define: Mapping[str, Variable] = attrs.field(hash=False)
    """What each variable is: a path into the event, or a constant."""

    template: str | None
    template_type: TemplateType
    template_syntax: Syntax
    limits: Limits
    _render: Render | None = attrs.field(eq=False)

    @classmethod
    def parse(cls, spec: Mapping[str, Any], *, limits: Limits = DEFAULT_LIMITS) -> Transformer:
        """The transformer of its JSON form, whose every key is optional.

        `define`: variable name -> path into the event, or a constant. `template`: the new data, with placeholders.
        `template_type`: json, text or none; told by the template's first character if absent.
        `template_syntax`: dollar (`${name}`, the default) or angle (`<name>`).

        Raises InvalidTransformer, naming the place, for whatever is not understood. Nothing is ignored.
        """
        if not isinstance(spec, Mapping):
            raise InvalidTransformer(f"a transformer is an object, not {type(spec).__name__}")
        for key in spec:
            if key not in _KEYS:
                raise InvalidTransformer(f"unknown key; known are {', '.join(_KEYS)}", where=ascii(key)[:80])
        if spec.get("pipeline", []) != []:
            raise InvalidTransformer("pipeline commands are not available: leave it out", where="pipeline")
        define = parse_define(spec.get("define", {}), limits)
        syntax = _choice(Syntax, spec.get("template_syntax", Syntax.DOLLAR.value), "template_syntax")
        template = _template(spec, syntax, define, limits)
        transformer = cls(
            define=MappingProxyType(define),
            template=None if template is None else template.text,
            template_type=TemplateType.NONE if template is None else template.type,
            template_syntax=syntax,
            limits=limits,
            render=None if template is None else compile_template(template, define, limits),
        )
        try:
            transformer(_BARE_EVENT)
        except TransformError as error:  # what fails where every path is missing fails on every event
            raise InvalidTransformer(error.reason, where=error.where) from error
        return transformer

    def __call__(self, event: BaseCloudEvent) -> Event:
        """The event in its new shape; the same attributes, but for `datacontenttype` where there is a template.

        Raises TransformError where this event cannot be transformed, InvalidEvent where it is no CloudEvent.
        """
        source = Event.from_cloudevent(event)
        if self._render is None:
            return source
        data = self._render(source)
        content_type = _CONTENT_TYPES[self.template_type]
        changes = None if source.datacontenttype == content_type else {"datacontenttype": content_type}
        try:
            return source.replace(changes, data)
        except InvalidEvent as error:
            raise TransformError(str(error), where="template") from error

    def explain(self, event: BaseCloudEvent) -> Explanation:
        """The variables with their values, and the result or why there is none.

        Raises InvalidEvent where it is no CloudEvent.
        """
        source = Event.from_cloudevent(event)
        variables = {
            name: variable.value if isinstance(variable, Constant) else variable(source)
            for name, variable in self.define.items()
        }
        try:
            return Explanation(variables, self(source), None)
        except TransformError as error:
            return Explanation(variables, None, error)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, without what is the default; `parse` with the same limits makes an equal one of it."""
        spec: dict[str, Any] = {}
        if self.define:
            spec["define"] = {
                name: source.value if isinstance(source, Constant) else str(source)
                for name, source in self.define.items()
            }
        if self.template is not None:
            spec["template"] = self.template
            spec["template_type"] = self.template_type.value
        if self.template_syntax is not Syntax.DOLLAR:
            spec["template_syntax"] = self.template_syntax.value
        return spec

    def __repr__(self) -> str:
        size = f" of {len(self.template)} characters" if self.template is not None else ""
        return f"Transformer({len(self.define)} variables, template {self.template_type.value}{size})"


def _template(
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
    return parse_template(text, type=kind, syntax=syntax, defined=define, limits=limits)


def _choice(kind: type[_E], value: object, where: str) -> _E:
    for choice in kind:
        if choice.value == value:
            return choice
    known = " or ".join(repr(choice.value) for choice in kind)
    raise InvalidTransformer(f"{ascii(value)[:80]} is unknown; it is {known}", where=where)
