"""Hypothesis strategies for tests of your own: events, filters, and events that filters meet or just miss.

    from eventroute.testing.strategies import events_for

    @given(events_for(rule))
    def test_no_bot_reaches_the_on_call(event):
        assert not (rule(event) and event.data["sender"].endswith("-bot"))

Needs the extra `testing`.
"""

from __future__ import annotations

from eventroute.testing.strategies.events import events
from eventroute.testing.strategies.expr import expressions
from eventroute.testing.strategies.filters import DIALECTS, filter_specs, filters
from eventroute.testing.strategies.meeting import events_for
from eventroute.testing.strategies.patterns import event_patterns
from eventroute.testing.strategies.sql import sql_expressions
from eventroute.testing.strategies.values import json_scalars, json_values
from eventroute.testing.strategies.vocabulary import Vocabulary

__all__ = [
    "DIALECTS",
    "Vocabulary",
    "event_patterns",
    "events",
    "events_for",
    "expressions",
    "filter_specs",
    "filters",
    "json_scalars",
    "json_values",
    "sql_expressions",
]
