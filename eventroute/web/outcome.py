"""What came of a draft, as a page shows it: every value as text that is legible, and nothing longer than a bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from eventroute.event import Event
from eventroute.filters.explain import Explanation
from eventroute.filters.oddity import Oddity
from eventroute.jsontext import encode_json
from eventroute.paths import MISSING
from eventroute.transform.explain import Step
from eventroute.trial import message_of, shown, try_out
from eventroute.web.copies import copy_of
from eventroute.web.draft import Draft, Fault, Own, Read

__all__ = ["LONGEST_DATA", "LONGEST_TEXT", "MOST_CLAUSES", "Clause", "Outcome", "outcome_of"]

LONGEST_TEXT: Final = 4_000
"""How many characters of a value are shown."""

LONGEST_DATA: Final = 16_000
"""How many characters of the data after a command are shown, and of what is delivered."""

MOST_CLAUSES: Final = 500
"""How many clauses of a filter are explained; the rest are counted."""


@frozen
class Clause:
    """One line of an explanation, `depth` levels below the top."""

    depth: int
    matched: bool
    text: str
    why: str
    value: str
    """What the clause saw, where `why` does not say it."""


@frozen
class Done:
    """One command of a pipeline, what is at the places that it wrote, and the data after it."""

    command: str
    places: Mapping[str, str]
    data: str


@frozen(kw_only=True)
class Outcome:
    """All that the page tells."""

    draft: Draft
    faults: Mapping[str, Fault]
    matched: bool | None
    """None where it cannot be said."""
    clauses: tuple[Clause, ...] = ()
    more_clauses: int = 0
    oddities: tuple[Oddity, ...] = ()
    event: tuple[tuple[str, str], ...] = ()
    """The attributes of the event."""
    variables: tuple[tuple[str, str | None], ...] = ()
    """None where a path found nothing."""
    steps: tuple[Done, ...] = ()
    failure: Fault | None = None
    """Why the transformer failed on this event."""
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    """What would be delivered; None where nothing is."""
    copy: str = ""
    copy_fault: str = ""


def outcome_of(draft: Draft, own: Own, now: float) -> Outcome:
    """Try a draft. Takes time that is bounded by its length and the limits of a transformer."""
    read = draft.read(own, now)
    found: dict[str, Any] = {"matched": None}
    if read.rules is not None:
        found["oddities"] = tuple(Oddity(legible(one.clause), legible(one.reason)) for one in read.rules.lint())
    if read.event is not None:
        found["event"] = tuple((name, legible(str(value))) for name, value in read.event.attributes.items())
        if read.rules is not None:
            found |= _match(read.rules.explain(read.event))
        if not read.faults.keys() & {"define", "pipeline", "template"}:
            found |= _delivery(read.event, read, draft)
    if not read.faults:
        found |= _copy(draft, read)
    return Outcome(draft=draft, faults={name: _legible_fault(one) for name, one in read.faults.items()}, **found)


def _match(explanation: Explanation) -> dict[str, Any]:
    clauses = list(_clauses(explanation, 0))
    return {
        "matched": explanation.matched,
        "clauses": tuple(clauses[:MOST_CLAUSES]),
        "more_clauses": max(0, len(clauses) - MOST_CLAUSES),
    }


def _clauses(one: Explanation, depth: int) -> Iterator[Clause]:
    value = legible(_json(one.value), 120) if isinstance(one.value, dict | list) else ""
    yield Clause(depth, one.matched, legible(one.clause, 400), legible(one.why, 400), value)
    for part in one.parts:
        yield from _clauses(part, depth + 1)


def _delivery(event: Event, read: Read, draft: Draft) -> dict[str, Any]:
    """What the transformer makes of the event, whether it matches or not."""
    trial = try_out(event, (), read.transformer)
    found: dict[str, Any] = {}
    told = trial.transformation
    if told is not None:
        found["variables"] = tuple(
            (name, None if value is MISSING else legible(_json(value))) for name, value in told.variables.items()
        )
        found["steps"] = tuple(map(_done, told.steps))
    if trial.error is not None:
        found["failure"] = _legible_fault(Fault(trial.error.where, trial.error.reason))
    if trial.result is not None:
        headers, body = message_of(trial.result, draft.mode)
        found["headers"] = tuple((name, legible(value)) for name, value in headers)
        found["body"] = _body(body)
    return found


def _done(step: Step) -> Done:
    places = {place: legible(_json(value)) for place, value in step.places.items()}
    return Done(step.command, places, legible(_json(step.data), LONGEST_DATA))


def _copy(draft: Draft, read: Read) -> dict[str, Any]:
    try:
        return {"copy": copy_of(draft.language, read)}
    except ValueError as error:
        return {"copy_fault": legible(str(error))}


def _body(body: bytes) -> str:
    try:
        return legible(body.decode("utf-8"), LONGEST_DATA)
    except UnicodeDecodeError:
        return f"({len(body):,} bytes that are no text)"


def _json(value: object) -> str:
    if value is MISSING:
        return "nothing"
    try:
        return encode_json(value).decode()
    except ValueError as error:
        return f"not JSON: {error}"


def _legible_fault(fault: Fault) -> Fault:
    return Fault(legible(fault.where), legible(fault.reason), legible(fault.excerpt))


def legible(text: str, most: int = LONGEST_TEXT) -> str:
    """A text, of which what is long is cut, and what cannot be seen, or turns round what is beside it, is escaped."""
    return shown(text) if len(text) <= most else f"{shown(text[:most])}… ({len(text):,} characters)"
