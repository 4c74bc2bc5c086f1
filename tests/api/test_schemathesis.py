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
from typing import Any
from uuid import UUID

import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from postroom.delivery.status import Status
from postroom.preflight.check import passed
from tests.api.attempts import attempt
from tests.api.office import FULL, Office

OFFICE = Office(checks=[passed("port_25", "it is open")])
NUMBERS = count()


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


def kept() -> str:
    """The id of a sending domain."""
    return OFFICE.domains.create(f"d{next(NUMBERS)}.example").id


# What stands in place of every second id: one that leads to something.
REAL: Mapping[str, Callable[[], str]] = {"email_id": stored, "domain_id": kept}

SEEN: defaultdict[str, set[int]] = defaultdict(set)

schemathesis.openapi.format("domain", st.integers(0, 99).map(lambda n: f"new{n}.example"))
schemathesis.openapi.format(
    "mailbox", st.sampled_from(["ann@home.example", "Bob <bob@home.example>", "hello@shop.example"])
)
schemathesis.openapi.format("moment", st.sampled_from(["in 1 hour", "tomorrow at 9am", "2030-01-31T09:30:00Z"]))


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


@SCHEMA.hook
def map_path_parameters(_: schemathesis.HookContext, path_parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: real(name, value) for name, value in (path_parameters or {}).items()}


def real(name: str, value: Any) -> Any:
    try:
        return REAL[name]() if name in REAL and UUID(value).int % 2 else value
    except (ValueError, AttributeError, TypeError):
        return value


@SCHEMA.parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_describes(case: schemathesis.Case[Any]) -> None:
    answered = case.call(headers={"Authorization": f"Bearer {FULL}"})
    SEEN[case.operation.label].add(answered.status_code)
    # What a schema can't say stays words: that a domain is to be verified, that a page lies on one side of an item.
    case.validate_response(answered, excluded_checks=[positive_data_acceptance])


def test_every_operation_that_was_asked_for_also_succeeded() -> None:
    assert {label: statuses for label, statuses in SEEN.items() if not any(each < 300 for each in statuses)} == {}
