from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidConfiguration, InvalidSubscription
from eventroute.push.policy.addresses import (
    MAX_ADDRESSES,
    AddressPolicy,
    ForbiddenAddress,
    IPAddress,
    Lookup,
    Target,
    look_up,
    resolve,
)

PUBLIC = ("8.8.8.8", "1.1.1.1", "192.31.196.1", "192.0.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::5")
FORBIDDEN = {
    "unspecified": ("0.0.0.0", "0.1.2.3", "::"),
    "private": ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd00:ec2::254"),
    "shared": ("100.64.0.1", "100.100.100.200", "100.127.255.255"),
    "loopback": ("127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"),
    "6to4": ("2002:7f00:1::", "2002:808:808::1"),
    "link-local": ("169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
    "cloud": ("168.63.129.16",),
    "multicast": ("224.0.0.1", "239.1.2.3", "ff02::1"),
    "documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),
    "benchmarking": ("198.18.0.1", "198.19.255.255"),
    "reserved": (
        *("192.0.0.8", "192.88.99.1", "240.0.0.1", "255.255.255.255", "2001::1", "2001:10::1", "5f00::1"),
        *("::7f00:1", "::8.8.8.8", "64:ff9b:1::1", "100::1", "4000::1", "fec0::1"),
    ),
}

addresses = st.ip_addresses() | st.sampled_from([*PUBLIC, *sum(FORBIDDEN.values(), ())]).map(ip_address)
ANY = AddressPolicy()


def allowed(policy: AddressPolicy, address: IPAddress) -> bool:
    try:
        policy.check("sink.test", address)
    except ForbiddenAddress:
        return False
    return True


@given(addresses | st.ip_addresses(v=4) | st.ip_addresses(network="2000::/3"))
def test_what_is_allowed_by_default_is_global_and_for_one_receiver(address: IPAddress) -> None:
    if allowed(ANY, address):
        assert address.is_global
        assert not any((address.is_private, address.is_loopback, address.is_link_local, address.is_multicast))
        assert not address.is_reserved or address.version == 6  # there Python calls all of ::/8 reserved


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_the_ipv4_address(address: IPv4Address) -> None:
    assert allowed(ANY, IPv6Address(f"::ffff:{address}")) == allowed(ANY, address)


@given(st.ip_addresses(v=4))
def test_nat64_reaches_no_more_than_ipv4_does(address: IPv4Address) -> None:
    assert allowed(ANY, IPv6Address(int(IPv6Address("64:ff9b::")) | int(address))) == allowed(ANY, address)


@given(addresses, st.integers(0, 128))
def test_an_allowed_network_allows_its_addresses_and_no_others(address: IPAddress, length: int) -> None:
    network = ip_network(f"{str(address).partition('%')[0]}/{min(length, address.max_prefixlen)}", strict=False)
    policy = AddressPolicy(networks=[network])
    assert allowed(policy, address) or getattr(address, "ipv4_mapped", None) is not None
    for other in (network.network_address - 1 if int(network.network_address) else None,):
        assert other is None or allowed(policy, other) == allowed(ANY, other)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FORBIDDEN.items() for text in texts])
def test_a_special_address_is_refused_and_its_kind_told(kind: str, text: str) -> None:
    with pytest.raises(ForbiddenAddress, match=kind):
        ANY.check("sink.test", ip_address(text))


