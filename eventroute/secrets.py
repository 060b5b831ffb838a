"""Secrets by reference: what is written in a file or a subscription is where a secret lies, never the secret."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from eventroute.errors import InvalidConfiguration, SecretNotFound

__all__ = ["MAX_SECRET_BYTES", "Secret", "SecretResolver", "Secrets", "check_reference", "is_reference"]

MAX_SECRET_BYTES: Final = 65_536
"""How many bytes a secret may have; a larger file is no secret."""

SecretResolver = Callable[[str], str]
"""Finds the secret of what stands behind the colon of a reference; raises SecretNotFound or LookupError."""

_REFERENCE = re.compile(r"([a-z][a-z0-9+.-]*):(.+)", re.DOTALL)


@frozen(eq=False, repr=False)
class Secret:
    """A secret text. Neither `str`, `repr` nor formatting shows it: only `reveal` does."""

    _text: str = field()

    def __attrs_post_init__(self) -> None:
        if not isinstance(self._text, str) or not self._text:
            raise SecretNotFound("a secret is a text that is not empty")

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def matches(self, given: str | bytes) -> bool:
        """Whether this is what was given, compared in a time that does not tell how much of it is right."""
        candidate = given.encode("utf-8", "surrogatepass") if isinstance(given, str) else given
        return hmac.compare_digest(self._text.encode("utf-8", "surrogatepass"), candidate)

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


def is_reference(text: object) -> bool:
    """Whether a text has the form of a reference; which schemes there are is for `Secrets` to know."""
    return isinstance(text, str) and _REFERENCE.fullmatch(text) is not None


def check_reference(reference: object, *, known: Mapping[str, SecretResolver] | None = None) -> tuple[str, str]:
    """The scheme of a reference and what stands behind it.

    Raises InvalidConfiguration, whose message shows no more than the scheme: what was written may be a secret in clear.
    """
    schemes = ["env", "file", *(known or {})]
    found = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    if found is None or found[1] not in schemes:
        others = "".join(f" or {scheme}:..." for scheme in schemes[2:])
        raise InvalidConfiguration(f"a secret is given by reference: write env:NAME or file:PATH{others}")
    return found[1], found[2]


def _prefixes(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


@frozen(kw_only=True)
class Secrets:
    """Where secrets are looked up: `env:NAME`, `file:PATH`, and the resolvers handed in, by scheme.

    A relative PATH is taken from `folder`. One line end at the end of a file does not count.
    """

    folder: Path = field(factory=Path, converter=Path)
    resolvers: Mapping[str, SecretResolver] = field(factory=dict, repr=False)
    allowed: tuple[str, ...] | None = field(default=None, converter=_prefixes)
    """How a reference must begin, for instance `vault:` or `env:WEBHOOK_`; None: any way. None at all is `()`.

    Whoever may write a reference can have that secret sent to an endpoint: where strangers make subscriptions, allow
    only what is theirs.
    """

    def check(self, reference: object) -> tuple[str, str]:
        """The scheme of a reference that may be used here, and what stands behind it.

        Raises InvalidConfiguration, whose message shows no more than the scheme.
        """
        scheme, rest = check_reference(reference, known=self.resolvers)
        upwards = scheme == "file" and ".." in Path(rest).parts
        if self.allowed is not None and (upwards or not f"{scheme}:{rest}".startswith(self.allowed)):
            raise InvalidConfiguration(f"this {scheme}: reference is not among the secrets that may be used here")
        return scheme, rest

    def get(self, reference: str) -> Secret:
        """The secret that a reference leads to; reads the file or the variable anew each time.

        Raises SecretNotFound naming the reference, InvalidConfiguration where it is none or may not be used.
        """
        scheme, rest = self.check(reference)
        text = self._find(scheme, rest)
        if not text:
            raise SecretNotFound(f"the secret {scheme}:{rest} is empty")
        return Secret(text)

    def _find(self, scheme: str, rest: str) -> str:
        if scheme in self.resolvers:
            try:
                return self.resolvers[scheme](rest)
            except SecretNotFound:
                raise
            except LookupError:
                raise SecretNotFound(f"there is no secret {scheme}:{rest}") from None
            except Exception as error:  # noqa: BLE001 - an application's resolver; its message may hold a secret
                raise SecretNotFound(
                    f"the secret {scheme}:{rest} cannot be looked up: {type(error).__name__}"
                ) from None
        if scheme == "file":
            return self._read(rest)
        if rest not in os.environ:
            raise SecretNotFound(f"there is no secret env:{rest}: set the environment variable {rest}")
        return os.environ[rest]

    def _read(self, path: str) -> str:
        try:
            with (self.folder / path).open("rb") as file:
                content = file.read(MAX_SECRET_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise SecretNotFound(f"the secret file:{path} cannot be read: {reason}") from None
        if len(content) > MAX_SECRET_BYTES:
            raise SecretNotFound(f"the secret file:{path} has more than {MAX_SECRET_BYTES} bytes")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            raise SecretNotFound(f"the secret file:{path} is not UTF-8 text") from None
        return text.removesuffix("\n").removesuffix("\r")
