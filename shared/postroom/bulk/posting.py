"""Sending what a ledger holds, batch by batch, each under a key that only its own content settles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from postroom.bulk.ledger import Entry, Ledger
from postroom.bulk.mailing import Mailing
from postroom.bulk.patience import Patience
from postroom.client import ApiError

WINDOW = timedelta(hours=24)
"""For which the API knows a key: so long a run can be resumed."""


class Lapsed(ValueError):
    """The run was made before, so long ago that it would be made again."""


class NothingTaken(ValueError):
    """Every letter of the first batch was refused, so the rest wasn't tried."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One run."""

    patience: Patience
    ledger: Ledger
    mailing: Mailing

    def letters(self, number: int) -> tuple[Sequence[Entry], list[dict[str, Any]]]:
        """The batch of that number: its rows, and the letters as they are asked for."""
        entries, common = self.ledger.batch(number), self.mailing.common()
        return entries, [self.mailing.letter(common, each.own) for each in entries]

    @staticmethod
    def key(number: int, letters: Sequence[dict[str, Any]]) -> str:
        """The Idempotency-Key of a batch: the same again however far an earlier run came."""
        # Its number is in it, since a file may hold the same rows twice.
        return f"bulk-{hashlib.sha256(json.dumps([number, letters], sort_keys=True).encode()).hexdigest()}"

    def begun(self, now: datetime) -> datetime | None:
        """When the run was begun before, if it was. Raises `Lapsed`, or `ApiError` where the key may not read."""
        _, letters = self.letters(0)
        page = self.patience.call("GET", f"/emails?idempotency_key={quote(self.key(0, letters))}&limit=1")
        if not page["data"]:
            return None
        begun = datetime.fromisoformat(page["data"][0]["created_at"]).astimezone(UTC)
        if now - begun >= WINDOW:
            raise Lapsed(
                f"it was sent before, at {begun:%Y-%m-%d %H:%M} UTC, and a run can be resumed for 24 hours only: now "
                "everybody would get the letter once more. If that is meant, name it anew with --campaign"
            )
        return begun

    def run(self, progressed: Callable[[int], None]) -> None:
        """Send everything, telling how many rows are settled by now. Raises `ApiError` or `NothingTaken`."""
        for number in range(self.ledger.batches):
            entries, letters = self.letters(number)
            headers = {"Idempotency-Key": self.key(number, letters), "x-batch-validation": "permissive"}
            answer = self.patience.call("POST", "/emails/batch", letters, **headers)
            refused = {error["index"]: str(error["message"]) for error in answer.get("errors", ())}
            taken = [entry.place for index, entry in enumerate(entries) if index not in refused]
            ids = [each["id"] for each in answer["data"]]
            if len(ids) != len(taken):
                raise ApiError(f"the API answered {len(ids)} ids for {len(taken)} letters that it took")
            self.ledger.accept(zip(taken, ids, strict=True))
            self.ledger.refuse((entries[index].place, why) for index, why in refused.items())
            if number == 0 and not taken and self.ledger.batches > 1:
                raise NothingTaken
            progressed(entries[-1].place + 1)
