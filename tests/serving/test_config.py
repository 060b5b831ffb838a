from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from eventroute.errors import InvalidConfiguration, SecretNotFound, Unauthorized
from eventroute.gateway.authorize import AccessRequest
from eventroute.push.policy.credentials import BasicCredential
from eventroute.push.sinks.client import HttpSettings
from eventroute.secrets import Secrets
from eventroute.serving.access import CredentialReference, ServedPage
from eventroute.serving.config import Configuration, GatewaySettings, ServedBus, load
from eventroute.storage.base import BusSettings, Retention
from eventroute.storage.open import open_storage
from eventroute.storage.sqlite import SQLiteStorage

FULL = '''\
storage = "sqlite:///events.db?synchronous=NORMAL"
grace = 10

[gateway]
host = "0.0.0.0"
port = 8081
max_body = 2048
max_events = 7
body_timeout = 2.5
retry_after = 9
max_connections = 50
webhook_origins = ["eventgrid.azure.net"]

[buses.default]
publishers = [
  { bearer = "env:SHOP_TOKEN" },
  { basic = { user = "ann", password = "file:secrets/ann" } },
]
github = ["env:GITHUB_NEW", "env:GITHUB_OLD"]

[buses.audit]
open = true
dedup = 600
dedup_limit = 50
dead_letter_age = "forever"
dead_letter_limit = 7
max_bytes = 2000
retention = { max_age = "forever", max_bytes = 1000, max_events = 5, until_settled = true, hard = true }

[buses.inner]
publishers = []

[http]
networks = ["10.0.0.0/8"]
hosts = ["hooks.example.com", "*.internal.example"]
ports = [443]
schemes = "https"
connections = 20
idle_timeout = 5
answer_limit = 1024
denied = ["10.9.0.0/16"]
secrets = ["env:SINK_"]

[[subscriptions]]
id = "stars"
start = 2026-01-02T03:04:05Z
types = ["com.github.star.created"]
filters = [{ prefix = { source = "https://api.github.com/" } }]
sink = "https://hooks.example.com/slack"
config = { timeout = 5, backoff = { first = 0.5 } }
protocolsettings = { headers = { X-Team = "a" } }

[subscriptions.transformer]
define = { who = "$.data.sender.login" }
template = """{"text": "${who}"}"""
'''


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(text: str) -> Path:
        path = tmp_path / "broker.toml"
        path.write_text(text)
        return path

    return written


def test_every_key(write: Any, tmp_path: Path) -> None:
    configuration = load(write(FULL))
    assert configuration.path == tmp_path / "broker.toml"
    assert configuration.grace == 10
    gateway = configuration.gateway
    assert (gateway.host, gateway.port, gateway.max_connections) == ("0.0.0.0", 8081, 50)
    assert gateway.webhook_origins == ("eventgrid.azure.net",)
    limits = gateway.limits
    assert (limits.max_body, limits.max_events, limits.body_timeout, limits.retry_after) == (2048, 7, 2.5, 9)
    assert dict(configuration.buses) == {
        "default": ServedBus(
            publishers=(CredentialReference("env:SHOP_TOKEN"), CredentialReference("file:secrets/ann", "ann")),
            github=("env:GITHUB_NEW", "env:GITHUB_OLD"),
        ),
        "audit": ServedBus(
            open=True,
            settings=BusSettings(
                retention=Retention(max_age=None, max_bytes=1_000, max_events=5, until_settled=True, hard=True),
                dedup=600,
                dedup_limit=50,
                dead_letter_age=None,
                dead_letter_limit=7,
                max_bytes=2_000,
            ),
        ),
        "inner": ServedBus(publishers=()),
    }
    http = configuration.http
    assert (http.connections, http.idle_timeout, http.answer_limit) == (20, 5, 1024)
    assert http.addresses.networks == (ip_network("10.0.0.0/8"),)
    assert http.addresses.denied == (ip_network("10.9.0.0/16"),)
    assert http.secrets.allowed == ("env:SINK_",)
    assert http.addresses.hosts == {"hooks.example.com", "*.internal.example"}
    assert (set(http.addresses.ports), set(http.addresses.schemes)) == ({443}, {"https"})
    (stars,) = configuration.subscriptions
    assert stars.start == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert stars.policy.timeout == 5
    assert stars.policy.headers == {"X-Team": "a"}
    assert stars.transformer == {"define": {"who": "$.data.sender.login"}, "template": '{"text": "${who}"}'}
    assert configuration.summary == "buses: 3, subscriptions: 1"


