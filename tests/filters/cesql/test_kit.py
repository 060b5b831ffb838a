"""The official conformance kit of CESQL 1.0, beside the repository (`../shared/conformance/cesql`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.cesql import evaluate

KIT = Path(__file__).parents[4] / "shared/conformance/cesql"
FILES = sorted(KIT.glob("*.yaml"))
ANY_EVENT = {"specversion": "1.0", "id": "id", "source": "/source", "type": "type"}

ERRORS = {
    "math": "MathError",
    "cast": "CastError",
    "missingAttribute": "MissingAttributeError",
    "missingFunction": "MissingFunctionError",
    "functionEvaluation": "FunctionEvaluationError",
}
# What the kit expects against the specification, with what follows from its text and the sentence that decides.
ERRATA: dict[str, tuple[Any, set[str], str]] = {
    "NOT 10": (
        False,
        set(),
        "3.7: Integer -> Boolean MUST be supported and 'Returns `false` if the integer is `0`, and `true` otherwise'",
    ),
}


class Loader(yaml.SafeLoader):
    """Reads a timestamp as the text that it is, as JSON would, and expressions and names as they are written."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        for key, value in node.value:
            if key.value in ("expression", "name"):
                value.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{file.stem}: {case['name']}")
        for file in FILES
        for case in yaml.load(file.read_text(encoding="utf-8"), Loader)["tests"]
    ]


if not FILES:
    pytestmark = pytest.mark.skip(reason=f"the kit is not beside the repository: no {KIT.parent.name}/{KIT.name}")


def test_the_kit_is_whole() -> None:
    assert len(FILES) == 18
    assert len(cases()) == 275
    assert set(ERRATA) <= {case.values[0]["expression"] for case in cases()}


@pytest.mark.parametrize("case", cases())
def test_the_kit_passes(case: dict[str, Any]) -> None:
    text = case["expression"]
    event = Event(case.get("event") or ANY_EVENT | case.get("eventOverrides", {}))
    if case.get("error") == "parse":
        with pytest.raises(InvalidFilter, match="line 1, column"):
            evaluate(text, event)
        return
    error = {ERRORS[case["error"]]} if "error" in case else set()
    value, errors, _ = ERRATA.get(text, (case.get("result"), error, ""))
    result = evaluate(text, event)
    assert (result.value, type(result.value)) == (value, type(value))
    assert {error.kind.value for error in result.errors} == errors
    if "MissingFunctionError" not in errors:
        assert Filter.parse({"sql": text})(event) is (value is True and not errors)
