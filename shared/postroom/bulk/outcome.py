"""What became of a run, in numbers that add up to its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_ASKED = 100
"""Letters whose cause is asked for, of each event: the commonest ones are among them."""

WORDS = {
    "delivered": "delivered",
    "complained": "delivered, and reported as spam",
    "bounced": "bounced",
    "suppressed": "suppressed",
    "failed": "failed: couldn't be sent at all",
    "canceled": "canceled",
    "sent": "unknown: the server's last reply was lost",
    "delivery_delayed": "deferred: will be tried again",
    "scheduled": "scheduled",
    "queued": "queued",
}
"""The API's last events, and how they are told."""

WITH_CAUSES = ("bounced", "failed", "suppressed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one campaign. `rows` are None where only the letters are known."""

    campaign: str
    rows: int | None = None
    accepted: int = 0
    refused: int = 0
    events: Mapping[str, int] | None = None  # None: nobody asked, or the key may not read
    causes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by event
    unheard: int = 0  # accepted letters that the list didn't show

    @property
    def unsent(self) -> int:
        """Rows that nobody asked the API for, or not with an answer."""
        return 0 if self.rows is None else self.rows - self.accepted - self.refused

    @property
    def good(self) -> bool:
        """Whether all was taken and, as far as that was asked for, delivered or is still to be sent at its time."""
        taken = not self.refused and not self.unsent
        ended = {"delivered", "scheduled"}
        return taken and not self.unheard and (self.events is None or set(self.events) <= ended)

    def table(self) -> Iterator[tuple[str, int, str]]:
        """A word, a number and the commonest causes for each line of the summary, the numbers adding up to the rows."""
        if self.events is None:
            yield "accepted", self.accepted, ""
        else:
            for event in [*WORDS, *sorted(set(self.events) - set(WORDS))]:
                if number := self.events.get(event, 0):
                    yield WORDS.get(event, event), number, self._causes(event)
            if self.unheard:
                yield "accepted, and not in the list", self.unheard, ""
        if self.refused:
            yield "refused by the API", self.refused, ""
        if self.unsent:
            yield "not sent", self.unsent, ""

    def _causes(self, event: str) -> str:
        causes = Counter(self.causes.get(event, {}))
        asked = causes.total()
        told = ", ".join(f"{cause} {number:,}" for cause, number in causes.most_common(5))
        of_how_many = f" (of {asked:,} that were asked for)" if told and asked < (self.events or {})[event] else ""
        return told + of_how_many

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "campaign": self.campaign,
            "rows": self.rows,
            "accepted": self.accepted,
            "refused": self.refused,
            "not_sent": self.unsent,
            "not_in_list": self.unheard,
            "outcomes": None if self.events is None else dict(self.events),
            "causes": {event: dict(causes) for event, causes in self.causes.items()},
        }


def causes_of(
    events: Mapping[str, int], ids: Callable[[str, int], Sequence[str]], cause: Callable[[str], str]
) -> dict[str, dict[str, int]]:
    """By event the causes of some letters: `ids` tells which, `cause` what it is."""
    return {
        event: dict(Counter(map(cause, ids(event, MOST_ASKED))).most_common())
        for event in WITH_CAUSES
        if events.get(event)
    }
