"""Signatures, verified by dkimpy, which shares no code with ours (RFC 6376, RFC 8463)."""

from datetime import UTC, datetime, timedelta

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.message.dkim import SigningKey, UnusableKey, new_key, record, sign
from tests.message.golden import GOLDEN, Golden

# The verifier reads the real clock, so the signatures are older than it and outlive it.
AT = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
EXPIRES = datetime(2999, 1, 1, tzinfo=UTC)
KEYS = [
    SigningKey.load("acme.example", "r2024", new_key("rsa")),
    SigningKey.load("acme.example", "e2024", new_key("ed25519")),
]
PROTECTED = (
    *("From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    "Content-Transfer-Encoding",
    *("List-Unsubscribe", "List-Unsubscribe-Post"),
)
ZONE = dict(record(key) for key in KEYS)


def verified(message: bytes) -> list[bool]:
    """What each signature, from the top, is worth."""

    def txt(name: bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG001
        published = ZONE.get(name.decode().rstrip("."))
        return published.encode() if published else None

    count = message.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    verdicts = []
    for position in range(count):
        try:
            verdicts.append(dkim.DKIM(message).verify(idx=position, dnsfunc=txt))
        except dkim.DKIMException:
            verdicts.append(False)
    return verdicts


def signed(message: bytes) -> bytes:
    return sign(message, KEYS, at=AT, expires=EXPIRES)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_every_golden_letter_verifies(golden: Golden) -> None:
    message = signed(golden.expected)
    assert message.endswith(golden.expected)
    assert verified(message) == [True, True]
    assert all(len(line) <= 78 for line in message[: -len(golden.expected)].split(b"\r\n"))


@settings(max_examples=40)
@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"x", b".", b"  y \t"]), max_size=20).map(b"".join))
def test_every_body_verifies(body: bytes) -> None:
    message = signed(b"From: a@acme.example\r\nSubject:\ta  b\r\n\tc \r\n\r\n" + body + b"\r\n")
    assert verified(message) == [True, True]


@pytest.mark.parametrize("name", PROTECTED)
@pytest.mark.parametrize("golden", [GOLDEN[0], GOLDEN[-1]], ids=lambda golden: golden.name)
def test_a_second_header_breaks_both_signatures(golden: Golden, name: str) -> None:
    message = signed(golden.expected)
    added = f"{name}: x@evil.example\r\n".encode()
    header, end, body = message.partition(b"\r\n\r\n")
    assert verified(added + message) == [False, False]
    assert verified(header + b"\r\n" + added[:-2] + end + body) == [False, False]


@pytest.mark.parametrize(
    ("old", "new"), [(b"Subject: ", b"Subject: x"), (b"\r\n\r\n", b"\r\n\r\nx"), (b"; x=", b"; x=1")]
)
def test_a_changed_letter_breaks_both_signatures(old: bytes, new: bytes) -> None:
    message = signed(GOLDEN[0].expected)
    assert old in message
    assert verified(message.replace(old, new)) == [False, False]


def test_what_relays_do_to_blanks_breaks_nothing() -> None:
    message = signed(GOLDEN[0].expected)
    changed = message.replace(b"Subject: ", b"SUBJECT:\r\n\t ").replace(b"MIME-Version: 1.0", b"MIME-Version:   1.0 ")
    assert changed != message
    assert verified(changed + b"\r\n\r\n") == [True, True]


def test_of_several_fields_the_last_is_signed_first() -> None:
    message = signed(b"From: a@acme.example\r\nList-Unsubscribe: <x:1>\r\nList-Unsubscribe: <x:2>\r\n\r\nx\r\n")
    assert verified(message) == [True, True]


def test_the_same_letter_gets_the_same_signature() -> None:
    message = GOLDEN[0].expected
    assert signed(message) == signed(message)
    later = sign(message, KEYS, at=AT + timedelta(seconds=1), expires=EXPIRES)
    assert later != signed(message)


