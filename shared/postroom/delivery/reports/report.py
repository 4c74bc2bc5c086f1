"""What a report says, whoever wrote it and however."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from postroom.message.address import InvalidAddress, Mailbox

MOST_ADDRESSES = 50  # of one report that may be a return path, or name a recipient
MOST_RECIPIENTS = 200  # of one report: letters have fewer

_APART = re.compile(r'[\s<>,;:"()\[\]]+')


class Kind(StrEnum):
    """What reports are about."""

    DELIVERY = "delivery"  # what became of a letter on its way (RFC 3464)
    FEEDBACK = "feedback"  # what its recipient thinks of it (RFC 5965)


class Action(StrEnum):
    """What became of a letter with one recipient: RFC 3464 §2.3.3, and what feedback says."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    COMPLAINED = "complained"
    NOTED = "noted"  # feedback that is no complaint


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a report says of one recipient."""

    action: Action
    addresses: tuple[str, ...]  # that may be the recipient's: those written to first, last the one it ended at
    status: str | None = None  # RFC 3463, such as 5.1.1
    words: str = ""  # of the server that decided, with its code if it has one
    by_smtp: bool = False  # they are a reply
    mx: str | None = None  # that server

    @property
    def keys(self) -> tuple[str, ...]:
        """The look-up keys of those addresses that are any."""
        return tuple(dict.fromkeys(_keys(self.addresses)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report, and by what it may name its letter."""

    kind: Kind
    said: tuple[Said, ...]
    return_paths: tuple[str, ...]  # addresses that it came to, or that the letter is said to have come from
    message_ids: tuple[str, ...]  # in angle brackets


def addresses_in(values: Iterable[str]) -> tuple[str, ...]:
    """All that look like addresses in the values of fields, each once."""
    found = (each for value in values for each in _APART.split(value) if 0 < each.find("@") < len(each) - 1)
    return tuple(dict.fromkeys(found))[:MOST_ADDRESSES]


def _keys(addresses: Iterable[str]) -> Iterator[str]:
    for each in addresses:
        try:
            yield Mailbox.parse(each).key
        except InvalidAddress:
            continue
