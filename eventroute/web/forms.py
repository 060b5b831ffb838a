"""What a form sends, read within bounds."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from attrs import field, frozen
from starlette.exceptions import HTTPException
from starlette.requests import Request

from eventroute.clock import Clock
from eventroute.gateway.body import read_body
from eventroute.gateway.limits import RequestLimits

__all__ = ["MAX_FIELDS", "Form", "read_form"]

MAX_FIELDS: Final = 200
"""How many fields a form may have."""

_TYPE: Final = "application/x-www-form-urlencoded"


@frozen
class Form:
    """The fields of a form, each with all its values, in order."""

    fields: dict[str, list[str]] = field(repr=False)

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field; lines end with a line feed alone, as they did before the browser sent them."""
        return self.fields.get(name, [default])[0].replace("\r\n", "\n")

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return [value.replace("\r\n", "\n") for value in self.fields.get(name, [])]


async def read_form(request: Request, limits: RequestLimits, clock: Clock) -> Form:
    """The form of a request. Raises HTTPException: 400, 408, 413, 415; ClientDisconnect."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise HTTPException(415, f"a form is sent as {_TYPE}")
    body = await read_body(request, limits, clock)
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        )
    except ValueError:  # not ASCII, not UTF-8 once it is decoded, or too many
        raise HTTPException(400, f"this is no form in UTF-8 with at most {MAX_FIELDS} fields") from None
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return Form(fields)
