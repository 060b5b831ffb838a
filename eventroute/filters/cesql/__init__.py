"""CESQL: the SQL expression language of CloudEvents, version 1.0.0.

    from eventroute.filters.cesql import evaluate

    evaluate("sequence + 1 = 6", event)   # Result(value=True, errors=())

Where the specification contradicts itself or its conformance kit, docs/reference/sql.md says what holds.
"""

from __future__ import annotations

from eventroute.filters.cesql.casts import Type, Value
from eventroute.filters.cesql.errors import ErrorKind, EvaluationError, FunctionFailure
from eventroute.filters.cesql.evaluation import Result
from eventroute.filters.cesql.expression import Expression, evaluate
from eventroute.filters.cesql.functions import Function, Functions

__all__ = [
    "ErrorKind",
    "EvaluationError",
    "Expression",
    "Function",
    "FunctionFailure",
    "Functions",
    "Result",
    "Type",
    "Value",
    "evaluate",
]