def test_what_is_set_of_a_bus_may_be_little(write: Any) -> None:
    configuration = load(write(HEAD + "[buses.default]\ndedup = 5\n[buses.b.retention]\nmax_age = 60\n[buses.c]\n"))
    settings = [bus.settings for bus in configuration.buses.values()]
    assert settings == [BusSettings(dedup=5), BusSettings(retention=Retention(max_age=60)), None]


def test_the_least_file_has_the_defaults_of_the_library(write: Any) -> None:
    configuration = load(write('storage = "memory:"'))
    assert configuration.storage == "memory:"
    assert configuration.gateway == GatewaySettings()
    assert configuration.http == HttpSettings(secrets=Secrets(folder=configuration.path.parent))
    assert dict(configuration.buses) == {"default": ServedBus()}
    assert (configuration.subscriptions, configuration.grace) == ((), None)
    with pytest.raises(FrozenInstanceError):
        configuration.grace = 1.0  # type: ignore[misc]


def test_a_relative_storage_lies_beside_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20c?#"
    folder.mkdir()
    (folder / "x.toml").write_text('storage = "sqlite:///data/events.db?synchronous=NORMAL"')
    storage = open_storage(load(folder / "x.toml").storage)
    assert isinstance(storage, SQLiteStorage)
    assert str(storage._path) == str(folder / "data" / "events.db")


def test_an_absolute_storage_stays(write: Any) -> None:
    assert load(write('storage = "sqlite:////var/lib/events.db"')).storage == "sqlite:////var/lib/events.db"


# -- what is refused


HEAD = 'storage = "memory:"\n'
SUB = HEAD + '[[subscriptions]]\nid = "a"\n'
SINK = 'sink = "https://example.com/"\n'


