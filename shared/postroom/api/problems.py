"""Errors as Resend's clients know them: a body of `statusCode`, `name` and `message`, and by itself nothing else.

The names are a closed set. Strict clients fail on any other, and one takes an unknown name for success.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

# The first status of a name is the one it has unless its place in the code says otherwise. 413, 414, 415 and 503
# have no name of their own in the set, and borrow the nearest.
STATUSES: Mapping[str, tuple[int, ...]] = {
    "validation_error": (422, 400, 403, 413, 414, 415),
    "missing_required_field": (422,),
    "invalid_from_address": (422,),
    "invalid_attachment": (422,),
    "invalid_region": (422,),
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

RETRY_AFTER = "5"
"""Seconds after which what is refused with 503 is worth repeating."""

MISSING = "Missing data for required field."
"""What marshmallow says of a member that has to be there and isn't."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong, and where: the names and numbers that lead to it from the outermost object."""

    keys: tuple[Any, ...]
    text: str
    noun: str = "field"

    @property
    def path(self) -> str:
        """The place as our texts write it: `to[1]`."""
        whole = ""
        for key in self.keys:
            whole += f"[{key}]" if isinstance(key, int) else f".{key}" if whole else str(key)
        return whole

    @property
    def sentence(self) -> str:
        if self.text == MISSING:
            return f"Missing `{self.path}` {self.noun}."
        what = f"`{self.path}` {self.noun}" if self.path else "item"  # of a batch
        return f"Invalid {what}: {_ended(self.text)}"

    @property
    def member(self) -> dict[str, str]:
        """The flaw in `errors` of RFC 9457's body: fields of the body by a JSON pointer, all else by its name."""
        detail = "It is missing." if self.text == MISSING else _ended(self.text)
        if self.noun != "field":
            return {self.noun: self.path, "detail": detail}
        # Two members (html` or `text) and a name that is shown as a quotation: the object is pointed at.
        keys = [str(key) for key in self.keys if not {'"', "`"} & set(str(key))]
        escaped = (quote(key.replace("~", "~0").replace("/", "~1"), safe="~") for key in keys)  # RFC 6901 §3, §6
        return {"pointer": "#" + "".join(f"/{each}" for each in escaped), "detail": detail}


class Problem(Exception):
    """An answer other than success: its name, its status, and what the engineer who reads it should know."""

    def __init__(
        self,
        name: str,
        message: str,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        flaws: Sequence[Flaw] = (),
    ) -> None:
        super().__init__(message)
        self.name = name
        self.status = STATUSES[name][0] if status is None else status
        if self.status not in STATUSES[name]:
            raise ValueError(f"{name} is never answered with {self.status}")
        self.message = message
        self.headers = headers or {}
        self.flaws = tuple(flaws)

    def body(self) -> dict[str, Any]:
        return {"statusCode": self.status, "name": self.name, "message": self.message}


def not_found(what: str) -> Problem:
    return Problem("not_found", f"There is no {what}.")


def invalid(errors: Mapping[Any, Any] | list[Any], noun: str = "field") -> Problem:
    """The one answer to everything that a schema found wrong; `errors` nest as marshmallow nests them."""
    flaws = [Flaw(keys, text, noun) for keys, text in _flaws(errors, ())]
    flaws.sort(key=lambda flaw: flaw.text != MISSING)
    return Problem(_name(flaws), " ".join(flaw.sentence for flaw in flaws), flaws=flaws)


def _flaws(errors: Any, keys: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(errors, Mapping):
        for key, inner in errors.items():
            # "_schema" is marshmallow's word for the object itself.
            yield from _flaws(inner, keys if key == "_schema" else (*keys, key))
    else:
        for text in errors:
            yield keys, text


def _name(flaws: list[Flaw]) -> str:
    """The name that fits every flaw: the narrow ones are for requests in which nothing else is wrong."""
    # The place of an item in a batch stands in front of the path within it.
    roots = {next((key for key in flaw.keys if not isinstance(key, int)), "") for flaw in flaws}
    if roots == {"attachments"}:
        return "invalid_attachment"
    if all(flaw.text == MISSING for flaw in flaws):
        return "missing_required_field"
    if roots == {"region"}:
        return "invalid_region"
    return "invalid_from_address" if roots == {"from"} else "validation_error"


def _ended(text: str) -> str:
    return text + ("" if text.endswith((".", "?")) else ".")
