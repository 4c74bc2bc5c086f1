"""Who is asking: API keys as Bearer tokens (RFC 6750 §2.1).

A key is checked before anything else of the request is looked at, its body above all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Response, request

from postroom.account.key import ApiKey, Permission, same_token, token_hash
from postroom.api.operation import Access, Operation
from postroom.api.problems import Problem
from postroom.ports import Directory


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets requests with a good key through to the views."""

    directory: Directory
    bootstrap_key: str | None  # exists from the start, with full access

    def guarded(self, operation: Operation) -> Callable[..., Response]:
        """The operation's view, for keys that may ask for it."""
        if operation.access is Access.ANYBODY:
            return operation.view
        enough = {Permission.FULL_ACCESS} if operation.access is Access.FULL else set(Permission)

        @wraps(operation.view)
        def guarded(*args: Any, **kwargs: Any) -> Response:
            if self._permission(_token(request.headers.get("Authorization", ""))) not in enough:
                message = "This API key may send and nothing else. Use a key with full access here."
                raise Problem("restricted_api_key", message)
            return operation.view(*args, **kwargs)

        return guarded

    def _permission(self, token: str) -> Permission:
        if self.bootstrap_key and same_token(token, self.bootstrap_key):
            return Permission.FULL_ACCESS
        document = self.directory.get("api_key", token_hash(token))
        if document is None:
            raise Problem("invalid_api_key", "API key is invalid")  # clients compare this text
        return ApiKey.from_record(document).permission


def _token(authorization: str) -> str:
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:  # RFC 9110 §11.1: a scheme's case doesn't matter
        raise Problem("missing_api_key", "Missing API key in the authorization header.")  # and this one
    return token
