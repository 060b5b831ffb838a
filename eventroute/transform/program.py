"""What a transformer compiles to: the commands as functions and the template as one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import attrs
import msgspec

from eventroute.errors import TransformError
from eventroute.event import Event, reshaped
from eventroute.jsontext import check_json, encode_json
from eventroute.payload import Kind, Payload, kind_of, payload_of
from eventroute.transform.compiler import Render
from eventroute.transform.draft import Draft
from eventroute.transform.edit import Edits
from eventroute.transform.limits import Limits

__all__ = ["Program", "Watch"]

Watch = Callable[[int, Draft], None]
"""Is told the number of each command when it is done, and the draft."""


@attrs.frozen(eq=False)
class Program:
    """Runs the commands on a draft of an event, and renders the template of what they leave."""

    edits: Edits
    render: Render | None
    content_type: str | None
    limits: Limits

    def __call__(self, source: Event, watch: Watch | None = None) -> Event:
        """The event in its new shape. Raises TransformError."""
        if not self.edits:
            return source if self.render is None else self._rendered(source, source, {})
        draft = Draft(source, self.limits.work)
        self._edit(draft, watch)
        if self.render is not None:
            return self._rendered(cast(Event, draft), source, draft.changes)  # a draft can be read as an event
        try:
            if draft.data_changed:
                content_type = draft.attributes.get("datacontenttype")
                return reshaped(source, draft.changes, self._payload(draft, content_type))
            return source.replace(draft.changes) if draft.changes else source
        except ValueError as error:
            raise TransformError(str(error), where="pipeline") from error

    def _edit(self, draft: Draft, watch: Watch | None) -> None:
        number = 0
        try:
            for number, (_, run) in enumerate(self.edits):
                run(draft, draft)
                if watch is not None:
                    watch(number, draft)
        except (ValueError, TransformError) as error:  # a path that visits too much raises the latter
            reason = error.reason if isinstance(error, TransformError) else str(error)
            raise TransformError(reason, where=self.edits[number][0]) from error

    def _payload(self, draft: Draft, content_type: Any) -> Payload:
        data = draft.data
        if draft.kind is Kind.NONE:
            return None
        if kind_of(content_type) is Kind.JSON:
            text = encode_json(data)
            if len(text) > self.limits.output:
                raise ValueError(_TOO_LONG)
            return msgspec.Raw(text)
        if isinstance(data, str) and len(data) > self.limits.output:
            raise ValueError(_TOO_LONG)
        if data is None:
            raise ValueError(f"null does not go with datacontenttype {content_type!r:.80}")
        return payload_of(data, content_type)

    def _rendered(self, event: Event, source: Event, changes: dict[str, Any]) -> Event:
        render, content_type = cast(Render, self.render), self.content_type
        data = render(event, source)
        if event.attributes.get("datacontenttype") != content_type:
            changes = {**changes, "datacontenttype": content_type}
        try:
            if content_type == _TEXT:
                return reshaped(source, changes, data.decode())
            check_json(data)
            return reshaped(source, changes, msgspec.Raw(data))
        except ValueError as error:
            raise TransformError(str(error), where="template") from error


_TEXT: Final = "text/plain"
_TOO_LONG: Final = "the data grows longer than the limit named output allows"
