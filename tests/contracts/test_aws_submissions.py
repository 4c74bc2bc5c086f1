"""What is particular to submissions and documents on AWS: lost answers, where letters lie, odd keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from textwrap import dedent
from typing import Any
from zlib import crc32

import pytest

from postroom.claims import Claims
from postroom.clouds.aws.clients import Clients
from postroom.clouds.aws.directory import DynamoDirectory
from postroom.clouds.aws.letters import INLINE, StoredLetter
from postroom.clouds.aws.submissions import DynamoSubmissions
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.ports import Cursor, Unavailable
from tests.contracts.samples import LETTER, NOON, attempt, claimed, deferred, delivered, lease, ref, submission
from tests.contracts.threads import at_once
from tests.homes.child import ROOT
from tests.homes.moto import Deployment, deployed, missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with deployed() as made:
        yield made


@pytest.fixture
def submissions(deployment: Deployment) -> DynamoSubmissions:
    return DynamoSubmissions(deployment.clients, deployment.name, deployment.name)


@pytest.fixture
def claims(submissions: DynamoSubmissions) -> Claims:
    return Claims(submissions=submissions)


@contextmanager
def losing_the_answer(deployment: Deployment, call: str) -> Iterator[list[str]]:
    """The first `call` reaches DynamoDB and is done there, but its answer is lost on the way: the SDK repeats it.

    Both tries are noted.
    """
    from botocore.exceptions import ConnectionClosedError
    from botocore.httpsession import URLLib3Session

    tries: list[str] = []

    def send(request: Any, **_: Any) -> None:
        tries.append(call)
        if len(tries) == 1:
            assert URLLib3Session().send(request).status_code == 200
            raise ConnectionClosedError(endpoint_url=request.url)

    events = deployment.clients.dynamodb().meta.events
    events.register(f"before-send.dynamodb.{call}", send, unique_id="loss")
    try:
        yield tries
    finally:
        events.unregister(f"before-send.dynamodb.{call}", unique_id="loss")


def objects(deployment: Deployment) -> list[str]:
    answer = deployment.clients.s3().list_objects_v2(Bucket=deployment.name)
    return [each["Key"] for each in answer.get("Contents", [])]


def items(deployment: Deployment) -> list[str]:
    """The sort keys of all items."""
    answer = deployment.clients.dynamodb().scan(TableName=deployment.name)
    return sorted(item["sk"]["S"] for item in answer["Items"])


# Lost answers.


def test_a_claim_whose_answer_was_lost_is_ours(
    deployment: Deployment, submissions: DynamoSubmissions, claims: Claims
) -> None:
    stored = submissions.create(submission(), LETTER)
    with losing_the_answer(deployment, "UpdateItem") as tries:
        mine = claimed(claims.claim(ref(stored), lease(), lambda _: None)).parcel
    assert len(tries) == 2
    assert mine.claim == 1
    assert claims.settle(delivered(mine), attempt(mine)), "and the version that it was told of is the stored one"


def claimed_again(submissions: DynamoSubmissions, claims: Claims) -> Parcel:
    """A parcel under its second claim, whose attempt will be an item of its own."""
    stored = submissions.create(submission(), LETTER)
    first = claimed(claims.claim(ref(stored), lease(), lambda _: None)).parcel
    later = deferred(first, NOON)
    assert claims.settle(later, attempt(first))
    return claimed(claims.claim(ref(later), lease(), lambda _: None)).parcel


def test_a_settlement_with_an_attempt_of_its_own_whose_answer_was_lost_is_done_once(
    deployment: Deployment, submissions: DynamoSubmissions, claims: Claims
) -> None:
    second = claimed_again(submissions, claims)
    with losing_the_answer(deployment, "TransactWriteItems") as tries:
        assert claims.settle(delivered(second), attempt(second))
    assert len(tries) == 2
    assert len(submissions.attempts(second.submission, Cursor()).items) == 2


@pytest.mark.parametrize("destinations", [("a.example",), ("a.example", "b.example")])
def test_a_creation_whose_answer_was_lost_is_done_once(
    deployment: Deployment, submissions: DynamoSubmissions, destinations: tuple[str, ...]
) -> None:
    letter = submission(destinations=destinations)
    with losing_the_answer(deployment, "PutItem") as tries:
        assert submissions.create(letter, LETTER) == letter
    assert len(tries) >= 2
    assert submissions.get(letter.id) == letter
    assert submissions.letter(letter.id) == LETTER


def test_the_first_claim_of_one_of_several_parcels_whose_answer_was_lost_is_done_once(
    deployment: Deployment, submissions: DynamoSubmissions, claims: Claims
) -> None:
    stored = submissions.create(submission(destinations=("a.example", "b.example")), LETTER)
    with losing_the_answer(deployment, "PutItem") as tries:
        mine = claimed(claims.claim(ref(stored.parcels[1]), lease(), lambda _: None)).parcel
    assert len(tries) == 2
    assert mine.claim == 1
    assert claims.settle(delivered(mine), attempt(mine))


def test_a_change_over_a_version_that_somebody_else_changed_is_refused(submissions: DynamoSubmissions) -> None:
    for destinations in (("a.example",), ("a.example", "b.example")):
        stored = submissions.create(submission(destinations=destinations), LETTER)
        found = submissions.find(stored.id, 0)
        assert found is not None
        outcomes = at_once(4, lambda n, parcel=found.parcel: submissions.change(replace(parcel, deaths=n)))  # type: ignore[misc]
        assert sum(outcome is not None for outcome in outcomes) == 1


class Conflict:
    """The answer to a write that somebody else's transaction got in the way of, in the place of DynamoDB's own."""

    def __init__(self, error: dict[str, Any]) -> None:
        self._octets = json.dumps(error).encode()

    def __call__(self, request: Any, **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        headers = {"x-amz-crc32": str(crc32(self._octets)), "Content-Type": "application/x-amz-json-1.0"}
        return AWSResponse(request.url, 400, headers, self)

    def stream(self) -> Iterator[bytes]:
        yield self._octets


ALONE = {"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException", "message": "in progress"}
TOGETHER = {
    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "Message": "Transaction cancelled",
    "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
}


@contextmanager
def conflicting(deployment: Deployment, call: str, error: dict[str, Any], times: int) -> Iterator[None]:
    """The next calls of that kind are answered with the error, so many of them."""
    tries = count()

    def conflict(request: Any, **more: Any) -> Any:
        return Conflict(error)(request, **more) if next(tries) < times else None

    events = deployment.clients.dynamodb().meta.events
    events.register(f"before-send.dynamodb.{call}", conflict, unique_id="conflict")
    try:
        yield
    finally:
        events.unregister(f"before-send.dynamodb.{call}", unique_id="conflict")


def test_a_write_that_another_got_in_the_way_of_is_repeated_for_a_while(
    deployment: Deployment, submissions: DynamoSubmissions
) -> None:
    letter = submission()
    with conflicting(deployment, "PutItem", ALONE, 100), pytest.raises(Unavailable, match="other writes"):
        submissions.create(letter, LETTER)
    assert submissions.get(letter.id) is None
    with conflicting(deployment, "PutItem", ALONE, 2):
        assert submissions.create(letter, LETTER) == letter


def test_a_transaction_that_another_got_in_the_way_of_is_repeated_for_a_while(
    deployment: Deployment, submissions: DynamoSubmissions, claims: Claims
) -> None:
    second = claimed_again(submissions, claims)
    settled = delivered(second), attempt(second)
    with conflicting(deployment, "TransactWriteItems", TOGETHER, 100), pytest.raises(Unavailable, match="other writes"):
        claims.settle(*settled)
    assert len(submissions.attempts(second.submission, Cursor()).items) == 1
    with conflicting(deployment, "TransactWriteItems", TOGETHER, 2):
        assert claims.settle(*settled)
    assert len(submissions.attempts(second.submission, Cursor()).items) == 2


def test_what_a_batch_of_reads_left_out_is_asked_for_again(
    deployment: Deployment, submissions: DynamoSubmissions
) -> None:
    stored = {submissions.create(submission(), LETTER) for _ in range(5)}
    calls = []

    def leave_out(parsed: dict[str, Any], **_: Any) -> None:
        items = parsed["Responses"][deployment.name]
        calls.append(len(items))
        keys = [{name: item[name] for name in ("pk", "sk")} for item in items[2:]]
        if keys:
            parsed["UnprocessedKeys"] = {deployment.name: {"Keys": keys, "ConsistentRead": True}}
        del items[2:]

    events = deployment.clients.dynamodb().meta.events
    events.register("after-call.dynamodb.BatchGetItem", leave_out, unique_id="leave-out")
    try:
        assert set(submissions.list(Cursor()).items) == stored
    finally:
        events.unregister("after-call.dynamodb.BatchGetItem", unique_id="leave-out")
    assert calls == [5, 3, 1]


# Where things lie.


def test_a_letter_of_one_parcel_is_two_items_and_its_first_attempt_none(
    deployment: Deployment, submissions: DynamoSubmissions, claims: Claims
) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), lambda _: None)).parcel
    assert claims.settle(deferred(mine, NOON), attempt(mine))
    assert [each.partition("#")[0] for each in items(deployment)] == ["letter", "submission"]


def test_an_attempt_too_large_to_ride_is_an_item_of_its_own(
    deployment: Deployment, submissions: DynamoSubmissions, claims: Claims
) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), lambda _: None)).parcel
    large = attempt(mine, text="250 " + os.urandom(20_000).hex())
    assert claims.settle(delivered(mine), large)
    assert [each.partition("#")[0] for each in items(deployment)] == ["attempt", "letter", "submission"]
    assert submissions.attempts(stored.id, Cursor()).items == (large,)


def test_attempts_that_do_not_count_are_kept_all_the_same(submissions: DynamoSubmissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    parcel, kept = stored.parcels[0], []
    for _ in range(3):
        mine = claimed(claims.claim(ref(parcel), lease(), lambda _: None)).parcel
        kept.append(attempt(mine))
        parcel = replace(mine, lease=None)  # cut short before anything was said: the next attempt is the first still
        assert claims.settle(parcel, kept[-1])
    assert [each.number for each in kept] == [1, 1, 1]
    assert set(submissions.attempts(stored.id, Cursor()).items) == set(kept)


def test_letters_go_to_s3_from_a_size_on(deployment: Deployment, submissions: DynamoSubmissions) -> None:
    octets = os.urandom(INLINE)
    for letter, is_object in ((octets[:-2], False), (octets, True), (b"<p>" * 100_000, False)):
        stored = submissions.create(submission(), letter)
        assert StoredLetter.of(stored.id, letter).large is is_object
        assert submissions.letter(stored.id) == letter
        found = submissions.find(stored.id, 0)
        assert found is not None
        assert found.letter == (None if is_object else letter)
    assert len(objects(deployment)) == 1


def test_a_letter_that_lost_against_another_leaves_nothing_behind(
    deployment: Deployment, submissions: DynamoSubmissions
) -> None:
    stored = submissions.create(submission(), LETTER)
    before = items(deployment)
    for other in (b"another letter", os.urandom(2 * INLINE)):
        assert submissions.create(replace(stored, fingerprint="f2"), other) == stored
    assert items(deployment) == before
    assert objects(deployment) == []
    assert submissions.letter(stored.id) == LETTER


def test_an_erased_letter_is_none(deployment: Deployment, submissions: DynamoSubmissions) -> None:
    stored = submissions.create(submission(), os.urandom(2 * INLINE))
    deployment.clients.s3().delete_object(Bucket=deployment.name, Key=objects(deployment)[0])
    assert submissions.letter(stored.id) is None
    small = submissions.create(submission(), LETTER)
    name = StoredLetter.of(small.id, LETTER).name
    key = {"pk": {"S": f"submission#{small.id}"}, "sk": {"S": name}}
    deployment.clients.dynamodb().delete_item(TableName=deployment.name, Key=key)
    assert submissions.letter(small.id) is None
    assert submissions.get(small.id) == small


def test_parcels_that_are_not_there_are_not_found(submissions: DynamoSubmissions) -> None:
    one = submissions.create(submission(), LETTER)
    two = submissions.create(submission(destinations=("a.example", "b.example")), LETTER)
    for number in (-1, 2, 10**9):
        assert submissions.find(one.id, number) is None
        assert submissions.find(two.id, number) is None


def test_a_letter_to_fifty_destinations_is_stored_and_listed(submissions: DynamoSubmissions) -> None:
    stored = submissions.create(submission(destinations=map("{}.example".format, range(50))), LETTER)
    assert submissions.get(stored.id) == stored
    assert submissions.list(Cursor()).items == (stored,)


# The directory.


def test_any_text_is_a_key(deployment: Deployment) -> None:
    directory = DynamoDirectory(deployment.clients, deployment.name)
    keys = ["", "\0", "a", "a" * 500, "𝄞" * 500, "𝄞" * 499 + "x", "half of a pair \ud83d", "half of a pair ?"]
    for key in keys:
        assert directory.create("key", key, {"is": key}) == {"is": key}
    assert all(directory.get("key", key) == {"is": key} for key in keys)
    listed: list[str] = []
    while page := directory.list("key", after=listed[-1] if listed else "", limit=3):
        listed += [key for key, _ in page]
    assert sorted(listed) == sorted(keys[1:]), "every key but the empty one comes after the empty one"
    assert all(directory.delete("key", key) for key in keys)
    assert not directory.delete("key", "a")


# The clients.


def test_a_home_out_of_reach_is_unavailable_and_named(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    submissions = DynamoSubmissions(Clients(), "letters-table", "letters-bucket")
    with pytest.raises(Unavailable, match="letters-table"):
        submissions.get(SubmissionId("8ef7dd4c-5d0f-4a3b-9b39-9d0c3f1f7a11"))
    with pytest.raises(Unavailable, match="letters-table"):
        submissions.create(submission(), LETTER)
    missing_table = DynamoDirectory(deployment.clients, "no-such-table")
    with pytest.raises(Unavailable, match="no-such-table"):
        missing_table.get("key", "one")


def test_threads_share_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    clients = Clients()
    assert len({id(client) for client in at_once(8, lambda _: clients.sqs())}) == 1


def test_a_fork_makes_its_own_clients() -> None:
    said = told_by("""
        import os
        from postroom.clouds.aws.clients import Clients
        clients = Clients()
        ours = clients.sqs()
        if os.fork() == 0:
            print(clients.sqs() is not ours, flush=True)
            os._exit(0)
        os.wait()
        print(clients.sqs() is ours)
    """)
    assert said == "True\nTrue\n"


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    said = told_by("""
        import sys
        import postroom.clouds.aws.directory
        import postroom.clouds.aws.invocation
        import postroom.clouds.aws.schedule
        import postroom.clouds.aws.submissions
        print([name for name in sys.modules if name in ("boto3", "botocore", "apig_wsgi")])
    """)
    assert said == "[]\n"


def told_by(program: str) -> str:
    """What the program prints, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "shared"), "AWS_DEFAULT_REGION": "eu-central-1"}
    command = [sys.executable, "-c", dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.parametrize("destinations", [("a.example",), ("a.example", "b.example")], ids=["one hop", "two hops"])
def test_of_what_is_purged_no_item_and_no_object_is_left(
    deployment: Deployment, submissions: DynamoSubmissions, claims: Claims, destinations: tuple[str, ...]
) -> None:
    large = os.urandom(4 * INLINE)
    for before, after in ((LETTER, large), (large, LETTER), (large, large[1:]), (LETTER, LETTER * 2)):
        stored = submissions.create(submission(destinations=destinations), before)
        for parcel in stored.parcels:
            mine = claimed(claims.claim(ref(parcel), lease(), lambda _: None)).parcel
            assert claims.settle(deferred(mine, NOON), attempt(mine))
        assert submissions.complete(stored.id, after) == after
        submissions.erase(stored.stripped())
        assert items(deployment) == ["submission"]
        assert objects(deployment) == []
        submissions.purge(stored.id)
        assert items(deployment) == []


def test_a_letter_that_is_completed_while_it_is_read_is_not_taken_for_lost(
    deployment: Deployment, submissions: DynamoSubmissions
) -> None:
    """The items of a partition are read one after another, and the head comes last."""
    stored = submissions.create(submission(), LETTER)
    read = deployment.clients.dynamodb().query(
        TableName=deployment.name,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :letter)",
        ExpressionAttributeValues={":pk": {"S": f"submission#{stored.id}"}, ":letter": {"S": "letter"}},
    )
    assert submissions.complete(stored.id, b"completed") == b"completed"

    def as_before(parsed: dict[str, Any], **_: Any) -> None:
        head = [item for item in parsed["Items"] if item["sk"]["S"] == "submission"]
        parsed["Items"][:] = [*read["Items"], *head]

    events = deployment.clients.dynamodb().meta.events
    events.register("after-call.dynamodb.Query", as_before, unique_id="as-before")
    try:
        assert submissions.letter(stored.id) == b"completed"
    finally:
        events.unregister("after-call.dynamodb.Query", unique_id="as-before")


def test_an_erased_letter_that_the_index_still_shows_is_in_no_list(
    deployment: Deployment, submissions: DynamoSubmissions
) -> None:
    stored = submissions.create(submission(), LETTER)
    submissions.erase(stored.stripped())
    head = {"pk": {"S": f"submission#{stored.id}"}, "sk": {"S": "submission"}}
    deployment.clients.dynamodb().update_item(
        TableName=deployment.name,
        Key=head,
        UpdateExpression="SET stripe = :stripe",
        ExpressionAttributeValues={":stripe": {"S": "0"}},
    )
    assert submissions.list(Cursor()).items == ()
    assert submissions.created_since(None, NOON.replace(year=2100), 10) == []
