"""Connections that are kept for the next request to the same host, where many go there one after another."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from postroom.internet.http import Answer, Https, Request, Unfetched, bounded, exchanged, failures_of, url_of
from postroom.internet.url import Url

MOST = 64  # connections that are kept in all
IDLE = 10.0  # seconds that one is kept; servers keep theirs for some longer
AGE = 60.0  # seconds after which one isn't used again: where its host is, and whether one may go there, is asked anew


@dataclass(frozen=True, slots=True)
class _Kept:
    place: tuple[bool, str]  # where it leads: whether by TLS, and to which authority
    sock: socket.socket
    opened: float  # by the clock
    since: float  # when it was put by


class Keeping:
    """`Https` over connections that are kept.

    A server may close one at any moment, also while a request is on its way. Then the request is made once more, over
    another, unless something of an answer came: it may reach the server twice, which must do no harm.
    """

    def __init__(self, https: Https, clock: Callable[[], float]) -> None:
        """`clock` also counts the time in which a function is frozen, as the monotonic one may not."""
        self._https = https
        self._clock = clock
        self._lock = Lock()
        self._idle: list[_Kept] = []  # those that were put by last at its end

    def __call__(self, request: Request) -> Answer:
        """The answer, whatever its status. Raises `Unfetched`."""
        until = monotonic() + request.seconds
        url = url_of(request)
        while (kept := self._take(url)) is not None:
            answer = self._ask(request, url, kept.sock, kept.opened, until, used=True)
            if answer is not None:
                return answer
        sock = self._https.dial(url, until)
        answer = self._ask(request, url, sock, self._clock(), until, used=False)
        if answer is None:
            raise Unfetched("protocol", f"{url.host} closed the connection without an answer")
        return answer

    def close(self) -> None:
        """Let go of all that are idle."""
        with self._lock:
            kept, self._idle = self._idle, []
        for each in kept:
            each.sock.close()

    def _ask(
        self, request: Request, url: Url, sock: socket.socket, opened: float, until: float, *, used: bool
    ) -> Answer | None:
        """The answer, or None where a connection that was used before turned out to be closed."""
        line, again = bounded(request, sock, until), False
        try:
            with failures_of(request, url):
                answer, again = exchanged(request, url, line, keep=True)
            return answer
        except Unfetched as error:
            if used and error.cause == "protocol" and not line.heard:
                return None
            raise
        finally:
            if again:
                self._put_by(_Kept(_place(url), sock, opened, self._clock()))
            else:
                sock.close()

    def _take(self, url: Url) -> _Kept | None:
        """One that is as good as new. Those that aren't are closed."""
        while True:
            with self._lock:
                kept = next((each for each in reversed(self._idle) if each.place == _place(url)), None)
                if kept is not None:
                    self._idle.remove(kept)
            if kept is None or self._is_good(kept):
                return kept
            kept.sock.close()

    def _put_by(self, kept: _Kept) -> None:
        left: list[_Kept] = []
        with self._lock:
            there, self._idle = [*self._idle, kept], []
            for each in there:
                good = self._is_young(each) and len(self._idle) < MOST
                (self._idle if good else left).append(each)
        for each in left:
            each.sock.close()

    def _is_young(self, kept: _Kept) -> bool:
        now = self._clock()
        return 0 <= now - kept.since < IDLE and 0 <= now - kept.opened < AGE

    def _is_good(self, kept: _Kept) -> bool:
        """Whether it is young, and silent: what a server says unasked is its farewell, or nonsense."""
        if not self._is_young(kept):
            return False
        if isinstance(kept.sock, ssl.SSLSocket) and kept.sock.pending():
            return False
        poll = select.poll()
        poll.register(kept.sock, select.POLLIN)
        return not poll.poll(0)


def _place(url: Url) -> tuple[bool, str]:
    return url.secure, url.authority
