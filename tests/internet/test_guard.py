"""No address that isn't public gets past the guard, in whatever form it is written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from postroom.internet.guard import Address, Forbidden, Guard, Network

# IPv4 networks that nobody reaches over the Internet, as the IANA registers them, and single addresses of metadata.
CLOSED = [
    *map(ip_network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12")),
    *map(ip_network, ("192.0.0.0/29", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24")),
    *map(ip_network, ("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32", "169.254.169.254/32")),
    *map(ip_network, ("168.63.129.16/32", "100.100.100.200/32")),
]


def within(network: Network) -> st.SearchStrategy[Address]:
    return st.integers(int(network.network_address), int(network.broadcast_address)).map(type(network.network_address))


closed = st.sampled_from(CLOSED).flatmap(within).map(lambda address: IPv4Address(int(address)))
bits = st.integers(0, 2**128 - 1)


def under(prefix: str, noise: int, inner: int, place: int) -> IPv6Address:
    """An address under `prefix` with the 32 bits of `inner` at `place`, counted from the right, noise elsewhere."""
    network = IPv6Network(prefix)
    filled = int(network.network_address) | (noise & int(network.hostmask))
    return IPv6Address((filled & ~(0xFFFFFFFF << place)) | (inner << place))


def split(prefix: str, length: int, noise: int, inner: int) -> IPv6Address:
    """RFC 6052 §2.2: behind a prefix of `length`, with bits 64 to 71 left out."""
    shift = 120 - length - 32
    whole = (int(IPv6Network(prefix).network_address) >> 64 << 56) | (noise & ((1 << shift) - 1)) | (inner << shift)
    return IPv6Address((whole >> 56 << 64) | (whole & ((1 << 56) - 1)))


def carried(inner: IPv4Address, noise: int) -> dict[str, IPv6Address]:
    """Every form that carries `inner`, with `noise` in the bits that say nothing."""
    number = int(inner)
    return {
        "mapped": under("::ffff:0:0/96", noise, number, 0),
        "compatible": under("::/96", noise, number, 0),
        "translated": under("::ffff:0:0:0/96", noise, number, 0),
        "NAT64": under("64:ff9b::/96", noise, number, 0),
        "local NAT64 of 48 bits": split("64:ff9b:1::/48", 48, noise, number),
        "local NAT64 of 56 bits": split("64:ff9b:1:ab00::/56", 56, noise, number),
        "local NAT64 of 64 bits": split("64:ff9b:1:abcd::/64", 64, noise, number),
        "local NAT64 of 96 bits": under("64:ff9b:1:abcd::/96", noise, number, 0),
        "6to4": under("2002::/16", noise, number, 80),
        "Teredo's server": under("2001::/32", noise, number, 64),
        "Teredo's client": under("2001::/32", noise, ~number & 0xFFFFFFFF, 0),
        "ISATAP": IPv6Address((0x2A00_1450_4001_0001 << 64) | (0x00005EFE << 32) | number),
        "ISATAP of a global address": IPv6Address((0x2A00_1450_4001_0001 << 64) | (0x02005EFE << 32) | number),
    }


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2001:4860:4860::8888", "2a00:1450:4001::1", "64:ff9b::808:808", "2a00:1450::5efe:808:808"],
)
def test_public_addresses_pass(address: str) -> None:
    assert Guard().vet(address) == address


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1", "192.0.0.192", "168.63.129.16"),
        *("::1", "::", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fec0::1", "ff02::1", "fc00::1", "100::1"),
        *(
            "2001:db8::1",
            "3fff::1",
            "2001:2::1",
            "2001:20::1",
            "5f00::1",
            "4000::1",
            "::ffff:8.8.8.8",
            "2002:808:808::",
        ),
        *("2002:808:808::", "fe80::1%eth0", "2001:4860:4860::8888%eth0", "2001:4860:4860::8888%1", "::1%0"),
        *("2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.01", "010.8.8.8", "١٢٧.0.0.1"),
        *("localhost", "", " 8.8.8.8", "8.8.8.8\n", "[::1]", "8.8.8.8/32", "8.8.8.8:25"),
    ],
)
def test_everything_else_is_refused(address: str) -> None:
    with pytest.raises(Forbidden):
        Guard().vet(address)


@given(closed, bits)
@example(IPv4Address("169.254.169.254"), 0)
def test_no_form_carries_a_forbidden_address_past_the_guard(inner: IPv4Address, noise: int) -> None:
    for form, address in carried(inner, noise).items():
        with pytest.raises(Forbidden):
            pytest.fail(f"{form}: {Guard().vet(str(address))}")


@given(closed, bits)
@example(IPv4Address("169.254.169.254"), 0)
@example(IPv4Address("127.0.0.1"), 2**128 - 1)
@example(IPv4Address("127.0.0.1"), int(IPv6Address("::808:808:0:f7f7:f7f7")))  # the other end of Teredo is public
def test_an_allowed_network_opens_no_form_that_carries_another_address(inner: IPv4Address, noise: int) -> None:
    """Neither a network around the form, nor the form's own network."""
    everything = Guard([ip_network("::/0")])
    forms = ["::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16", "2a00::/12"]
    forms += ["64:ff9b:1::/48", "64:ff9b:1:ab00::/56", "64:ff9b:1:abcd::/64", "64:ff9b:1:abcd::/96"]
    for form, address in carried(inner, noise).items():
        if address in (IPv6Address("::"), IPv6Address("::1")):
            continue  # they are what they are, and carry nothing
        with pytest.raises(Forbidden):
            pytest.fail(f"{form}: {everything.vet(str(address))}")
        for network in map(ip_network, forms):
            if address in network and (not form.startswith("local") or form.endswith(f"of {network.prefixlen} bits")):
                with pytest.raises(Forbidden):
                    pytest.fail(f"{form} under {network}: {Guard([network]).vet(str(address))}")


