"""Telling webhooks: the use case of functions/notify.

A notice names a webhook and the parcels whose news it waits for, or events that lie in its log. Each piece of news is
posted, then recorded as an event with its attempt, then taken off the parcel. Whatever happens in between, the notice
comes again: what is recorded isn't posted twice, and what isn't is, under the same id. Those of one recipient are told
in their order, recipients and letters at once. An attempt that failed is a success of the function: the notice of the
next one is put, and only then the attempt recorded.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from postroom.account.event import Event, Post, Told, printable, shown
from postroom.account.standard_webhooks import headers
from postroom.account.webhook import State, Webhook
from postroom.at_once import at_once
from postroom.claims import Claims
from postroom.delivery.news import event_id, waiting_for
from postroom.delivery.notice import MOST, Notice
from postroom.delivery.payload import letter_event
from postroom.delivery.record import SubmissionId, microseconds
from postroom.delivery.together import shares
from postroom.event_body import EventBody
from postroom.event_log import EventLog
from postroom.ledger import Ledger
from postroom.ports import Found, NotPosted, Posted, Posts, Schedule, Unavailable
from postroom.resting import Rests
from postroom.under_way import UnderWay
from postroom.webhooks import REMEMBERED, Webhooks

TIMEOUT = 15.0
"""Seconds that an endpoint may take to answer."""

EARLY_BY = timedelta(seconds=2)
"""A notice may come so much before the attempt that it is for is due."""

UNDER_CLAIM = timedelta(seconds=10)
"""After which a parcel is looked at again whose news couldn't be taken off, since it was under a claim."""

UNNOTED = 2 * timedelta(seconds=TIMEOUT) + REMEMBERED
"""For so long after a post that was in vain, others may be taken without anybody's knowing that it matters."""

GONE = 410
ASK_FOR_PEACE = (429, 503)

_SPREAD = 0.1  # of a delay, by which retries are drawn apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tells webhooks. Raises `Unavailable` where something could not be recorded or put."""

    webhooks: Webhooks
    log: EventLog
    claims: Claims
    posts: Posts
    schedule: Schedule
    headers_of: Callable[[Found], Iterable[tuple[str, str]]]  # those that a letter was given
    delays: Sequence[timedelta]  # before each further attempt
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    disabled: Callable[[Webhook, str], None] = lambda *_: None  # called once a webhook was, with why
    troubled: Callable[[Exception], None] = lambda _: None  # told of what nobody thought of
    rests: Rests = field(default_factory=Rests)
    under_way: UnderWay = field(default_factory=lambda: UnderWay(2 * TIMEOUT))  # one attempt, and what is done by it

    def __call__(self, notice: Notice) -> None:
        webhook = self.webhooks.get(notice.webhook)
        ledger = Ledger(notice.webhook, self.log, self.claims)
        if webhook is None or webhook.status is State.DISABLED:
            run: _Run = _Run(self, ledger)
        else:
            run = _Telling(self, ledger, webhook, self.webhooks.signing_secrets(webhook), self.clock())
        run(notice)


@dataclass(slots=True)
class _Run:
    """One notice, whose news and events nobody is told any more."""

    house: Notify
    ledger: Ledger
    claimed: list[tuple[SubmissionId, int]] = field(default_factory=list, kw_only=True)  # parcels, by somebody else
    claimed_events: list[str] = field(default_factory=list, kw_only=True)  # events of such parcels
    trouble: list[Exception] = field(default_factory=list, kw_only=True)

    def __call__(self, notice: Notice) -> None:
        work: list[Callable[[], None]] = [partial(self._see_to_parcel, *each) for each in notice.parcels]
        work += (partial(self._see_to_event, each) for each in notice.events)
        at_once(self._patiently, work)
        self._put(notice)
        if self.trouble:
            raise self.trouble[0]

    def _patiently(self, work: Callable[[], None]) -> None:
        """Where something fails in the middle, what the others were told is still recorded."""
        try:
            work()
        except Exception as error:  # it is raised in the end
            self.trouble.append(error)

    def _see_to_parcel(self, submission: SubmissionId, number: int) -> None:
        if not self.ledger.drop_parcel(submission, number):
            self.claimed.append((submission, number))

    def _see_to_event(self, id_: str) -> None:
        if not self.ledger.drop_event(id_):
            self.claimed_events.append(id_)

    def _put(self, notice: Notice) -> None:  # noqa: ARG002  those who tell draw their luck by it
        """Put the notices of what isn't done with."""
        if self.claimed or self.claimed_events:
            at = self.house.clock() + UNDER_CLAIM
            self.house.schedule.put(self._notice(at, self.claimed, self.claimed_events), at)

    def _notice(
        self, at: datetime, parcels: Iterable[tuple[SubmissionId, int]] = (), events: Iterable[str] = ()
    ) -> Notice:
        return Notice(self.ledger.webhook, tuple(parcels), tuple(events), turn=microseconds(at))


