from __future__ import annotations

from typing import Any

import pytest

from eventroute.errors import InvalidConfiguration
from eventroute.gateway.limits import RequestLimits


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_body", 0), ("max_body", True), ("max_events", 0), ("body_timeout", float("nan")), ("retry_after", "5")],
)
def test_a_limit_out_of_bounds_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidConfiguration, match=f"limits.{name}"):
        RequestLimits(**{name: value})