@given(st.ip_addresses(v=4).filter(lambda address: address.is_global and not address.is_multicast), bits)
def test_a_form_opens_where_its_network_is_named_and_what_it_carries_is_public(inner: IPv4Address, noise: int) -> None:
    assume(inner not in map(ip_address, ("168.63.129.16",)))
    assume(inner not in ip_network("192.0.0.0/24"))
    assume(inner not in ip_network("192.88.99.0/24"))
    for prefix in (48, 56, 64):
        network = IPv6Network((0x0064_FF9B_0001_ABCD << 64, prefix), strict=False)
        address = split(str(network), prefix, noise, int(inner))
        assert Guard([network]).vet(str(address)) == str(address)
    mapped = carried(inner, noise)["mapped"]
    assert Guard([ip_network("::ffff:0:0/96")]).vet(str(mapped)) == str(mapped)


@given(bits.map(IPv6Address) | st.integers(0, 2**32 - 1).map(IPv4Address) | st.ip_addresses())
def test_what_passes_is_global_to_python_too(address: Address) -> None:
    try:
        Guard().vet(str(address))
    except Forbidden:
        return
    assert address.is_global
    assert not address.is_multicast


def test_settings_may_allow_a_network() -> None:
    guard = Guard([ip_network("127.0.0.0/8"), ip_network("::1/128")])
    assert guard.vet("127.0.0.1") == "127.0.0.1"
    assert guard.vet("::1") == "::1"
    with pytest.raises(Forbidden, match="POSTROOM_DIAL_ALLOW"):
        guard.vet("10.0.0.1")


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"])
def test_where_a_cloud_keeps_credentials_is_opened_by_its_own_name_alone(address: str) -> None:
    with pytest.raises(Forbidden):
        Guard([ip_network(network) for network in ("0.0.0.0/0", "169.254.169.254/31", "::/0", "fd00::/8")]).vet(address)
    assert Guard([ip_network(address)]).vet(address) == address


# Host names.


def test_a_host_is_asked_once_and_what_may_not_be_dialled_is_left_out() -> None:
    asked: list[str] = []

    def resolve(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ("10.0.0.1", "8.8.8.8", "::1", "2001:4860:4860::8888")

    assert Guard().addresses("mx.example.net", resolve) == ("8.8.8.8", "2001:4860:4860::8888")
    assert asked == ["mx.example.net"]


def test_a_host_whose_addresses_are_all_forbidden_is_refused_with_each_of_them() -> None:
    with pytest.raises(Forbidden, match=r"^mx\.example\.net: 10\.0\.0\.1 is not .*; ::1 is not "):
        Guard().addresses("mx.example.net", lambda _: ("10.0.0.1", "::1"))
    with pytest.raises(Forbidden, match="has no address"):
        Guard().addresses("mx.example.net", lambda _: ())


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1", "1.2.3.4.5", "example.0x", "7"]
)
def test_a_host_that_looks_like_an_address_is_never_asked_of_dns(host: str) -> None:
    with pytest.raises(Forbidden):
        Guard().addresses(host, lambda _: pytest.fail("it was asked"))


def test_an_address_in_place_of_a_host_is_vetted_as_it_is() -> None:
    assert Guard().addresses("8.8.8.8", lambda _: pytest.fail("it was asked")) == ("8.8.8.8",)
