"""Which addresses may be dialled. An address is vetted after resolution, and it is the vetted one that is dialled."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052 §2.1
_COMPATIBLE = ip_network("::/96")  # RFC 4291 §2.5.5.1


class Forbidden(ValueError):
    """An address that must not be dialled; the text says which, and what would allow it."""


class Guard:
    """Lets through public unicast addresses, and the networks that the settings allow besides."""

    def __init__(self, allow: Sequence[Network] = ()) -> None:
        self._allow = tuple(allow)

    def vet(self, text: str) -> str:
        """The address in its normal form. Raises `Forbidden`, also for what isn't an address."""
        try:
            address = ip_address(text)
        except ValueError as error:
            raise Forbidden(f"{text!r} is not an IP address") from error
        if any(address in network for network in self._allow if network.version == address.version):
            return str(address)
        # Each form that carries another address is judged by what it carries.
        for inner in (address, *_carried(address)):
            if not inner.is_global or inner.is_multicast or inner.is_reserved:
                raise Forbidden(f"{address} is not a public address, and POSTROOM_DIAL_ALLOW doesn't name its network")
        return str(address)


def _carried(address: Address) -> list[Address]:
    if isinstance(address, IPv4Address):
        return []
    carried: list[Address] = [inner for inner in (address.ipv4_mapped, address.sixtofour) if inner is not None]
    if address.teredo is not None:
        carried += address.teredo
    if address in _NAT64 or address in _COMPATIBLE:
        carried.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return carried
