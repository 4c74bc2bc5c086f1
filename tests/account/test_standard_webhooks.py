"""Signatures, against a value computed by hand."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from datetime import UTC, datetime

from postroom.account.standard_webhooks import headers, written

AT = datetime(2030, 1, 2, 12, 0, 0, 999_000, tzinfo=UTC)
NEW, OLD = b"\x01" * 32, b"\x02" * 32


def test_a_post_is_signed_under_both_names() -> None:
    said = headers([NEW], "one", AT, b'{"a":1}')
    by_hand = hmac.new(NEW, b'one.1893585600.{"a":1}', hashlib.sha256).digest()
    for family in ("webhook", "svix"):
        assert said[f"{family}-id"] == "one"
        assert said[f"{family}-timestamp"] == "1893585600"
        assert said[f"{family}-signature"] == f"v1,{b64encode(by_hand).decode()}"
    assert len(said) == 6


def test_while_a_secret_is_rotated_both_sign() -> None:
    both = headers([NEW, OLD], "one", AT, b"{}")["webhook-signature"]
    apart = [headers([secret], "one", AT, b"{}")["webhook-signature"] for secret in (NEW, OLD)]
    assert both == " ".join(apart)


def test_a_secret_is_written_as_receivers_read_it() -> None:
    assert written(NEW).startswith("whsec_")
    assert b64decode(written(NEW).removeprefix("whsec_")) == NEW
