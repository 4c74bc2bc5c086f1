from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account.verp import Reading, ReturnPaths, Seal, shape
from postroom.delivery.record import SubmissionId
from postroom.message.address import Mailbox

OLD, NEW = b"\x01" * 32, b"\x02" * 32
ID = SubmissionId("6f0c9d7e-0d5b-4e57-9a50-0c2b5a1f3c11")
DOMAIN = "bounces.example.org"
PATHS = ReturnPaths((OLD,))
SIGNED = Reading(ID, Seal.SIGNED)
FORGED = Reading(ID, Seal.FORGED)


def test_a_return_path_names_its_letter_and_fits_in_a_local_part() -> None:
    path = PATHS.of(ID, DOMAIN)
    assert PATHS.read(path) == SIGNED
    assert Mailbox.parse(path).address == path
    assert len(path.partition("@")[0]) == 59


def test_servers_may_change_the_case() -> None:
    assert PATHS.read(PATHS.of(ID, DOMAIN).upper()) == SIGNED


def test_a_key_that_came_later_signs_and_the_older_one_is_still_good() -> None:
    both = ReturnPaths((NEW, OLD))
    assert both.of(ID, DOMAIN) == ReturnPaths((NEW,)).of(ID, DOMAIN)
    assert both.read(PATHS.of(ID, DOMAIN)) == SIGNED
    assert PATHS.read(both.of(ID, DOMAIN)) == FORGED


@given(st.integers(0, 58), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567.0-é"))
def test_whatever_is_changed_in_it_makes_it_another_one(at: int, character: str) -> None:
    path = PATHS.of(ID, DOMAIN)
    changed = path[:at] + character + path[at + 1 :]
    reading = PATHS.read(changed)
    assert changed == path or reading is None or reading.seal is Seal.FORGED


@pytest.mark.parametrize(
    "address",
    [
        PATHS.of(ID, "elsewhere.example.org"),
        PATHS.of(SubmissionId("6f0c9d7e-0d5b-4e57-9a50-0c2b5a1f3c12"), DOMAIN),
    ],
)
def test_a_signature_is_of_one_letter_at_one_domain(address: str) -> None:
    signature = address.partition(".")[2].partition("@")[0]
    assert PATHS.read(f"{UUID(ID).hex}.{signature}@{DOMAIN}") == FORGED


@pytest.mark.parametrize("signature", ["", "x", "é", "a" * 26, "a" * 5000, "\ud800", "\n"])
def test_what_is_in_the_place_of_a_signature_and_none_is_forged(signature: str) -> None:
    assert PATHS.read(f"{UUID(ID).hex}.{signature}@{DOMAIN}") == FORGED


def test_without_keys_nothing_is_signed_and_nothing_is_good() -> None:
    nobody = ReturnPaths()
    assert nobody.of(ID, DOMAIN) == f"{ID}@{DOMAIN}"
    assert nobody.read(PATHS.of(ID, DOMAIN)) == FORGED


def test_return_paths_of_early_letters_are_known_as_unsigned() -> None:
    assert PATHS.read(f"{ID}@{DOMAIN}") == shape(f"{ID}@{DOMAIN}") == Reading(ID, Seal.UNSIGNED)


@pytest.mark.parametrize(
    "address", ["", "@", "bob@home.example", f"{ID}", f"x{ID}@{DOMAIN}", f"{UUID(ID).hex}@{DOMAIN}"]
)
def test_other_addresses_are_none(address: str) -> None:
    assert PATHS.read(address) is None


def test_no_key_is_ever_shown() -> None:
    assert "x01" not in repr(PATHS)
