"""Who may do what, as a configuration file says it: credentials by reference, and pages for those who have them."""

from __future__ import annotations

from ipaddress import ip_address

from attrs import frozen

from eventroute.errors import InvalidConfiguration
from eventroute.gateway.authorize import Authorize, Basic, Bearer, Credential, users
from eventroute.secrets import Secrets, check_reference
from eventroute.serving.tomlfile import Place, Table

__all__ = [
    "CredentialReference",
    "ServedPage",
    "check_secret",
    "is_loopback",
    "page_authorize",
    "read_credential",
    "read_page",
]


@frozen
class CredentialReference:
    """A credential, its secret by reference: a bearer token, or with a `user` a password."""

    secret: str
    user: str | None = None

    def resolve(self, secrets: Secrets) -> Credential:
        """The credential itself. Raises SecretNotFound."""
        secret = secrets.get(self.secret)
        return Bearer(secret) if self.user is None else Basic(self.user, secret)


@frozen(kw_only=True)
class ServedPage:
    """A page for people: who may use it. With neither, only this machine may."""

    users: tuple[CredentialReference, ...] = ()
    open: bool = False
    """Anybody may, wherever the gateway listens."""


def page_authorize(page: ServedPage, secrets: Secrets) -> Authorize | None:
    """The hook of a page; None where this machine alone may use it. Raises SecretNotFound."""
    if page.open:
        return lambda _request: None
    return users([known.resolve(secrets) for known in page.users]) if page.users else None


def read_credential(entry: Table) -> CredentialReference:
    """A credential: `{ bearer = SECRET }` or `{ basic = ... }`. Raises InvalidConfiguration."""
    with entry:
        bearer = entry.get("bearer", str, "")
        basic = entry.table("basic")
        if ("bearer" in entry.values) == ("basic" in entry.values):
            raise entry.error(
                "", 'must be { bearer = "env:NAME" } or { basic = { user = "...", password = "env:NAME" } }'
            )
        if "bearer" in entry.values:
            check_secret(entry, ("bearer",), bearer)
            return CredentialReference(bearer)
        with basic:
            user, password = basic.need("user", str), basic.need("password", str)
            check_secret(basic, ("password",), password)
            if not user or ":" in user:
                raise basic.error("user", "a user name is not empty and has no colon (RFC 7617)")
            return CredentialReference(password, user)


def check_secret(table: Table, place: Place, reference: str) -> None:
    """Raises InvalidConfiguration where this is no reference, without showing it: it may be a secret in clear."""
    try:
        check_reference(reference)
    except InvalidConfiguration as error:
        raise table.inner_error(place, error.reason) from None  # it may be a secret in clear


def read_page(top: Table, key: str, host: str, *, may_be_open: bool) -> ServedPage | None:
    """Who may use a page of a gateway that listens on a host; None where the file has none. `may_be_open`: the file may
    say that anybody may.

    Raises InvalidConfiguration where nothing says who.
    """
    with top.table(key) as table:
        if key not in top.values:
            return None
        known = tuple(read_credential(entry) for entry in table.tables("users"))
        page = ServedPage(users=known, open=table.get("open", bool, False) if may_be_open else False)
        if page.open and known:
            raise table.error("open", "the page has users: take one of the two out")
        if not (page.open or known or is_loopback(host)):
            hint = "give users, or write `open = true`" if may_be_open else "give users"
            raise table.error("", f"the gateway listens on more than this machine: {hint}")
        return page


def is_loopback(host: str) -> bool:
    """Whether a host to listen on is this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
