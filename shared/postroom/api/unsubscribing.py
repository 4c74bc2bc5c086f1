"""Letters that offer to unsubscribe: whose may, and where their links lead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import request
from marshmallow import ValidationError

from postroom.account.unsubscribe import LINK, ONE_CLICK, UnsubscribeLinks
from postroom.api.body import shown
from postroom.message.address import Mailbox

_BASE = re.compile(r"https?://[A-Za-z0-9.:%\[\]_~/-]{1,500}")  # so that it fits a header's line with the longest token

_ONE_RECIPIENT = (
    "a link to unsubscribe is one recipient's own, and this letter has {}. Send a batch with an item for each of them"
)
_HEADER = "it is written with the link to unsubscribe; leave it out, or leave that out"
_NO_HTTPS = (
    "receivers take a link to unsubscribe by https alone (RFC 8058), and ours would begin with {}. Set "
    "POSTROOM_PUBLIC_URL to the https address of this API"
)


def flaws_of_offer(email: Mapping[str, Any]) -> dict[Any, Any]:
    """Why a letter can't offer to unsubscribe, as a schema would name it; empty where it can.

    Of members that are wrong by themselves and left out, nothing is said.
    """
    flaws = _flaws_of_headers(email.get("headers", ()))
    if {"to", "cc", "bcc"} <= email.keys() and (different := len(_recipients(email))) != 1:
        flaws["delivery"] = {"unsubscribe": [_ONE_RECIPIENT.format(different)]}
    return flaws


def _recipients(email: Mapping[str, Any]) -> dict[str, Mailbox]:
    return {each.key: each for each in (*email["to"], *email["cc"], *email["bcc"])}


def _flaws_of_headers(headers: Iterable[tuple[str, str]]) -> dict[Any, Any]:
    reserved = {LINK.lower(), ONE_CLICK.lower()}
    own = {shown(name): [_HEADER] for name, _ in headers if name.lower() in reserved}
    return {"headers": own} if own else {}


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """Makes the links of letters."""

    links: UnsubscribeLinks
    public_url: str | None  # where links lead; None: to where the request came to

    def url(self, email: Mapping[str, Any]) -> str | None:
        """The link for the one recipient of a letter as its schema reads it, or None where it has several.

        Raises `ValidationError` where receivers wouldn't take it, or where the letter has one of its own. A link to our
        own machine needs no TLS: nobody else follows it.
        """
        recipients = _recipients(email)
        if len(recipients) != 1:
            return None
        if flaws := _flaws_of_headers(email["headers"]):
            raise ValidationError(flaws)
        base = (self.public_url or request.url_root).rstrip("/")
        if not _BASE.fullmatch(base) or not (base.startswith("https:") or _is_here(base)):
            raise ValidationError({"delivery": {"unsubscribe": [_NO_HTTPS.format(shown(base))]}})
        return self.links.url(base, *recipients.values())


def _is_here(base: str) -> bool:
    """Whether the address is this machine's (RFC 6761 §6.3)."""
    try:
        host = urlsplit(base).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