@dataclass(frozen=True, slots=True)
class _Pending:
    """An event whose attempt has failed, and which has another."""

    before: Event | None  # as it is recorded
    event: Event
    post: Post
    asked: timedelta  # to be left in peace for so long


@dataclass(slots=True)
class _Telling(_Run):
    """One notice whose news and events are told."""

    webhook: Webhook
    secrets: tuple[bytes, ...]
    began: datetime
    pending: list[_Pending] = field(default_factory=list)
    resting: list[tuple[SubmissionId, int]] = field(default_factory=list)  # parcels with news that wasn't attempted
    resting_events: list[str] = field(default_factory=list)

    def _see_to_parcel(self, submission: SubmissionId, number: int) -> None:
        found = self.ledger.parcel(submission, number)
        if found is None:
            return  # it was erased, and its news with it
        chains: defaultdict[int, list[int]] = defaultdict(list)
        for place in waiting_for(found.parcel, self.webhook.id):
            chains[found.parcel.news[place].recipient].append(place)
        done = [place for told in at_once(partial(self._tell_chain, found), chains.values()) for place in told]
        if not self.ledger.take_off(submission, number, done):
            self.claimed.append((submission, number))

    def _tell_chain(self, found: Found, places: Iterable[int]) -> list[int]:
        """Tell one recipient's news in its order; the places that are done with."""
        return [place for place in places if self._tell_news(found, place)]

    def _tell_news(self, found: Found, place: int) -> bool:
        id_ = event_id(found.parcel, place)
        with self.house.under_way.alone(f"{self.webhook.id}/{id_}") as ours:
            if ours:
                return self._tell_once(found, place, id_)
        stored = self.ledger.event(id_)
        return stored is not None and stored.status is not Told.PENDING

    def _tell_once(self, found: Found, place: int, id_: str) -> bool:
        parcel, news = found.parcel, found.parcel.news[place]
        stored = self.ledger.event(id_)
        if stored is not None and stored.status is not Told.PENDING:
            return True
        if stored is not None and not self._is_due(stored):
            return False  # its own notice is out, and the sweep is behind that
        if self._rests():
            self.resting.append((parcel.submission, parcel.number))
            return False
        about = (parcel.submission, parcel.number, place)
        fresh = Event(id=id_, type=news.type, created_at=news.at, parcel=about)
        return self._attempt(stored, stored or fresh, partial(self._of_letter, found, place))

    def _see_to_event(self, id_: str) -> None:
        with self.house.under_way.alone(f"{self.webhook.id}/{id_}") as ours:
            if ours:
                self._tell_event(id_)

    def _tell_event(self, id_: str) -> None:
        stored = self.ledger.event(id_)
        if stored is None:
            return  # the notice that it was tried for comes again, or it is too old
        if stored.status is Told.PENDING:
            if not self._is_due(stored):
                return
            if self._rests():
                self.resting_events.append(id_)
                return
            if not self._attempt(stored, stored, partial(self._body, stored)):
                return
        if not self.ledger.close(stored):
            self.claimed_events.append(id_)

    def _body(self, stored: Event) -> bytes | None:
        return EventBody(self.house.claims.submissions.find, self.house.headers_of)(stored)

    def _of_letter(self, found: Found, place: int) -> bytes:
        return letter_event(found.submission, found.parcel, place, self.house.headers_of(found))

    def _is_due(self, stored: Event) -> bool:
        return stored.next_attempt_at is None or stored.next_attempt_at <= self.began + EARLY_BY

    def _rests(self) -> bool:
        return self.house.rests.until(self.webhook.id, self.house.clock()) is not None

    # Attempts.

    def _attempt(self, stored: Event | None, event: Event, body: Callable[[], bytes | None]) -> bool:
        """Whether the event is done with: delivered, or given up."""
        house, sent_at, began = self.house, self.house.clock(), self.house.monotonic()
        answer = self._answer(event, body, sent_at)
        if answer is None:  # the letter was erased
            return self.ledger.drop_event(event.id)
        post = _post(sent_at, round((house.monotonic() - began) * 1000), answer)
        if post.taken:
            house.rests.well(self.webhook.id)
            house.webhooks.well(self.webhook.id)
            self.ledger.record(stored, event.after(post, Told.DELIVERED))
            return True
        asked = timedelta(seconds=answer.retry_after or 0) if isinstance(answer, Posted) else timedelta()
        self._rest_after(post, asked)
        since = house.webhooks.failing(self.webhook.id, sent_at)
        if event.tries < len(house.delays) and post.status != GONE:
            self.pending.append(_Pending(stored, event, post, asked))
            return False
        self.ledger.record(stored, event.after(post, Told.FAILED))
        first_at = event.posts[0].sent_at if event.posts else sent_at
        if post.status == GONE:
            self._disable("its endpoint answered 410: it is gone")
        elif since <= first_at and not self._took_one(since):
            self._disable(f"an event was given up, and none was taken since {since.isoformat(timespec='seconds')}")
        return True

    def _answer(self, event: Event, body: Callable[[], bytes | None], sent_at: datetime) -> Posted | NotPosted | None:
        """What the endpoint answers; None where there is nothing to tell any more."""
        try:
            said = body()
            if said is None:
                return None
            signed = {"Content-Type": "application/json", **headers(self.secrets, event.id, sent_at, said)}
            return self.house.posts(self.webhook.endpoint, signed, said, TIMEOUT)
        except Unavailable:
            raise
        except Exception as error:  # whatever it is, it must not have others wait, nor come for ever
            self.house.troubled(error)
            return NotPosted(f"the attempt failed: {type(error).__name__}")

    def _took_one(self, since: datetime) -> bool:
        """Whether one was taken after all, by a process that didn't know yet that its success was to be noted."""
        taken_at = self.ledger.log.taken(self.webhook.id, since, since + UNNOTED)
        if taken_at is not None:
            self.house.webhooks.failing_later(self.webhook.id, since, taken_at)
        return taken_at is not None

    def _rest_after(self, post: Post, asked: timedelta) -> None:
        if post.status is None:
            self.house.rests.failed(self.webhook.id, self.house.clock())
        elif post.status in ASK_FOR_PEACE and asked:
            self.house.rests.failed(self.webhook.id, self.house.clock(), asked)

    def _disable(self, why: str) -> None:
        if self.house.webhooks.disable(self.webhook.id, why):
            self.house.disabled(self.webhook, why)

    # What comes next.

    def _put(self, notice: Notice) -> None:
        """Put the notices of what isn't done with, then record the attempts that failed."""
        _Run._put(self, notice)
        house, now, luck = self.house, self.house.clock(), _luck(notice)
        later: list[tuple[Notice, datetime]] = []
        failed: defaultdict[datetime, list[_Pending]] = defaultdict(list)
        for each in self.pending:
            asked = min(each.asked, max(house.delays))
            failed[now + max(house.delays[each.event.tries] * (1 + _SPREAD * luck), asked)].append(each)
        for at, events in failed.items():
            later += ((self._notice(at, events=ids), at) for ids in shares([each.event.id for each in events], MOST))
        if self.resting or self.resting_events:
            rested = (house.rests.until(self.webhook.id, now) or now) + luck * UNDER_CLAIM
            later.append((self._notice(rested, dict.fromkeys(self.resting), self.resting_events), rested))
        if later:
            house.schedule.put_many(later)
        recorded = [
            (each.before, each.event.after(each.post, Told.PENDING, at))
            for at, events in failed.items()
            for each in events
        ]
        at_once(lambda each: self._patiently(partial(self.ledger.record, *each)), recorded)


def _post(sent_at: datetime, milliseconds: int, answer: Posted | NotPosted) -> Post:
    if isinstance(answer, NotPosted):
        return Post(sent_at=sent_at, milliseconds=milliseconds, why=printable(answer.why))
    return Post(sent_at=sent_at, milliseconds=milliseconds, status=answer.status, response=shown(answer.body))


def _luck(notice: Notice) -> float:
    """From 0 to 1, drawn by the notice's name: those that failed together go again together, apart from others."""
    return int.from_bytes(hashlib.sha256(notice.name.encode()).digest()[:4], "big") / 2**32
