"""Errors as Resend's clients know them: a body of `statusCode`, `name` and `message`, and nothing else.

The names are a closed set. Strict clients fail on any other, and one takes an unknown name for success.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# The first status of a name is the one it has unless its place in the code says otherwise. 413, 415 and 503 have
# no name of their own in the set, and borrow the nearest.
STATUSES: Mapping[str, tuple[int, ...]] = {
    "validation_error": (422, 400, 403, 413, 415),
    "missing_required_field": (422,),
    "invalid_from_address": (422,),
    "invalid_attachment": (422,),
    "invalid_idempotency_key": (400,),
    "missing_api_key": (401,),
    "restricted_api_key": (401,),
    "invalid_api_key": (403,),
    "invalid_access": (403,),
    "not_found": (404,),
    "method_not_allowed": (405,),
    "invalid_idempotent_request": (409,),
    "rate_limit_exceeded": (429,),
    "application_error": (500, 503),
}

MISSING = "Missing data for required field."
"""What marshmallow says of a member that has to be there and isn't."""

_ITEM = re.compile(r"\A\[\d+\]\.?")  # of a batch, in front of the path within it


class Problem(Exception):
    """An answer other than success: its name, its status, and what the engineer who reads it should know."""

    def __init__(
        self, name: str, message: str, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.name = name
        self.status = STATUSES[name][0] if status is None else status
        if self.status not in STATUSES[name]:
            raise ValueError(f"{name} is never answered with {self.status}")
        self.message = message
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        return {"statusCode": self.status, "name": self.name, "message": self.message}


def not_found(what: str) -> Problem:
    return Problem("not_found", f"There is no {what}.")


def invalid(errors: Mapping[Any, Any] | list[Any], noun: str = "field") -> Problem:
    """The one answer to everything that a schema found wrong; `errors` nest as marshmallow nests them."""
    flaws = list(_flaws(errors, ""))
    flaws.sort(key=lambda flaw: flaw[1] != MISSING)
    return Problem(_name(flaws), " ".join(_sentence(path, text, noun) for path, text in flaws))


def _flaws(errors: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(errors, Mapping):
        for key, inner in errors.items():
            yield from _flaws(inner, _joined(path, key))
    else:
        for text in errors:
            yield path, text


def _joined(path: str, key: Any) -> str:
    if key == "_schema":  # marshmallow's word for the object itself
        return path
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def _name(flaws: list[tuple[str, str]]) -> str:
    """The name that fits every flaw: the narrow ones are for requests in which nothing else is wrong."""
    roots = {_ITEM.sub("", path).partition(".")[0].partition("[")[0] for path, _ in flaws}
    if roots == {"attachments"}:
        return "invalid_attachment"
    if all(text == MISSING for _, text in flaws):
        return "missing_required_field"
    return "invalid_from_address" if roots == {"from"} else "validation_error"


def _sentence(path: str, text: str, noun: str) -> str:
    if text == MISSING:
        return f"Missing `{path}` {noun}."
    what = f"`{path}` {noun}" if path else "item"  # of a batch
    return f"Invalid {what}: {text}" + ("" if text.endswith((".", "?")) else ".")
