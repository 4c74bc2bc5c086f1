"""The attempts for one submission: those that ride along with their parcels, and those with documents of their own."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from postroom.clouds.gcp import heads, parcels
from postroom.clouds.gcp.documents import Documents, Fields, Path
from postroom.clouds.gcp.records import unpacked
from postroom.delivery.attempt import Attempt
from postroom.ports import Cursor, Page, UnknownCursor

if TYPE_CHECKING:
    from google.cloud.firestore import Query

Place = tuple[datetime, str]
"""Where an attempt stands in the order: when it began, and its id."""


def path(submission: Path, attempt: str) -> Path:
    """Where an attempt is that has a document of its own."""
    return (*submission, "attempts", attempt)


def fresh(attempt: Attempt, stored: bytes) -> Fields:
    """The fields of an attempt that has a document of its own."""
    return {"started_at": attempt.started_at, "attempt": stored}


class Attempts:
    """Reads the attempts in `documents`."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def page(self, submission: str, cursor: Cursor) -> Page[Attempt]:
        """Newest first. Raises `UnknownCursor`."""
        where, mark, backwards = heads.path(submission), cursor.mark, cursor.newer
        # At most one for each parcel, so there are never many.
        near = {} if where is None else {_place(each): each for each in self._riding(where)}
        start = None if mark is None else self._place_of(mark, where, near)
        if where is None:
            return Page((), has_more=False)
        # An attempt that was recorded again may stand in both, but it is at one place.
        near |= {_place(each): each for each in self._apart(where, start, cursor.limit + 1, backwards=backwards)}
        beyond = [place for place in near if start is None or (place > start if backwards else place < start)]
        return Page.of(cursor, [near[place] for place in sorted(beyond, reverse=not backwards)])

    def _riding(self, where: Path) -> list[Attempt]:
        head = self._documents.get(where, ("parcels", *parcels.RIDING))
        if head is None:
            return []
        kept = [head] if heads.is_alone(head) else self._documents.read(heads.parcel_paths(head), parcels.RIDING)
        found = [parcels.riding(each.fields) for each in kept if each is not None]
        return [each for each in found if each is not None]

    def _place_of(self, attempt: str, where: Path | None, riding: dict[Place, Attempt]) -> Place:
        for place in riding:
            if place[1] == attempt:
                return place
        if where is not None and heads.is_id(attempt):
            document = self._documents.get(path(where, attempt), ("started_at",))
            if document is not None:
                return document.fields["started_at"], attempt
        raise UnknownCursor(attempt)

    def _apart(self, where: Path, start: Place | None, limit: int, *, backwards: bool) -> list[Attempt]:
        direction = "ASCENDING" if backwards else "DESCENDING"
        every = self._documents.collection((*where, "attempts"))
        query: Query = every.order_by("started_at", direction=direction).order_by("__name__", direction=direction)
        if start is not None:
            began, id_ = start
            query = query.start_after({"started_at": began, "__name__": self._documents.reference(path(where, id_))})
        found = self._documents.run(query.limit(limit))
        return [Attempt.from_record(unpacked(each.fields["attempt"])) for each in found]


def _place(attempt: Attempt) -> Place:
    return attempt.started_at, attempt.id
