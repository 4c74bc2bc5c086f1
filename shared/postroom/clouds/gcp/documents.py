"""Firestore's documents: read several, commit several, run a query. Every call has its deadline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from postroom.clouds.gcp.clients import Clients, told_as_unavailable

if TYPE_CHECKING:
    from google.cloud.firestore import CollectionReference, DocumentReference, Query
    from google.cloud.firestore_v1.base_document import DocumentSnapshot

TOGETHER = 500  # writes in one commit at most

Fields = dict[str, Any]
Path = tuple[str, ...]
"""Collection, id, and so on down to the id of a document."""


class Refused(Exception):
    """A commit was refused for the state of a document that it names, and nothing of it was done."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read. `updated` is its version, a time in RFC 3339."""

    id: str
    fields: Mapping[str, Any]
    updated: str


@dataclass(frozen=True, slots=True)
class Create:
    """Write a document that mustn't be there yet."""

    path: Path
    fields: Fields


@dataclass(frozen=True, slots=True)
class Put:
    """Write a document, over whatever is there."""

    path: Path
    fields: Fields


@dataclass(frozen=True, slots=True)
class Update:
    """Write some fields of a document that must be there, last updated at `updated`."""

    path: Path
    fields: Fields
    updated: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document, where it is there."""

    path: Path


class Documents:
    """The documents of one database. Every method raises `Unavailable` where Firestore can't be reached."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, paths: Sequence[Path], fields: Sequence[str] | None = None) -> list[Document | None]:
        """The documents in the order of their paths, None for each that isn't there; one strongly consistent read.

        With `fields` no others are sent.
        """
        with self._reading():
            client = self._clients.firestore()
            references = [client.document(*path) for path in paths]
            snapshots = client.get_all(
                references, field_paths=fields, retry=self._clients.again(), timeout=self._clients.patience
            )
            by_path = {snapshot.reference.path: snapshot for snapshot in snapshots if snapshot.exists}
            return [_document(by_path.get(reference.path)) for reference in references]

    def get(self, path: Path, fields: Sequence[str] | None = None) -> Document | None:
        """One document, or None."""
        return self.read([path], fields)[0]

    def commit(self, *writes: Create | Put | Update | Delete) -> list[str]:
        """Do all the writes or none of them, durable on return; the new version of each. Raises `Refused`.

        The SDK repeats a commit whose answer was lost. So a refusal may be the second answer to a commit that was
        done: who must know writes something of his own, and looks for it.
        """
        from google.api_core.exceptions import AlreadyExists, FailedPrecondition, NotFound
        from google.cloud.firestore import Client
        from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]  # it comes without types

        with told_as_unavailable("Firestore can't be written"):
            client = self._clients.firestore()
            batch = client.batch()
            for write in writes:
                reference = client.document(*write.path)
                match write:
                    case Create():
                        batch.create(reference, write.fields)
                    case Put():
                        batch.set(reference, write.fields)
                    case Update():
                        at = Timestamp()
                        at.FromJsonString(write.updated)
                        batch.update(reference, write.fields, Client.write_option(last_update_time=at))
                    case Delete():
                        batch.delete(reference)
            try:
                results = batch.commit(retry=self._clients.again(), timeout=self._clients.patience)
            except (AlreadyExists, FailedPrecondition, NotFound) as error:
                raise Refused(str(error)) from error
            return [result.update_time.rfc3339() if result.update_time else "" for result in results]

    def delete_all(self, paths: Sequence[Path]) -> None:
        """Remove those of the documents that are there."""
        for start in range(0, len(paths), TOGETHER):
            self.commit(*map(Delete, paths[start : start + TOGETHER]))

    def increase(self, path: Path, field: str, number: int) -> int | None:
        """What the field holds once `number` is added to it, or None where there is no such document.

        The SDK repeats a call whose answer was lost, which then adds twice.
        """
        from google.api_core.exceptions import NotFound
        from google.cloud.firestore import Increment

        with told_as_unavailable("Firestore can't be written"):
            reference = self._clients.firestore().document(*path)
            try:
                result = reference.update(
                    {field: Increment(number)}, retry=self._clients.again(), timeout=self._clients.patience
                )
            except NotFound:
                return None
            return int(result.transform_results[0].integer_value)

    def delete(self, path: Path) -> bool:
        """Whether the document was there."""
        from google.api_core.exceptions import NotFound
        from google.cloud.firestore import Client

        with told_as_unavailable("Firestore can't be written"):
            reference = self._clients.firestore().document(*path)
            try:
                # Not tried again: a second try would say that nothing was there.
                reference.delete(Client.write_option(exists=True), retry=None, timeout=self._clients.patience)
            except NotFound:
                return False
            return True

    def reference(self, path: Path) -> DocumentReference:
        """What a cursor names a document by."""
        with self._reading():
            return self._clients.firestore().document(*path)

    def collection(self, path: Path) -> CollectionReference:
        """What a query begins with."""
        with self._reading():
            return self._clients.firestore().collection(*path)

    def run(self, query: Query) -> list[Document]:
        """What the query finds."""
        with self._reading():
            found = query.stream(retry=self._clients.again(), timeout=self._clients.patience)
            return [document for snapshot in found if (document := _document(snapshot)) is not None]

    def ids(self, collection: Path) -> list[str]:
        """Of all documents in a collection."""
        return [each.id for each in self.run(self.collection(collection).select(()))]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with told_as_unavailable("Firestore can't be read"):
            yield


def _document(snapshot: DocumentSnapshot[DocumentReference] | None) -> Document | None:
    if snapshot is None:
        return None
    return Document(snapshot.id, snapshot.to_dict() or {}, snapshot.update_time.rfc3339())
