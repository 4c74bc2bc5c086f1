"""Unsubscribing with one click (RFC 8058): a link for one address, and what a letter needs to offer it.

The link tells everything by itself, to us alone: it works for as long as the master keys do, however long the letter
has been erased, and whoever sees it learns no address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html import escape
from typing import Final

from postroom.account.vault import Vault, VaultError
from postroom.message.address import InvalidAddress, Mailbox
from postroom.message.letter import Letter

PATH: Final = "/unsubscribe"
LINK: Final = "List-Unsubscribe"  # RFC 2369 §3.2
ONE_CLICK: Final = "List-Unsubscribe-Post"
PAIR: Final = ("List-Unsubscribe", "One-Click")
"""What a receiver posts to the link (RFC 8058 §3.2)."""
UNSUBSCRIBE_URL: Final = "unsubscribe_url"
"""The variable of templates that nobody passes: we do."""

_PURPOSE = "unsubscribe"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{38,400}")  # an address has 254 octets at most, nonce and tag 28
_MARKER = re.compile(r"\{\{\{\s*+unsubscribe_url\s*+\}\}\}|\{\{\s*+unsubscribe_url\s*+\}\}")


@dataclass(frozen=True, slots=True)
class UnsubscribeLinks:
    """Makes links, and reads them."""

    vault: Vault

    def url(self, base: str, mailbox: Mailbox) -> str:
        """The link by which this address is unsubscribed; `base` is where the API is found. No two are the same."""
        return f"{base}{PATH}/{self.vault.close(mailbox.address.encode(), _PURPOSE)}"

    def mailbox(self, token: str) -> Mailbox:
        """Whose link it is, from the end of its path. Raises `VaultError`."""
        if not _TOKEN.fullmatch(token):
            raise VaultError("no link to unsubscribe ends like this")
        try:
            return Mailbox.parse(self.vault.open(token, _PURPOSE).decode())
        except InvalidAddress as error:
            raise VaultError("a link to unsubscribe holds no address") from error


def unsubscribable(letter: Letter, url: str) -> Letter:
    """The letter with the two fields of RFC 8058 §3.1."""
    return replace(letter, headers=(*letter.headers, (LINK, f"<{url}>"), (ONE_CLICK, "=".join(PAIR))))


def linked(letter: Letter, url: str) -> Letter:
    """The letter with the link in the place of each `{{ unsubscribe_url }}`."""
    shown = escape(url)
    return replace(
        letter,
        text=letter.text and _MARKER.sub(lambda _: url, letter.text),
        html=letter.html and _MARKER.sub(lambda _: shown, letter.html),
    )


def has_marker(text: str | None) -> bool:
    """Whether there is a place for the link."""
    return text is not None and _MARKER.search(text) is not None
