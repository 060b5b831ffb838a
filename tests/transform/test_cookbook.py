"""The transformers of the cookbook, on the real webhooks of GitHub of each kind that they are for.

tests/test_docs.py holds the page to what it prints.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from eventroute.event import Event
from eventroute.transform import Transformer

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "cookbook.md"
FOR_EVENT = {
    "to_slack": "issues",
    "to_discord": "issues",
    "to_ticket": "issues",
    "to_flat": "issues",
    "to_line": "issues",
    "without_secrets": "issues",
    "to_schema": "issues",
    "to_local_time": "star",
    "enriched": "star",
}
ELSEWHERE = {"to_mongodb", "leak"}
"""Not for a webhook of GitHub's, or no recipe."""


@pytest.fixture(scope="module")
def recipes() -> dict[str, Transformer]:
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
            exec(block, names)
    return {name: value for name, value in names.items() if isinstance(value, Transformer)}


def test_there_are_ten(recipes: dict[str, Transformer]) -> None:
    assert recipes.keys() == FOR_EVENT.keys() | ELSEWHERE
    assert len(FOR_EVENT.keys() | ELSEWHERE) - len({"leak"}) == 10


@pytest.mark.parametrize(("recipe", "event"), FOR_EVENT.items())
def test_a_recipe_works_on_every_webhook_of_its_kind(
    recipes: dict[str, Transformer], recipe: str, event: str, shared: Path
) -> None:
    payloads = sorted((shared / "data" / "github" / event).glob("*.json"))
    assert payloads
    done = 0
    for payload in payloads:
        data = json.loads(payload.read_bytes())
        if recipe == "to_local_time" and data["starred_at"] is None:
            continue  # a star that was taken away has no date
        result = recipes[recipe](Event.create(type=f"com.github.{event}", source="/github", data=data))
        assert Event.from_json(result.to_json()) == result
        assert result.has_data
        done += 1
    assert done
