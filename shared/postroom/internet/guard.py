"""Which addresses may be dialled. An address is vetted after resolution, and it is the vetted one that is dialled."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Forbidden(ValueError):
    """An address that must not be dialled; the text says which, and what would allow it."""


class Guard:
    """Lets through public unicast addresses, and the networks that the settings allow besides."""

    def __init__(self, allow: Sequence[Network] = (), *, public: bool = True) -> None:
        self._allow = tuple(allow)
        self._public = public

    def without_public(self) -> Guard:
        """One that lets through the allowed networks alone."""
        return Guard(self._allow, public=False)

    def vet(self, text: str) -> str:
        """The address in its normal form. Raises `Forbidden`, also for what isn't an address."""
        try:
            address = ip_address(text)
        except ValueError as error:
            raise Forbidden(f"{text!r} is not an IP address") from error
        if isinstance(address, IPv6Address) and address.scope_id is not None:  # RFC 4007 §11: a zone is never public
            raise Forbidden(f"{text!r} names a zone, and an address in one is not public")
        if not self._permits(address):
            what = "is not a public address" if self._public else "is to be dialled without TLS"
            raise Forbidden(f"{address} {what}, and POSTROOM_DIAL_ALLOW doesn't name its network")
        return str(address)

    @property
    def names_networks(self) -> bool:
        """Whether the settings allow any besides."""
        return bool(self._allow)

    def check(self, host: str) -> None:
        """Raises `Forbidden` where `host` is an address that must not be dialled, or looks like one. Names pass."""
        if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
            self.vet(host)

    def addresses(self, host: str, resolve: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
        """The addresses of `host` that may be dialled, in the order in which `resolve`, asked once, has them.

        Raises `Forbidden` where none may be, and whatever `resolve` raises, such as `LookupError`.
        """
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            # 127.1, 0x7f.1, 0177.0.0.1 and 2130706433 are addresses to some and names to others: here they are neither.
            return (self.vet(host),)
        permitted: list[str] = []
        refusals: list[str] = []
        for address in resolve(host):
            try:
                permitted.append(self.vet(address))
            except Forbidden as error:
                refusals.append(str(error))
        if not permitted:
            raise Forbidden(f"{host}: {'; '.join(refusals) or 'it has no address'}")
        return tuple(permitted)

    def _permits(self, address: Address) -> bool:
        carriers = [carrier for carrier in _CARRIERS if address in carrier and address not in _UNMISTAKABLE]
        allowed = [network for network in self._allow if address in network and _opens(network, address, carriers)]
        if not allowed and not (self._public and _public(address)):
            return False
        # Each form that carries another address is judged by what it carries, too.
        return all(self._permits(inner) for inner in _carried(address, carriers, allowed))


def _opens(network: Network, address: Address, carriers: Sequence[Network]) -> bool:
    """Whether an allowed network may open an address in it.

    Credentials are to be had from an address that tells a machine about itself, and whoever allows `::/0` doesn't
    think of the addresses that carry others: the first must be named alone, the second from within their own network.
    """
    if address in _METADATA:
        return network.num_addresses == 1
    return all(network.prefixlen >= carrier.prefixlen for carrier in carriers)


def _public(address: Address) -> bool:
    if address in _METADATA:
        return False
    if isinstance(address, IPv6Address) and not any(address in network for network in _UNICAST):
        return False
    return not any(address in network for network in _SPECIAL)


# The tables. Python's own `is_global` differs from version to version; these are the IANA's special-purpose address
# registries (RFC 6890, RFC 8190), read strictly: what isn't said to be globally reachable isn't.

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

_UNICAST: tuple[Network, ...] = (
    ip_network("2000::/3"),  # RFC 4291 §2.4, and IANA's IPv6 address space: all that is given out
    ip_network("64:ff9b::/96"),  # RFC 6052 §2.1: how a network without IPv4 reaches it
)

_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # RFC 791 §3.2: this network
        "10.0.0.0/8",  # RFC 1918: private
        "100.64.0.0/10",  # RFC 6598: between a provider and its customers
        "127.0.0.0/8",  # RFC 1122 §3.2.1.3: loopback
        "169.254.0.0/16",  # RFC 3927: link-local
        "172.16.0.0/12",  # RFC 1918
        "192.0.0.0/24",  # RFC 6890 §2.1: protocol assignments; its few anycast addresses serve no mail
        "192.0.2.0/24",  # RFC 5737: documentation
        "192.88.99.0/24",  # RFC 7526: relays of 6to4, given up
        "192.168.0.0/16",  # RFC 1918
        "198.18.0.0/15",  # RFC 2544: benchmarking
        "198.51.100.0/24",  # RFC 5737
        "203.0.113.0/24",  # RFC 5737
        "224.0.0.0/4",  # RFC 1112 §4: multicast
        "240.0.0.0/4",  # RFC 1112 §4: reserved, with the broadcast address
        "2001::/23",  # RFC 2928: protocol assignments, with Teredo, ORCHID and benchmarking
        "2001:db8::/32",  # RFC 3849: documentation
        "2002::/16",  # RFC 3056: 6to4, given up by RFC 7526
        "3fff::/20",  # RFC 9637: documentation
    )
)

