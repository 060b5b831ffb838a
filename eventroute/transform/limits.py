"""How large a transformer and what it makes may be."""

from __future__ import annotations

import attrs
from attrs.validators import ge, instance_of

__all__ = ["DEFAULT_LIMITS", "Limits"]


def _bound(default: int) -> int:
    result: int = attrs.field(default=default, validator=[instance_of(int), ge(1)])
    return result


@attrs.frozen(kw_only=True)
class Limits:
    """The bounds of one transformer, each at least 1. What passes one is refused, never cut.

    `variables`: entries of define. `constants`: bytes of all constants in define, as JSON.
    `template_length`: characters. `template_tokens`: placeholders, runs of text, brackets, commas and scalars.
    `placeholders`: `${...}` in a template. `nesting`: arrays and objects in a template.
    `output`: bytes of the data that one event becomes.
    """

    variables: int = _bound(1_000)
    constants: int = _bound(1_000_000)
    template_length: int = _bound(1_000_000)
    template_tokens: int = _bound(50_000)
    placeholders: int = _bound(1_000)
    nesting: int = _bound(100)
    commands: int = _bound(200)
    arguments: int = _bound(2_000)
    pipeline_length: int = _bound(1_000_000)
    work: int = _bound(64_000_000)
    output: int = _bound(16_000_000)


DEFAULT_LIMITS = Limits()
