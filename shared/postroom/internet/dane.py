"""DANE: a server's certificate beside what its domain publishes under DNSSEC (RFC 6698, for SMTP RFC 7672)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from ssl import SSLObject
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from postroom.internet.tlsa import TlsaRecord

ANCHOR, SERVER = 2, 3  # DANE-TA and DANE-EE; those that lean on public authorities are of no use here (RFC 7672 §3.1.3)
_LENGTHS = {1: 32, 2: 64}  # of SHA-256 and SHA-512
_LONGEST = 16  # certificates of a chain that are looked at


def usable(records: Sequence[TlsaRecord]) -> tuple[TlsaRecord, ...]:
    """Those that mean something to a client of SMTP. Where there are none, TLS is a must all the same (§2.2)."""
    return tuple(
        record
        for record in records
        if record.usage in (ANCHOR, SERVER)
        and record.selector in (0, 1)
        and (len(record.data) == _LENGTHS.get(record.matching) or (record.matching == 0 and record.data))
    )


def chain_of(session: SSLObject) -> list[bytes]:
    """The certificates that the server has shown, its own first, in DER."""
    public: Any = getattr(session, "get_unverified_chain", None)  # Python 3.13 and newer
    if public is not None:
        return list(public())
    hidden: Any = session
    return [each.public_bytes(2) for each in hidden._sslobj.get_unverified_chain() or ()]


def objection(records: Sequence[TlsaRecord], chain: Sequence[bytes], names: Sequence[str], now: datetime) -> str | None:
    """Why none of `records`, all usable, vouches for the server; None where one does.

    `names` are those that a certificate under an anchor may be made out to: the server's and the domain's (RFC 7672
    §3.2.2). What is published of the server's own certificate needs no name, and no date (§3.1.1).
    """
    if not chain:
        return "it showed no certificate"
    try:
        shown = [x509.load_der_x509_certificate(each) for each in chain[:_LONGEST]]
        if any(record.usage == SERVER and _is(record, shown[0]) for record in records):
            return None
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"its certificate can't be read: {error}"
    anchors = list(_anchors(records, shown))
    if not anchors:
        return "its certificate is none of those that its domain publishes (TLSA)"
    policy = PolicyBuilder().store(Store(anchors)).time(now).extension_policies(ca_policy=_ISSUER, ee_policy=_NAMED)
    for name in names:
        with suppress(VerificationError, ValueError):
            policy.build_server_verifier(x509.DNSName(name)).verify(shown[0], shown[1:])
            return None
    return f"its certificate leads to an anchor that its domain publishes (TLSA), but not for {' or '.join(names)}"


def _must_issue(_: Policy, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("it may not issue certificates")


# What authorities of one's own leave out of their certificates is no matter here; who may issue any is (RFC 5280
# §4.2.1.9), and whom one is for.
_ISSUER = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _must_issue)
_NAMED = ExtensionPolicy.permit_all().require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)


def _anchors(records: Sequence[TlsaRecord], shown: Sequence[x509.Certificate]) -> Iterator[x509.Certificate]:
    for record in records:
        if record.usage == ANCHOR:
            yield from (each for each in shown[1:] if _is(record, each))
            if (record.selector, record.matching) == (0, 0):  # RFC 7672 §3.1.2: it need not be shown then
                with suppress(ValueError, UnsupportedAlgorithm):
                    yield x509.load_der_x509_certificate(record.data)


def _is(record: TlsaRecord, certificate: x509.Certificate) -> bool:
    if record.selector == 0:
        octets = certificate.public_bytes(Encoding.DER)
    else:
        octets = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if record.matching == 0:
        return octets == record.data
    return hashlib.new("sha256" if record.matching == 1 else "sha512", octets).digest() == record.data
