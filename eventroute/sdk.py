"""The protocol `BaseCloudEvent` of the CloudEvents SDK, by what an event has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, cast

from eventroute.attributes import AttributeValue
from eventroute.timestamps import parse_timestamp

__all__ = ["SdkEvent"]


class _Event(Protocol):
    @property
    def attributes(self) -> Mapping[str, AttributeValue]: ...
    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def subject(self) -> str | None: ...
    @property
    def time(self) -> str | None: ...
    @property
    def datacontenttype(self) -> str | None: ...
    @property
    def data(self) -> Any: ...


class SdkEvent:
    """What the protocol asks for."""

    __slots__ = ()

    def get_id(self: _Event) -> str:
        """As `id`."""
        return self.id

    def get_source(self: _Event) -> str:
        """As `source`."""
        return self.source

    def get_type(self: _Event) -> str:
        """As `type`."""
        return self.type

    def get_specversion(self: _Event) -> str:
        """Always 1.0."""
        return "1.0"

    def get_datacontenttype(self: _Event) -> str | None:
        """As `datacontenttype`."""
        return self.datacontenttype

    def get_dataschema(self: _Event) -> str | None:
        """The schema of the data, an absolute URI."""
        return cast("str | None", self.attributes.get("dataschema"))

    def get_subject(self: _Event) -> str | None:
        """As `subject`."""
        return self.subject

    def get_time(self: _Event) -> datetime | None:
        """The instant of `time`, to the microsecond."""
        return _instant(self.time)

    def get_extension(self: _Event, extension_name: str) -> Any:
        """The value of an attribute, or None."""
        return self.attributes.get(extension_name)

    def get_data(self: _Event) -> Any:
        """As `data`."""
        return self.data

    def get_attributes(self: _Event) -> dict[str, Any]:
        """A copy of all attributes, with `time` as a datetime as the SDK has it."""
        attributes: dict[str, Any] = dict(self.attributes)
        if "time" in attributes:
            attributes["time"] = _instant(self.time)
        return attributes


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_timestamp(text)