def test_no_key_no_signature() -> None:
    assert sign(b"Subject: x\r\n\r\n", [], at=AT, expires=EXPIRES) == b"Subject: x\r\n\r\n"


def test_what_a_signature_says() -> None:
    message = sign(
        b"From: a@acme.example\r\nTo: b@b.example\r\n\r\nx\r\n", KEYS[1:], at=AT, expires=AT + timedelta(days=7)
    )
    value = message.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b"").decode()
    tags = dict(tag.strip().split("=", 1) for tag in value.partition("From: ")[0].partition(":")[2].split(";"))
    assert tags["t"] == "1709208000"
    assert tags["x"] == "1709812800"
    assert tags["a"] == "ed25519-sha256"
    assert "l" not in tags
    assert sorted(tags["h"].split(":")) == sorted(["From", "To", *PROTECTED])


def test_a_signature_does_not_expire_before_it_is_made() -> None:
    with pytest.raises(ValueError, match="expire"):
        sign(b"From: a@acme.example\r\n\r\n", KEYS, at=AT, expires=AT)


def test_what_is_published() -> None:
    assert [key.private.key_size for key in KEYS if isinstance(key.private, rsa.RSAPrivateKey)] == [2048]
    for key, kind in zip(KEYS, ("rsa", "ed25519"), strict=True):
        name, text = record(key)
        assert name == f"{key.selector}._domainkey.acme.example"
        assert text.startswith(f"v=DKIM1; k={kind}; p=")


def test_a_key_is_parsed_once() -> None:
    pem = new_key("ed25519")
    assert SigningKey.load("a.example", "s", pem).private is SigningKey.load("b.example", "t", pem).private


SHORT_RSA = b"""\
-----BEGIN PRIVATE KEY-----
MIIB5QIBADANBgkqhkiG9w0BAQEFAASCAc8wggHLAgEAAmEAzPxkKAuGUUYxGr7J
hx6RzUp1DFRHdGHSOoTZ5k5ZpmcNIj/l5z6twu8e0JByUF1pLy2Q2jkFW6JUrBhC
4eGxiHWZdYT+rRZEjhR0fU/+v5BZ71qfgCiHwqgaK9whEzPpAgMBAAECYQCLIVvR
mlDmZR/7KTeb0HHhxwG/Bo0hPyvzsCw9lzxeJ1/QuVIQLIi/4JEnuoL8bQk6V4UA
juA9FjKzwtan1dqgKcLOK1d1vJaZ+5Eiflb+bbMhC4g+wRCGtRt/pXFD6gkCMQDu
XTfMnsfBMMF5Ck3DzGiL5FuflJ4nbFoQqInDBzEfpWzzkyYmgdhN3Gsv3RDY5usC
MQDcJvdpOZiF7glr89OnPJQaQAfu+RS4hA6GeqqpQJCXwL48asY8t9/V0V5Q5veW
g3sCMQCiK7HG+VAWVEGNREFcMTn/00Gy9L4VPFaadtAjbEUzrqzNmxOdp0Gu14Pl
cJYBvDkCMCb0DhrkQgSQlcIwJmcU5O+wHLdAA1aSpy9MTR4dengfdomiKulbb5OZ
tCKEe5J6OQIwMO4gMHU7QizA+EEzI2SD94k08W8vRY5WKxsZClJbGWeEIupmUSp3
ntgHMcMY1cxZ
-----END PRIVATE KEY-----
"""  # 768 bits; no library makes such keys any more


def pem_of(
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, secret: bytes = b""
) -> bytes:
    encryption = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "PEM"),
        (pem_of(ed25519.Ed25519PrivateKey.generate(), b"secret"), "PEM"),
        (SHORT_RSA, "1024 bits"),
        (pem_of(ec.generate_private_key(ec.SECP256R1())), "only RSA and Ed25519"),
    ],
)
def test_a_key_that_can_not_sign_mail_is_refused(pem: bytes, reason: str) -> None:
    with pytest.raises(UnusableKey, match=reason):
        SigningKey.load("acme.example", "s", pem)
