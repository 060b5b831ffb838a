"""A naive reading of filters, straight from the rules, and strategies for filters and events that often meet.

It reads specifications, not syntax trees, and does nothing fast: the compiled functions and the index are held to it.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.testing.strategies import Vocabulary, filter_specs

ATTRIBUTES = ("type", "subject", "source", "flag", "number")

# Fields in several spellings, with the names and indexes that each means.
PATHS: dict[str, tuple[str | int, ...]] = {
    "data.a": ("a",),
    "data['a']": ("a",),
    'data["a"]': ("a",),
    "data.b": ("b",),
    "data.a.b": ("a", "b"),
    "data.b['odd key']": ("b", "odd key"),
    "data['a'].a.b": ("a", "a", "b"),
    "data.a.a.b": ("a", "a", "b"),
    "data[0]": (0,),
    "data[-1].a": (-1, "a"),
    "data['é']": ("é",),
    "data.é": ("é",),
    "data.a.é.b": ("a", "é", "b"),
    "data.a[0]": ("a", 0),
    "data.a[1].b": ("a", 1, "b"),
    "data.b[-1]": ("b", -1),
    "data['\\\\u0061'].b": ("a", "b"),
    "data.a.a.a.a.a.a.a.a": ("a",) * 8,
    "data" + ".a" * 12 + ".b": ("a",) * 12 + ("b",),
}
FIELDS = (*ATTRIBUTES, "data", *PATHS)
TEXTS = ("a", "ab", "abc", "b", "ba", "true", "t", "5", "55", "1.5", "1", "null", "[", "12345678901234567890123", "é")

ABSENT = object()


def matches(spec: Any, event: Event) -> bool:
    """Whether an event matches a specification."""
    if isinstance(spec, list):
        return all(matches(one, event) for one in spec)
    [(dialect, value)] = spec.items()
    if dialect == "all":
        return all(matches(one, event) for one in value)
    if dialect == "any":
        return any(matches(one, event) for one in value)
    if dialect == "not":
        return not matches(value, event)
    return all(compares(dialect, read(field, event), literal) for field, literal in value.items())


def read(field: str, event: Event) -> Any:
    if field in ATTRIBUTES:
        return event.attributes.get(field, ABSENT)
    if field == "data":
        return ABSENT if event.data_text is None else event.data_text
    value = event.data
    for step in PATHS[field]:
        named = isinstance(step, str) and isinstance(value, dict) and step in value
        numbered = isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value)
        if not named and not numbered:
            return ABSENT
        value = value[step]
    return value


def compares(dialect: str, value: Any, literal: str) -> bool:
    if isinstance(value, list):
        scalars = not any(isinstance(element, list | dict) for element in value)
        return scalars and any(compares(dialect, element, literal) for element in value)
    text = text_of(value)
    if text is None:
        return False
    if dialect == "exact":
        return text == literal
    return text.startswith(literal) if dialect == "prefix" else text.endswith(literal)


def text_of(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f")
        return text.removesuffix(".0") if abs(value) < 1e16 else repr(value)
    return None


VOCABULARY = Vocabulary(fields=FIELDS, texts=TEXTS)


def specs() -> st.SearchStrategy[dict[str, Any]]:
    """Filters in every dialect that is an object, nested."""
    return filter_specs(("exact", "prefix", "suffix", "all", "any", "not"), VOCABULARY)


scalars = st.sampled_from((*TEXTS, True, False, None, 5, 55, 1.5, 1.0, -5, 12345678901234567890123, 1e300, 0.1, ""))


def values() -> st.SearchStrategy[Any]:
    """JSON data whose names and values the fields and texts above often meet."""
    return st.recursive(
        scalars | st.lists(scalars, max_size=3),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(("a", "b", "odd key", "c", "é")), inner, max_size=3),
        ),
        max_leaves=8,
    ) | st.integers(1, 13).flatmap(lambda depth: st.builds(lambda value: _nested(value, depth), scalars))


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = {"a": value, "b": value}
    return value


@st.composite
def members(draw: st.DrawFn) -> dict[str, Any]:
    """An event in the JSON format, as an object."""
    event: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": draw(st.sampled_from(("a", "ab", "/b", "5")))}
    event["type"] = draw(st.sampled_from(TEXTS))
    event |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "subject": st.sampled_from((*TEXTS, None)),
                "flag": st.sampled_from((True, False, "true", None)),
                "number": st.sampled_from((5, 55, 1, "5", "a", None)),
                "datacontenttype": st.sampled_from(("application/json", "text/plain", "a/b+json", "image/png", None)),
            },
        )
    )
    content_type = event.get("datacontenttype")
    bodies: dict[str, st.SearchStrategy[Any]]
    if content_type in ("text/plain", "image/png"):
        bodies = {"data": st.sampled_from(TEXTS), "data_base64": st.sampled_from(("YWI=", "", None))}
    else:
        bodies = {"data": values(), "data_base64": st.sampled_from(("eyJhIjoiYWIifQ==", "ImEi", None))}
    name = draw(st.sampled_from(("data", "data", "data", "data_base64", None)))
    if name is not None:
        event[name] = draw(bodies[name])
    return event


def accepted(raw: str) -> bool:
    """Whether the text is an event."""
    try:
        Event.from_json(raw)
    except InvalidEvent:
        return False
    return True


def events() -> st.SearchStrategy[Event]:
    """Events whose values the filters of `specs` often meet."""
    return members().map(json.dumps).filter(accepted).map(Event.from_json)


@st.composite
def raws(draw: st.DrawFn) -> str:
    """Events as JSON text, written in odd ways: names twice, letters escaped, members that nobody reads."""
    event = draw(members())
    extra = draw(st.lists(st.sampled_from(("type", "data", "subject", "other")), max_size=2))
    pairs = [(name, draw(values()) if name == "data" else draw(st.sampled_from(TEXTS))) for name in extra]
    pairs += event.items()
    return "{" + ",".join(f"{_name(draw, name)}: {_text(draw, value)}" for name, value in pairs) + "}"


def _name(draw: st.DrawFn, name: str) -> str:
    if draw(st.integers(0, 9)):
        return json.dumps(name)
    return '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"'


def _text(draw: st.DrawFn, value: Any) -> str:
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=draw(st.booleans()))
    pairs = [(name, draw(values())) for name in value if not draw(st.integers(0, 5))]
    pairs += value.items()
    return "{" + ",".join(f"{_name(draw, name)}:{_text(draw, below)}" for name, below in pairs) + "}"
