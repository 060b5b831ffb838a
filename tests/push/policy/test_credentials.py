"""Credentials as values and as `sinkcredential`: what is refused, by key and unseen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from eventroute.errors import InvalidSubscription
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.credentials import (
    BasicCredential,
    BearerCredential,
    ClientCertificate,
    ClientCredentials,
    HeaderCredential,
    RefreshCredential,
    credential_from_dict,
    credential_to_dict,
)
from eventroute.secrets import Secret
from eventroute.subscription import Subscription

ENDPOINT = "https://id.example.com/token"
GRANT: dict[str, Any] = {"endpoint": ENDPOINT, "client": "me", "secret": "env:A"}


@pytest.mark.parametrize(
    ("kind", "values", "key"),
    [
        (BasicCredential, {"user": "a:b", "password": "env:A"}, "user"),
        (BasicCredential, {"user": "", "password": "env:A"}, "user"),
        (BasicCredential, {"user": "a\n", "password": "env:A"}, "user"),
        (BasicCredential, {"user": "u" * 1_025, "password": "env:A"}, "user"),
        (BearerCredential, {"token": "env:A", "scheme": "a b"}, "scheme"),
        (BearerCredential, {"token": "env:A", "expires": datetime(2026, 1, 1)}, "expires"),  # noqa: DTZ001
        (BearerCredential, {"token": "env:A", "expires": "2026-01-01T00:00:00Z"}, "expires"),
        (HeaderCredential, {"name": "a b", "value": "env:A"}, "name"),
        (HeaderCredential, {"name": "Host", "value": "env:A"}, "name"),
        (HeaderCredential, {"name": "ce-id", "value": "env:A"}, "name"),
        (HeaderCredential, {"name": "Webhook-Id", "value": "env:A"}, "name"),
        (ClientCredentials, {**GRANT, "endpoint": "id.example.com"}, "endpoint"),
        (ClientCredentials, {**GRANT, "endpoint": "ftp://id.example.com/"}, "endpoint"),
        (ClientCredentials, {**GRANT, "endpoint": 7}, "endpoint"),
        (ClientCredentials, {**GRANT, "parameters": {"a": 1}}, "parameters"),
        (ClientCredentials, {**GRANT, "authentication": "none"}, "authentication"),
        (ClientCredentials, {**GRANT, "scope": ""}, "scope"),
        (RefreshCredential, {"endpoint": ENDPOINT, "refresh_token": None}, "refresh_token"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_by_name(kind: Any, values: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidSubscription) as refused:
        kind(**values)
    assert refused.value.where == f"credential.{key}"


@pytest.mark.parametrize(
    ("document", "where", "message"),
    [
        ("hunter2", "sinkcredential", "is not an object"),
        ({}, "sinkcredential.credentialtype", "must be one of ACCESSTOKEN, CLIENTCREDENTIALS, HEADER, PLAIN"),
        ({"credentialtype": ["PLAIN"]}, "sinkcredential.credentialtype", "must be one of"),
        ({"credentialtype": "PLAIN", "identifier": "u"}, "sinkcredential.secret", "is missing"),
        ({"credentialtype": "PLAIN", "identifier": "u", "secret": "hunter2"}, "sinkcredential.secret", "env:NAME"),
        ({"credentialtype": "PLAIN", "identifier": 7, "secret": "env:A"}, "sinkcredential.identifier", "printable"),
        (
            {"credentialtype": "PLAIN", "token": "hunter2"},
            "sinkcredential.token",
            "no such key; known: identifier",
        ),
        (
            {"credentialtype": "ACCESSTOKEN", "accesstoken": "env:A", "accesstokenexpiresutc": "hunter2"},
            "sinkcredential.accesstokenexpiresutc",
            "RFC 3339",
        ),
        ({"credentialtype": "REFRESHTOKEN", "refreshtoken": "env:A"}, "sinkcredential.refreshtokenendpoint", "missing"),
        (
            {"credentialtype": "REFRESHTOKEN", "refreshtoken": "env:A", "accesstokentype": "mac"},
            "sinkcredential.accesstokentype",
            "no such key",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_document_is_refused_by_key_and_unseen(document: object, where: str, message: str) -> None:
    with pytest.raises(InvalidSubscription) as refused:
        credential_from_dict(document)
    assert refused.value.where == where
    assert message in refused.value.reason
    assert "hunter2" not in str(refused.value)


def test_the_three_types_of_the_specification() -> None:
    expires = datetime(2026, 11, 25, 17, 31, tzinfo=UTC)
    token = {"accesstoken": "env:A", "accesstokenexpiresutc": "2026-11-25T17:31:00Z", "accesstokentype": "Bearer"}
    refresh = {"refreshtoken": "env:R", "refreshtokenendpoint": ENDPOINT}
    plain = {"credentialtype": "PLAIN", "identifier": "u", "secret": "env:A"}
    assert credential_from_dict(plain) == BasicCredential(user="u", password="env:A")
    access = credential_from_dict({"credentialtype": "ACCESSTOKEN", **token})
    assert access == BearerCredential(token="env:A", expires=expires)
    assert credential_from_dict({"credentialtype": "REFRESHTOKEN", **token, **refresh}) == RefreshCredential(
        endpoint=ENDPOINT, refresh_token="env:R", access_token="env:A", expires=expires
    )
    assert credential_to_dict(access) == {
        "credentialtype": "ACCESSTOKEN",
        "accesstoken": "env:A",
        "accesstokenexpiresutc": "2026-11-25T17:31:00Z",
    }


def test_a_subscription_keeps_its_credential_in_json() -> None:
    document = {
        "id": "s",
        "sink": "https://example.com/",
        "sinkcredential": {"credentialtype": "HEADER", "header": "X-Key", "secret": "env:A"},
    }
    subscription = Subscription.from_dict(document)
    assert subscription.policy.credential == HeaderCredential(name="X-Key", value="env:A")
    assert subscription.to_dict()["sinkcredential"] == document["sinkcredential"]
    assert "X-Key" not in repr(subscription)


@pytest.mark.parametrize(
    ("policy", "where"),
    [
        (DeliveryPolicy(credential=BearerCredential(token=Secret("hunter2"))), "sinkcredential.accesstoken"),
        (DeliveryPolicy(certificate=ClientCertificate(certificate=Secret("x"))), "protocolsettings.certificate.cert"),
    ],
    ids=["credential", "certificate"],
)
def test_a_secret_in_clear_cannot_be_stored(policy: DeliveryPolicy, where: str) -> None:
    with pytest.raises(InvalidSubscription, match="a secret in clear cannot be stored") as refused:
        Subscription(id="s", sink="https://example.com/", policy=policy).to_dict()
    assert refused.value.where.startswith(where)
    assert "hunter2" not in f"{refused.value} {policy!r}"
