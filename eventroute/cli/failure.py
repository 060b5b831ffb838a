"""How a command fails: one voice on the standard error, for people or as JSON, and the exit codes.

0 done, the answer is yes. 1 the answer is no. 2 wrong use, or an error. 130 Ctrl-C before it was done. 141 nobody reads
the output any more.
"""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from eventroute.cli.terminal import json_text, lead_nowhere, plain, tell
from eventroute.errors import EventrouteError, UnknownBus

__all__ = ["CLOSED", "INTERRUPTED", "Failure", "NotFound", "ending", "report", "wants_json"]

INTERRUPTED: Final = 130
CLOSED: Final = 141

_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Of an OSError that names no file: what is printed goes where no room is, say. All else that writes has its words."""


class Failure(click.ClickException):
    """An error, told in a few lines. `kind` names it for programs, `where` is the place that is wrong, `more` holds
    further members of its JSON document.
    """

    exit_code = 2

    def __init__(self, message: str, kind: str, where: str = "", more: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.where = where
        self.more = more or {}

    @classmethod
    def of(cls, error: EventrouteError, **more: Any) -> Failure:
        """What eventroute refuses, in words for whoever types commands."""
        message = str(error)
        if isinstance(error, UnknownBus):
            message = f"there is no bus {error.bus!r}: make it with `eventroute buses create`"
        return cls(message, type(error).__name__, getattr(error, "where", ""), more)


class NotFound(Failure):
    """What was looked for is not there: an answer, and no error."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message, "NotFound")


class _Interrupted(Failure):
    exit_code = INTERRUPTED


class _Declined(Failure):
    exit_code = 1


@contextmanager
def ending() -> Iterator[None]:
    """Turns whatever ends a command early into what is told of it."""
    try:
        yield
    except EventrouteError as error:
        raise Failure.of(error) from error
    except KeyboardInterrupt as error:
        raise _Interrupted("\n".join(("interrupted", *map(str, error.args))), "Interrupted") from error
    except click.Abort as error:
        raise _Declined("nothing was done", "Declined") from error
    except BrokenPipeError as error:
        lead_nowhere(sys.stdout)
        raise click.exceptions.Exit(CLOSED) from error
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        lead_nowhere(sys.stdout)
        raise Failure(f"the standard output cannot be written: {error.strerror}", "OutputFailed") from error


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the arguments ask for JSON, be they right or wrong."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def report(error: click.ClickException, *, as_json: bool) -> int:
    """Tell an error on the standard error; the exit code."""
    if as_json:
        tell(json_text({"error": _document(error)}, indent=0))
    elif isinstance(error, click.UsageError):
        told = io.StringIO()
        error.show(told)
        tell(plain(told.getvalue()), nl=False)
    else:
        begin = "" if isinstance(error, (NotFound, _Declined, _Interrupted)) else "Error: "
        tell(begin + plain(error.format_message()))
    return error.exit_code


def _document(error: click.ClickException) -> dict[str, Any]:
    kind, where, more = "WrongUse", "", {}
    if isinstance(error, Failure):
        kind, where, more = error.kind, error.where, dict(error.more)
    told = {"kind": kind, "message": error.format_message()}
    if where:
        told["where"] = where
    return {**told, **more, "exit_code": error.exit_code}
