"""What may go wrong while a CESQL expression is evaluated (section 3.3)."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from eventroute.filters.cesql.casts import Value

__all__ = ["ErrorKind", "EvaluationError", "FunctionFailure"]


class ErrorKind(Enum):
    """A kind of error, by its name in the specification. A ParseError is an InvalidFilter, which is raised."""

    MATH = "MathError"
    CAST = "CastError"
    MISSING_ATTRIBUTE = "MissingAttributeError"
    MISSING_FUNCTION = "MissingFunctionError"
    FUNCTION_EVALUATION = "FunctionEvaluationError"


@frozen
class EvaluationError:
    """One error of an evaluation: its kind, and what was wrong."""

    kind: ErrorKind
    reason: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.reason}"


class FunctionFailure(Exception):
    """Raised by a function that cannot say its value: `value` stands for it, by default the type's zero value."""

    def __init__(
        self, reason: str, value: Value | None = None, *, kind: ErrorKind = ErrorKind.FUNCTION_EVALUATION
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value
        self.kind = kind
