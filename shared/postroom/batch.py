"""Accepting a batch of letters: they are stored together, and those for one next hop share tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.accept import Accept, Admitted, SubmitRequest
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.idempotency import IdempotencyConflict, Keyed, is_old

Outcome = Submission | Exception
"""What became of an item: it is stored, or why it was refused."""


class RefusedBefore(ValueError):
    """The item was refused when its batch was first asked for under its key, and would be accepted now."""


class BatchRefused(ValueError):
    """Nothing of a strict batch is stored, since some of its items can't be accepted: `refusals`, by their places."""

    def __init__(self, refusals: Mapping[int, Exception]) -> None:
        super().__init__(f"{len(refusals)} of its items can't be accepted")
        self.refusals = refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """Letters to accept together, none with a key of its own, each with the fingerprint of the whole.

    An exception stands for an item that was refused before it came here.
    """

    items: Sequence[SubmitRequest | Exception]
    fingerprint: str  # of the request as parsed
    idempotency_key: str | None = None
    strict: bool = True  # all of them or none


@dataclass(frozen=True, slots=True)
class AcceptBatch:
    """Stores the letters of batches and puts their tasks."""

    accept: Accept

    def __call__(self, asked: BatchRequest) -> Sequence[Outcome]:
        """What became of each item, in their order.

        The repeat of a batch under its key gets the first one's, and finishes what that left undone, also while that
        is still at it. Raises `BatchRefused`, `IdempotencyConflict`, or `Unavailable`: then some of the letters may be
        stored, and the repeat under the key stores the others.
        """
        while (outcomes := _Batch(self.accept, asked, self.accept.clock()).outcomes()) is None:
            pass
        self.accept.put([each for each in outcomes if isinstance(each, Submission)])
        return outcomes


class _Batch:
    """One try at a batch, at one moment. Raises `IdempotencyConflict`."""

    def __init__(self, accept: Accept, asked: BatchRequest, now: datetime) -> None:
        self.accept = accept
        self.asked = asked
        self.now = now
        self.keyed: Keyed | None = None
        self.generation = 0
        self.told: Submission | None = None  # the first letter, where the batch was asked for before
        if asked.idempotency_key is not None:
            self.keyed = Keyed(asked.idempotency_key, accept.secret())
            self.generation, self.told = self.keyed.used(accept.submissions, now)
            for earlier in range(self.generation):
                accept.supersede(self.keyed.id(earlier), now)
        if self.told is not None and self.told.fingerprint != asked.fingerprint:
            raise IdempotencyConflict
        # The places of items that the batch goes without. Whoever comes first under a key settles that for good.
        self.without = frozenset(() if self.told is None else self.told.refused)
        self.admitted: dict[int, Admitted] = {}
        self.stored: dict[int, Submission] = {}

    def outcomes(self) -> Sequence[Outcome] | None:
        """As `AcceptBatch` answers; None where another request under the key came in between, and all is new."""
        refused = self._refusals()
        if self.asked.strict and refused:
            raise BatchRefused(refused)
        if not self._store(refused):
            return None
        return [self.stored.get(place) or refused[place] for place in range(len(self.asked.items))]

    def _refusals(self) -> dict[int, Exception]:
        refused: dict[int, Exception] = {}
        for place, item in enumerate(self.asked.items):
            found = item if isinstance(item, Exception) else self.accept.admission(item)
            if isinstance(found, Admitted):
                self.admitted[place] = found
            else:
                refused[place] = found
        if self.told is None:
            self.without = frozenset(refused)
            return refused
        for place in [each for each in refused if each not in self.without]:
            # It was good enough then. If it was stored it is sent, and that is to be told.
            stored = self.accept.submissions.get(self._id(place))
            if stored is not None:
                self.stored[place] = stored
                del refused[place]
        for place in self.without:
            refused.setdefault(place, RefusedBefore())
        return dict(sorted(refused.items()))

    def _store(self, refused: Mapping[int, Exception]) -> bool:
        """False where somebody else was faster with the same, and judged otherwise."""
        items = [(place, item) for place, item in self.admitted.items() if place not in refused]
        if not items:
            return True
        offered = [self.accept.draft(self._id(place), item, self.now) for place, item in items]
        if self.keyed is not None and items[0][0] == self._first:
            first, packed = offered[0]
            offered[0] = replace(first, refused=tuple(sorted(self.without))), packed
        stored = self.accept.submissions.create_many(offered)
        if not stored[0].is_of_the_request_of(offered[0][0]):
            if stored[0].fingerprint != self.asked.fingerprint:
                raise IdempotencyConflict
            return False
        for (place, item), each in zip(items, stored, strict=True):
            self.stored[place] = each
            if self.keyed is not None and (each.fingerprint != item.request.fingerprint or is_old(each, self.now)):
                # A letter that outlived the others of a batch from long ago: this one is of another generation.
                self.stored[place] = self.accept.create_once(item, self.keyed, self.now, place)
        return True

    def _id(self, place: int) -> SubmissionId:
        if self.keyed is None:
            return self.accept.new_id()
        # The first letter tells what its key was used for, so its id is the same wherever in a batch it stands.
        return self.keyed.id(self.generation, 0 if place == self._first else place)

    @property
    def _first(self) -> int:
        """The place of the first item that is accepted."""
        return next(place for place in range(len(self.asked.items)) if place not in self.without)
