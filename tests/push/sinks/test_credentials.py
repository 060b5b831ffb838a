"""Credentials at an HTTP sink: what they put into a request, when they are renewed, and that nobody prints them."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio
import pytest
import trustme
from attrs import evolve

from eventroute.errors import InvalidSubscription
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.push.policy.credentials import (
    BasicCredential,
    BearerCredential,
    ClientCertificate,
    ClientCredentials,
    Credential,
    HeaderCredential,
    RefreshCredential,
)
from eventroute.push.sinks.client import HttpSettings
from eventroute.push.sinks.http import HttpSinks
from eventroute.secrets import Secret, Secrets
from eventroute.testing.clock import VirtualClock
from tests.push.sinks.receiver import EVENT, LOOPBACK, OK, Receiver, answer, receiver, sinks

ENDPOINT = "https://id.example.com/token"
NOW = datetime.fromtimestamp(VirtualClock().time(), UTC)


@pytest.fixture
def vault() -> dict[str, str]:
    return {"password": "s3cret", "refresh": "r3fresh", "access": "acc3ss"}


@pytest.fixture
def settings(vault: dict[str, str]) -> HttpSettings:
    return evolve(LOOPBACK, secrets=Secrets(resolvers={"vault": vault.__getitem__}))


def policy(credential: Credential, **more: Any) -> DeliveryPolicy:
    return DeliveryPolicy(timeout=20, credential=credential, **more)


def token(access: str = "t0ken", **more: object) -> bytes:
    body = json.dumps({"access_token": access, "token_type": "bearer", "expires_in": 3600, **more}).encode()
    return answer(200, "Content-Type: application/json", body=body)


def granted(endpoint: Receiver, **more: Any) -> ClientCredentials:
    url = f"http://127.0.0.1:{endpoint.port}/token"
    return ClientCredentials(endpoint=url, client="me & you", secret="vault:password", **more)


def refreshed(endpoint: Receiver, **more: Any) -> RefreshCredential:
    return RefreshCredential(endpoint=f"http://127.0.0.1:{endpoint.port}/token", refresh_token="vault:refresh", **more)


async def push(settings: HttpSettings, credential: Credential, *answers: bytes) -> tuple[Outcome, Receiver]:
    async with receiver(*answers) as receiving, sinks(settings) as provider:
        outcome = await provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(credential)).send(EVENT)
    return outcome, receiving


def sent(receiving: Receiver, name: str = "authorization") -> list[str | None]:
    return [headers.get(name) for _, headers, _ in receiving.requests]


# -- one header


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("credential", "name", "value"),
    [
        (
            BasicCredential(user="Aladdin", password=Secret("open sesame")),
            "authorization",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (BasicCredential(user="é", password=Secret("ü")), "authorization", "Basic w6k6w7w="),
        (BearerCredential(token="vault:access"), "authorization", "Bearer acc3ss"),
        (BearerCredential(token="vault:access", scheme="DPoP"), "authorization", "DPoP acc3ss"),
        (HeaderCredential(name="X-Api-Key", value="vault:password"), "x-api-key", "s3cret"),
    ],
)
async def test_a_credential_is_a_header(settings: HttpSettings, credential: Credential, name: str, value: str) -> None:
    outcome, receiving = await push(settings, credential)
    assert outcome == Delivered()
    assert sent(receiving, name) == [value]


@pytest.mark.anyio
async def test_a_credential_goes_before_a_header_of_the_policy(settings: HttpSettings) -> None:
    async with receiver() as receiving, sinks(settings) as provider:
        both = policy(BearerCredential(token="vault:access"), headers={"Authorization": "Basic old", "X-A": "1"})
        await provider.sink(f"http://127.0.0.1:{receiving.port}/", both).send(EVENT)
    assert sent(receiving) == ["Bearer acc3ss"]
    assert sent(receiving, "x-a") == ["1"]


@pytest.mark.anyio
async def test_a_secret_from_the_environment_and_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINK_TOKEN", "from-env")
    (tmp_path / "token").write_text("from-file\n", encoding="utf-8")
    settings = evolve(LOOPBACK, secrets=Secrets(folder=tmp_path))
    for reference, value in (("env:SINK_TOKEN", "from-env"), ("file:token", "from-file")):
        outcome, receiving = await push(settings, BearerCredential(token=reference))
        assert outcome == Delivered()
        assert sent(receiving) == [f"Bearer {value}"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("found", "error"),
    [
        (None, "there is no secret vault:password"),
        ("", "the secret vault:password is empty"),
        ("s3\r\nX: y", "the secret cannot stand in a header: it has a control character"),
        ("s3\udc80", "the secret vault:password is not UTF-8 text"),
        (RuntimeError("s3cret"), "the secret vault:password cannot be looked up: RuntimeError"),
    ],
)
async def test_a_secret_that_is_not_there_is_a_retry_that_names_it(found: str | Exception | None, error: str) -> None:
    def resolve(_name: str) -> str:
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise KeyError
        return found

    settings = evolve(LOOPBACK, secrets=Secrets(resolvers={"vault": resolve}))
    outcome, receiving = await push(settings, HeaderCredential(name="x-key", value="vault:password"))
    assert outcome == RetryLater("no-secret", error)
    assert receiving.requests == []


@pytest.mark.anyio
async def test_a_secret_is_looked_up_anew_after_a_minute_and_at_once_after_a_401(
    settings: HttpSettings, vault: dict[str, str]
) -> None:
    clock = VirtualClock()
    async with receiver(OK, OK, answer(401), OK) as receiving:
        provider = HttpSinks(settings=settings, clock=clock)
        await provider.open()
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(BearerCredential(token="vault:access")))
        assert await sink.send(EVENT) == Delivered()
        vault["access"] = "second"
        assert await sink.send(EVENT) == Delivered()
        assert await sink.send(EVENT) == Delivered()  # 401, and then with the second
        vault["access"] = "third"
        assert await sink.send(EVENT) == Delivered()
        await clock.advance(61)
        assert await sink.send(EVENT) == Delivered()
        await provider.aclose()
    assert sent(receiving) == [f"Bearer {name}" for name in ("acc3ss", "acc3ss", "acc3ss", "second", "second", "third")]


@pytest.mark.anyio
async def test_a_401_with_nothing_newer_is_rejected_without_a_second_request(settings: HttpSettings) -> None:
    outcome, receiving = await push(settings, BearerCredential(token="vault:access"), answer(401))
    assert outcome == Rejected("http-401", "HTTP 401")
    assert len(receiving.requests) == 1


@pytest.mark.anyio
async def test_a_token_that_has_expired_is_not_sent(settings: HttpSettings) -> None:
    expired = BearerCredential(token="vault:access", expires=NOW)
    assert (await push(settings, expired))[0] == RetryLater("credential-expired", "the access token has expired")
    assert (await push(settings, evolve(expired, expires=NOW + timedelta(seconds=1))))[0] == Delivered()


@pytest.mark.anyio
async def test_a_token_is_used_no_longer_than_it_lasts(settings: HttpSettings) -> None:
    clock = VirtualClock()
    async with receiver() as receiving:
        provider = HttpSinks(settings=settings, clock=clock)
        await provider.open()
        credential = BearerCredential(token="vault:access", expires=NOW + timedelta(seconds=5))
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(credential))
        assert await sink.send(EVENT) == Delivered()
        await clock.advance(5)
        assert isinstance(await sink.send(EVENT), RetryLater)
        await provider.aclose()


# -- OAuth 2


@pytest.mark.anyio
async def test_client_credentials_are_traded_for_a_token_once(settings: HttpSettings) -> None:
    async with receiver(token()) as endpoint, receiver() as receiving, sinks(settings) as provider:
        credential = granted(endpoint, scope="a b", parameters={"audience": "x"})
        one = provider.sink(f"http://127.0.0.1:{receiving.port}/one", policy(credential))
        two = provider.sink(f"http://127.0.0.1:{receiving.port}/two", policy(evolve(credential)))
        async with anyio.create_task_group() as tasks:
            for sink in (one, two) * 10:
                tasks.start_soon(sink.send, EVENT)
    assert sent(receiving) == ["Bearer t0ken"] * 20
    [(line, headers, body)] = endpoint.requests
    assert line == "POST /token HTTP/1.1"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["authorization"] == "Basic bWUrJTI2K3lvdTpzM2NyZXQ="  # me+%26+you:s3cret, RFC 6749 section 2.3.1
    assert parse_qs(body.decode()) == {"grant_type": ["client_credentials"], "scope": ["a b"], "audience": ["x"]}


@pytest.mark.anyio
async def test_a_client_may_show_its_secret_in_the_body(settings: HttpSettings) -> None:
    async with receiver(token()) as endpoint, receiver() as receiving, sinks(settings) as provider:
        credential = granted(endpoint, authentication="body")
        await provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(credential)).send(EVENT)
    [(_, headers, body)] = endpoint.requests
    assert "authorization" not in headers
    assert parse_qs(body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["me & you"],
        "client_secret": ["s3cret"],
    }


@pytest.mark.anyio
@pytest.mark.parametrize(("expires_in", "good_for"), [(3600, 3570), (40, 20), ("30", 15), (None, 3570), ("x", 3570)])
async def test_a_token_is_replaced_before_it_expires(
    settings: HttpSettings, expires_in: object, good_for: float
) -> None:
    clock = VirtualClock()
    async with receiver(token("one", expires_in=expires_in), token("two")) as endpoint, receiver() as receiving:
        provider = HttpSinks(settings=settings, clock=clock)
        await provider.open()
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(granted(endpoint)))
        await sink.send(EVENT)
        await clock.advance(good_for - 0.5)
        await sink.send(EVENT)
        await clock.advance(1)
        await sink.send(EVENT)
        await provider.aclose()
    assert sent(receiving) == ["Bearer one", "Bearer one", "Bearer two"]


@pytest.mark.anyio
async def test_on_401_the_token_is_refreshed_once_and_the_event_sent_again(settings: HttpSettings) -> None:
    async with (
        receiver(token("one"), token("two")) as endpoint,
        receiver(answer(401), OK) as receiving,
        sinks(settings) as provider,
    ):
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(granted(endpoint)))
        assert await sink.send(EVENT) == Delivered()
    assert sent(receiving) == ["Bearer one", "Bearer two"]
    bodies = [body for *_, body in receiving.requests]
    assert bodies[0] == bodies[1]


@pytest.mark.anyio
async def test_a_second_401_is_as_any_4xx(settings: HttpSettings) -> None:
    async with (
        receiver(token("one"), token("two")) as endpoint,
        receiver(answer(401)) as receiving,
        sinks(settings) as provider,
    ):
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(granted(endpoint)))
        assert await sink.send(EVENT) == Rejected("http-401", "HTTP 401")
    assert len(receiving.requests) == len(endpoint.requests) == 2


@pytest.mark.anyio
async def test_many_that_are_told_401_refresh_once_among_them(settings: HttpSettings) -> None:
    refused = [answer(401)] * 5
    async with (
        receiver(token("one"), token("two"), token("three")) as endpoint,
        receiver(*refused, OK) as receiving,
        sinks(settings) as provider,
    ):
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(granted(endpoint)))
        outcomes: list[Outcome] = []

        async def send() -> None:
            outcomes.append(await sink.send(EVENT))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(send)
    assert outcomes == [Delivered()] * 5
    assert len(endpoint.requests) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer(500, body=b"s3cret"), "the token endpoint answered HTTP 500"),
        (answer(302, "Location: /elsewhere"), "the token endpoint answered HTTP 302"),
        (answer(400, body=b'{"error": "invalid_client"}'), "the token endpoint answered HTTP 400: invalid_client"),
        (answer(400, body=b'{"error": "s3cret!"}'), "the token endpoint answered HTTP 400"),
        (answer(400, body=b'{"error": 7}'), "the token endpoint answered HTTP 400"),
        (answer(200, body=b"<html>"), "the token endpoint's answer is not one (RFC 6749, section 5.1)"),
        (answer(200, body=b"[" * 9_999), "the token endpoint's answer is not one (RFC 6749, section 5.1)"),
        (token(token_type="mac"), "the token endpoint gave a token that is not of the type Bearer"),
        (token("a\r\nb"), "the token endpoint gave a token that cannot stand in a header"),
        (token(""), "the token endpoint gave a token that cannot stand in a header"),
        (Receiver.CLOSE, "the token endpoint does not answer: connection-error"),
    ],
)
async def test_a_token_endpoint_that_fails_is_a_retry(settings: HttpSettings, said: bytes, error: str) -> None:
    async with receiver(said) as endpoint, receiver() as receiving, sinks(settings) as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(granted(endpoint)))
        assert await sink.send(EVENT) == RetryLater("token-error", error)
    assert receiving.requests == []


@pytest.mark.anyio
async def test_a_failing_token_endpoint_is_not_asked_by_everybody(settings: HttpSettings) -> None:
    clock = VirtualClock()
    async with receiver(answer(500), token()) as endpoint, receiver() as receiving:
        provider = HttpSinks(settings=settings, clock=clock)
        await provider.open()
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(granted(endpoint)))
        assert isinstance(await sink.send(EVENT), RetryLater)
        assert isinstance(await sink.send(EVENT), RetryLater)
        assert len(endpoint.requests) == 1
        await clock.advance(1)
        assert await sink.send(EVENT) == Delivered()
        await provider.aclose()


@pytest.mark.anyio
async def test_a_refresh_token_is_traded_and_replaced_by_a_newer_one(settings: HttpSettings) -> None:
    answers = [token("one", refresh_token="newer"), token("two")]
    async with (
        receiver(*answers) as endpoint,
        receiver(answer(401), OK, answer(401), OK) as receiving,
        sinks(settings) as provider,
    ):
        credential = refreshed(endpoint, access_token="vault:access", client="me", scope="s")
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(credential))
        assert await sink.send(EVENT) == Delivered()
        assert await sink.send(EVENT) == Delivered()
    assert sent(receiving) == ["Bearer acc3ss", "Bearer one", "Bearer one", "Bearer two"]
    first, second = [parse_qs(body.decode()) for *_, body in endpoint.requests]
    assert first == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["r3fresh"],
        "client_id": ["me"],
        "scope": ["s"],
    }
    assert second["refresh_token"] == ["newer"]


@pytest.mark.anyio
@pytest.mark.parametrize("expires", [None, NOW - timedelta(seconds=1)])
async def test_without_a_token_that_is_good_the_first_request_is_a_refresh(
    settings: HttpSettings, expires: datetime | None
) -> None:
    access = None if expires is None else "vault:access"
    async with receiver(token("one")) as endpoint, receiver() as receiving, sinks(settings) as provider:
        credential = refreshed(endpoint, access_token=access, expires=expires, client="me", secret="vault:password")
        await provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(credential)).send(EVENT)
    assert sent(receiving) == ["Bearer one"]
    assert sent(endpoint) == ["Basic bWU6czNjcmV0"]


@pytest.mark.anyio
async def test_the_address_policy_holds_for_the_token_endpoint(vault: dict[str, str]) -> None:
    """127.0.0.1 stands for what is allowed, localhost and 10.0.0.1 for what is not."""
    secrets = Secrets(resolvers={"vault": vault.__getitem__})
    settings = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.1/32"], hosts=["127.0.0.1"]), secrets=secrets)
    inside = ClientCredentials(endpoint="http://10.0.0.1/token", client="me", secret="vault:password")
    elsewhere = evolve(inside, endpoint="http://other.example.com/token")
    async with receiver() as receiving, sinks(settings) as provider:
        url = f"http://127.0.0.1:{receiving.port}/"
        for credential in (inside, elsewhere):
            with pytest.raises(InvalidSubscription, match=r"policy.credential.endpoint: .*not (allowed|among)"):
                provider.check(url, policy(credential))
            outcome = await provider.sink(url, policy(credential)).send(EVENT)
            assert isinstance(outcome, Rejected)
            assert outcome.reason == "forbidden-address"
    assert receiving.requests == []


@pytest.mark.anyio
async def test_a_token_endpoint_whose_name_leads_inside_is_never_connected_to(settings: HttpSettings) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1"] if host == "id.test" else ["127.0.0.1"]

    async with receiver() as receiving, sinks(settings, lookup) as provider:
        credential = ClientCredentials(endpoint="http://id.test/token", client="me", secret="vault:password")
        outcome = await provider.sink(f"http://sink.test:{receiving.port}/", policy(credential)).send(EVENT)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "forbidden-address"


# -- certificates


@pytest.mark.anyio
async def test_a_client_certificate_is_shown_where_a_policy_has_one(tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.issue_cert("sink.test").configure_cert(server)
    ours.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED

    def trusting() -> ssl.SSLContext:
        context = ssl.create_default_context()
        theirs.configure_trust(context)
        return context

    certificate = ours.issue_cert("me.test")
    (tmp_path / "key.pem").write_bytes(certificate.private_key_pem.bytes())
    (tmp_path / "chain.pem").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    (tmp_path / "both.pem").write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
    settings = evolve(LOOPBACK, tls=trusting, secrets=Secrets(folder=tmp_path))
    async with receiver(tls=server) as receiving, sinks(settings) as provider:
        url = f"https://sink.test:{receiving.port}/"

        async def outcome_with(shown: ClientCertificate | None) -> Outcome:
            chosen = DeliveryPolicy(timeout=20, certificate=shown)
            provider.check(url, chosen)
            return await provider.sink(url, chosen).send(EVENT)

        assert await outcome_with(ClientCertificate(certificate="file:chain.pem", key="file:key.pem")) == Delivered()
        assert await outcome_with(ClientCertificate(certificate="file:both.pem")) == Delivered()
        assert await outcome_with(ClientCertificate(certificate="file:both.pem")) == Delivered()
        assert len(receiving.requests) == 3
        for wrong in (
            None,
            ClientCertificate(certificate="file:chain.pem"),
            ClientCertificate(certificate="file:none"),
        ):
            assert isinstance(await outcome_with(wrong), RetryLater)
        assert len(receiving.requests) == 3


def test_a_certificate_needs_a_context_of_its_own(settings: HttpSettings) -> None:
    provider = HttpSinks(settings=evolve(settings, tls=ssl.create_default_context()))
    with pytest.raises(InvalidSubscription, match=r"policy.certificate: .*HttpSettings\(tls=...\) a function"):
        provider.check("https://example.com/", DeliveryPolicy(certificate=ClientCertificate(certificate="env:A")))


@pytest.mark.anyio
async def test_a_certificate_is_read_anew_when_it_was_replaced(tmp_path: Path) -> None:
    ours = trustme.CA()
    file = tmp_path / "both.pem"
    clock = VirtualClock()
    provider = HttpSinks(settings=HttpSettings(secrets=Secrets(folder=tmp_path)), clock=clock)
    certificate = ClientCertificate(certificate="file:both.pem")
    contexts = []
    for name in ("one", "two"):
        file.write_bytes(ours.issue_cert(name).private_key_and_cert_chain_pem.bytes())
        contexts.append(await provider.authorization.tls(certificate))
        await clock.advance(61)
        contexts.append(await provider.authorization.tls(certificate))
        await clock.advance(61)
    assert contexts[0] is contexts[1]
    assert contexts[1] is not contexts[2]
    assert contexts[2] is contexts[3]


# -- what is refused, and what is shown


MAKERS: dict[str, Callable[[str], Credential]] = {
    "password": lambda where: BasicCredential(user="u", password=where),
    "token": lambda where: BearerCredential(token=where),
    "value": lambda where: HeaderCredential(name="x", value=where),
    "client": lambda where: ClientCredentials(endpoint=ENDPOINT, client="c", secret=where),
    "refresh": lambda where: RefreshCredential(endpoint=ENDPOINT, refresh_token=where),
    "access": lambda where: RefreshCredential(endpoint=ENDPOINT, refresh_token="env:SINK_A", access_token=where),
    "secret": lambda where: RefreshCredential(endpoint=ENDPOINT, refresh_token="env:SINK_A", secret=where),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_reference_that_is_none_here_is_refused_unseen(make: Callable[[str], Credential]) -> None:
    with pytest.raises(InvalidSubscription, match="env:NAME or file:PATH") as refused:
        make("hunter2")
    assert "hunter2" not in str(refused.value)
    provider = HttpSinks(settings=HttpSettings(secrets=Secrets(allowed=("env:SINK_", "file:/run/secrets/"))))
    provider.check("https://example.com/", policy(make("env:SINK_TOKEN")))
    for wrong in ("hunter2:hunter2", "env:DATABASE", "file:/etc/shadow", "file:/run/secrets/../../etc/shadow"):
        with pytest.raises(InvalidSubscription, match=r"policy\.credential\.") as refused:
            provider.check("https://example.com/", policy(make(wrong)))
        assert wrong not in str(refused.value)


@pytest.mark.anyio
async def test_a_reference_that_may_not_be_used_is_not_even_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE", "hunter2")
    settings = evolve(LOOPBACK, secrets=Secrets(allowed=("env:SINK_",)))
    outcome, receiving = await push(settings, BearerCredential(token="env:DATABASE"))
    assert isinstance(outcome, RetryLater)
    assert outcome.reason == "no-secret"
    assert receiving.requests == []


@pytest.mark.anyio
@pytest.mark.parametrize("said", [OK, answer(401), answer(500), answer(401, body=b"no"), Receiver.CLOSE])
async def test_no_secret_is_printed(
    settings: HttpSettings, said: bytes, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    async with receiver(token("t0ken")) as endpoint, receiver(said) as receiving, sinks(settings) as provider:
        for credential in (
            BasicCredential(user="u", password=Secret("s3cret")),
            HeaderCredential(name="x", value="vault:password"),
            refreshed(endpoint, access_token="vault:access"),
            granted(endpoint),
        ):
            chosen = policy(credential)
            sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", chosen)
            shown += [repr(await sink.send(EVENT)), repr(sink), repr(chosen), repr(credential), repr(provider)]
            shown.append(repr(await provider.authorization.header(credential).get()))
    text = "\n".join([*shown, caplog.text, *capsys.readouterr()])
    for secret in ("s3cret", "r3fresh", "acc3ss", "t0ken"):
        assert secret not in text
