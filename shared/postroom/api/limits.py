"""What a key may still ask for, told in the headers that Resend's clients read: whole numbers, a window of a second."""

from __future__ import annotations

from flask import Response, g

from postroom.api.problems import Problem
from postroom.rates import Rates, Standing

WINDOW = "1"  # seconds


def count(rates: Rates, key_id: str) -> None:
    """Count the request at hand. Raises `Problem` 429 where the key has made too many."""
    standing = g.postroom_standing = rates.take(key_id)
    if not standing.within:
        message = f"This API key may make {standing.limit} requests a second. Wait a second and repeat the request."
        raise Problem("rate_limit_exceeded", message, headers={"Retry-After": WINDOW})


def tell(response: Response) -> Response:
    """Say in the answer where the key stands, if there is a limit."""
    standing: Standing | None = g.get("postroom_standing")
    if standing is not None:
        response.headers["ratelimit-limit"] = str(standing.limit)
        response.headers["ratelimit-remaining"] = str(standing.remaining)
        response.headers["ratelimit-reset"] = WINDOW
        response.headers["ratelimit-policy"] = f"{standing.limit};w={WINDOW}"
    return response
