"""Where links to unsubscribe lead: `/unsubscribe/{token}`, for recipients and those who receive their mail (RFC 8058).

No key is asked for: whoever has the link may use it, as often as he likes. Following it changes nothing, since scanners
follow every link (RFC 8058 §1); only a POST does. There are no cookies and no redirects (RFC 8058 §3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response, request
from marshmallow import Schema, fields, validate
from werkzeug.exceptions import RequestEntityTooLarge

from postroom.account.unsubscribe import PAIR, PATH, UnsubscribeLinks
from postroom.account.vault import VaultError
from postroom.api import unsubscribe_page as page
from postroom.api.body import too_large
from postroom.api.operation import Access, Operation
from postroom.api.problems import Problem, not_found
from postroom.message.address import Mailbox
from postroom.suppressions import Suppressions

LARGEST = 16 * 1024  # octets of a body, which needs 26, or a few hundred as multipart
MOST_PARTS = 16
SETTLED = timedelta(minutes=5)

_NAME, _VALUE = PAIR
_FORM = "application/x-www-form-urlencoded"


class OneClick(Schema):
    """What a mail provider posts for its user, and the page's button."""

    unsubscribe = fields.String(
        data_key=_NAME,
        required=True,
        validate=validate.OneOf((_VALUE,)),
        metadata={"description": f"Always `{_VALUE}` (RFC 8058)."},
    )


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The views."""

    links: UnsubscribeLinks
    suppressions: Suppressions
    clock: Callable[[], datetime]

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="GET",
            path=f"{PATH}/<token>",
            view=self.ask,
            access=Access.ANYBODY,
            summary="Show the page behind a link to unsubscribe. It changes nothing.",
            media_type="text/html",
        )
        yield Operation(
            method="POST",
            path=f"{PATH}/<token>",
            view=self.post,
            access=Access.ANYBODY,
            summary="Unsubscribe the address that the link is for: no letter is sent to it any more.",
            takes=OneClick(),
            takes_as=_FORM,
            media_type="text/html",
            refuses=(503,),
        )

    def ask(self, token: str) -> Response:
        """GET /unsubscribe/{token}"""
        try:
            self._mailbox(token)
        except Problem as problem:
            return _refused(problem)
        return page.question()

    def post(self, token: str) -> Response:
        """POST /unsubscribe/{token}"""
        try:
            mailbox = self._mailbox(token)
            _read_form()
        except Problem as problem:
            return _refused(problem)
        # A link is used again by whoever has it, so that costs one read. An entry that is new may be half written.
        listed = self.suppressions.by_address(mailbox)
        if listed is None or self.clock() - listed.created_at < SETTLED:
            self.suppressions.add(mailbox)
        return page.done()

    def _mailbox(self, token: str) -> Mailbox:
        try:
            return self.links.mailbox(token)
        except VaultError:
            raise not_found("such link to unsubscribe. It may have been cut short: copy it whole") from None


def _read_form() -> None:
    """Raises `Problem` where the body isn't the one pair that RFC 8058 §3.2 has."""
    request.max_content_length = request.max_form_memory_size = LARGEST
    request.max_form_parts = MOST_PARTS
    try:
        value = request.form.get(_NAME, "")
    except RequestEntityTooLarge:
        raise too_large(LARGEST) from None
    if value.strip() != _VALUE:
        message = f"The request body must be a form that holds `{_NAME}={_VALUE}` (RFC 8058). Nothing was changed."
        raise Problem("validation_error", message, 400)


def _refused(problem: Problem) -> Response:
    """A page for a browser; else the API's own form of a problem."""
    if "text/html" not in request.headers.get("Accept", ""):
        raise problem
    return page.refused(problem.message, problem.status)
