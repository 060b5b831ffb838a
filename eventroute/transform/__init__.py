"""Transformers: what an event becomes before it is pushed.

`define` names values of the incoming event, the pipeline edits the event by commands, and the template puts together
the new data. All are parsed to frozen trees when a transformer is made, and compiled to functions when it is first
used; from then on an event costs only the reading of its paths, the changes, and the joining of texts.
"""

from __future__ import annotations

from eventroute.transform import casts
from eventroute.transform.command import Argument, Command, Use
from eventroute.transform.explain import Explanation, Step
from eventroute.transform.limits import Limits
from eventroute.transform.transformer import Transformer

__all__ = ["Argument", "Command", "Explanation", "Limits", "Step", "Transformer", "Use", "casts"]
