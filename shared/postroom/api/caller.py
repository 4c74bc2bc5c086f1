"""Where a request comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postroom.account.key import Address, address


def address_of(environ: Mapping[str, Any], proxies: int) -> Address | None:
    """The client's address, as the outermost of our own `proxies` saw it; without any, the connection's.

    Each proxy puts the address that it was called from at the end of X-Forwarded-For. What stands before those that are
    ours the client may have written himself. None where nobody vouches for an address.
    """
    if proxies == 0:
        seen = str(environ.get("REMOTE_ADDR", ""))
    else:
        hops = str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",")
        seen = hops[-proxies] if len(hops) >= proxies else ""
    try:
        return address(seen)
    except ValueError:
        return None
