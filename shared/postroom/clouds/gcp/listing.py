"""Submissions by creation: the index is sharded, and Firestore merges the shards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from postroom.clouds.gcp import heads
from postroom.clouds.gcp.documents import Document, Documents
from postroom.delivery.submission import Submission
from postroom.ports import Cursor, Mark, Page, UnknownCursor

if TYPE_CHECKING:
    from google.cloud.firestore import Query


class Listing:
    """Reads the submissions in `documents` by their creation, and by their ids where that is the same."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def page(self, cursor: Cursor) -> Page[Submission]:
        """Newest first. Raises `UnknownCursor`."""
        from google.cloud.firestore import FieldFilter

        query = self._query("ASCENDING" if cursor.newer else "DESCENDING")
        for bound, operator in ((cursor.since, ">="), (cursor.until, "<")):
            if bound is not None:
                query = query.where(filter=FieldFilter("created_at", operator, bound))
        if cursor.mark is not None:
            query = self._beyond(query, self._mark(cursor.mark))
        # The one that only tells of more costs no read of its parcels.
        nearest = self._documents.run(query.limit(cursor.limit + 1))
        shown = heads.read_whole(self._documents, nearest[: cursor.limit])
        return Page.of(cursor, [*shown, *map(heads.read, nearest[cursor.limit :])])

    def since(self, mark: Mark | None, until: datetime, limit: int) -> Sequence[Submission]:
        """Oldest first: those after `mark` and created before `until`."""
        from google.cloud.firestore import FieldFilter

        query = self._query("ASCENDING").where(filter=FieldFilter("created_at", "<", until))
        if mark is not None:
            query = self._beyond(query, mark)
        return heads.read_whole(self._documents, self._documents.run(query.limit(limit)))

    def _query(self, direction: str) -> Query:
        from google.cloud.firestore import FieldFilter

        every = FieldFilter("shard", "in", list(range(heads.SHARDS)))
        query: Query = self._documents.collection((heads.COLLECTION,)).where(filter=every).select(heads.FIELDS)
        return query.order_by("created_at", direction=direction).order_by("__name__", direction=direction)

    def _beyond(self, query: Query, mark: Mark) -> Query:
        path = heads.path(mark.id)
        if path is None:
            # No submission has such an id. Those of its moment are given again rather than missed.
            return query.start_at({"created_at": mark.created_at})
        return query.start_after({"created_at": mark.created_at, "__name__": self._documents.reference(path)})

    def _mark(self, submission: str) -> Mark:
        path = heads.path(submission)
        document: Document | None = None if path is None else self._documents.get(path, ("created_at",))
        if document is None:
            raise UnknownCursor(submission)
        return Mark(document.fields["created_at"], submission)
