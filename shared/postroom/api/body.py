"""Bodies: JSON in, as strictly as it has to be, and JSON out."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from math import isinf
from typing import Any, NoReturn

from flask import Request, Response
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from postroom.api.problems import Problem, invalid
from postroom.delivery.record import write_json

LARGEST = 64 * 1024 * 1024  # octets: 40 MiB of attachments in base64, and plenty of room for the rest
TOO_DEEP = "its arrays and objects are nested too deeply"


def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in the request's body. Raises `Problem` as `_read` does, and 422 where a name is given twice."""
    document, flaws = _read(request, "an object")
    if not isinstance(document, dict):
        raise _bad(f"it is {kind(document)}, and an object is expected")
    if flaws:
        raise invalid(flaws)
    return document


def read_members(request: Request, schema: Schema) -> dict[str, Any]:
    """What the schema makes of the JSON object in the request's body.

    Raises `Problem` as `read_object` does, and 422 with everything that is wrong with it.
    """
    document = read_object(request)
    try:
        members: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        raise invalid(error.messages) from None
    return members


def read_members_given(request: Request, schema: Schema) -> dict[str, Any]:
    """As `read_members`; nothing where the request has no body."""
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    return read_members(request, schema) if has_body else {}


def read_array(request: Request) -> tuple[list[Any], Mapping[int, Any]]:
    """The JSON array in the request's body, and by their places the flaws of items that hold a name twice.

    Raises `Problem` as `_read` does.
    """
    document, flaws = _read(request, "an array")
    if not isinstance(document, list):
        raise _bad(f"it is {kind(document)}, and an array is expected")
    return document, flaws


def _read(request: Request, expected: str) -> tuple[Any, Mapping[Any, Any]]:
    """What the request's body stands for, and which names its objects hold twice, nested as it is.

    Raises `Problem` 400, 413 or 415. The content type is not asked for, since clients differ in what they say. A name
    that an object holds twice is a flaw, since readers differ in which value counts (RFC 8259 §4).
    """
    return _parsed(read_octets(request, f"{expected} is expected", "as JSON"))


def read_octets(request: Request, expected: str, form: str) -> bytes:
    """The request's body, of one octet at least. Raises `Problem` 400, 413 or 415.

    The size is checked before anything is read, and again while reading where the client doesn't tell it.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        message = "A request body may not be compressed: send it as it is, without a Content-Encoding header."
        raise Problem("validation_error", message, 415)
    try:
        raw = request.get_data(cache=False)
    except (RequestEntityTooLarge, MemoryError):
        raise
    except Exception as error:  # servers have each their own for chunks that aren't, and for a client that is gone
        raise _bad(f"it ended early, or its chunks are malformed ({type(error).__name__})", form) from None
    told = request.content_length
    if told is not None and len(raw) < told:
        raise _bad(f"it ended early: {len(raw)} of its {told} octets came", form)
    # werkzeug cuts a stream of untold length at the limit without a word: one that fills it may have gone on.
    if told is None and len(raw) >= LARGEST:
        raise too_large()
    if not raw:
        raise _bad(f"it is empty, and {expected}", form)
    return raw


def too_large(most: int = LARGEST) -> Problem:
    return Problem("validation_error", f"The request body may hold at most {most} octets.", 413)


def digest(document: Mapping[str, Any] | list[Any]) -> str:
    """The same for equal documents, however their members were ordered and spaced. Raises `Problem` 400."""
    try:
        canonical = _ENCODER.encode(document)
    except RecursionError:
        raise _bad(TOO_DEEP) from None
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def answer(members: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. Members keep their order; a newline at the end is kind to terminals."""
    return Response(write_json(members) + "\n", status, headers, content_type="application/json")


def kind(value: Any) -> str:
    """What JSON calls the value, for error texts."""
    if value is None:
        return "null"
    return _KINDS[type(value)]


_KINDS = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}


class _Twice(dict[str, Any]):
    """An object that holds `names` twice."""

    names: tuple[str, ...] = ()


_KINDS[_Twice] = "an object"


def _parsed(raw: bytes) -> tuple[Any, Mapping[Any, Any]]:
    """The document, and its names that are given twice."""
    seen: list[_Twice] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            found = _Twice(found)
            found.names = tuple(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
            seen.append(found)
        return found

    decoder = json.JSONDecoder(object_pairs_hook=members, parse_float=_finite, parse_constant=_refused)
    try:
        document = decoder.decode(raw.decode("utf-8-sig"))
        return document, _given_twice(document) if seen else {}
    except UnicodeDecodeError as error:
        raise _bad(f"it is not UTF-8 at octet {error.start}") from None
    except json.JSONDecodeError as error:
        raise _bad(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _bad(TOO_DEEP) from None
    except ValueError:
        raise _bad("it holds a number that JSON doesn't know, or one that is too large") from None


def shown(name: str) -> str:
    """A member's name as it may stand in an error text: one that is no token is cut short, and escaped."""
    return name if _TOKEN.fullmatch(name) else json.dumps(name[:40])


def _given_twice(value: Any) -> dict[Any, Any]:
    """The names that are given twice, nested as `invalid` takes it."""
    inner: dict[Any, Any] = {}
    if isinstance(value, dict | list):
        pairs = enumerate(value) if isinstance(value, list) else ((shown(name), each) for name, each in value.items())
        inner = {key: flaws for key, each in pairs if (flaws := _given_twice(each))}
    if isinstance(value, _Twice):
        inner |= {shown(name): ["it is given twice in one object"] for name in value.names}
    return inner


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError(digits)
    return number


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)


def _bad(why: str, form: str = "as JSON") -> Problem:
    return Problem("validation_error", f"The request body can't be read {form}: {why}.", 400)


_TOKEN = re.compile(r"[!#$%&'*+.^_|~0-9A-Za-z-]{1,76}")
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False)
