"""What the operations of the OpenAPI document have in common: headers, and the problems that they end in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apispec import APISpec
from marshmallow import fields

from postroom.api.answers import Answer
from postroom.api.details import MEDIA_TYPE as DETAILS
from postroom.api.problems import STATUSES

WHY: Mapping[int, str] = {
    400: "What was sent can't be read.",
    401: "No key was shown, or one that may send and nothing else.",
    403: "The key isn't valid, or may not do this.",
    404: "There is nothing with this id.",
    409: "The idempotency key was used for another request.",
    413: "The body is too large.",
    414: "The path and the query are too long.",
    415: "The body is compressed.",
    422: "Something that was sent isn't valid. Everything that is wrong with it is named.",
    429: "Too many requests; Retry-After tells when to go on.",
    451: "It is refused for the sake of security.",
    500: "A fault of ours. It is logged under the id in X-Request-Id.",
    503: "The storage is out of reach. Repeat the request in a few seconds, under the same Idempotency-Key.",
}


_COUNT = {"type": "integer", "minimum": 0}

RATES: Mapping[str, Mapping[str, Any]] = {
    "ratelimit-limit": {"description": "Requests that the key may make in a second.", "schema": _COUNT},
    "ratelimit-remaining": {"description": "Those that are left of this second.", "schema": _COUNT},
    "ratelimit-reset": {"description": "Seconds until there are more.", "schema": _COUNT},
    "ratelimit-policy": {
        "description": "The limit, and its window in seconds.",
        "schema": {"type": "string", "examples": ["5;w=1"]},
    },
}
"""Headers that tell where a key stands. They are there where keys have a limit."""


class Problem(Answer):
    """What went wrong."""

    statusCode = fields.Integer(metadata={"description": "The status, once more."})  # noqa: N815  the contract's name
    name = fields.String(metadata={"enum": sorted(STATUSES), "description": "What kind of error it is."})
    message = fields.String(metadata={"description": "What happened, to which thing, and what to do."})


class Flaw(Answer):
    """One thing that is wrong with what was sent."""

    pointer = fields.String(
        metadata={"description": "Where it is in the body: a JSON pointer.", "examples": ["#/to/0"], "optional": True}
    )
    parameter = fields.String(metadata={"description": "The parameter that it is in.", "optional": True})
    detail = fields.String(metadata={"description": "What is wrong with it."})


class ProblemDetails(Problem):
    """The same, with the members of RFC 9457: for who asks for it by `Accept: application/problem+json`."""

    type = fields.String(metadata={"description": "What kind of problem it is, as a URI.", "examples": ["about:blank"]})
    title = fields.String(metadata={"description": "The status in words."})
    status = fields.Integer(metadata={"description": "The status."})
    detail = fields.String(metadata={"description": "The message, once more."})
    instance = fields.String(
        metadata={"description": "The request, by its X-Request-Id where that is a UUID.", "optional": True}
    )
    errors = fields.List(
        fields.Nested(Flaw), metadata={"description": "All that is wrong with what was sent.", "optional": True}
    )


def add_parts(spec: APISpec, statuses: Iterable[int]) -> None:
    """Put them into the document: a problem for each of the statuses, `Problem404`, and the headers by their names."""
    components = spec.components
    request_id: dict[str, Any] = {"type": "string", "examples": ["6f0c9d7e-0d5b-4e57-9a50-0c2b5a1f3c11"]}
    about = "Names the request in our log. The caller's is kept, if it is one of up to 128 plain characters."
    components.parameter("RequestId", "header", {"name": "X-Request-Id", "description": about, "schema": request_id})
    about, request_id = "Names the request in our log.", request_id | {"minLength": 1, "maxLength": 128}
    components.header("X-Request-Id", {"description": about, "required": True, "schema": request_id})
    seconds = {"type": "integer", "minimum": 1}
    components.header("Retry-After", {"description": "Seconds to wait.", "required": True, "schema": seconds})
    for name, header in RATES.items():
        components.header(name, dict(header))
    for status in statuses:
        components.response(f"Problem{status}", _problem(status))


def headers(*, limited: bool = False) -> dict[str, str]:
    """Those of an answer, by their components. `limited`: the key may have asked too often."""
    return {name: name for name in ("X-Request-Id", *(RATES if limited else ()))}


def _problem(status: int) -> dict[str, Any]:
    names = sorted(name for name, possible in STATUSES.items() if status in possible)
    narrowed = {"properties": {"statusCode": {"const": status}, "name": {"enum": names}}}
    again = {"Retry-After": "Retry-After"} if status in (429, 503) else {}
    return {
        "description": WHY[status],
        "headers": headers(limited=status == 429) | again,
        "content": {
            "application/json": {"schema": {"allOf": [Problem, narrowed]}},
            DETAILS: {"schema": {"allOf": [ProblemDetails, narrowed]}},
        },
    }
