"""Which addresses events may be pushed to: protection against server-side request forgery.

Whoever may subscribe chooses where this process connects to, so a sink's URL is checked when it is given, and each
address that its host resolves to is checked again whenever a connection is made. Only checked addresses are handed
out: a client that connects to them, and to nothing else, cannot be led astray by a DNS answer that changes in between.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

import anyio
from attrs import field, frozen

from eventroute.errors import EventrouteError, InvalidConfiguration, InvalidSubscription

__all__ = ["AddressPolicy", "ForbiddenAddress", "Lookup", "Target", "look_up", "resolve"]

MAX_URL_LENGTH = 2_048
"""How many characters a sink's URL may have."""

MAX_ADDRESSES = 16
"""How many addresses of one host are considered."""

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPNetwork: TypeAlias = IPv4Network | IPv6Network

Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Finds the addresses of a host, as text; raises OSError where there are none."""


class ForbiddenAddress(EventrouteError, OSError):
    """The policy forbids a URL or an address. An OSError too, so that it passes through a client's own resolving."""


# The registries of special-purpose addresses (RFC 6890 and what IANA added since), less what is globally reachable.
# Not Python's is_private and is_global: their answers changed between patch releases.
_SPECIAL_4 = {
    IPv4Network(network): kind
    for network, kind in {
        "0.0.0.0/8": "an unspecified",
        "10.0.0.0/8": "a private",
        "100.64.0.0/10": "a shared (carrier-grade NAT)",
        "127.0.0.0/8": "a loopback",
        "168.63.129.16/32": "a cloud platform's",  # answers inside Azure only, although in public space
        "169.254.0.0/16": "a link-local",
        "172.16.0.0/12": "a private",
        "192.0.0.0/24": "a reserved",
        "192.0.2.0/24": "a documentation",
        "192.88.99.0/24": "a reserved",
        "192.168.0.0/16": "a private",
        "198.18.0.0/15": "a benchmarking",
        "198.51.100.0/24": "a documentation",
        "203.0.113.0/24": "a documentation",
        "224.0.0.0/4": "a multicast",
        "240.0.0.0/4": "a reserved",
    }.items()
}
_GLOBAL_6 = IPv6Network("2000::/3")
_SPECIAL_6 = {
    IPv6Network(network): kind
    for network, kind in {
        "::/128": "an unspecified",
        "::1/128": "a loopback",
        "fc00::/7": "a private",
        "fe80::/10": "a link-local",
        "ff00::/8": "a multicast",
        "2001::/23": "a reserved",  # Teredo among them, which hides an IPv4 address
        "2001:db8::/32": "a documentation",
        "2002::/16": "a 6to4",  # retired (RFC 7526), and hides an IPv4 address
        "3fff::/20": "a documentation",
    }.items()
}
_NAT64 = IPv6Network("64:ff9b::/96")


def _kind(address: IPAddress) -> str | None:
    """What is special about an address, or None where it is an ordinary public one."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _SPECIAL_4.items() if address in network), None)
    if address in _NAT64:
        return _kind(IPv4Address(int(address) & 0xFFFF_FFFF))
    kind = next((kind for network, kind in _SPECIAL_6.items() if address in network), None)
    return kind or (None if address in _GLOBAL_6 else "a reserved")


# Only what needs no interpretation: no user names, no percent-encoded or non-ASCII hosts, no backslashes.
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/[A-Za-z0-9/:@!$&'()*+,;=._~%-]*)?(?:\?[A-Za-z0-9/:@!$&'()*+,;=._~%?\[\]-]*)?"
)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@frozen
class Target:
    """Where a sink's URL leads. `address` is given where the URL has an address instead of a name."""

    scheme: str
    host: str
    port: int
    address: IPAddress | None

    @classmethod
    def parse(cls, url: str) -> Target:
        """Take a URL apart; raises InvalidSubscription for one that is malformed or can be read in two ways."""
        match = _URL.fullmatch(url) if len(url) <= MAX_URL_LENGTH else None
        if match is None:
            raise InvalidSubscription(
                "this is no plain URL such as https://example.com/path: it has no user name and no fragment, its host "
                f"is ASCII (punycode), the rest is percent-encoded, and all of it has at most {MAX_URL_LENGTH:,} "
                "characters",
                where="sink",
            )
        scheme = match["scheme"].lower()
        host, address = _read_six(match["six"]) if match["six"] else _read_name(match["name"].lower())
        port = int(match["port"] or _DEFAULT_PORTS.get(scheme, 0))
        if match["port"] and not 0 < port < 65_536:
            raise InvalidSubscription(f"there is no port {match['port']}", where="sink")
        return cls(scheme, host, port, address)


def _read_six(text: str) -> tuple[str, IPAddress]:
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise InvalidSubscription(f"the host is no IPv6 address: {error}", where="sink") from None
    return str(address), address


def _read_name(name: str) -> tuple[str, IPAddress | None]:
    """A host that ends in a number is an IPv4 address to any client, and only one way to write it is accepted."""
    labels = name.removesuffix(".").split(".")
    if any(not 1 <= len(label) <= 63 for label in labels) or len(name) > 254:
        raise InvalidSubscription("a label of the host name is empty or longer than 63 characters", where="sink")
    if not _NUMBER.fullmatch(labels[-1]):
        return name, None
    try:
        return name, IPv4Address(name)
    except ValueError:
        raise InvalidSubscription(
            f"{name!r} is no host: write an IPv4 address as four decimal numbers{_meaning(name)}", where="sink"
        ) from None


