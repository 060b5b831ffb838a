"""How a sender proves who it is: credentials as frozen values, their secrets by reference (`env:NAME`, `file:PATH`).

In JSON a credential is the `sinkcredential` of the CloudEvents Subscriptions API (section 3.2.3): its types PLAIN,
ACCESSTOKEN and REFRESHTOKEN, and beyond them HEADER and CLIENTCREDENTIALS.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

import attrs
from attrs import field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.push.policy.addresses import Target
from eventroute.push.policy.settings import TOKEN, mapping, one_of
from eventroute.secrets import Secret, is_reference
from eventroute.timestamps import format_timestamp, parse_timestamp

__all__ = [
    "BasicCredential",
    "BearerCredential",
    "ClientCertificate",
    "ClientCredentials",
    "Credential",
    "HeaderCredential",
    "RefreshCredential",
    "SecretText",
    "check_secret",
    "credential_from_dict",
    "credential_to_dict",
    "stored_secret",
]

SecretText: TypeAlias = str | Secret
"""Where a secret lies (`env:NAME`, `file:PATH`, or the scheme of a resolver), or the secret itself as a `Secret`."""

MAX_TEXT = 1_024
"""How many characters a setting of a credential may have."""

_RESERVED = frozenset(
    {"connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)


def check_secret(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """A reference or a `Secret`; a text that is no reference is refused unseen, since it may be a secret in clear."""
    if not isinstance(value, Secret) and not is_reference(value):
        raise InvalidSubscription(
            "a secret is given by reference: write env:NAME or file:PATH", where=f"credential.{attribute.name}"
        )


def stored_secret(value: SecretText, where: str) -> str:
    """The reference, as it is stored; a secret in clear is refused."""
    if isinstance(value, Secret):
        raise InvalidSubscription(
            "a secret in clear cannot be stored: give it by reference, env:NAME or file:PATH", where=where
        )
    return value


def _check_text(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value or not value.isprintable() or len(value) > MAX_TEXT:
        raise InvalidSubscription(
            f"must be printable text of 1 to {MAX_TEXT:,} characters", where=f"credential.{attribute.name}"
        )


def _check_user(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    _check_text(instance, attribute, value)
    if ":" in str(value):
        raise InvalidSubscription("a user name has no colon (RFC 7617)", where=f"credential.{attribute.name}")


def _check_token(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise InvalidSubscription("must be one word of ASCII letters and digits", where=f"credential.{attribute.name}")


def _check_header(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    _check_token(instance, attribute, value)
    name = str(value).lower()
    if name in _RESERVED or name.startswith(("ce-", "webhook-")):
        raise InvalidSubscription("this header is set by eventroute", where=f"credential.{attribute.name}")


def _check_endpoint(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    where = f"credential.{attribute.name}"
    try:
        scheme = Target.parse(value if isinstance(value, str) else "").scheme
    except InvalidSubscription as error:
        raise InvalidSubscription(error.reason, where=where) from None
    if scheme not in ("http", "https"):
        raise InvalidSubscription("must be an https or http URL", where=where)


def _check_expires(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidSubscription(
            "must be a time with its zone, for example datetime.now(UTC)", where=f"credential.{attribute.name}"
        )


def _pairs(value: object) -> object:
    return tuple(sorted(value.items())) if isinstance(value, Mapping) else value


def _check_parameters(_instance: object, _attribute: object, value: object) -> None:
    fine = isinstance(value, tuple) and all(isinstance(text, str) for pair in value for text in pair)
    if not fine:
        raise InvalidSubscription("must be an object of texts", where="credential.parameters")


_optional = attrs.validators.optional
_AUTHENTICATIONS = frozenset({"basic", "body"})


@frozen(kw_only=True)
class BasicCredential:
    """A user and a password, as HTTP Basic authentication (RFC 7617). In JSON: PLAIN."""

    user: str = field(validator=_check_user)
    password: SecretText = field(validator=check_secret, repr=False)


@frozen(kw_only=True)
class BearerCredential:
    """An access token that somebody else renews (RFC 6750). In JSON: ACCESSTOKEN."""

    token: SecretText = field(validator=check_secret, repr=False)
    expires: datetime | None = field(default=None, validator=_optional(_check_expires))
    """From then on nothing is sent, and deliveries wait as `credential-expired`."""
    scheme: str = field(default="Bearer", validator=_check_token)
    """The first word of the header `Authorization`."""


@frozen(kw_only=True)
class HeaderCredential:
    """A secret in a header of its own, such as `X-Api-Key`. In JSON: HEADER."""

    name: str = field(validator=_check_header)
    value: SecretText = field(validator=check_secret, repr=False)


@frozen(kw_only=True)
class ClientCredentials:
    """The client credentials grant of OAuth 2 (RFC 6749, section 4.4). In JSON: CLIENTCREDENTIALS."""

    endpoint: str = field(validator=_check_endpoint, repr=False)
    """The URL of the token endpoint; the address policy holds for it too."""
    client: str = field(validator=_check_text)
    secret: SecretText = field(validator=check_secret, repr=False)
    scope: str | None = field(default=None, validator=_optional(_check_text))
    parameters: Mapping[str, str] | tuple[tuple[str, str], ...] = field(
        default=(), converter=_pairs, validator=_check_parameters, repr=False
    )
    """More parameters of the request, such as `audience`; not for secrets."""
    authentication: Literal["basic", "body"] = field(default="basic", validator=one_of(_AUTHENTICATIONS, "credential"))
    """How the client shows its secret to the token endpoint (section 2.3.1)."""


@frozen(kw_only=True)
class RefreshCredential:
    """The refresh token grant of OAuth 2 (RFC 6749, section 6). In JSON: REFRESHTOKEN.

    A new refresh token that the endpoint hands out is used from then on, by this process and as long as it lives.
    """

    endpoint: str = field(validator=_check_endpoint, repr=False)
    """The URL of the token endpoint; the address policy holds for it too."""
    refresh_token: SecretText = field(validator=check_secret, repr=False)
    access_token: SecretText | None = field(default=None, validator=_optional(check_secret), repr=False)
    """The token to begin with."""
    expires: datetime | None = field(default=None, validator=_optional(_check_expires))
    """When `access_token` expires."""
    client: str | None = field(default=None, validator=_optional(_check_text))
    secret: SecretText | None = field(default=None, validator=_optional(check_secret), repr=False)
    """The client's secret, where it has one."""
    scope: str | None = field(default=None, validator=_optional(_check_text))
    authentication: Literal["basic", "body"] = field(default="basic", validator=one_of(_AUTHENTICATIONS, "credential"))


