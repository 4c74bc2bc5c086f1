"""Files that letters enclose by their URLs. Who asked for one learns how it went, and nothing of what was answered."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from postroom.internet.http import Answer, Request, Unfetched
from postroom.internet.resolver import Unanswered
from postroom.internet.url import Url
from postroom.ports import Fetched, NotFetched

LONGEST_ERROR = 64 * 1024  # octets of an answer that isn't the file: its status counts, however small that had to be

_FOR_NOW = frozenset({408, 425, 429})  # of the statuses below 500: too slow, too early, too often

_WORDS = {
    "forbidden_address": "it has no address that may be dialled",
    "timeout": "it took too long",
    "size": "the file is larger than a letter's files may be together",
    "protocol": "its answer can't be used",
}
"""Where the error's own text might quote the server, or tell what a name leads to."""


class Files:
    """Implements `Fetch`."""

    def __init__(self, https: Callable[[Request], Answer]) -> None:
        self._https = https

    def __call__(self, url: str, most: int, seconds: float) -> Fetched | NotFetched:
        host = Url.parse(url).host
        try:
            answer = self._https(Request(url=url, seconds=seconds, most=max(most, LONGEST_ERROR)))
        except Unfetched as error:
            return NotFetched(f"{host}: {_WORDS.get(error.cause, str(error))}", _is_for_good(error))
        if answer.status == 200:
            if len(answer.body) > most:
                return NotFetched(f"{host}: {_WORDS['size']}", for_good=True)
            return Fetched(answer.body, answer.media_type)
        redirects = ", and redirects are not followed" if 300 <= answer.status < 400 else ""
        for_good = answer.status < 500 and answer.status not in _FOR_NOW
        return NotFetched(f"{host}: it answered with status {answer.status}{redirects}", for_good)


def _is_for_good(error: Unfetched) -> bool:
    match error.cause:
        case "bad_url" | "forbidden_address" | "size" | "encoding":
            return True
        case "tls":
            return isinstance(error.__cause__, ssl.SSLCertVerificationError)
        case "dns":
            return not isinstance(error.__cause__, Unanswered)
        case _:
            return False