def _meaning(name: str) -> str:
    try:
        return f", {IPv4Address(socket.inet_aton(name.removesuffix('.')))}"
    except OSError:
        return ""


def _schemes(values: Iterable[str]) -> frozenset[str]:
    schemes = frozenset(values)
    if not schemes or not schemes <= _DEFAULT_PORTS.keys():
        raise InvalidConfiguration(f"{sorted(schemes)} are not http, https or both", where="addresses.schemes")
    return schemes


_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9a-f:.]+")


def _hosts(values: Iterable[str]) -> frozenset[str]:
    hosts = frozenset(value.lower().removesuffix(".") for value in values)
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise InvalidConfiguration(
                f"{host!r} is not a host such as example.com, *.example.com or 192.0.2.1", where="addresses.hosts"
            )
    return hosts


def _networks(values: Iterable[str | IPNetwork]) -> tuple[IPNetwork, ...]:
    return _read_networks(values, "networks")


def _denied(values: Iterable[str | IPNetwork]) -> tuple[IPNetwork, ...]:
    return _read_networks(values, "denied")


def _read_networks(values: Iterable[str | IPNetwork], name: str) -> tuple[IPNetwork, ...]:
    try:
        return tuple(ip_network(value) for value in values)
    except ValueError as error:
        raise InvalidConfiguration(str(error), where=f"addresses.{name}") from None


def _ports(values: Iterable[int]) -> frozenset[int]:
    ports = frozenset(values)
    for port in ports:
        if not 0 < port < 65_536:
            raise InvalidConfiguration(f"there is no port {port}", where="addresses.ports")
    return ports


@frozen(kw_only=True)
class AddressPolicy:
    """Where events may be pushed to. The default: any public address, over https or http.

    Raises InvalidConfiguration naming the setting.
    """

    schemes: frozenset[str] = field(default=frozenset({"http", "https"}), converter=_schemes)
    """The URL schemes that are allowed."""

    hosts: frozenset[str] = field(default=frozenset(), converter=_hosts)
    """The only hosts that are allowed, `*.example.com` for every name below one; empty: any host."""

    ports: frozenset[int] = field(default=frozenset(), converter=_ports)
    """The only ports that are allowed; empty: any port."""

    networks: tuple[IPNetwork, ...] = field(default=(), converter=_networks)
    """Networks that are allowed although they are not public, such as `10.1.0.0/16` or `127.0.0.0/8`."""

    denied: tuple[IPNetwork, ...] = field(default=(), converter=_denied)
    """Networks that are refused whatever else is said: public addresses of your own, or the prefix of a NAT64 of your
    own, through which private addresses can be reached.
    """

    def check_target(self, target: Target) -> None:
        """Refuse what a URL alone shows to be forbidden; raises ForbiddenAddress."""
        if target.scheme not in self.schemes:
            raise ForbiddenAddress(f"the scheme {target.scheme} is not allowed: use {_either(self.schemes)}")
        if self.ports and target.port not in self.ports:
            raise ForbiddenAddress(f"port {target.port} is not allowed: use {_either(map(str, self.ports))}")
        if self.hosts and not self._names(target.host):
            raise ForbiddenAddress(f"the host {target.host} is not among those that are allowed")
        if target.address is not None:
            self.check(target.host, target.address)
        elif f".{target.host.removesuffix('.')}".endswith(".localhost"):
            self.check(target.host, IPv4Address("127.0.0.1"))

    def check(self, host: str, address: IPAddress) -> None:
        """Refuse an address that is not public and in none of the allowed networks; raises ForbiddenAddress.

        An IPv4-mapped IPv6 address is the IPv4 address. One that reaches IPv4 through NAT64 must be public there, or be
        allowed as an IPv6 address: behind a translator, 10.0.0.1 is somebody else's.
        """
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        plain = mapped or address
        place = host if host == str(address) else f"{host}, at {address},"
        if any(one in network for network in self.denied for one in (plain, address)):
            raise ForbiddenAddress(f"{place} is in a network that the address policy denies")
        kind = None if any(plain in network for network in self.networks) else _kind(plain)
        if kind is not None:
            network = f"{plain}/{plain.max_prefixlen}"
            raise ForbiddenAddress(
                f"{place} is {kind} address, which no network of the address policy allows: {network}"
            )

    def _names(self, host: str) -> bool:
        plain = host.removesuffix(".")
        parts = plain.split(".")
        return plain in self.hosts or any(
            f"*.{'.'.join(parts[start:])}" in self.hosts for start in range(1, len(parts))
        )


def _either(values: Iterable[str]) -> str:
    return " or ".join(sorted(values))


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver; raises OSError where there are none."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def resolve(policy: AddressPolicy, host: str, port: int, lookup: Lookup = look_up) -> list[IPAddress]:
    """The addresses of a host that the policy allows: one or more.

    Raises ForbiddenAddress where it allows none of them, OSError where the host has none.
    """
    found = [ip_address(text) for text in list(await lookup(host, port))[:MAX_ADDRESSES]]
    allowed: list[IPAddress] = []
    refused: list[ForbiddenAddress] = []
    for address in found:
        try:
            policy.check(host, address)
        except ForbiddenAddress as error:
            refused.append(error)
        else:
            allowed.append(address)
    if allowed:
        return allowed
    raise refused[0] if refused else OSError(f"{host} has no address")