@frozen(kw_only=True)
class ClientCertificate:
    """What the client shows in the TLS handshake (mTLS): a certificate and its private key, both in PEM."""

    certificate: SecretText = field(validator=check_secret, repr=False)
    """The certificate with the ones that lead to its authority; the key too, where `key` is not given."""
    key: SecretText | None = field(default=None, validator=_optional(check_secret), repr=False)
    password: SecretText | None = field(default=None, validator=_optional(check_secret), repr=False)
    """What the key is encrypted with."""

    def to_dict(self, where: str = "protocolsettings.certificate") -> dict[str, Any]:
        """Its JSON form: references only. A secret in clear is refused; `where` is the place that the error names."""
        return _written(self, {name: name for name in ("certificate", "key", "password")}, where)


Credential: TypeAlias = BasicCredential | BearerCredential | HeaderCredential | ClientCredentials | RefreshCredential

_TOKEN_KEYS = {"accesstokenexpiresutc": "expires"}
_TYPES: dict[str, tuple[type[Credential], dict[str, str]]] = {
    "PLAIN": (BasicCredential, {"identifier": "user", "secret": "password"}),
    "ACCESSTOKEN": (BearerCredential, {"accesstoken": "token", "accesstokentype": "scheme", **_TOKEN_KEYS}),
    "REFRESHTOKEN": (
        RefreshCredential,
        {
            "accesstoken": "access_token",
            **_TOKEN_KEYS,
            "refreshtoken": "refresh_token",
            "refreshtokenendpoint": "endpoint",
            "clientid": "client",
            "clientsecret": "secret",
            "clientauthentication": "authentication",
            "scope": "scope",
        },
    ),
    "HEADER": (HeaderCredential, {"header": "name", "secret": "value"}),
    "CLIENTCREDENTIALS": (
        ClientCredentials,
        {
            "tokenendpoint": "endpoint",
            "clientid": "client",
            "clientsecret": "secret",
            "clientauthentication": "authentication",
            "scope": "scope",
            "parameters": "parameters",
        },
    ),
}
"""The JSON types, and for each its keys and the fields that they are in Python."""


def credential_from_dict(document: object, where: str = "sinkcredential") -> Credential:
    """The credential that a `sinkcredential` tells of; no message shows a value of it."""
    given = dict(mapping(document, where))
    name = given.pop("credentialtype", None)
    if not isinstance(name, str) or name not in _TYPES:
        raise InvalidSubscription(f"must be one of {', '.join(sorted(_TYPES))}", where=f"{where}.credentialtype")
    kind, keys = _TYPES[name]
    if name == "REFRESHTOKEN" and str(given.get("accesstokentype", "bearer")).lower() == "bearer":
        given.pop("accesstokentype", None)  # what a refreshed token is, its endpoint says
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in keys:
            raise InvalidSubscription(
                f"a credential of type {name} has no such key; known: {', '.join(sorted(keys))}",
                where=f"{where}.{key}",
            )
        values[keys[key]] = _time(value, f"{where}.{key}") if keys[key] == "expires" else value
    fields = {one.name: one for one in attrs.fields(kind)}
    for key, attribute in keys.items():
        if fields[attribute].default is attrs.NOTHING and attribute not in values:
            raise InvalidSubscription("is missing", where=f"{where}.{key}")
    try:
        return kind(**values)
    except InvalidSubscription as error:
        raise InvalidSubscription(error.reason, where=f"{where}.{_key(keys, error.where)}") from None


def credential_to_dict(credential: Credential, where: str = "sinkcredential") -> dict[str, Any]:
    """The `sinkcredential` that tells of a credential: references only. A secret in clear is refused; `where` is the
    place that the error names.
    """
    name, keys = next((name, keys) for name, (kind, keys) in _TYPES.items() if type(credential) is kind)
    return {"credentialtype": name, **_written(credential, keys, where)}


def _written(value: Any, keys: Mapping[str, str], where: str) -> dict[str, Any]:
    written: dict[str, Any] = {}
    fields = {one.name: one for one in attrs.fields(type(value))}
    for key, attribute in keys.items():
        content = getattr(value, attribute)
        if content == fields[attribute].default:
            continue
        if isinstance(content, datetime):
            content = format_timestamp(content)
        elif isinstance(content, tuple):
            content = dict(content)
        elif isinstance(content, Secret):
            content = stored_secret(content, f"{where}.{key}")
        written[key] = content
    return written


def _key(keys: Mapping[str, str], where: str) -> str:
    attribute = where.rpartition(".")[2]
    return next((key for key, name in keys.items() if name == attribute), attribute)


def _time(value: object, where: str) -> datetime:
    try:
        return parse_timestamp(value if isinstance(value, str) else "")
    except ValueError:
        raise InvalidSubscription("must be an RFC 3339 time such as 2026-11-25T17:31:00Z", where=where) from None
