"""What stands in the playground's editors, and what it says: an event, a filter, a transformer, or what is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, TypeVar, cast

from attrs import field, frozen

from eventroute.errors import InvalidConfiguration, InvalidEvent, InvalidFilter, InvalidTransformer
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.filter import DialectParser
from eventroute.gateway.github import event_of
from eventroute.transform import Transformer
from eventroute.transform.command import Command
from eventroute.transform.limits import Limits
from eventroute.trial import Mode, json_value, read_event
from eventroute.web.forms import Form
from eventroute.web.samples import SAMPLES, Sample

__all__ = ["DIALECTS", "LIMITS", "MODES", "Draft", "Fault", "Own", "Read"]

Language = Literal["toml", "python", "curl"]

DIALECTS: Final = {"json": "JSON", "expr": "expr", "sql": "SQL", "pattern": "Pattern"}
MODES: Final[Mapping[Mode, str]] = {"binary": "Binary", "structured": "Structured", "batch": "Batch"}
LANGUAGES: Final[Mapping[Language, str]] = {"toml": "TOML", "python": "Python", "curl": "curl"}

LIMITS: Final = Limits(commands=50, work=4_000_000, output=1_000_000)
"""Tighter than those of a broker: whoever tries something waits for it."""

_DELIVERY: Final = "00000000-0000-4000-8000-000000000000"
T = TypeVar("T")


@frozen
class Own:
    """An application's own dialects and commands, by name."""

    dialects: Mapping[str, DialectParser] = field(factory=dict)
    commands: Mapping[str, Command] = field(factory=dict)


@frozen
class Fault:
    """What is wrong: where, in one line, and if there is one, the line of the text with a caret below it."""

    where: str
    reason: str
    excerpt: str = ""

    @classmethod
    def of(cls, error: InvalidEvent | InvalidConfiguration | InvalidFilter | InvalidTransformer) -> Fault:
        """The one that an error tells of."""
        reason, _, excerpt = error.reason.partition("\n")
        return cls(error.where, reason, textwrap.dedent(excerpt) if "\n" in excerpt else excerpt)


@frozen(kw_only=True)
class Read:
    """What the editors say, as far as it can be understood; `faults` by editor, for what cannot."""

    event: Event | None
    rules: Filter | None
    spec: Any
    """The filters as JSON values and expressions: what stands in a subscription."""
    transformer: Transformer | None
    """None where there is none, too."""
    transformer_spec: Mapping[str, Any]
    faults: Mapping[str, Fault]


@frozen(kw_only=True)
class Draft:
    """The texts and choices of the editors."""

    sample: str = "star"
    kind: Literal["cloudevent", "github"] = "github"
    github: str = "star"
    payload: str
    dialect: str = "json"
    rules: str
    define: str = ""
    pipeline: str = ""
    template: str = ""
    template_type: str = ""
    template_syntax: str = "dollar"
    mode: Mode = "binary"
    language: Language = "toml"

    @classmethod
    def of_sample(cls, sample: Sample) -> Draft:
        """A sample with the rules that go with it."""
        return cls(
            sample=sample.name,
            kind="github" if sample.github else "cloudevent",
            github=sample.github,
            payload=sample.text,
            rules=sample.rules["json"],
            define=sample.define,
            pipeline=sample.pipeline,
            template=sample.template,
        )

    @classmethod
    def of_form(cls, form: Form) -> Draft:
        """What was sent; of a choice that there is not, the default."""
        return cls(
            sample=_chosen(form.get("sample"), SAMPLES, "star"),
            kind="github" if form.get("kind") == "github" else "cloudevent",
            github=form.get("github"),
            payload=form.get("payload"),
            dialect=_chosen(form.get("dialect"), DIALECTS, "json"),
            rules=form.get("rules"),
            define=form.get("define"),
            pipeline=form.get("pipeline"),
            template=form.get("template"),
            template_type=form.get("template_type"),
            template_syntax=form.get("template_syntax") or "dollar",
            mode=cast(Mode, _chosen(form.get("mode"), MODES, "binary")),
            language=cast(Language, _chosen(form.get("language"), LANGUAGES, "toml")),
        )

    def read(self, own: Own, now: float) -> Read:
        """Understand all of it; `now` is the time of a webhook that has none, in seconds since the epoch."""
        faults: dict[str, Fault] = {}
        spec = _tried(faults, "rules", self._rules)
        rules = None if spec is None else _tried(faults, "rules", lambda: Filter.parse(spec, dialects=own.dialects))
        parts = self._json_parts(faults)
        if self.template:
            parts["template"] = self.template
        if self.template_type:
            parts["template_type"] = self.template_type
        if self.template and self.template_syntax != "dollar":
            parts["template_syntax"] = self.template_syntax
        transformer = None
        if parts and not faults.keys() & parts.keys():
            commands = own.commands
            transformer = _tried(faults, "", lambda: Transformer.parse(parts, limits=LIMITS, commands=commands))
        return Read(
            event=_tried(faults, "payload", lambda: self._event(now)),
            rules=rules,
            spec=spec if isinstance(spec, list) else [spec],
            transformer=transformer,
            transformer_spec=parts,
            faults=faults,
        )

    def _json_parts(self, faults: dict[str, Fault]) -> dict[str, Any]:
        """The parts of the transformer that are written in JSON; one that is not has None."""
        written = {"define": self.define, "pipeline": self.pipeline}
        return {
            name: _tried(faults, name, partial(json_value, _bytes(text), name))
            for name, text in written.items()
            if text.strip()
        }

    def _event(self, now: float) -> Event:
        if self.kind == "cloudevent":
            return read_event(_bytes(self.payload), "the event")
        headers = {
            "x-github-event": self.github.strip(),
            "x-github-delivery": _DELIVERY,
            "content-type": "application/json",
        }
        json_value(_bytes(self.payload), "the payload")  # which tells the place
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        return event_of(raw, _bytes(self.payload), now=now)

    def _rules(self) -> Any:
        """As it stands in a subscription. Nothing at all is a filter that everything matches."""
        if not self.rules.strip():
            return []
        if self.dialect == "expr":
            return self.rules if self.rules.lstrip()[:1] not in ("{", "[") else {"expr": self.rules}
        if self.dialect == "sql":
            return {"sql": self.rules}
        value = json_value(_bytes(self.rules), "the filter")
        return {"pattern": value} if self.dialect == "pattern" else value


def _tried(faults: dict[str, Fault], editor: str, read: Callable[[], T]) -> T | None:
    """What `read` gives; or None, and the fault is noted with the editor that it is in."""
    try:
        return read()
    except (InvalidEvent, InvalidConfiguration, InvalidFilter) as error:
        faults[editor] = Fault.of(error)
    except InvalidTransformer as error:
        place = next((name for name in ("define", "pipeline", "template") if error.where.startswith(name)), "template")
        faults[place] = Fault.of(error)
    return None


def _chosen(
    given: str, known: Mapping[str, object] | Mapping[Mode, object] | Mapping[Language, object], default: str
) -> str:
    return given if given in known else default


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
