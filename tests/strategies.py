"""Hypothesis strategies that tests share: JSON values, attributes, events."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from eventroute.event import Event

CORE = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema")

# What an attribute may hold: no control characters, no surrogates, no noncharacters.
attribute_text = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=12)
attribute_names = st.from_regex("[a-z0-9]{1,12}", fullmatch=True).filter(lambda name: name not in (*CORE, "data"))
attribute_values = st.one_of(attribute_text, st.booleans(), st.integers(-(2**31), 2**31 - 1))
sources = st.one_of(
    st.from_regex(r"https://[a-z]{1,8}\.example(/[a-z0-9~-]{1,5}){0,3}", fullmatch=True),
    st.from_regex("(/[a-z0-9]{1,6}){1,3}", fullmatch=True),
    st.sampled_from(["urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "mailto:a@example.com", "a%20b?c=d#e"]),
)
types = st.from_regex(r"[a-z]{1,6}(\.[a-z0-9_]{1,6}){0,3}", fullmatch=True)
times = st.from_regex(
    r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)"
    r"(\.[0-9]{1,12})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])",
    fullmatch=True,
)
json_types = st.sampled_from(
    [None, "application/json", "application/json; charset=utf-8", "text/json", "application/ld+json"]
)
text_types = st.sampled_from(["text/plain", "text/csv;charset=UTF-8", "text/xml"])
binary_types = st.sampled_from(["application/octet-stream", "image/png", "application/x-protobuf"])


def json_scalars() -> st.SearchStrategy[Any]:
    """Null, booleans, integers of any size, floats that JSON can say, strings."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**3), 10**3),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=12),
    )


def json_values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Any JSON value, as decoding gives it."""
    return st.recursive(
        json_scalars(),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
        max_leaves=max_leaves,
    )


@st.composite
def attribute_sets(draw: st.DrawFn) -> dict[str, Any]:
    """The attributes of a valid event, all but `datacontenttype`."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": draw(attribute_text.filter(bool)),
        "source": draw(sources),
        "type": draw(types),
        "subject": draw(st.none() | attribute_text.filter(bool)),
        "time": draw(st.none() | times),
        "dataschema": draw(st.none() | st.just("https://example.com/schema#1")),
    }
    attributes |= draw(st.dictionaries(attribute_names, attribute_values, max_size=3))
    return {name: value for name, value in attributes.items() if value is not None}


@st.composite
def events(draw: st.DrawFn, data: st.SearchStrategy[Any] | None = None) -> Event:
    """Valid events with JSON data, text, bytes or none; with JSON from `data` only, if it is given."""
    attributes = draw(attribute_sets())
    content_type, payload = draw(
        st.tuples(json_types, data)
        if data is not None
        else st.one_of(
            st.tuples(json_types, json_values()),
            st.tuples(st.just("application/json"), st.just(b"null")),
            st.tuples(text_types, st.text(max_size=20)),
            st.tuples(binary_types, st.binary(max_size=20)),
            st.tuples(st.none(), st.binary(max_size=20)),
            st.tuples(st.none() | text_types, st.none()),
        )
    )
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    return Event(attributes, payload)
