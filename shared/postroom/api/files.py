"""Files that letters enclose: their list, and their octets, by signed links that work without a key for an hour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import quote, urlencode
from uuid import UUID

from flask import Response, request
from werkzeug.http import dump_options_header

from postroom.account.links import Links
from postroom.api import representation
from postroom.api.answers import AttachmentList, StoredAttachment
from postroom.api.body import answer
from postroom.api.operation import Access, Operation
from postroom.api.pages import PageSchema, page_of, part_of
from postroom.api.problems import not_found
from postroom.api.stored import Stored
from postroom.delivery.record import uuid8
from postroom.message.attachment import UNKNOWN, Attachment

LIFE = timedelta(hours=1)
"""How long a link works."""

_PATH = "/emails/<uuid:id_>/attachments"

_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
}
"""Whatever it is, no browser is to run it, and nobody on the way to keep it."""


@dataclass(frozen=True, slots=True)
class Files:
    """The views."""

    stored: Stored
    links: Links
    public_url: str | None  # where links lead; None: to where the request came to
    clock: Callable[[], datetime]

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="GET",
            path=_PATH,
            view=self.list,
            access=Access.FULL,
            summary="List the files that a letter encloses, in its order.",
            asks=PageSchema(),
            answers=AttachmentList(),
        )
        yield Operation(
            method="GET",
            path=f"{_PATH}/<uuid:file>",
            view=self.get,
            access=Access.FULL,
            summary="Read what a letter encloses: one file's description, and a link to its octets.",
            answers=StoredAttachment(),
        )
        yield Operation(
            method="GET",
            path=f"{_PATH}/<uuid:file>/download",
            view=self.download,
            access=Access.ANYBODY,
            summary="Download a file by its signed link.",
            media_type="*/*",
            refuses=(404, 503),
        )

    def list(self, id_: UUID) -> Response:
        """GET /emails/{id}/attachments"""
        files = self._files(id_)
        return answer(
            page_of(
                request,
                lambda cursor: part_of([*files], cursor),
                lambda file: self._shown(id_, file, files[file]),
            )
        )

    def get(self, id_: UUID, file: UUID) -> Response:
        """GET /emails/{id}/attachments/{id}"""
        found = self._files(id_).get(str(file))
        if found is None:
            raise not_found("attachment with this id")
        return answer({"object": "attachment", **self._shown(id_, str(file), found)})

    def download(self, id_: UUID, file: UUID) -> Response:
        """GET /emails/{id}/attachments/{id}/download"""
        found = None
        if self.links.good(_path(id_, str(file)), request.args.to_dict(), self.clock()):
            found = self._files(id_).get(str(file))
        if found is None or found.path is not None:
            raise not_found("such link, or it has expired. Ask for the attachment again: it comes with a new one")
        return octets(found.content, found.content_type, found.filename)

    def _files(self, id_: UUID) -> dict[str, Attachment]:
        """By their ids, in the letter's order."""
        submission = self.stored.submission(id_)
        letter = self.stored.letter(submission.id)
        files = () if letter is None else letter.attachments
        return {_id(submission.id, number): file for number, file in enumerate(files)}

    def _shown(self, id_: UUID, file: str, found: Attachment) -> dict[str, object]:
        path, until = _path(id_, file), (self.clock() + LIFE).replace(microsecond=0)
        url = f"{(self.public_url or request.url_root).rstrip('/')}{path}?{urlencode(self.links.query(path, until))}"
        return representation.attachment(file, found, url, until)


def octets(content: bytes, media_type: str, filename: str) -> Response:
    """An answer that browsers keep as a file."""
    response = Response(content, content_type=media_type or UNKNOWN, headers=_SAFE)
    name = {"filename": filename} if filename.isascii() else {"filename*": f"UTF-8''{quote(filename, safe='')}"}
    response.headers["Content-Disposition"] = dump_options_header("attachment", name)
    return response


def _path(id_: UUID, file: str) -> str:
    return f"/emails/{id_}/attachments/{file}/download"


def _id(submission: str, number: int) -> str:
    """The same each time for the same file of the same letter."""
    return uuid8(sha256(f"{submission}/attachment/{number}".encode()).digest())
