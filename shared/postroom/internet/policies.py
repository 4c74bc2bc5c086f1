"""MTA-STS policies: announced in DNS, fetched over HTTPS, kept in the directory until they end (RFC 8461).

What is kept is never given up for want of an answer: whoever can hide a domain's records or its policy host from us
gains nothing as long as the policy that we know lives. What was never known can't be had in that case, and mail goes
as it would without MTA-STS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from threading import Lock

from postroom.delivery.sts import LARGEST, BadPolicy, Kept, Policy, policy_id
from postroom.internet.http import Answer, Request, Unfetched
from postroom.ports import Directory

KIND = "sts"  # of the documents in the directory, a domain each
LONGEST = 20.0  # seconds that a letter waits for a policy; RFC 8461 §3.3 thinks of a minute
REST = 300.0  # seconds that a policy that couldn't be had isn't asked for again
MOST = 10_000  # domains whose failures are remembered; a stranger with many names must not fill the memory


class StsPolicies:
    """Knows the policy of a domain. One fetch a domain is under way in a process, whoever else asks for it."""

    def __init__(
        self,
        *,
        directory: Directory,
        texts: Callable[[str], Sequence[str]],
        https: Callable[[Request], Answer],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        port: int = 443,
        troubled: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`texts` are the TXT records of a name, and raise LookupError where DNS doesn't say; `https` raises
        `Unfetched`; `troubled` is told of a policy that is announced and couldn't be had."""
        self._directory = directory
        self._texts = texts
        self._https = https
        self._clock = clock
        self._monotonic = monotonic
        self._port = port
        self._troubled = troubled
        self._lock = Lock()
        self._under_way: dict[str, Future[Policy | None]] = {}
        self._resting: dict[str, float] = {}

    def __call__(self, domain: str) -> Policy | None:
        """The policy that holds for mail to `domain`, an A-label, or None. Raises `Unavailable`."""
        kept = self._kept(domain)
        try:
            announced = policy_id(self._texts(f"_mta-sts.{domain}"))
        except LookupError:
            announced = None
        if announced is None or self._fresh(kept, announced):
            return kept.policy if kept else None
        with self._lock:
            under_way = self._under_way.get(domain)
            if under_way is None:
                ours = self._under_way[domain] = Future[Policy | None]()
        if under_way is not None:
            return kept.policy if kept else under_way.result()
        try:
            ours.set_result(self._renewed(domain, announced))
        except BaseException as error:
            ours.set_exception(error)
        finally:
            with self._lock:
                del self._under_way[domain]
        return ours.result()

    def _kept(self, domain: str) -> Kept | None:
        document = self._directory.get(KIND, domain)
        kept = None if document is None else Kept.from_record(document)
        return kept if kept is not None and self._clock() < kept.ends_at else None

    def _fresh(self, kept: Kept | None, announced: str) -> bool:
        return kept is not None and kept.id == announced and self._clock() < kept.refresh_at

    def _renewed(self, domain: str, announced: str) -> Policy | None:
        kept = self._kept(domain)  # whoever was here a moment ago may have fetched it
        if not self._fresh(kept, announced) and self._monotonic() >= self._resting.get(domain, 0.0):
            try:
                kept = Kept(announced, fetched(self._https, domain, self._port, LONGEST), self._clock())
                self._directory.put(KIND, domain, kept.record())
            except (Unfetched, BadPolicy) as error:
                self._rest(domain)
                self._troubled(f"{domain} announces an MTA-STS policy that can't be had: {error}")
        return kept.policy if kept else None

    def _rest(self, domain: str) -> None:
        with self._lock:
            if len(self._resting) >= MOST:
                self._resting.clear()
            self._resting[domain] = self._monotonic() + REST


def fetched(https: Callable[[Request], Answer], domain: str, port: int, seconds: float) -> Policy:
    """The policy as its host serves it within `seconds`. Raises `Unfetched` or `BadPolicy`.

    RFC 8461 §3.3: a page of text/plain under 200 OK, redirects not followed.
    """
    url = f"https://mta-sts.{domain}:{port}/.well-known/mta-sts.txt"
    answer = https(Request(url=url, seconds=seconds, most=LARGEST))
    if answer.status != 200:
        raise BadPolicy(f"{url} answered with status {answer.status}")
    if answer.media_type != "text/plain":
        raise BadPolicy(f"{url} is {answer.media_type or 'of no media type'}, not text/plain")
    return Policy.parse(answer.body)
