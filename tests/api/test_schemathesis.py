"""Schemathesis asks for whatever our own document allows, and for much that it forbids.

No answer is a fault of ours, each has a status, headers, a type and a body that the document names, what the document
forbids is refused, and no key is as good as a wrong one. The same is asked each time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from itertools import count
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from postroom.account.event import Post, Told
from postroom.delivery.status import Status
from postroom.message.address import Mailbox
from postroom.preflight.check import passed
from tests.api.attempts import attempt
from tests.api.office import FULL, UNSUBSCRIBE, Office, letter

KEY = {"Authorization": f"Bearer {FULL}"}
NUMBERS, TURNS = count(1), count(1)
OFFICE = Office(checks=[passed("port_25", "it is open")])


def stored() -> str:
    """The id of a letter of which there is much to tell, and with which all can be done that may be asked of one.

    It waits for its moment, and has failed for one of its recipients.
    """
    id_ = OFFICE.send(
        cc="Carl <carl@home.example>",
        bcc="dora@away.example",
        scheduled_at="in 1 hour",
        html="<p>Hello",
        tags=[{"name": "kind", "value": "receipt"}],
        delivery={"expires_at": "2031-01-03T00:00:00Z"},
    )
    OFFICE.submissions.made[id_] = [attempt(id_, 1), attempt(id_, 2)]
    parcel = OFFICE.submissions.stored[id_].parcels[1]
    failed = tuple(replace(each, status=Status.FAILED, cause="letter_lost") for each in parcel.recipients)
    assert OFFICE.submissions.change(replace(parcel, recipients=failed, next_attempt_at=None, claim=1)) is not None
    return id_


def enclosed() -> dict[str, Any]:
    """A file as it is listed, that travels along with a letter."""
    id_ = OFFICE.send(attachments=[{"filename": "a.txt", "content": "QUJD"}])
    listed: Any = OFFICE.get(f"/emails/{id_}/attachments").json
    return {"email": id_, **listed["data"][0]}


def linked() -> dict[str, Any]:
    """What it takes to get a file."""
    file = enclosed()
    query = dict(parse_qsl(urlsplit(file["download_url"]).query))
    return {"path_parameters": {"email_id": file["email"], "attachment_id": file["id"]}, "query": query}


def posted(path: str, **body: Any) -> str:
    """The id of what is made there."""
    answered = OFFICE.client.post(path, json=body, headers=KEY)
    assert answered.status_code == 201, answered.text
    return str((answered.json or {})["id"])


def token() -> str:
    """The end of a link to unsubscribe."""
    return UNSUBSCRIBE.url("", Mailbox.parse(f"{next(NUMBERS)}@home.example")).rpartition("/")[2]


def a_webhook() -> str:
    """The id of the only webhook that there is then."""
    for each in OFFICE.webhooks.all():
        OFFICE.webhooks.remove(each.id)
    return OFFICE.webhooks.create("https://shop.example/hook", ["email.bounced"])[0].id


def an_event() -> tuple[str, str]:
    """The ids of a webhook and of an event that it was told."""
    webhook = OFFICE.webhooks.read(a_webhook())
    assert webhook is not None
    event = OFFICE.trying.test(webhook, None)
    told = event.after(Post(sent_at=OFFICE.now, milliseconds=1, why="nobody is there"), Told.FAILED)
    assert OFFICE.trying.log.record(webhook.id, told, over=event)
    return webhook.id, event.id


# What stands in place of every second path's ids: those that lead to something which can be treated so.
REAL: Mapping[tuple[str, ...], Callable[[], tuple[str, ...]]] = {
    ("email_id",): lambda: (stored(),),
    ("email_id", "attachment_id"): lambda: itemgetter("email", "id")(enclosed()),
    ("domain_id",): lambda: (OFFICE.domains.create(f"d{next(NUMBERS)}.example").id,),
    ("api_key_id",): lambda: (posted("/api-keys", name="of a test"),),
    ("template_id",): lambda: (posted("/templates", name="of a test", html="<p>Hello {{ NAME }}"),),
    ("token",): lambda: (token(),),
    ("webhook_id",): lambda: (a_webhook(),),
    ("webhook_id", "event_id"): an_event,
    ("suppression_id",): lambda: (posted("/suppressions", email=f"{next(NUMBERS)}@home.example"),),
}

# What no schema tells: that a letter needs one of two bodies, and that a link is signed.
GOOD: dict[str, Callable[[], dict[str, Any]]] = {
    "POST /emails": lambda: {"body": letter(), "media_type": "application/json"},
    "POST /emails/batch": lambda: {"body": [letter()], "media_type": "application/json"},
    "GET /emails/{email_id}/attachments/{attachment_id}/download": linked,
}

REPORT = (
    "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    "Final-Recipient: rfc822; ann@home.example\r\nAction: failed\r\n\r\n--b--\r\n"
)
GOOD |= {"POST /bounces": lambda: {"body": REPORT, "media_type": "message/rfc822"}}

SEEN: defaultdict[str, set[int]] = defaultdict(set)

MAILBOXES = ["ann@shop.example", "Bob <bob@shop.example>"]
schemathesis.openapi.format("domain", st.integers(0, 99).map(lambda n: f"new{n}.example"))
schemathesis.openapi.format("mailbox", st.sampled_from(MAILBOXES))
schemathesis.openapi.format("moment", st.sampled_from(["in 2 hours", "tomorrow at 9am", "2030-01-05T12:00:00Z"]))


@schemathesis.serializer("message/rfc822")
def raw(_context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def references(within: Any) -> Iterator[str]:
    if isinstance(within, dict):
        if isinstance(within.get("$ref"), str):
            yield within["$ref"]
        for each in within.values():
            yield from references(each)
    elif isinstance(within, list):
        for each in within:
            yield from references(each)


def reached(document: Mapping[str, Any], start: Any) -> set[str]:
    """The names of the schemas that this part of the document refers to, by way of others too."""
    names: set[str] = set()
    waiting = list(references(start))
    while waiting:
        kind, name = waiting.pop().split("/")[-2:]
        if (kind, name) != ("schemas", name) or name not in names:
            names |= {name} if kind == "schemas" else set()
            waiting += references(document["components"][kind][name])
    return names


def strict(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document, where an answer has no member beside those that are described."""
    stricter = deepcopy(dict(document))
    operations = [each for methods in stricter["paths"].values() for each in methods.values()]
    answers = reached(stricter, [each["responses"] for each in operations])
    asked = reached(stricter, [each.get("requestBody") for each in operations])
    for name in answers - asked - {"Document"}:
        stricter["components"]["schemas"][name]["additionalProperties"] = False
    return stricter