@pytest.mark.parametrize("text", [*PUBLIC, "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_allowed(text: str) -> None:
    ANY.check("sink.test", ip_address(text))


def test_an_allowed_private_network_is_not_one_behind_a_translator() -> None:
    policy = AddressPolicy(networks=["10.0.0.0/8"])
    policy.check("sink.test", ip_address("10.1.2.3"))
    policy.check("sink.test", ip_address("::ffff:10.1.2.3"))
    with pytest.raises(ForbiddenAddress):
        policy.check("sink.test", ip_address("64:ff9b::a01:203"))
    AddressPolicy(networks=[IPv6Network("64:ff9b::/96")]).check("sink.test", ip_address("64:ff9b::a01:203"))


@given(addresses, st.integers(0, 128))
def test_what_is_denied_is_refused_whatever_is_allowed(address: IPAddress, length: int) -> None:
    network = ip_network(f"{str(address).partition('%')[0]}/{min(length, address.max_prefixlen)}", strict=False)
    everything = ["0.0.0.0/0", "::/0"]
    assert not allowed(AddressPolicy(networks=everything, denied=[network]), address)
    with pytest.raises(ForbiddenAddress, match="is in a network that the address policy denies"):
        AddressPolicy(networks=everything, denied=[network]).check("sink.test", address)


def test_a_denied_ipv4_network_is_denied_as_a_mapped_address_too() -> None:
    policy = AddressPolicy(denied=["8.8.0.0/16", "2606:4700:64::/96"])
    for inside in ("8.8.8.8", "::ffff:8.8.8.8", "2606:4700:64::a00:1"):
        assert not allowed(policy, ip_address(inside))
    assert allowed(policy, ip_address("8.9.8.8"))


# -- URLs


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443, None)),
        ("HTTP://Example.COM:8080/a%20b?c=d&e=[f]", Target("http", "example.com", 8080, None)),
        ("http://a_b.internal./x", Target("http", "a_b.internal.", 80, None)),
        ("http://127.0.0.1:9/", Target("http", "127.0.0.1", 9, ip_address("127.0.0.1"))),
        ("https://[2606:4700:0::1111]/", Target("https", "2606:4700::1111", 443, ip_address("2606:4700::1111"))),
        ("https://4.example", Target("https", "4.example", 443, None)),
        ("ftp://example.com/x", Target("ftp", "example.com", 0, None)),
    ],
)
def test_a_plain_url_is_taken_apart(url: str, target: Target) -> None:
    assert Target.parse(url) == target


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "https://", "https:///x", "https://a b/", "https://a/\n", "https://a/#f", "//a/b"),
        *("https://u:p@example.com/", "https://example.com\\@127.0.0.1/", "https://ex%61mple.com/", "https://é.fr/"),
        *(
            "https://\uff11\uff12\uff17.0.0.1/",
            "https://[::1",
            "https://[fe80::1%25eth0]/",
            "https://[zz]/",
            "https://[1:2]/",
        ),
        *("https://a:0/", "https://a:65536/", "https://a:123456/", "https://a:-1/", "https://a:/"),
        *("https://.a/", "https://a..b/", "https://-a/", f"https://{'a' * 64}.com/", f"https://a/{'b' * 2_048}"),
        f"https://{'.'.join(['a' * 60] * 5)}/",
    ],
)
def test_a_url_that_is_malformed_or_ambiguous_is_refused(url: str) -> None:
    with pytest.raises(InvalidSubscription, match="sink"):
        Target.parse(url)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "017700000001"]
)
def test_loopback_in_an_odd_notation_is_refused_and_its_meaning_told(host: str) -> None:
    with pytest.raises(InvalidSubscription, match=r"four decimal numbers, 127\.0\.0\.1"):
        Target.parse(f"http://{host}/")


@pytest.mark.parametrize("host", ["1.2.3.4.5", "a.0x", "256.1.1.1", "a.9"])
def test_a_host_that_ends_in_a_number_and_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(InvalidSubscription, match="four decimal numbers"):
        Target.parse(f"http://{host}/")


numbers = st.builds(
    lambda form, number: form.format(number), st.sampled_from(["{}", "0x{:x}", "0{:o}"]), st.integers(0, 255)
)


@given(st.lists(numbers, min_size=1, max_size=4).map(".".join))
def test_what_the_system_reads_as_an_address_never_passes_as_a_name(host: str) -> None:
    meant = IPv4Address(socket.inet_aton(host))
    try:
        read: object = Target.parse(f"http://{host}/").address
    except InvalidSubscription as error:
        read = ip_address(str(error).rpartition(" ")[2])  # the message tells what was meant
    assert read == meant


@given(st.text(max_size=60).map(lambda text: f"http://{text}"))
def test_any_text_is_a_target_or_refused(url: str) -> None:
    try:
        target = Target.parse(url)
    except InvalidSubscription:
        return
    assert target.scheme == "http"
    assert target.host
    assert 0 < target.port < 65_536


