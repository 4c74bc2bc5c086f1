"""What `send` and `show` say to the API: a small client of its own wire format, on the standard library."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen


class ApiError(RuntimeError):
    """The API refused or couldn't be reached; the text is for the one at the terminal."""


class Client:
    """Speaks to one API with one key."""

    def __init__(self, url: str, key: str | None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ApiError(f"{url} is not the address of an API: it must begin with http:// or https://")
        self._url = url
        self._key = key

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of a 2xx answer. Raises `ApiError` with the API's own message."""
        request = Request(self._url + path, method=method, headers={"Accept": "application/json", **headers})  # noqa: S310  the scheme is checked above
        if self._key:
            request.add_header("Authorization", f"Bearer {self._key}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310  the scheme is checked above
                return json.load(answer)
        except HTTPError as error:
            raise ApiError(_message(error)) from error
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ApiError(f"{self._url} doesn't answer: {reason}. Is postroom running there?") from error


def _message(error: HTTPError) -> str:
    try:
        answer = json.load(error)
        return f"{answer['statusCode']} {answer['name']}: {answer['message']}"
    except (ValueError, KeyError, TypeError):
        return f"the API answered {error.code}"