_METADATA: frozenset[Address] = frozenset(
    ip_address(address)
    for address in (
        "169.254.169.254",  # of nearly every cloud
        "169.254.170.2",  # of a container's role on AWS
        "169.254.170.23",  # of a pod's role on AWS
        "168.63.129.16",  # of Azure, in a public network
        "100.100.100.200",  # of Alibaba Cloud
        "192.0.0.192",  # of Oracle Cloud
        "fd00:ec2::254",  # of AWS
        "fd00:ec2::23",  # of a pod's role on AWS
        "fd20:ce::254",  # of Google Cloud
    )
)

# Networks whose addresses have an IPv4 address in them.

_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291 §2.5.5.2
_COMPATIBLE = IPv6Network("::/96")  # RFC 4291 §2.5.5.1
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # RFC 2765 §2.1
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_TEREDO = IPv6Network("2001::/32")  # RFC 4380 §4
_6TO4 = IPv6Network("2002::/16")  # RFC 3056 §2
_CARRIERS = (_MAPPED, _COMPATIBLE, _TRANSLATED, _NAT64, _LOCAL_NAT64, _TEREDO, _6TO4)

_UNMISTAKABLE = (IPv6Address("::"), IPv6Address("::1"))  # RFC 4291 §2.5.2 and §2.5.3: they carry nothing

_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214 §6.1: the upper half of an interface identifier, in any network


def _carried(address: Address, carriers: Sequence[Network], allowed: Sequence[Network]) -> Iterator[IPv4Address]:
    """The IPv4 addresses that stand in an address, as far as its form tells."""
    if isinstance(address, IPv4Address):
        return
    bits = int(address)
    for carrier in carriers:
        if carrier == _6TO4:
            yield _octets(bits >> 80)
        elif carrier == _TEREDO:
            yield _octets(bits >> 64)  # the server
            yield _octets(~bits)  # the client
        elif carrier == _LOCAL_NAT64:
            # RFC 6052 §2.2: where the IPv4 address stands follows from the length of the translator's prefix.
            for network in allowed:
                yield _translated(bits, network.prefixlen)
        else:
            yield _octets(bits)
    if (bits >> 32) & 0xFFFFFFFF in _ISATAP:
        yield _octets(bits)


def _translated(bits: int, prefix: int) -> IPv4Address:
    """The IPv4 address behind a translator's prefix of that many bits (RFC 6052 §2.2); bits 64 to 71 are void."""
    if prefix >= 96:
        return _octets(bits)
    start = max(length for length in (48, 56, 64) if length <= prefix)
    without_void = (bits >> 64 << 56) | (bits & (1 << 56) - 1)  # 120 bits
    return _octets(without_void >> 120 - start - 32)


def _octets(bits: int) -> IPv4Address:
    return IPv4Address(bits & 0xFFFFFFFF)
