"""Who is asking: API keys as Bearer tokens (RFC 6750 §2.1).

A key is checked before anything else of the request is looked at, its body above all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from flask import Response, g, request

from postroom.account.key import ApiKey, Permission, same_token, token_hash
from postroom.api import limits
from postroom.api.caller import address_of
from postroom.api.guesses import Guesses
from postroom.api.operation import Access, Operation
from postroom.api.problems import Problem
from postroom.delivery.record import EPOCH
from postroom.keys import KIND, Uses
from postroom.ports import Directory
from postroom.rates import Rates

BOOTSTRAP = ApiKey("00000000-0000-0000-0000-000000000000", "bootstrap", Permission.FULL_ACCESS, EPOCH)
"""What POSTROOM_BOOTSTRAP_KEY stands for: it is stored nowhere, so it is in no list and nobody revokes it."""


def asking() -> ApiKey:
    """The key that the request at hand was let in with."""
    key: ApiKey = g.postroom_key
    return key


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets requests with a good key through to the views."""

    directory: Directory
    bootstrap_key: str | None  # exists from the start, with full access
    clock: Callable[[], datetime]
    uses: Uses
    guesses: Guesses
    proxies: int = 0  # ours, in front of us
    rates: Rates | None = None  # None: there is no limit

    def guarded(self, operation: Operation) -> Callable[..., Response]:
        """The operation's view, for keys that may ask for it."""
        if operation.access is Access.ANYBODY:
            return operation.view
        enough = {Permission.FULL_ACCESS} if operation.access is Access.FULL else set(Permission)

        @wraps(operation.view)
        def guarded(*args: Any, **kwargs: Any) -> Response:
            g.postroom_key = key = self._key(_token(request.headers.get("Authorization", "")))
            if self.rates is not None:
                limits.count(self.rates, key.id)
            if key.permission not in enough:
                message = "This API key may send and nothing else. Use a key with full access here."
                raise Problem("restricted_api_key", message)
            return operation.view(*args, **kwargs)

        return guarded

    def _key(self, token: str) -> ApiKey:
        if self.bootstrap_key and same_token(token, self.bootstrap_key):
            return BOOTSTRAP
        hashed, seen = token_hash(token), address_of(request.environ, self.proxies)
        if not self.uses.known(hashed) and self.guesses.too_many(seen):
            message = "Too many different API keys that don't exist came from your address. Try again in a minute."
            raise Problem("rate_limit_exceeded", message, headers={"Retry-After": "60"})
        document = self.directory.get(KIND, hashed)
        if document is None:
            self.guesses.add(seen, hashed)
        key = None if document is None else ApiKey.from_record(document)
        if document is None or key is None or key.has_expired(self.clock()):
            raise Problem("invalid_api_key", "API key is invalid")  # clients compare this text
        if not key.may_come_from(seen):
            message = f"This API key may not be used from {seen or 'an address that nobody vouches for'}."
            raise Problem("invalid_access", message)
        self.uses.note(hashed, document)
        return key


def _token(authorization: str) -> str:
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:  # RFC 9110 §11.1: a scheme's case doesn't matter
        raise Problem("missing_api_key", "Missing API key in the authorization header.")  # and this one
    return token
