"""Adding a sending domain with its DKIM key: the use case of `postroom domains`."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from postroom.account.domain import DkimKey, SendingDomain
from postroom.account.seal import seal
from postroom.message.address import Mailbox
from postroom.message.dkim import SigningKey, new_key, record
from postroom.ports import Directory


def add_domain(
    directory: Directory, seal_public: str, name: str, selector: str, pem: bytes | None, *, id_: UUID, now: datetime
) -> SendingDomain:
    """Keep a domain, verified by whoever may run this, with its DKIM key sealed.

    Without `pem` an RSA key is made. Raises ValueError where the name or the key can't be used, or where the
    domain has a key under this selector: another one in its place would void every signature until DNS follows.
    """
    try:
        domain = Mailbox.parse(f"postmaster@{name}").domain
    except ValueError as error:
        raise ValueError(f"{name!r} can't be a sending domain: {error}") from error
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", selector):
        raise ValueError(f"{selector!r} can't be a DKIM selector: it must be one label of a domain name")
    stored = directory.get("domain", domain)
    known = SendingDomain.from_record(stored) if stored else SendingDomain(str(id_), domain, True, now)
    if any(each.selector == selector for each in known.keys):
        raise ValueError(
            f"{domain} has a key under the selector {selector!r} already: `postroom domains show {domain}` prints its "
            "record. To sign with another key as well, add it under another --selector."
        )
    pem = pem or new_key("rsa")
    _, text = record(SigningKey.load(domain, selector, pem))
    purpose = DkimKey(selector, "", text).purpose(domain)
    key = DkimKey(selector, seal(pem, seal_public, purpose), text)
    made = replace(known, verified=True, keys=(*known.keys, key))
    directory.put("domain", domain, made.record())
    return made
