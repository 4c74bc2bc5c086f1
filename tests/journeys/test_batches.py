"""A batch goes out in few sessions, each letter once, and its key holds for all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
import resend

from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office, eventually


def letters(recipients: Sequence[str]) -> list[dict[str, Any]]:
    return [{"from": "alice@example.org", "to": each, "subject": "hello", "text": "hello\n"} for each in recipients]


def submitted(office: Office, items: Sequence[Any], **headers: str) -> dict[str, Any]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    status, answer = office.request("POST", "/emails/batch", list(items), told)
    assert status == 200, answer
    taken: dict[str, Any] = answer
    return taken


def ids(answer: dict[str, Any]) -> list[str]:
    return [each["id"] for each in answer["data"]]


def wait_until_delivered(office: Office, wanted: Sequence[str], seconds: float = 40) -> None:
    def delivered() -> Counter[str]:
        page = office.request("GET", "/emails?limit=30")[1]["data"]
        return Counter(each["last_event"] for each in page if each["id"] in wanted)

    eventually(lambda: delivered() == {"delivered": len(wanted)}, seconds, delivered)


def copies(destination: Destination, recipients: Sequence[str]) -> Counter[str]:
    return Counter(to for letter in destination.letters for to in letter.rcpt_tos if to in recipients)


def test_dozens_to_two_domains_go_in_few_sessions_each_once(office: Office, destination: Destination) -> None:
    recipients = [f"r{number}@{'ab'[number % 2]}.batch.example.net" for number in range(24)]
    before = destination.sessions
    taken = ids(submitted(office, letters(recipients)))
    assert len(set(taken)) == 24
    wait_until_delivered(office, taken)
    assert copies(destination, recipients) == dict.fromkeys(recipients, 1)
    # One relay carries both domains, by two tasks of twelve.
    assert destination.sessions - before <= 4
    for id_, recipient in ((taken[0], recipients[0]), (taken[-1], recipients[-1])):
        (attempt,) = office.attempts(id_)
        said = [line["line"] for line in attempt["transcript"] if line["line"].startswith("RCPT")]
        assert said == [f"RCPT TO:<{recipient}>"]


def test_a_letter_that_is_deferred_or_refused_is_none_of_the_others_business(
    office: Office, destination: Destination
) -> None:
    recipients = [f"r{number}@fates.batch.example.net" for number in range(5)]
    destination.rcpt[recipients[1]].append("550 5.1.1 no such user here")
    destination.rcpt[recipients[3]].append("451 4.7.1 come back")
    taken = ids(submitted(office, letters(recipients)))
    wait_until_delivered(office, [taken[0], *taken[2:]])
    office.wait_for(taken[1], "bounced")
    assert [len(office.attempts(each)) for each in taken] == [1, 1, 1, 2, 1]
    assert copies(destination, recipients) == {each: 1 for each in recipients if each != recipients[1]}


def test_a_permissive_batch_sends_what_is_good(office: Office, destination: Destination) -> None:
    good, bad = "good@permissive.example.net", "two@@permissive.example.net"
    items = [*letters([bad, good]), {**letters([good])[0], "from": "eve@elsewhere.example"}, "no letter"]
    assert office.request("POST", "/emails/batch", items)[0] == 422
    answer = submitted(office, items, x_batch_validation="permissive")
    assert [each["index"] for each in answer["errors"]] == [0, 2, 3]
    assert "elsewhere.example domain is not verified" in answer["errors"][1]["message"]
    wait_until_delivered(office, ids(answer))
    assert copies(destination, [good]) == {good: 1}


def test_a_repeat_under_the_key_sends_nothing_twice(office: Office, destination: Destination) -> None:
    recipients = [f"r{number}@repeat.batch.example.net" for number in range(6)]
    key = uuid4().hex
    taken = ids(submitted(office, letters(recipients), Idempotency_Key=key))
    assert ids(submitted(office, letters(recipients), Idempotency_Key=key)) == taken
    wait_until_delivered(office, taken)
    assert ids(submitted(office, letters(recipients), Idempotency_Key=key)) == taken
    status, answer = office.request("POST", "/emails/batch", letters(recipients[::-1]), {"Idempotency-Key": key})
    assert (status, answer["name"]) == (409, "invalid_idempotent_request")
    assert copies(destination, recipients) == dict.fromkeys(recipients, 1)


def test_letters_with_attachments_may_be_large(office: Office, destination: Destination) -> None:
    recipients = [f"r{number}@large.batch.example.net" for number in range(2)]
    file = {"filename": "numbers.txt", "content": "QUJDREVG" * 60_000}
    taken = ids(submitted(office, [each | {"attachments": [file]} for each in letters(recipients)]))
    wait_until_delivered(office, taken)
    assert {len(letter.content) > 480_000 for each in recipients for letter in destination.letters_to(each)} == {True}
    assert copies(destination, recipients) == dict.fromkeys(recipients, 1)


def test_the_official_client_sends_batches(
    office: Office, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resend, "api_url", f"http://127.0.0.1:{office.port}")
    monkeypatch.setattr(resend, "api_key", KEY)
    recipients = [f"r{number}@resend.batch.example.net" for number in range(3)]
    body: Any = [{"from": "a@example.org", "to": [each], "subject": "hi", "html": "<p>hi"} for each in recipients]
    sent: Any = resend.Batch.send(body, {"idempotency_key": uuid4().hex})
    wait_until_delivered(office, [each["id"] for each in sent["data"]])
    assert copies(destination, recipients) == dict.fromkeys(recipients, 1)