@pytest.mark.parametrize(
    ("text", "line", "key", "hint"),
    [
        ("", 1, "storage", "is missing"),
        ("storage = 5", 1, "storage", "must be a text"),
        ('\nstorage = "redis://x"', 2, "storage", "known: memory:, sqlite:///PATH"),
        (HEAD + "storag = 1", 2, "storag", "did you mean 'storage'?"),
        (HEAD + "grace = -1", 2, "grace", "from 0 to 3,600"),
        (HEAD + "[gatewy]", 2, "gatewy", "did you mean 'gateway'?"),
        (HEAD + "[gateway]\n\nprot = 1", 4, "gateway.prot", "did you mean 'port'?"),
        (HEAD + "[gateway]\nport = 65536", 3, "gateway.port", "from 0 to 65,535"),
        (HEAD + "[gateway]\nport = true", 3, "gateway.port", "must be a whole number"),
        (HEAD + "[gateway]\nmax_body = 0", 3, "gateway.max_body", "is not a number from 1 to"),
        (HEAD + "[gateway]\nmax_connections = 0", 3, "gateway.max_connections", "from 1 to 100,000"),
        (HEAD + "gateway = 1", 2, "gateway", "must be a table"),
        (HEAD + "[buses.'a b']", 2, "buses.a b", "is not a name"),
        (HEAD + "[buses.a]\nopen = 1", 3, "buses.a.open", "must be true or false"),
        (HEAD + "[buses.a]\npublishers = []\nopen = true", 4, "buses.a.open", "has publishers"),
        (HEAD + "[buses.a]\npublishers = 'env:X'", 3, "buses.a.publishers", "must be an array of tables"),
        (HEAD + "[buses.a]\npublishers = [{}]", 3, "buses.a.publishers[0]", 'must be { bearer = "env:NAME" }'),
        (
            HEAD + "[buses.a]\npublishers = [{bearer = 'env:X', basic = {}}]",
            3,
            "buses.a.publishers[0]",
            "must be { bearer",
        ),
        (HEAD + "[buses.a]\npublishers = [{bearr = 'env:X'}]", 3, "buses.a.publishers[0]", "must be { bearer"),
        (
            HEAD + "[buses.a]\npublishers = [{basic = {user = 'a'}}]",
            3,
            "buses.a.publishers[0].basic.password",
            "is missing",
        ),
        (
            HEAD + "[buses.a]\npublishers = [{basic = {user = 'a:b', password = 'env:X'}}]",
            3,
            "buses.a.publishers[0].basic.user",
            "has no colon",
        ),
        (HEAD + "[buses.a]\npublishers = [{bearer = 'hunter2'}]", 3, "buses.a.publishers[0].bearer", "env:NAME or"),
        (HEAD + "[buses.a]\ngithub = 'hunter2'", 3, "buses.a.github", "env:NAME or file:PATH"),
        (HEAD + "[buses.a]\ngithub = ['env:A', 'hunter2']", 3, "buses.a.github[1]", "env:NAME or file:PATH"),
        (HEAD + "[http]\nnetworks = ['10.0.0.1/8']", 3, "http.networks", "has host bits set"),
        (HEAD + "[http]\nhosts = ['a b']", 3, "http.hosts", "is not a host"),
        (HEAD + "[buses.b]\ndedup = 0", 3, "buses.b.dedup", "must be more than 0 seconds"),
        (HEAD + "[buses.b]\nmax_bytes = 'x'", 3, "buses.b.max_bytes", "must be a whole number"),
        (HEAD + "[buses.b]\ndead_letter_age = 0", 3, "buses.b.dead_letter_age", "must be more than 0 seconds"),
        (HEAD + "[buses.b]\ndead_letter_limit = 0", 3, "buses.b.dead_letter_limit", "must be a whole number from 1"),
        (HEAD + "[buses.b]\nretention = 3", 3, "buses.b.retention", "must be a table"),
        (HEAD + "[buses.b.retention]\nmax_age = 0", 3, "buses.b.retention.max_age", "must be more than 0 seconds"),
        (HEAD + "[buses.b.retention]\nmax_age = 'long'", 3, "buses.b.retention.max_age", "must be a number"),
        (HEAD + "[buses.b.retention]\nmax_age = 1\nage = 2", 4, "buses.b.retention.age", "did you mean 'max_age'?"),
        (HEAD + "[http]\nconnections = -1", 3, "http.connections", "is not above 0"),
        (HEAD + "[http]\nallow = []", 3, "http.allow", "known: schemes, hosts, ports, networks"),
        (HEAD + "[[subscriptions]]\n" + SINK, 2, "subscriptions[0].id", "is missing"),
        (SUB + "sinc = 'x'", 4, "subscriptions[0].sinc", "there is no such key"),
        (SUB, 2, "subscriptions[0].sink", "is missing"),
        (SUB + "sink = 'ftp://example.com/'", 4, "subscriptions[0].sink", "must be an http or https URL, or bus:NAME"),
        (SUB + "sink = 'bus:a b'", 4, "subscriptions[0].sink", "another bus is bus:NAME"),
        (SUB + "sink = 'callable:a'", 4, "subscriptions[0].sink", "must be an http or https URL"),
        (SUB + "sink = 'http://127.0.0.1/'", 4, "subscriptions[0].sink", "a loopback address, which no network"),
        (SUB + SINK + "bus = 'b'", 5, "subscriptions[0].bus", "add [buses.b]"),
        (SUB + SINK + "start = 2026-01-01T00:00:00", 5, "subscriptions[0].start", "time zone"),
        (SUB + SINK + "filters = [{exact = {}}]", 5, "subscriptions[0].filters[0].exact", "expected an object"),
        (SUB + SINK + "filters = [{exact = {type = 'a'}}, {exakt = {}}]", 5, "subscriptions[0].filters[1]", "exact"),
        (SUB + SINK + "[subscriptions.transformer]\ntemplat = 1", 6, "subscriptions[0].transformer.templat: ", "known"),
        (
            SUB + SINK + "[subscriptions.transformer]\ntemplate = '${x}'",
            6,
            "subscriptions[0].transformer.template: line 1, column 3",
            "add 'x' to define",
        ),
        (SUB + SINK + "[subscriptions.config]\ntimeout = 0", 6, "subscriptions[0].config.timeout", "0.001 to 3600"),
        (
            SUB + SINK + "[subscriptions.protocolsettings]\nmethod = 'GET'",
            6,
            "subscriptions[0].protocolsettings.method",
            "POST",
        ),
        (
            SUB + SINK + "config = { dead_letter = 'bus:nowhere' }",
            5,
            "subscriptions[0].config.dead_letter",
            "there is no bus 'nowhere'",
        ),
        (
            SUB + SINK + "config = { dead_letter = 'bus:default' }",
            5,
            "subscriptions[0].config.dead_letter",
            "this is the bus itself",
        ),
        (
            SUB + SINK + "config = { dead_letter = 'http://10.0.0.1/' }",
            5,
            "subscriptions[0].config.dead_letter",
            "10.0.0.1",
        ),
        (SUB + SINK + "config = { dead_letter = 7 }", 5, "subscriptions[0].config.dead_letter", "neither bus:NAME"),
        (SUB + SINK + "[[subscriptions]]\nid = 'a'\n" + SINK, 6, "subscriptions[1].id", "there are two"),
    ],
)
def test_a_wrong_file_is_refused_with_line_key_and_what_would_be_right(
    write: Any, text: str, line: int, key: str, hint: str
) -> None:
    path = write(text)
    with pytest.raises(InvalidConfiguration) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: {key}"), message
    assert hint in message
    assert "hunter2" not in message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_nobody_listens_beyond_this_machine_without_credentials_unless_it_is_said(write: Any, host: str) -> None:
    gateway = f'{HEAD}[gateway]\nhost = "{host}"\n'
    for buses in ("", "[buses.default]\n", "[buses.default]\npublishers=[]\n[buses.b]\n"):
        with pytest.raises(InvalidConfiguration, match=re.escape("gateway.host: ")) as caught:
            load(write(gateway + buses))
        assert "open = true" in str(caught.value)
    for buses in ("open = true", "publishers = []", "github = 'env:X'"):
        assert load(write(f"{gateway}[buses.default]\n{buses}")).gateway.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_alone_needs_none(write: Any, host: str) -> None:
    assert load(write(f'{HEAD}[gateway]\nhost = "{host}"\n')).gateway.host == host


