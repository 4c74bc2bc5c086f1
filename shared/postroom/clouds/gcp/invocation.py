"""Who calls a function: the OIDC token that Cloud Tasks and Cloud Scheduler show, checked in code.

Where only a service account may call the function, Cloud Run has checked the token before, and has put
SIGNATURE_REMOVED_BY_GOOGLE in place of its signature
(https://cloud.google.com/run/docs/troubleshooting#signature-removed).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http.client import HTTPException
from threading import Lock
from time import monotonic, time
from typing import Any
from urllib.request import urlopen

from postroom.ports import Unavailable

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"

_SKEW = 10  # seconds that two clocks may differ by
_TIMEOUT = 10.0  # seconds that the certificates may take
_REFRESH = 60.0  # seconds between two looks for a key that isn't known
_LONGEST = 86_400.0  # seconds that the certificates are believed at most
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.IGNORECASE)


class InvokerToken:
    """Tells from a header Authorization why its bearer is refused; None where it is our queue or our timer.

    The token must be for `audience`, of `service_account`, which is an e-mail address, and signed with a key of
    `certs_url`. `behind_iam` says that Cloud Run lets nobody in whom it hasn't checked: then a token counts without
    its signature, where Cloud Run has removed it. Raises `Unavailable` where the certificates can't be fetched.
    """

    def __init__(
        self,
        audience: str,
        service_account: str,
        certs_url: str,
        *,
        behind_iam: bool = False,
        clock: Callable[[], float] = time,
    ) -> None:
        self._audience = audience
        self._service_account = service_account
        self._behind_iam = behind_iam
        self._clock = clock
        self._certificates = Certificates(certs_url)

    def __call__(self, authorization: str) -> str | None:
        from google.auth import jwt

        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return "there is no bearer token"
        try:
            key = jwt.decode_header(token).get("kid")  # type: ignore[no-untyped-call]  # it comes without types
            claims = jwt.decode(token, verify=False)  # type: ignore[no-untyped-call]
        except (ValueError, RecursionError):
            return "the token can't be read"
        # The claims first: nobody can make us fetch certificates by what he makes up.
        wrong = self._wrong(claims)
        if wrong is not None or (self._behind_iam and token.endswith(f".{REMOVED}")):
            return wrong
        if not isinstance(key, str) or (certificate := self._certificates.get(key)) is None:
            return "the token is signed with a key that isn't known"
        try:
            jwt.decode(token, {key: certificate}, clock_skew_in_seconds=_SKEW)  # type: ignore[no-untyped-call]
        except (ValueError, TypeError):
            return "the token is not signed by whom it says"
        return None

    def _wrong(self, claims: Mapping[str, Any]) -> str | None:
        """Which of the claims is not as it should be, the signature apart."""
        if claims.get("iss") not in ISSUERS:
            return "the token is of another issuer"
        if claims.get("aud") != self._audience:
            return "the token is for another audience"
        if claims.get("email") != self._service_account or claims.get("email_verified") is not True:
            return "the token is of another account"
        expires = claims.get("exp")
        if not isinstance(expires, int | float) or not self._clock() <= expires + _SKEW:
            return "the token is expired"
        return None


class Certificates:
    """The certificates at `url`, a JSON object by key id, kept for as long as its Cache-Control says."""

    def __init__(self, url: str, clock: Callable[[], float] = monotonic) -> None:
        self._url = url
        self._clock = clock
        self._lock = Lock()
        self._known: Mapping[str, str] = {}
        self._fetched_at = self._good_until = float("-inf")

    def get(self, key: str) -> str | None:
        """The certificate of that key. Raises `Unavailable` where it takes a fetch, and that fails."""
        with self._lock:
            now = self._clock()
            missed = key not in self._known and now >= self._fetched_at + _REFRESH
            if missed or now >= self._good_until:
                self._known, age = self._fetch()
                self._fetched_at, self._good_until = now, now + min(age, _LONGEST)
            return self._known.get(key)

    def _fetch(self) -> tuple[Mapping[str, str], float]:
        """The certificates, and for how many seconds they are good."""
        try:
            with urlopen(self._url, timeout=_TIMEOUT) as response:  # noqa: S310  # the address is the deployment's
                known = json.load(response)
                said = _MAX_AGE.search(response.headers.get("Cache-Control", ""))
        except (OSError, HTTPException, ValueError) as error:
            raise Unavailable(f"the certificates at {self._url} can't be fetched: {error}") from error
        if not isinstance(known, dict):
            raise Unavailable(f"what is at {self._url} are no certificates")
        return known, float(said[1]) if said else _REFRESH
