"""Events, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.testing.strategies.values import json_values

__all__ = [
    "CORE",
    "attribute_names",
    "attribute_sets",
    "attribute_text",
    "attribute_values",
    "binary_types",
    "events",
    "json_types",
    "sources",
    "text_types",
    "times",
    "types",
]

CORE: Final = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
"""The attributes that the specification names."""

# What an attribute may hold: no control characters, no surrogates, no noncharacters.
attribute_text: Final = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=12)
"""Texts of up to 12 characters that an attribute may hold."""

attribute_names: Final = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12).filter(
    lambda name: name not in (*CORE, "data")
)
"""Names of extension attributes."""

attribute_values: Final = st.one_of(attribute_text, st.booleans(), st.integers(-(2**31), 2**31 - 1))
"""Values of extension attributes."""

# Made of words, and not by from_regex: drawn and shrunk several times as fast.
_words: Final = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=6)

sources: Final = st.one_of(
    st.lists(_words, min_size=1, max_size=3).map(lambda words: "/" + "/".join(words)),
    st.lists(_words, min_size=1, max_size=4).map(lambda words: "https://example.com/~" + "/".join(words)),
    st.sampled_from(["urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "mailto:a@example.com", "a%20b?c=d#e"]),
)
"""URI references, as `source` has them."""

types: Final = st.lists(_words, min_size=1, max_size=4).map(".".join)
"""Types of events: up to four words with dots between them."""

times: Final = st.from_regex(
    r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)"
    r"(\.[0-9]{1,12})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])",
    fullmatch=True,
)
"""RFC 3339 date-times as text, from 1900 to 2099, leap seconds and offsets included."""

json_types: Final = st.sampled_from(
    [None, "application/json", "application/json; charset=utf-8", "text/json", "application/ld+json"]
)
"""Content types of JSON data; none is one of them."""

text_types: Final = st.sampled_from(["text/plain", "text/csv;charset=UTF-8", "text/xml"])
"""Content types of text."""

binary_types: Final = st.sampled_from(["application/octet-stream", "image/png", "application/x-protobuf"])
"""Content types of bytes."""


@st.composite
def attribute_sets(draw: st.DrawFn) -> dict[str, Any]:
    """The attributes of a valid event, all but `datacontenttype`; up to three are extensions."""
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
def events(
    draw: st.DrawFn,
    data: st.SearchStrategy[Any] | None = None,
    attributes: Mapping[str, st.SearchStrategy[Any]] | None = None,
) -> Event:
    """Valid events, with JSON data, text, bytes or none.

    `data` draws their data instead, JSON values (None is null). `attributes` draws attributes by name, in place of what
    they would have been; None leaves one out. Shrinks to few and short attributes and no data.
    """
    given = draw(attribute_sets())
    content_type, payload = draw(_payloads() if data is None else st.tuples(json_types, data))
    if data is not None and payload is None:
        content_type, payload = content_type or "application/json", b"null"
    given["datacontenttype"] = content_type
    given |= {name: draw(values) for name, values in (attributes or {}).items()}
    return Event(given, payload)


def _payloads() -> st.SearchStrategy[tuple[str | None, Any]]:
    """Content types with data that fits them."""
    return st.one_of(
        st.tuples(st.none() | text_types, st.none()),
        st.tuples(json_types, json_values()),
        st.tuples(st.just("application/json"), st.just(b"null")),
        st.tuples(text_types, st.text(max_size=20)),
        st.tuples(binary_types, st.binary(max_size=20)),
        st.tuples(st.none(), st.binary(max_size=20)),
    )
