"""A published DKIM key beside ours (RFC 6376 §3.6.1)."""

from __future__ import annotations

from base64 import b64encode
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postroom.account.dkim_record import Comparison, compare
from postroom.message.dkim import SigningKey, new_key, record


@cache
def ours(kind: str = "rsa") -> str:
    return record(SigningKey.load("example.org", "s", new_key("ed25519" if kind == "ed25519" else "rsa")))[1]


@cache
def short(bits: int = 1024) -> rsa.RSAPublicKey:
    return rsa.generate_private_key(65537, bits).public_key()


def published(key: rsa.RSAPublicKey, form: PublicFormat) -> str:
    return f"v=DKIM1; p={b64encode(key.public_bytes(Encoding.DER, form)).decode()}"


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_our_own_record_is_fine_however_it_is_spaced(kind: str) -> None:
    for text in (ours(kind), ours(kind).replace(" ", ""), ours(kind).replace(";", " ; ") + ";"):
        assert compare([text], ours(kind)) == Comparison()


def test_the_key_may_be_folded_and_tags_unknown() -> None:
    before, key = ours()[:-200], ours()[-200:]
    assert compare([f"{before} {key}; n=a note; x=whatever; s=email; h=sha1:sha256; t=s"], ours()) == Comparison()


def test_both_encodings_of_an_rsa_key_are_read() -> None:
    long = short(2048)
    spki, bare = (published(long, form) for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1))
    assert compare([bare], spki) == Comparison()


@pytest.mark.parametrize(
    ("texts", "flaw"),
    [
        ([], "nothing is published there"),
        (["v=DKIM1; k=rsa; p="], "the key is revoked"),
        (["v=DKIM1; k=rsa"], "it has no p="),
        (["k=rsa; v=DKIM1; p=AAAA"], "v=DKIM1 must be its first tag"),
        (["v=DKIM2; p=AAAA"], "v=DKIM1 must be its first tag"),
        (["v=DKIM1; p=not base64!"], "is not base64"),
        (["v=DKIM1; k=rsa; p=AAAA"], "another key is published there"),
        (["v=DKIM1; p=AAAA; p=BBBB"], "p= stands there twice"),
        (["hello"], "'hello' is not a tag"),
        (["v=DKIM1; p=AAAA", "v=DKIM1; p=BBBB"], "2 TXT records"),
    ],
)
def test_what_is_wrong_is_said(texts: list[str], flaw: str) -> None:
    assert flaw in (compare(texts, ours()).flaw or "")


def test_another_key_is_told_from_ours() -> None:
    other = record(SigningKey.load("example.org", "s", new_key("rsa")))[1]
    assert compare([other], ours()).flaw == "another key is published there"
    assert compare([ours("ed25519")], ours()).flaw == "another key is published there"


def test_a_key_for_other_things_is_no_use() -> None:
    assert compare([f"{ours()}; h=sha1"], ours()).flaw == "its h= doesn't allow sha256"
    assert compare([f"{ours()}; s=tlsrpt"], ours()).flaw == "its s= doesn't allow email"


def test_a_short_key_and_a_test_are_doubted() -> None:
    text = published(short(), PublicFormat.SubjectPublicKeyInfo)
    assert compare([text], text).doubt == "the key has 1024 bits, and 2048 are expected"
    assert "it is a test" in (compare([f"{ours()}; t=y:s"], ours()).doubt or "")
