"""Links to unsubscribe: what they tell, to whom, and what becomes of a letter that has one."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account.unsubscribe import UnsubscribeLinks, linked, unsubscribable
from postroom.account.vault import Vault, VaultError
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.message.mime import render

VAULT = Vault((b"k" * 32,), os.urandom)
LINKS = UnsubscribeLinks(VAULT)
BASE = "https://mail.shop.example"
URL = f"{BASE}/unsubscribe/abc"
ANN = Mailbox.parse("Ann <Ann@home.example>")
LETTER = Letter(sender=ANN, to=(ANN,), subject="News", text="News.")

TOKEN = UnsubscribeLinks(Vault((b"k" * 32,), bytes)).url(BASE, ANN).rpartition("/")[2]  # the same in each process


@pytest.mark.parametrize(
    "address",
    [
        "ann@home.example",
        '"a b@c"@home.example',
        "zoë@münchen.example",
        "x" * 64 + "@" + ("y" * 62 + ".") * 2 + "z" * 61,
    ],
)
def test_a_link_tells_us_its_address_and_nobody_else(address: str) -> None:
    mailbox = Mailbox.parse(address)
    url = LINKS.url(BASE, mailbox)
    base, slash, token = url.rpartition("/")
    assert (base, slash) == (f"{BASE}/unsubscribe", "/")
    assert len(url) < 500
    assert mailbox.local not in token
    assert LINKS.mailbox(token) == mailbox
    assert LINKS.url(BASE, mailbox) != url, "nobody can tell that two letters went to one address"


def test_a_link_outlives_a_change_of_keys() -> None:
    changed = UnsubscribeLinks(Vault((b"n" * 32, b"k" * 32), os.urandom))
    assert changed.mailbox(TOKEN).address == "Ann@home.example"
    with pytest.raises(VaultError):
        UnsubscribeLinks(Vault((b"n" * 32,), os.urandom)).mailbox(TOKEN)


@given(st.integers(0, len(urlsafe_b64decode(TOKEN + "==")) - 1), st.integers(1, 255))
def test_a_link_of_which_an_octet_was_changed_is_nobodys(place: int, change: int) -> None:
    octets = bytearray(urlsafe_b64decode(TOKEN + "=" * (-len(TOKEN) % 4)))
    octets[place] ^= change
    with pytest.raises(VaultError):
        LINKS.mailbox(urlsafe_b64encode(bytes(octets)).rstrip(b"=").decode())


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "A" * 64,
        "A" * 5000,
        TOKEN[:-2],
        TOKEN + "AA",
        TOKEN + "\n",
        "." + TOKEN,
        TOKEN.swapcase(),
        "é" * 60,
        "\0" * 60,
    ],
)
def test_what_is_no_link_of_ours_is_nobodys(token: str) -> None:
    with pytest.raises(VaultError):
        LINKS.mailbox(token)


def test_what_was_closed_for_another_purpose_or_holds_no_address_is_nobodys() -> None:
    for closed in (VAULT.close(b"ann@home.example", "webhooks"), VAULT.close(b"ann at home", "unsubscribe")):
        with pytest.raises(VaultError):
            LINKS.mailbox(closed)


def offering(letter: Letter, url: str) -> Letter:
    return linked(unsubscribable(letter, url), url)


def test_a_letter_gets_both_fields_and_its_link_where_it_asks_for_it() -> None:
    letter = offering(
        replace(
            LETTER,
            headers=(("X-A", "b"),),
            text="{{ unsubscribe_url }} {{{unsubscribe_url}}}",
            html="<a href={{unsubscribe_url}}>",
        ),
        URL + "?a=1&b=2",
    )
    assert letter.text == f"{URL}?a=1&b=2 {URL}?a=1&b=2"
    assert letter.html == f"<a href={URL}?a=1&amp;b=2>"
    assert letter.headers == (
        ("X-A", "b"),
        ("List-Unsubscribe", f"<{URL}?a=1&b=2>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )


def test_a_text_that_is_to_be_made_stays_to_be_made() -> None:
    offered = offering(replace(LETTER, text=None, html='<a href="{{ unsubscribe_url }}">Leave</a>'), URL)
    assert (offered.text, offered.plain) == (None, f"Leave ({URL})")
    assert offering(replace(LETTER, text="", html="x"), URL).text == ""


def test_other_markers_stay_as_they_are() -> None:
    text = "{{ unsubscribe }} {{ unsubscribe_url | upper }} {unsubscribe_url} {{ {unsubscribe_url} }}"
    assert offering(replace(LETTER, text=text), URL).text == text


def test_the_longest_link_stands_in_one_piece() -> None:
    longest = Mailbox.parse("x" * 64 + "@" + ("y" * 62 + ".") * 2 + "z" * 61)
    url = LINKS.url("https://" + "h" * 490, longest)
    octets = render(
        unsubscribable(LETTER, url), message_id="<1@a.example>", date=datetime(2030, 1, 1, tzinfo=UTC), seed="1"
    )
    assert f"<{url}>".encode() in octets