# Parameters that nobody knows are passed over, as members are.
LENIENT = schemathesis.Config.from_dict({"generation": {"allow-extra-parameters": False}})
SCHEMA = schemathesis.openapi.from_dict(strict(OFFICE.client.get("/openapi.json").json or {}), config=LENIENT)
SCHEMA.app = OFFICE.app
SCHEMA.location = "/openapi.json"
FOUND: Any = SCHEMA.get_all_operations()
OPERATIONS: list[Any] = [each.ok() for each in FOUND]
MODES = list(schemathesis.GenerationMode)

# `batch/add` could also be a suppressed address, to be read and deleted: it has those methods, and isn't on the list.
METHODS: list[Any] = [allow_header_conformance, unsupported_method]


def check(case: schemathesis.Case[Any], *, good: bool = False) -> None:
    """Ask for it, under every second made-up id with one that leads to something, and look at the answer.

    What a schema can't say stays words, and what it allows may be refused for them: that a domain is to be verified,
    that a page lies on one side of an item.
    """
    label, names = case.operation.label, tuple(case.path_parameters or {})
    excluded: list[Any] = [positive_data_acceptance]
    if not good and names in REAL and all(map(replaceable, case.path_parameters.values())):
        if not all(map(is_id, case.path_parameters.values())):
            excluded.append(negative_data_rejection)  # that was what was wrong with it
        case.path_parameters.update(zip(names, REAL[names](), strict=True))
    # Every other time by who wants problems told in RFC 9457's words.
    answered = case.call(headers=KEY | ({"Accept": "application/problem+json"} if next(TURNS) % 2 else {}))
    if case.method == case.operation.method.upper():
        SEEN[label].add(answered.status_code)
    if label.startswith("POST /suppressions/batch/"):
        excluded += METHODS
    if "permissive" in str(case.headers).lower():
        excluded.append(negative_data_rejection)  # it is, item by item
    case.validate_response(answered, excluded_checks=excluded)


def is_id(value: Any) -> bool:
    try:
        return bool(UUID(value))
    except (ValueError, AttributeError, TypeError):
        return False


def replaceable(value: Any) -> bool:
    """Whether it is an id, of those that are replaced."""
    return UUID(value).int % 2 == 1 if is_id(value) else isinstance(value, str) and value.isalnum()


@pytest.mark.parametrize("operation", OPERATIONS, ids=[each.label for each in OPERATIONS])
def test_every_answer_is_one_that_the_document_describes(operation: Any) -> None:
    """First each edge of the operation's schemas, then whatever they allow and forbid."""
    generation = SCHEMA.config.generation_for(operation=operation)
    if operation.label in GOOD:
        check(operation.Case(**GOOD[operation.label]()), good=True)
    for case in SCHEMA.iter_coverage_cases(operation, generation_modes=MODES, generation_config=generation):
        check(case)

    @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def whatever(data: st.DataObject) -> None:
        check(data.draw(operation.as_strategy(generation_mode=data.draw(st.sampled_from(MODES)))))

    whatever()


def test_every_operation_that_was_asked_for_also_succeeded() -> None:
    assert {label: statuses for label, statuses in SEEN.items() if not any(each < 300 for each in statuses)} == {}
