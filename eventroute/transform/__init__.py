"""Transformers: what an event becomes before it is pushed.

`define` names values of the incoming event, the template puts them together. A template is parsed by a grammar
(`template.lark`) to a frozen tree of parts, and compiled to a function; from then on an event costs only the reading
of its paths and the joining of texts.
"""

from __future__ import annotations

from eventroute.transform.explain import Explanation
from eventroute.transform.limits import Limits
from eventroute.transform.transformer import Transformer

__all__ = ["Explanation", "Limits", "Transformer"]
