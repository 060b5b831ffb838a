"""The compiler of templates: from the frozen parts to one Python function, with nothing left to look up by name.

The source that is compiled has names made here and nothing else. Whatever comes from a template or a path is a value
that one of these names is bound to, so nothing of it can run, and templates of one shape share one code object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias, cast

import msgspec

from eventroute.canonical import canonical_text
from eventroute.errors import InvalidTransformer, TransformError
from eventroute.event import Event
from eventroute.jsontext import check_json, encode_json
from eventroute.paths import MISSING, Path
from eventroute.transform.define import Constant, Variable
from eventroute.transform.limits import Limits
from eventroute.transform.template import Hole, Members, Part, Place, Template, TemplateType

__all__ = ["SHAPES", "Render", "check_template", "compile_template"]

SHAPES: Final = 128
"""How many shapes of templates are kept compiled, for other templates of the same shape."""

Render: TypeAlias = Callable[[Event, Event], bytes]
"""From an event, and the event that came in, which variables are read from, to the data."""


def compile_template(template: Template, define: Mapping[str, Variable], limits: Limits) -> Render:
    """A function that makes the new data: JSON text, or text in UTF-8.

    It raises TransformError, naming the place, for what JSON or UTF-8 cannot say and where the output grows too long.
    """
    compiler = _Compiler(define)
    result = compiler.joined(template.parts, 2)
    return _maker(compiler.source(result))(limits.output - compiler.fixed, *compiler.bound)


def check_template(template: Template, define: Mapping[str, Variable], limits: Limits) -> None:
    """Raises InvalidTransformer where the data would be too long or no JSON whatever the event."""
    least = b"".join(_least(template.parts, define))
    if len(least) > limits.output:
        raise InvalidTransformer(
            f"it makes at least {len(least)} bytes, more than output={limits.output}", where="template"
        )
    if template.type is TemplateType.JSON:
        try:
            check_json(least)
        except ValueError as error:
            raise InvalidTransformer(str(error), where="template") from None


def _least(parts: Iterable[Part], define: Mapping[str, Variable]) -> Iterator[bytes]:
    """The text of parts where every path is missing."""
    for part in parts:
        if isinstance(part, str):
            yield part.encode()
        elif not isinstance(part, Members):
            source = define[part.source] if isinstance(part.source, str) else part.source
            yield _TEXT_OF[part.place](source.value if isinstance(source, Constant) else MISSING)


@lru_cache(maxsize=SHAPES)
def _maker(source: str) -> Callable[..., Render]:
    """The function of a shape, which makes a render function of what is bound. Templates of the shape share it."""
    names = dict(_NAMES)
    exec(compile(source, "<template>", "exec", dont_inherit=True), names)  # noqa: S102  # it has no name but ours
    return cast("Callable[..., Render]", names["make"])


class _Compiler:
    """Compiles one template; each path in it is read once an event.

    Names: `v` a value that was read, `t` a text that was made of one, `k` what is bound.
    """

    def __init__(self, define: Mapping[str, Variable]) -> None:
        self.define = define
        self.bound: list[object] = []
        self.reads: dict[tuple[Path, str], str] = {}
        self.head = ["def render(event, source):", "    room = limit", "    at = None"]
        self.body: list[str] = []
        self.texts = 0
        self.fixed = 0
        """The bytes that the output has whatever the event."""

    def source(self, result: str) -> str:
        catch = ["    except ValueError as error:", "        raise failed(error, at) from error"]
        lines = [*self.head, "    try:", *self.body, f"        return {result}", *catch]
        bound = "".join(f", k{number}" for number in range(len(self.bound)))
        return "\n".join([f"def make(limit{bound}):", *("    " + line for line in lines), "    return render"])

    def emit(self, indent: int, *lines: str) -> None:
        self.body += ["    " * indent + line for line in lines]

    def bind(self, value: object) -> str:
        self.bound.append(value)
        return f"k{len(self.bound) - 1}"

    def joined(self, parts: Iterable[Part], indent: int) -> str:
        """An expression for the parts in a row, the code before it made."""
        return f"join(({''.join(self.text(part, indent) + ', ' for part in parts)}))"

    def text(self, part: Part, indent: int) -> str:
        if isinstance(part, Members):
            return self.members(part, indent)
        if isinstance(part, str):
            return self.constant(part.encode())
        source = self.define[part.source] if isinstance(part.source, str) else part.source
        if isinstance(source, Constant):
            return self.constant(_TEXT_OF[part.place](source.value))
        return self.written(part, self.read(source, "event" if source is part.source else "source"), indent)

    def constant(self, text: bytes) -> str:
        self.fixed += len(text)
        return self.bind(text)

    def read(self, path: Path, event: str) -> str:
        """The name of the value of a path in an event. One of names only is read right here, without a call."""
        if (path, event) in self.reads:
            return self.reads[path, event]
        value = self.reads[path, event] = f"v{len(self.reads)}"
        steps = _names_below_data(path)
        if steps:
            place = "".join(f"[{self.bind(step)}]" for step in steps)
            self.head += [f"    try: {value} = {event}.data{place}", f"    except unlike: {value} = MISSING"]
        else:
            self.head.append(f"    {value} = {self.bind(path)}({event})")
        return value

    def written(self, hole: Hole, value: str, indent: int) -> str:
        text = self.new_text()
        self.emit(
            indent,
            f"at = {self.bind(hole)}",
            f"{text} = {_SOURCE_OF[hole.place].format(value)}",
            f"room -= len({text})",
            "if room < 0: raise ValueError(too_long)",
        )
        return text

    def members(self, members: Members, indent: int) -> str:
        """The name of the text of members of which each may be missing."""
        texts = []
        for member in members.items:
            text = self.new_text()
            value = self.read(cast(Path, member.hole.source), "event")
            self.emit(indent, f"if {value} is MISSING: {text} = nothing", "else:")
            self.emit(indent + 1, f"{text} = {self.joined(member.parts, indent + 1)}")
            texts.append(text)
        if len(texts) == 1:
            return texts[0]
        self.fixed += len(texts) - 1
        together = self.new_text()
        self.emit(indent, f"{together} = comma([t for t in ({', '.join(texts)}) if t])")
        return together

    def new_text(self) -> str:
        self.texts += 1
        return f"t{self.texts}"


_MOST_STEPS: Final = 32


def _names_below_data(path: Path) -> list[str]:
    """The names of a path such as `$.data.repository.name`, from `repository` on; none for any other path."""
    steps = [segment.selectors[0] for segment in path.segments]
    names = [step for step in steps[1:] if isinstance(step, str)]
    plain = path.singular and steps[:1] == ["data"] and len(names) == len(steps) - 1 <= _MOST_STEPS
    return names if plain else []


def _failed(error: ValueError, hole: Hole) -> TransformError:
    return TransformError(str(error), where=f"template line {hole.line}, column {hole.column}")


_encode_string: Final = msgspec.json.Encoder().encode


def _json_value(value: object) -> bytes:
    return b"null" if value is MISSING else encode_json(value)


def _in_string(value: object) -> bytes:
    return _encode_string(_text(value))[1:-1]


def _in_text(value: object) -> bytes:
    return _text(value).encode()


def _text(value: object) -> str:
    """Strings and scalars bare, what is missing as nothing, null and all else as compact JSON."""
    if value is MISSING:
        return ""
    text = canonical_text(value)
    return encode_json(value).decode() if text is None else text


_TEXT_OF: Final = {Place.VALUE: _json_value, Place.STRING: _in_string, Place.TEXT: _in_text}
_SOURCE_OF: Final = {
    Place.VALUE: "encode({0}) if {0}.__class__ is str else json_value({0})",
    Place.STRING: "encode({0})[1:-1] if {0}.__class__ is str else in_string({0})",
    Place.TEXT: "{0}.encode() if {0}.__class__ is str else in_text({0})",
}
_NAMES: Final = {
    "__builtins__": {"ValueError": ValueError, "len": len, "str": str},
    "MISSING": MISSING,
    "comma": b",".join,
    "encode": _encode_string,
    "failed": _failed,
    "in_string": _in_string,
    "in_text": _in_text,
    "join": b"".join,
    "json_value": _json_value,
    "nothing": b"",
    "too_long": "the output grows longer than the limit named output allows",
    "unlike": (KeyError, TypeError),
}
