"""What DNS says to one question, and how long it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from dns.rdata import Rdata

R = TypeVar("R", bound=Rdata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The records of one kind that a name has. That there are none, or no such name, is an answer too."""

    exists: bool = True  # False: NXDOMAIN
    records: tuple[Rdata, ...] = ()  # MX by preference
    name: str  # where CNAMEs led, in lower case without the last dot
    secure: bool = False  # DNSSEC vouches for all of this, absence too
    seconds: float  # that it holds
    octets: int = 100  # that it took on the wire, or as good as

    def of(self, kind: type[R]) -> list[R]:
        """The records as `kind`, which a server that lies may not have sent."""
        return [record for record in self.records if isinstance(record, kind)]


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer, or none that can be believed: SERVFAIL, a refusal, a timeout, nonsense."""

    why: str

    seconds: ClassVar[float] = 5  # RFC 2308 §7.1 allows five minutes; a letter's next attempt should see DNS as it is
    octets: ClassVar[int] = 100
