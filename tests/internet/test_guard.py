"""No address that isn't public gets past the guard, in whatever form it is written."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.internet.guard import Forbidden, Guard


@pytest.mark.parametrize("address", ["8.8.8.8", "192.0.0.9", "2001:4860:4860::8888", "2a00:1450:4001::1"])
def test_public_addresses_pass(address: str) -> None:
    assert Guard().vet(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "::",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "fd00:ec2::254",
        "fe80::1",
        "100.64.0.1",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "198.18.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:db8::1",
        "2130706433",
        "0x7f.1",
        "127.1",
        "localhost",
        "",
        "fe80::1%eth0",
    ],
)
def test_everything_else_is_refused(address: str) -> None:
    with pytest.raises(Forbidden):
        Guard().vet(address)


def test_settings_may_allow_a_network() -> None:
    guard = Guard([ip_network("127.0.0.0/8"), ip_network("::1/128")])
    assert guard.vet("127.0.0.1") == "127.0.0.1"
    assert guard.vet("::1") == "::1"
    with pytest.raises(Forbidden, match="POSTROOM_DIAL_ALLOW"):
        guard.vet("10.0.0.1")


@given(st.ip_addresses(v=4))
def test_a_private_address_inside_another_is_still_private(inner: IPv4Address) -> None:
    wrapped = [
        IPv6Address(f"::ffff:{inner}"),
        IPv6Address((0x64FF9B << 96) | int(inner)),
        IPv6Address((0x2002 << 112) | (int(inner) << 80)),
    ]
    if not inner.is_global:
        for address in wrapped:
            with pytest.raises(Forbidden):
                Guard().vet(str(address))
