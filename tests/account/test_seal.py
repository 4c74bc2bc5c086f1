"""What is sealed opens with the private half, for the purpose it was sealed for, and with nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account.seal import SealError, pair, seal, unseal

PUBLIC, PRIVATE = pair(bytes(range(32)))
_, STRANGER = pair(bytes(32))


@given(st.binary(max_size=4000), st.text(max_size=40))
def test_it_opens_again(secret: bytes, purpose: str) -> None:
    assert unseal(seal(secret, PUBLIC, purpose), PRIVATE, purpose) == secret


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert seal(b"secret", PUBLIC, "x") != seal(b"secret", PUBLIC, "x")


@pytest.mark.parametrize(
    ("sealed", "private", "purpose"),
    [
        (seal(b"secret", PUBLIC, "dkim a"), STRANGER, "dkim a"),
        (seal(b"secret", PUBLIC, "dkim a"), PRIVATE, "dkim b"),
        ("not base64!", PRIVATE, "dkim a"),
        ("", PRIVATE, "dkim a"),
        (seal(b"secret", PUBLIC, "dkim a")[:-8] + "AAAAAAA=", PRIVATE, "dkim a"),
        (seal(b"secret", PUBLIC, "dkim a"), "", "dkim a"),
        (seal(b"secret", PUBLIC, "dkim a"), "AAAA", "dkim a"),
    ],
    ids=["another key", "another purpose", "not base64", "empty", "damaged", "no key", "half a key"],
)
def test_nothing_else_opens_it(sealed: str, private: str, purpose: str) -> None:
    with pytest.raises(SealError):
        unseal(sealed, private, purpose)
