"""The keys that sign for a From domain: read from the Directory, unsealed, parsed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from postroom.account.domain import DkimKey, SendingDomain
from postroom.account.seal import unseal
from postroom.message.dkim import SigningKey, UnusableKey
from postroom.ports import Directory


def signing(
    directory: Directory, seal_private: str | None, source: Directory
) -> Callable[[str, Sequence[str] | None], tuple[SigningKey, ...]]:
    """From a domain, and the selectors that a letter is franked with, to the keys; from None to those that sign now.

    `directory` may be a memory of `source`, which is asked for a key that is too new for it.

    There are none where the domain has none. The function raises `SealError` or `UnusableKey` where a key should be
    there and can't be used: better late than unsigned.
    """

    @lru_cache(maxsize=1024)
    def opened(domain: str, selector: str, sealed: str, purpose: str) -> SigningKey:
        return SigningKey.load(domain, selector, unseal(sealed, seal_private or "", purpose))

    def known(directory: Directory, domain: str) -> SendingDomain | None:
        document = directory.get("domain", domain)
        return None if document is None else SendingDomain.from_record(document)

    def named(domain: str, selectors: Sequence[str]) -> Sequence[DkimKey]:
        for place in (directory, source):
            sending = known(place, domain)
            keys = {key.selector: key for key in sending.keys} if sending is not None else {}
            if set(selectors) <= set(keys):
                return [keys[selector] for selector in selectors]
        gone = ", ".join(selector for selector in selectors if selector not in keys)
        raise UnusableKey(f"its letter was signed under {gone} before, and that key is gone")

    def keys_of(domain: str, selectors: Sequence[str] | None) -> tuple[SigningKey, ...]:
        if selectors is None:
            sending = known(directory, domain)
            keys: Sequence[DkimKey] = sending.signers if sending is not None else ()
        else:
            keys = named(domain, selectors) if selectors else ()
        return tuple(opened(domain, key.selector, key.sealed, key.purpose(domain)) for key in keys)

    return keys_of
