"""The keys that sign for a From domain: read from the Directory, unsealed, parsed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from postroom.account.domain import SendingDomain
from postroom.account.seal import unseal
from postroom.message.dkim import SigningKey
from postroom.ports import Directory


def signing(directory: Directory, seal_private: str | None) -> Callable[[str], tuple[SigningKey, ...]]:
    """From a domain to its signing keys; none where the domain has none, or where nothing can be unsealed.

    The function raises `SealError` or `UnusableKey` where a key is there and can't be used: better late than
    unsigned.
    """

    @lru_cache(maxsize=1024)
    def opened(domain: str, selector: str, sealed: str, purpose: str) -> SigningKey:
        return SigningKey.load(domain, selector, unseal(sealed, seal_private or "", purpose))

    def keys_of(domain: str) -> tuple[SigningKey, ...]:
        document = directory.get("domain", domain)
        if document is None:
            return ()
        sending = SendingDomain.from_record(document)
        return tuple(opened(domain, key.selector, key.sealed, key.purpose(domain)) for key in sending.keys)

    return keys_of
