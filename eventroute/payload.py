"""What an event's data is: JSON, text or bytes, as its content type says."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

__all__ = ["Kind", "codec_of", "kind_of"]

_CODECS = {"": "utf-8", "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "iso-8859-1": "latin-1"}


class Kind(Enum):
    """How the data of an event is read."""

    NONE = "none"
    JSON = "json"
    TEXT = "text"
    BINARY = "binary"


@lru_cache(maxsize=256)
def kind_of(datacontenttype: str) -> Kind:
    """The kind of data that a media type declares.

    JSON for `*/json` and `*/*+json` (JSON format, section 3.1.1); TEXT for `text/*` in a charset that `codec_of`
    knows; else BINARY.
    """
    media_type = datacontenttype.partition(";")[0].strip().lower()
    if media_type.endswith(("/json", "+json")):
        return Kind.JSON
    if media_type.startswith("text/") and codec_of(datacontenttype) is not None:
        return Kind.TEXT
    return Kind.BINARY


@lru_cache(maxsize=256)
def codec_of(datacontenttype: str) -> str | None:
    """The codec of text of a media type: UTF-8 unless it says otherwise; None for a charset that is not known."""
    for parameter in datacontenttype.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return _CODECS.get(value.strip().strip('"').lower())
    return "utf-8"
