"""What `send` and `show` say to the API: a small client of its own wire format, on the standard library."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen


class ApiError(RuntimeError):
    """The API refused or couldn't be reached; the text is for the one at the terminal."""

    def __init__(self, text: str, status: int | None = None, name: str = "", retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status = status  # of HTTP; None where nobody answered
        self.name = name  # the API's own
        self.retry_after = retry_after  # seconds

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status is None or self.status == 429 or self.status >= 500


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
            raise _refusal(error) from error
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ApiError(f"{self._url} doesn't answer: {reason}. Is postroom running there?") from error


def _refusal(error: HTTPError) -> ApiError:
    seconds = error.headers.get("Retry-After", "")
    after = float(seconds) if seconds.isascii() and seconds.isdigit() else None
    try:
        answer = json.load(error)
        text = f"{answer['statusCode']} {answer['name']}: {answer['message']}"
        return ApiError(text, error.code, str(answer["name"]), after)
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        return ApiError(f"the API answered {error.code}", error.code, retry_after=after)
