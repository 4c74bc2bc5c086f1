"""Problem details for HTTP (RFC 9457), for clients that ask for them by `Accept: application/problem+json`.

Resend's clients don't, and most of them fail on that media type. Who takes anything, or any JSON, gets plain JSON.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from flask import Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from postroom.api.body import answer
from postroom.api.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "postroom.request_id"  # in the WSGI environment


def refusal(problem: Problem, environ: WSGIEnvironment) -> Response:
    """The answer that the request of that environment gets, in the form that it asks for."""
    if not wanted(environ.get("HTTP_ACCEPT", "")):
        return answer(problem.body(), problem.status, problem.headers)
    members = {
        "type": "about:blank",  # RFC 9457 §4.2.1: all that there is to know of the kind are its status and its `name`
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.message,
        **_instance(environ[REQUEST_ID]),
        **({"errors": [flaw.member for flaw in problem.flaws]} if problem.flaws else {}),
        **problem.body(),
    }
    response = answer(members, problem.status, problem.headers)
    response.content_type = MEDIA_TYPE
    return response


def wanted(accept: str) -> bool:
    """Whether the header names the media type itself, and likes it no less than plain JSON (RFC 9110 §12.5.1)."""
    named = {name.partition(";")[0].lower(): quality for name, quality in parse_accept_header(accept, MIMEAccept)}
    liked = named.get(MEDIA_TYPE, 0)
    return liked > 0 and liked >= named.get("application/json", 0)


def _instance(request_id: str) -> dict[str, str]:
    """The one occurrence, by its request's id where that is one of ours: a UUID (RFC 9562 §4)."""
    try:
        return {"instance": f"urn:uuid:{UUID(request_id)}"}
    except ValueError:
        return {}
