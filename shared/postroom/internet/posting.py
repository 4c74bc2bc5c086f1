"""Posts to webhooks' endpoints. What counts of an answer is its head; of its body the beginning is shown."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from postroom.internet.endpoint import Endpoint
from postroom.internet.http import Https, Request, Unfetched
from postroom.internet.keeping import Keeping
from postroom.internet.url import BadUrl
from postroom.ports import NotPosted, Posted

LONGEST_BODY = 2048  # octets of an answer that are read
LONGEST_REST = 86400.0  # seconds that an endpoint may ask for


class HttpsPosts:
    """Implements `Posts`. What an endpoint is told may reach it twice, and must bear the same id then."""

    def __init__(self, https: Https, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970."""
        self._keeping = Keeping(https, clock)
        self._clock = clock

    def close(self) -> None:
        """Let go of the connections that are kept."""
        self._keeping.close()

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Posted | NotPosted:
        try:
            endpoint = Endpoint.parse(url)
            if endpoint.authorization is not None:
                headers = {**headers, "Authorization": endpoint.authorization}
            answer = self._keeping(
                Request(
                    url=endpoint.url,
                    method="POST",
                    headers=headers,
                    body=body,
                    seconds=seconds,
                    most=LONGEST_BODY,
                    whole=False,
                    clear_text=True,
                )
            )
        except (BadUrl, Unfetched) as error:
            return NotPosted(str(error))
        rest = None if answer.retry_after is None else retry_after(answer.retry_after, self._clock())
        return Posted(answer.status, answer.body, rest)


def retry_after(value: str, now: float) -> float | None:
    """The seconds that the field's value asks for, as a number or as a date (RFC 9110 §10.2.3), a day at most."""
    text = value.strip()
    if re.fullmatch(r"[0-9]+", text):
        return min(float(text[:10]), LONGEST_REST)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)  # HTTP's dates are in GMT, said or not
        seconds = (at - datetime.fromtimestamp(now, UTC)).total_seconds()
    except (ValueError, OverflowError, TypeError, LookupError):  # what is no date, or none that there can be
        return None
    return min(max(seconds, 0.0), LONGEST_REST)
