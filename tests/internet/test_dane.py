"""A server's certificate beside TLSA records: what vouches for it, and what doesn't."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from postroom.internet.dane import ANCHOR, SERVER, objection, usable
from postroom.internet.tlsa import TlsaRecord

NOW = datetime.now(UTC)
NAMES = ("mx.example.net", "example.net")


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def record(usage: int, selector: int, matching: int, certificate: x509.Certificate) -> TlsaRecord:
    octets = key(certificate) if selector else der(certificate)
    digests = {0: octets, 1: hashlib.sha256(octets).digest(), 2: hashlib.sha512(octets).digest()}
    return TlsaRecord(usage, selector, matching, digests[matching])


class Shown:
    """What one server shows: its own certificate and those above it."""

    def __init__(self, *names: str, authority: trustme.CA | None = None) -> None:
        self.root = authority or trustme.CA()
        self.authority = self.root.create_child_ca()
        issued = self.authority.issue_cert(*names)
        pems = [blob.bytes() for blob in issued.cert_chain_pems]
        self.chain = [x509.load_pem_x509_certificate(pem) for pem in pems]
        self.anchor = x509.load_pem_x509_certificate(self.root.cert_pem.bytes())

    @property
    def octets(self) -> list[bytes]:
        return [der(each) for each in self.chain]


@pytest.fixture(scope="module")
def shown() -> Shown:
    return Shown("mx.example.net")


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
def test_its_own_certificate_needs_no_name_and_no_date(shown: Shown, selector: int, matching: int) -> None:
    records = [record(SERVER, selector, matching, shown.chain[0])]
    assert usable(records) == tuple(records)
    assert objection(records, shown.octets, ["elsewhere.example"], NOW.replace(year=3001)) is None


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
def test_an_anchor_that_is_shown_vouches_for_the_names_it_is_for(shown: Shown, selector: int, matching: int) -> None:
    records = [record(ANCHOR, selector, matching, shown.chain[1])]
    assert objection(records, shown.octets, NAMES, NOW) is None
    assert "but not for elsewhere.example" in str(objection(records, shown.octets, ["elsewhere.example"], NOW))
    assert objection(records, shown.octets, NAMES, NOW.replace(year=3001)) is not None


def test_an_anchor_that_is_published_whole_need_not_be_shown(shown: Shown) -> None:
    assert objection([record(ANCHOR, 0, 0, shown.anchor)], shown.octets, NAMES, NOW) is None
    assert "none of those" in str(objection([record(ANCHOR, 0, 1, shown.anchor)], shown.octets, NAMES, NOW))


def test_the_domains_own_name_will_do_as_well() -> None:
    shown = Shown("example.net")
    assert objection([record(ANCHOR, 1, 1, shown.chain[1])], shown.octets, NAMES, NOW) is None


def test_a_stranger_is_objected_to(shown: Shown) -> None:
    stranger = Shown("mx.example.net")
    for usage in (ANCHOR, SERVER):
        published = [record(usage, 1, 1, each) for each in shown.chain]
        assert "none of those" in str(objection(published, stranger.octets, NAMES, NOW))


def test_an_anchor_put_beside_a_certificate_it_never_signed_vouches_for_nothing(shown: Shown) -> None:
    """Anybody may show an anchor's certificate: it must have signed what it is to vouch for."""
    stranger = Shown("mx.example.net")
    forged = [stranger.octets[0], *shown.octets[1:]]
    assert objection([record(ANCHOR, 1, 1, shown.chain[1])], forged, NAMES, NOW) is not None


def test_whoever_has_a_certificate_may_not_issue_others(shown: Shown) -> None:
    """A server's certificate under the anchor signs one for somebody else's name."""
    issued = shown.authority.issue_cert("elsewhere.example")
    issuer = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    signing = load_pem_private_key(issued.private_key_pem.bytes(), None)
    assert isinstance(signing, EllipticCurvePrivateKey)
    own = generate_private_key(SECP256R1())
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mx.example.net")]), critical=False)
        .sign(signing, SHA256())
    )
    chain = [der(forged), der(issuer), *shown.octets[1:]]
    assert objection([record(ANCHOR, 1, 1, shown.chain[1])], chain, NAMES, NOW) is not None


def test_its_own_certificate_is_no_anchor(shown: Shown) -> None:
    assert objection([record(ANCHOR, 1, 1, shown.chain[0])], shown.octets, NAMES, NOW) is not None


@pytest.mark.parametrize(
    "record",
    [
        TlsaRecord(0, 0, 1, bytes(32)),
        TlsaRecord(1, 1, 1, bytes(32)),
        TlsaRecord(3, 2, 1, bytes(32)),
        TlsaRecord(3, 1, 3, bytes(32)),
        TlsaRecord(3, 1, 1, bytes(31)),
        TlsaRecord(3, 1, 2, bytes(32)),
        TlsaRecord(3, 1, 0, b""),
        TlsaRecord(255, 1, 1, bytes(32)),
    ],
)
def test_what_means_nothing_to_smtp_is_of_no_use(record: TlsaRecord) -> None:
    assert usable([record]) == ()


@pytest.mark.parametrize("chain", [[], [b""], [b"\x30\x03abc"], [b"\xff" * 5000]])
def test_nonsense_in_place_of_a_certificate_is_objected_to(chain: list[bytes]) -> None:
    assert objection([TlsaRecord(3, 1, 1, bytes(32))], chain, NAMES, NOW) is not None
    assert objection([TlsaRecord(2, 0, 0, b"\x30\x03abc")], chain, NAMES, NOW) is not None