# -- secrets


def may_publish(configuration: Configuration, bus: str, authorization: str = "") -> bool:
    request = AccessRequest(bus=bus, method="POST", headers={"authorization": authorization}, client=None)
    try:
        configuration.access().authorize(request)
    except Unauthorized:
        return False
    return True


def test_who_may_publish(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHOP_TOKEN", "GITHUB_NEW", "GITHUB_OLD"):
        monkeypatch.setenv(name, name.lower())
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ann").write_text("pw\n")
    configuration = load(write(FULL))
    assert [secret.reveal() for secret in configuration.access().github["default"]] == ["github_new", "github_old"]
    assert list(configuration.access().github) == ["default"]
    assert may_publish(configuration, "default", "Bearer shop_token")
    assert may_publish(configuration, "default", "Basic YW5uOnB3")  # ann:pw
    assert not may_publish(configuration, "default", "Bearer github_new")
    assert may_publish(configuration, "audit")
    assert not may_publish(configuration, "inner", "Bearer shop_token")
    shown = repr(configuration) + repr(configuration.access())
    assert "shop_token" not in shown
    assert "pw" not in shown


def test_who_may_manage(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOT", "r00t")
    configuration = load(write(HEAD + "[buses.default]\nmanagers = [{bearer = 'env:ROOT'}]\n[buses.audit]\n"))
    assert configuration.managed == {"default"}
    authorize = configuration.access().authorize

    def may(bus: str, token: str) -> bool:
        headers = {"authorization": f"Bearer {token}"}
        try:
            authorize(AccessRequest(bus=bus, action="manage", method="GET", headers=headers, client=None))
        except Unauthorized:
            return False
        return True

    assert may("default", "r00t")
    assert not may("default", "r0ot")
    assert not may("audit", "r00t")
    assert may_publish(configuration, "default")  # its managers do not close it


def test_a_bus_for_github_alone_takes_nothing_else(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "x")
    assert not may_publish(load(write(HEAD + "[buses.default]\ngithub = 'env:X'")), "default")
    assert may_publish(load(write(HEAD + "[buses.default]\ngithub = 'env:X'\nopen = true")), "default")


def test_a_secret_that_is_not_there_is_named_with_the_file(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    path = write(HEAD + "[buses.default]\npublishers = [{ bearer = 'env:NO_SUCH_TOKEN' }]")
    configuration = load(path)
    with pytest.raises(SecretNotFound, match=r"broker\.toml: there is no secret env:NO_SUCH_TOKEN"):
        configuration.access()


CREDENTIAL = "sinkcredential = { credentialtype = 'PLAIN', identifier = 'me', secret = 'env:SINK_PASSWORD' }\n"


def test_a_subscription_has_credentials_by_reference(write: Any, tmp_path: Path) -> None:
    configuration = load(write(SUB + "sink = 'https://example.com/'\n" + CREDENTIAL))
    (subscription,) = configuration.subscriptions
    assert subscription.policy.credential == BasicCredential(user="me", password="env:SINK_PASSWORD")
    assert configuration.http.secrets.folder == tmp_path
    assert configuration.http.secrets.allowed is None


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ("sinkcredential = { credentialtype = 'NONE' }", "sinkcredential.credentialtype", "must be one of ACCESSTOKEN"),
        ("sinkcredential = { credentialtype = 'HEADER', header = 'x', secret = 'hunter2' }", "", "env:NAME or file:"),
        ("sinkcredential = { credentialtype = 'HEADER', header = 'x', secret = 'a:hunter2' }", "", "env:NAME or file:"),
        ("protocolsettings = { signing = { secrets = ['hunter2'] } }", "protocolsettings.signing.secrets", "env:NAME"),
        ("protocolsettings = { signing = { secrets = ['a:hunter2'] } }", "protocolsettings.signing.secrets", "env:"),
        ("config = { rate = { events = 0 } }", "config.rate.events", "is not a number"),
    ],
    ids=["type", "clear", "scheme", "signing", "unknown", "rate"],
)
def test_a_wrong_credential_is_refused_with_its_line_and_unseen(write: Any, line: str, key: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        load(write(SUB + "sink = 'https://example.com/'\n" + line))
    assert caught.value.where.partition(": ")[0].endswith("broker.toml:5")
    assert key in caught.value.where
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_where_others_manage_subscriptions_only_listed_secrets_may_be_used(write: Any) -> None:
    """Who may subscribe could have any secret of this process sent to an endpoint."""
    managed = "[buses.default]\nmanagers = [{ bearer = 'env:BOSS' }]\n"
    text = SUB + "sink = 'https://example.com/'\n" + CREDENTIAL + managed
    with pytest.raises(InvalidConfiguration, match=r"env: reference is not among the secrets that may be used here"):
        load(write(text))
    assert load(write(text + "[http]\nsecrets = 'env:SINK_'")).subscriptions


def test_a_sink_may_be_another_bus(write: Any) -> None:
    assert load(write(SUB + "sink = 'bus:audit'")).subscriptions[0].address == "bus:audit"
    text = HEAD + "[buses.default]\n[buses.audit]\n" + SUB.removeprefix(HEAD) + SINK
    policy = load(write(text + "config = { dead_letter = 'bus:audit' }")).subscriptions[0].policy
    assert policy.dead_letter == "bus:audit"


def test_a_playground_and_who_may_use_it(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(write('storage = "memory:"')).playground is None
    assert load(write('storage = "memory:"')).access().playground is None
    local = load(write('storage = "memory:"\n[playground]'))
    assert local.playground == ServedPage()
    assert local.access().playground is None
    beyond = 'storage = "memory:"\n[buses.default]\nopen = true\n[gateway]\nhost = "0.0.0.0"\n[playground]\n'
    with pytest.raises(InvalidConfiguration, match="more than this machine: give users"):
        load(write(beyond))
    anybody = AccessRequest(bus="", action="try", method="GET", headers={}, client="192.0.2.7")
    for_all = load(write(f"{beyond}open = true")).access().playground
    assert for_all is not None
    for_all(anybody)
    monkeypatch.setenv("PW", "t0ken")
    for_some = load(write(f'{beyond}users = [{{ bearer = "env:PW" }}]')).access().playground
    assert for_some is not None
    for_some(evolve(anybody, headers={"authorization": "Bearer t0ken"}))
    with pytest.raises(Unauthorized):
        for_some(anybody)


def test_an_operators_page_and_who_may_use_it(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(write('storage = "memory:"')).operator is None
    assert load(write('storage = "memory:"\n[operator]')).access().operator is None
    beyond = 'storage = "memory:"\n[buses.default]\nopen = true\n[gateway]\nhost = "0.0.0.0"\n[operator]\n'
    with pytest.raises(InvalidConfiguration, match=r"more than this machine: give users$"):
        load(write(beyond))
    with pytest.raises(InvalidConfiguration, match="operator"):
        load(write(f"{beyond}open = true"))
    monkeypatch.setenv("PW", "t0ken")
    hook = load(write(f'{beyond}users = [{{ bearer = "env:PW" }}]')).access().operator
    assert hook is not None
    for action, bus in (("look", ""), ("look", "default"), ("manage", "default")):
        asked = AccessRequest(bus=bus, action=action, method="GET", headers={}, client="192.0.2.7")  # type: ignore[arg-type]
        with pytest.raises(Unauthorized):
            hook(asked)
        hook(evolve(asked, headers={"authorization": "Bearer t0ken"}))


@pytest.mark.parametrize(
    "text", ["playground = true", "[playground]\nusers = [{}]", '[playground]\npath = "/x"', "[playground]\nopen = 1"]
)
def test_a_playground_that_is_none(write: Any, text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="playground"):
        load(write(f'storage = "memory:"\n{text}'))


def test_a_playground_is_open_or_has_users(write: Any) -> None:
    text = 'storage = "memory:"\n[playground]\nopen = true\nusers = [{ bearer = "env:X" }]'
    with pytest.raises(InvalidConfiguration, match=r"playground\.open: the page has users"):
        load(write(text))
