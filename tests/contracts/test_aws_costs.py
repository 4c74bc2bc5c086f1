"""What a healthy letter costs on AWS, counted from the calls that are made and the items that they leave behind.

Units by DynamoDB's rules: a write costs one for each started KB of the item, before or after, whichever is larger;
an entry that an index gains costs one more; within a transaction it is double. A strongly consistent read costs one
for each started 4 KB. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import Any

import pytest

from postroom.claims import Claims
from postroom.clouds.aws.letters import StoredLetter
from postroom.clouds.aws.submissions import DynamoSubmissions
from postroom.delivery.attempt import Attempt
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.smtp.transcript import Line
from tests.contracts.samples import FRANKING, attempt, claimed, deferred, delivered, lease, ref, submission
from tests.homes.moto import Deployment, deployed, missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SAID = """
S 220 mx1.example.org ESMTP ready at Sun, 1 Mar 2026 12:00:01 +0000
C EHLO mail.example.com
S 250-mx1.example.org at your service, [192.0.2.17]
S 250-SIZE 157286400
S 250-8BITMIME
S 250-STARTTLS
S 250-ENHANCEDSTATUSCODES
S 250-PIPELINING
S 250-CHUNKING
S 250 SMTPUTF8
C STARTTLS
S 220 2.0.0 Ready to start TLS
C EHLO mail.example.com
S 250-mx1.example.org at your service, [192.0.2.17]
S 250-SIZE 157286400
S 250-8BITMIME
S 250-ENHANCEDSTATUSCODES
S 250-PIPELINING
S 250-CHUNKING
S 250 SMTPUTF8
C MAIL FROM:<8ef7dd4c-5d0f-4a3b-9b39-9d0c3f1f7a11@bounces.example.com> SIZE=12034
C RCPT TO:<ann.customer@example.org>
C BDAT 12034 LAST
S 250 2.1.0 OK 5b1f17b1804b1-4a6b2c9d8e7sm123456789ab.12 - gsmtp
S 250 2.1.5 OK 5b1f17b1804b1-4a6b2c9d8e7sm123456789ab.12 - gsmtp
C (12034 octets, sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08)
S 250 2.0.0 OK  1772366401 5b1f17b1804b1-4a6b2c9d8e7sm123456789ab.12 - gsmtp
C QUIT
"""


class Bill:
    """The calls that a deployment's clients made, and their units."""

    def __init__(self, deployment: Deployment) -> None:
        self._table = deployment.name
        self._dynamodb = deployment.clients.dynamodb()
        self._counting = True
        self._before: dict[str, int] = {}
        self.calls: Counter[str] = Counter()
        self.writes = self.reads = 0

    def asked(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if self._counting:
            self.calls[model.name] += 1
            self._before = {str(key): self._size(key) for _, key, _ in _actions(model.name, params)}
            self._asked = params

    def answered(self, http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if not self._counting:
            return
        assert http_response.status_code == 200, parsed
        for kind, key, index in _actions(model.name, self._asked):
            before, after = self._before[str(key)], self._size(key)
            units = ceil(max(before, after) / 1024) + (1 if index and not before else 0)
            self.writes += units * (2 if model.name == "TransactWriteItems" else 1)
            assert kind == "Put" or before, "an update makes no item"
        read = parsed.get("Items") or [parsed.get("Item") or {}]
        if model.name in ("GetItem", "Query"):
            keys = [{"pk": item["pk"], "sk": item["sk"]} for item in read if "pk" in item]
            self.reads += ceil(max(1, sum(map(self._size, keys))) / 4096)

    def _size(self, key: dict[str, Any]) -> int:
        """Octets of the item as it is stored: its attributes' names and values."""
        self._counting = False
        item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        self._counting = True
        return sum(len(name) + len(next(iter(value.values()))) for name, value in item.items())


def _actions(call: str, params: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Each write of a call: its kind, its key, and whether it puts an entry into the index."""
    if call == "TransactWriteItems":
        actions = [next(iter(action.items())) for action in params["TransactItems"]]
    else:
        actions = [(call.removesuffix("Item"), params)] if call in ("PutItem", "UpdateItem") else []
    for kind, action in actions:
        key = action.get("Key") or {name: action["Item"][name] for name in ("pk", "sk")}
        yield kind, key, "stripe" in action.get("Item", {})


@contextmanager
def billed(deployment: Deployment) -> Iterator[Bill]:
    bill = Bill(deployment)
    clients = [deployment.clients.dynamodb(), deployment.clients.s3()]
    for client in clients:
        client.meta.events.register("before-parameter-build", bill.asked, unique_id="bill-asked")
        client.meta.events.register("after-call", bill.answered, unique_id="bill-answered")
    try:
        yield bill
    finally:
        for client in clients:
            client.meta.events.unregister("before-parameter-build", unique_id="bill-asked")
            client.meta.events.unregister("after-call", unique_id="bill-answered")


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with deployed() as made:
        yield made


@pytest.fixture
def submissions(deployment: Deployment) -> DynamoSubmissions:
    return DynamoSubmissions(deployment.clients, deployment.name, deployment.name)


def letter(words: int) -> bytes:
    """A newsletter of so many words, of about eight octets each."""
    luck = random.Random(7)
    vocabulary = ["".join(luck.choices("etaoinshrdlucmfwypvbgk", k=luck.randint(2, 12))) for _ in range(1000)]
    prose = iter(luck.choices(vocabulary, k=words))
    paragraphs = [" ".join(some) for some in zip(*[prose] * 40, strict=False)]
    html = "".join(
        f'<tr><td style="padding:12px 24px;font-family:Arial,sans-serif;font-size:15px;color:#333333">{text}.</td></tr>'
        for text in paragraphs
    )
    return Letter(
        sender=Mailbox("hello", "example.com", "Acme"),
        to=(Mailbox("ann.customer", "example.org", "Ann Customer"),),
        subject="Your order has been shipped",
        html=f"<!doctype html><html><body><table>{html}</table></body></html>",
        text="\n\n".join(paragraphs),
    ).pack()


def told(mine: Parcel) -> Attempt:
    lines = SAID.strip().splitlines()
    transcript = tuple(
        Line(0.5 * number, "client" if line[0] == "C" else "server", line[2:]) for number, line in enumerate(lines)
    )
    return replace(attempt(mine), transcript=transcript, address="192.0.2.80", round_trips=8)


def accepted() -> Submission:
    made = submission(subject="Your order has been shipped")
    return replace(made, fingerprint="6f0c" * 16, return_path=f"{made.id}@bounces.example.com")


def test_a_healthy_letter_of_10_kb_costs_at_most_nine_write_units(
    deployment: Deployment, submissions: DynamoSubmissions
) -> None:
    claims = Claims(submissions=submissions)
    packed = letter(620)
    assert 10_000 < len(packed) < 12_000
    assert 2_900 < len(StoredLetter.of(SubmissionId(""), packed).octets) < 3_800, "it shrinks as letters do"
    with billed(deployment) as bill:
        stored = submissions.create(accepted(), packed)
        mine = claimed(claims.claim(ref(stored), lease(), lambda found: FRANKING if found.letter == packed else None))
        assert mine.parcel.franking == FRANKING, "the claim's own read brings the letter"
        after = delivered(mine.parcel)
        remote = "1772366401 5b1f17b1804b1-4a6b2c9d8e7sm123456789ab.12 - gsmtp"
        said = {"response": f"2.0.0 OK  {remote}", "mx": "mx1.example.org", "remote_id": remote}
        after = replace(after, recipients=tuple(replace(each, **said) for each in after.recipients))  # type: ignore[arg-type]  # texts, all of them
        assert claims.settle(after, told(mine.parcel))
    assert bill.writes <= 9
    assert bill.calls == {"PutItem": 2, "Query": 1, "UpdateItem": 2}
    assert bill.reads <= 2
    assert submissions.letter(stored.id) == packed


def test_a_large_letter_goes_to_s3_once(deployment: Deployment, submissions: DynamoSubmissions) -> None:
    packed = random.Random(7).randbytes(40_000)
    with billed(deployment) as bill:
        stored = submissions.create(accepted(), packed)
        assert submissions.create(stored, packed) == stored
    assert bill.calls["PutObject"] == 1
    assert bill.writes <= 2


def test_a_later_attempt_is_a_transaction_of_small_items(
    deployment: Deployment, submissions: DynamoSubmissions
) -> None:
    claims = Claims(submissions=submissions)
    stored = submissions.create(accepted(), b"Dear Ann")
    mine = claimed(claims.claim(ref(stored), lease(), lambda _: FRANKING)).parcel
    later = deferred(mine, mine.recipients[0].updated_at)
    assert claims.settle(later, told(mine))
    again = claimed(claims.claim(ref(later), lease(), lambda _: None)).parcel
    with billed(deployment) as bill:
        assert claims.settle(delivered(again), told(again))
    assert bill.calls == {"TransactWriteItems": 1}
    assert bill.writes <= 2 * (2 + 2)


def test_a_batch_costs_what_its_letters_cost(deployment: Deployment, submissions: DynamoSubmissions) -> None:
    calls: list[str] = []
    for client in (deployment.clients.dynamodb(), deployment.clients.s3()):
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    letters = [(accepted(), letter(620)) for _ in range(20)]
    assert submissions.create_many(letters) == [each for each, _ in letters]
    assert Counter(calls) == {"PutItem": 40}, "no transaction, which would cost double, and no look before"
