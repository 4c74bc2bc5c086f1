"""Where a letter is kept: within its submission's document, or in Cloud Storage where it is too large for that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from postroom.clouds.gcp.clients import Clients, told_as_unavailable
from postroom.clouds.gcp.documents import Fields
from postroom.clouds.gcp.records import deflated, inflated
from postroom.delivery.submission import Submission
from postroom.ports import Unavailable

LARGEST_WITHIN = 256 * 1024  # octets, as stored; a document holds 1 MiB in all
FIELDS = ("letter", "letter_deflated", "letter_object")
COMPLETED = "letter_completed"
OBJECTS = ("letter_object", "letter_replaced")
"""The fields that name objects of the bucket."""


class Letters:
    """Letters, and the objects in `bucket` for those that are larger than `LARGEST_WITHIN`."""

    def __init__(self, clients: Clients, bucket: str) -> None:
        self._clients = clients
        self._bucket = bucket

    def keep(self, submission: Submission, letter: bytes) -> Fields:
        """The fields of the submission's document by which `read` finds the letter.

        The object of a large letter is written before the document: a crash in between leaves an object that nobody
        asks for, never a submission without its letter.
        """
        # The fingerprint is part of the name, so that another letter under the same id overwrites nothing.
        return self._kept(f"letters/{submission.id}/{submission.fingerprint}", letter)

    def complete(self, before: Mapping[str, Any], submission: str, letter: bytes) -> Fields:
        """The fields that take the place of those `before` it. What was an object stays for who still reads it."""
        replaced = before.get("letter_object")
        fields = self._kept(f"letters/{submission}/{uuid4().hex}", letter)
        return {"letter": None, "letter_object": None, **fields, "letter_replaced": replaced, COMPLETED: True}

    def drop(self, fields: Mapping[str, Any]) -> None:
        """Erase the objects that a document with these fields names."""
        for name in filter(None, map(fields.get, OBJECTS)):
            self._delete(name)

    def _kept(self, name: str, letter: bytes) -> Fields:
        """The fields by which a letter is found, and the object of that name where it needs one."""
        stored, was_deflated = deflated(letter)
        fields: Fields = {"letter_deflated": was_deflated}
        if len(stored) <= LARGEST_WITHIN:
            return {**fields, "letter": stored}
        self._put(name, stored)
        return {**fields, "letter_object": name}

    def read(self, fields: Mapping[str, Any]) -> bytes | None:
        """The letter that a document with these fields holds or names; None once it is erased."""
        stored = fields.get("letter")
        if stored is None and (name := fields.get("letter_object")) is not None:
            stored = self._get(name)
        return None if stored is None else inflated(stored, fields.get("letter_deflated"))

    def within(self, fields: Mapping[str, Any]) -> bytes | None:
        """The letter where these fields hold it."""
        stored = fields.get("letter")
        return None if stored is None else inflated(stored, fields.get("letter_deflated"))

    def _put(self, name: str, stored: bytes) -> None:
        from google.api_core.exceptions import PreconditionFailed
        from google.cloud.storage.retry import DEFAULT_RETRY  # type: ignore[import-untyped]  # it comes without types

        with _told(f"the letter {name} can't be written to Cloud Storage"):
            blob = self._clients.storage().bucket(self._bucket).blob(name)
            with suppress(PreconditionFailed):  # an earlier try at the same submission has written it
                blob.upload_from_string(
                    stored,
                    content_type="application/octet-stream",
                    if_generation_match=0,  # only where it isn't there yet
                    timeout=self._clients.patience,
                    retry=DEFAULT_RETRY.with_timeout(self._clients.patience / 2),
                )

    def _delete(self, name: str) -> None:
        from google.api_core.exceptions import NotFound
        from google.cloud.storage.retry import DEFAULT_RETRY

        with _told(f"the letter {name} can't be erased from Cloud Storage"):
            blob = self._clients.storage().bucket(self._bucket).blob(name)
            try:
                patience = self._clients.patience
                blob.delete(timeout=patience, retry=DEFAULT_RETRY.with_timeout(patience / 2))
            except NotFound as error:
                if "No such object" not in str(error):
                    raise

    def _get(self, name: str) -> bytes | None:
        from google.api_core.exceptions import NotFound
        from google.cloud.storage.retry import DEFAULT_RETRY

        with _told(f"the letter {name} can't be read from Cloud Storage"):
            blob = self._clients.storage().bucket(self._bucket).blob(name)
            try:
                stored: bytes = blob.download_as_bytes(
                    timeout=self._clients.patience, retry=DEFAULT_RETRY.with_timeout(self._clients.patience / 2)
                )
            except NotFound as error:
                # A bucket that isn't there is 404 too, and no letter may be taken for erased because of it.
                if "No such object" not in str(error):
                    raise
                return None
            return stored


@contextmanager
def _told(what: str) -> Iterator[None]:
    from google.cloud.storage.exceptions import (  # type: ignore[import-untyped]  # it comes without types
        DataCorruption,
        InvalidResponse,
    )

    with told_as_unavailable(what):
        try:
            yield
        except (DataCorruption, InvalidResponse) as error:
            raise Unavailable(f"{what}: {error}") from error