# -- the policy


def refused(policy: AddressPolicy, url: str) -> str | None:
    try:
        policy.check_target(Target.parse(url))
    except ForbiddenAddress as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("policy", "url", "reason"),
    [
        (ANY, "https://example.com", None),
        (ANY, "ftp://example.com", "scheme ftp is not allowed: use http or https"),
        (AddressPolicy(schemes=["https"]), "http://example.com", "scheme http is not allowed: use https"),
        (AddressPolicy(ports=[443]), "https://example.com", None),
        (AddressPolicy(ports=[443, 8443]), "https://example.com:25", "port 25 is not allowed: use 443 or 8443"),
        (AddressPolicy(hosts=["example.com"]), "https://EXAMPLE.com./", None),
        (AddressPolicy(hosts=["example.com"]), "https://a.example.com", "not among those"),
        (AddressPolicy(hosts=["*.example.com"]), "https://a.b.example.com", None),
        (AddressPolicy(hosts=["*.example.com"]), "https://example.com", "not among those"),
        (AddressPolicy(hosts=["*.example.com"]), "https://badexample.com", "not among those"),
        (AddressPolicy(hosts=["8.8.8.8"]), "https://8.8.8.8", None),
        (AddressPolicy(hosts=["2606:4700::1111"]), "https://[2606:4700:0::1111]", None),
        (AddressPolicy(hosts=["127.0.0.1"]), "http://127.0.0.1", "loopback"),
        (ANY, "http://[::ffff:169.254.169.254]/latest", "link-local"),
        (ANY, "http://localhost:8000", "loopback"),
        (ANY, "http://api.localhost.", "loopback"),
        (ANY, "http://notlocalhost", None),
        (AddressPolicy(networks=["127.0.0.0/8"]), "http://localhost:8000", None),
    ],
)
def test_a_url_is_judged_without_any_lookup(policy: AddressPolicy, url: str, reason: str | None) -> None:
    answer = refused(policy, url)
    assert (answer is None) if reason is None else (answer is not None and reason in answer)


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        *(("schemes", []), ("schemes", ["ftp"]), ("ports", [0]), ("ports", [65_536])),
        *(("hosts", [""]), ("hosts", ["a b"]), ("hosts", ["https://a"]), ("hosts", ["*"])),
        *(("networks", ["10.0.0.1/8"]), ("networks", ["x"]), ("denied", ["10.0.0.1/8"])),
    ],
)
def test_a_wrong_setting_is_refused_by_name(setting: str, values: Sequence[object]) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"addresses\.{setting}"):
        AddressPolicy(**{setting: values})  # type: ignore[arg-type]


# -- resolving


def answers(*found: str) -> Lookup:
    async def lookup(host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("sink.test", 443)
        return found

    return lookup


@pytest.mark.anyio
@given(st.lists(addresses, max_size=30))
async def test_only_allowed_addresses_are_handed_out(found: list[IPAddress]) -> None:
    considered = found[:MAX_ADDRESSES]
    expected = [address for address in considered if allowed(ANY, address)]
    try:
        given_out = await resolve(ANY, "sink.test", 443, answers(*map(str, found)))
    except ForbiddenAddress:
        assert considered
        assert not expected
    except OSError:
        assert not considered
    else:
        assert given_out == expected
        assert expected


@pytest.mark.anyio
async def test_a_name_that_leads_inside_is_refused_with_its_address() -> None:
    with pytest.raises(ForbiddenAddress, match=r"sink\.test, at 10\.0\.0\.7, is a private address"):
        await resolve(ANY, "sink.test", 443, answers("10.0.0.7", "127.0.0.1"))


@pytest.mark.anyio
async def test_the_system_knows_localhost() -> None:
    found = {ip_address(text) for text in await look_up("localhost", 80)}
    assert found
    assert all(address.is_loopback for address in found)
    with pytest.raises(ForbiddenAddress):
        await resolve(ANY, "localhost", 80)
