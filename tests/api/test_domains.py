"""Sending domains over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from postroom.account.domain import DkimKey, SendingDomain
from postroom.account.seal import unseal
from postroom.api.domain_schemas import (
    CreatedDomain,
    DeletedDomain,
    DomainList,
    NamedDomain,
    WholeDomain,
)
from postroom.api.domains import Domains
from postroom.api.problems import Problem
from postroom.delivery.record import SubmissionId
from postroom.delivery.routing import Exchanger
from postroom.ports import MxFound
from tests.api.office import FULL, NOON, RETURN_PATHS, SENDING, UNSEAL, Office, letter, problem

NOBODY = "00000000-0000-8000-8000-00000000ffff"


@pytest.fixture
def office(office: Office) -> Office:
    office.directory.documents = {
        place: each for place, each in office.directory.documents.items() if place[0] != "domain"
    }
    return office


def asked(office: Office, method: str, path: str, body: Any = None, token: str = FULL) -> TestResponse:
    data = None if body is None else json.dumps(body)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return office.client.open(path, method=method, data=data, headers=headers)


def answered(office: Office, method: str, path: str, body: Any = None) -> Any:
    answer = asked(office, method, path, body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json


def added(office: Office, name: str = "example.org", **members: Any) -> Any:
    office.now += timedelta(seconds=1)
    return answered(office, "POST", "/domains", {"name": name, **members})


def publish(office: Office, domain: Any) -> None:
    """Put what an answer asks for into DNS."""
    for each in domain["records"]:
        if each["type"] == "MX":
            office.book.records[each["name"], "MX"] = MxFound((Exchanger(each["priority"], each["value"]),))
        else:
            office.book.records[each["name"], "TXT"] = (each["value"],)


def verified(office: Office, name: str = "example.org", **members: Any) -> Any:
    domain = added(office, name, **members)
    publish(office, domain)
    answered(office, "POST", f"/domains/{domain['id']}/verify")
    return answered(office, "GET", f"/domains/{domain['id']}")


def test_a_domain_is_added_with_what_it_is_to_publish(office: Office) -> None:
    answer = asked(office, "POST", "/domains", {"name": "Example.ORG", "ed25519": True, "region": "eu-west-1"})
    assert answer.status_code == 201
    domain: Any = answer.json
    UUID(domain["id"])
    rsa, ed25519, spf = domain["records"]
    assert domain == {
        "id": domain["id"],
        "name": "example.org",
        "status": "not_started",
        "created_at": "2030-01-02T12:00:00.123Z",
        "region": "eu-west-1",
        "capabilities": {"sending": "enabled", "receiving": "disabled"},
        "tls": "opportunistic",
        "open_tracking": False,
        "click_tracking": False,
        "records": [rsa, ed25519, spf],
        "recommended": domain["recommended"],
    }
    for key, kind in ((rsa, "rsa"), (ed25519, "ed25519")):
        assert (key["record"], key["type"], key["ttl"], key["status"]) == ("DKIM", "TXT", "Auto", "not_started")
        assert key["name"].endswith("._domainkey.example.org")
        assert key["value"].startswith(f"v=DKIM1; k={kind}; p=")
        assert key["required"] is True
    assert spf == {
        "record": "SPF",
        "name": "bounces.shop.example",
        "type": "TXT",
        "ttl": "Auto",
        "status": "not_started",
        "value": "v=spf1 a:mail.shop.example ~all",
        "required": False,
        "note": None,
        "detail": None,
    }
    assert [each["name"] for each in domain["recommended"]] == ["_dmarc.example.org"]
    assert answered(office, "GET", f"/domains/{domain['id']}") == {"object": "domain", **domain}


def test_strict_clients_know_every_purpose_and_every_status(office: Office) -> None:
    office.book.records["bounces.shop.example", "MX"] = MxFound((Exchanger(10, "mx.shop.example"),))
    domain = added(office, custom_return_path="send", ed25519=True)
    kinds = {("DKIM", "TXT"), ("SPF", "TXT"), ("SPF", "MX")}
    assert {(each["record"], each["type"]) for each in domain["records"]} == kinds
    assert [each["priority"] for each in domain["records"] if each["type"] == "MX"] == [10]


def test_answers_are_what_the_document_says(office: Office) -> None:
    office.book.records["bounces.shop.example", "MX"] = MxFound((Exchanger(10, "mx.shop.example"),))
    made = added(office, custom_return_path="send")
    one = f"/domains/{made['id']}"
    for schema, answer in (
        (CreatedDomain(), made),
        (NamedDomain(), answered(office, "POST", f"{one}/verify")),
        (WholeDomain(), answered(office, "GET", one)),
        (WholeDomain(), answered(office, "POST", f"{one}/rotate")),
        (DomainList(), answered(office, "GET", "/domains")),
        (NamedDomain(), answered(office, "PATCH", one, {"tls": "enforced"})),
        (DeletedDomain(), answered(office, "DELETE", one)),
    ):
        assert schema.validate(answer) == {}, answer  # which refuses members that it doesn't know


def test_its_letters_are_refused_until_its_key_is_published(office: Office) -> None:
    domain = added(office)
    mail = letter(sender="a@example.org")
    refusal = (403, "validation_error", "The example.org domain is not verified.")
    status, name, message = problem(office.post(mail))
    assert (status, name, message.partition(" Add")[0]) == refusal
    verify = f"/domains/{domain['id']}/verify"
    assert answered(office, "POST", verify) == {"object": "domain", "id": domain["id"]}
    assert problem(office.post(mail))[0] == 403
    assert answered(office, "GET", f"/domains/{domain['id']}")["status"] == "pending"
    publish(office, domain)
    answered(office, "POST", verify)
    assert answered(office, "GET", f"/domains/{domain['id']}")["status"] == "verified"
    assert office.post(mail).status_code == 200
    assert problem(office.post(letter(sender="a@mail.example.org")))[0] == 403  # a subdomain is a domain of its own


def test_a_look_says_what_is_wrong(office: Office) -> None:
    domain = added(office)
    publish(office, domain)
    office.book.records[domain["records"][0]["name"], "TXT"] = ("v=DKIM1; p=",)
    answered(office, "POST", f"/domains/{domain['id']}/verify")
    looked = answered(office, "GET", f"/domains/{domain['id']}")
    assert (looked["status"], [each["status"] for each in looked["records"]]) == ("failed", ["failed", "verified"])
    assert looked["records"][0]["detail"] == "the key is revoked: its p= is empty"


def test_a_return_path_of_its_own_is_used_once_it_is_published(office: Office) -> None:
    office.book.records["bounces.shop.example", "MX"] = MxFound((Exchanger(10, "mx.shop.example"),))
    domain = added(office, custom_return_path="send")
    dkim, mx, spf = domain["records"]
    assert (mx["name"], mx["value"], spf["name"]) == ("send.example.org", "mx.shop.example", "send.example.org")
    publish(office, {"records": [dkim]})
    answered(office, "POST", f"/domains/{domain['id']}/verify")
    id_ = office.send(sender="a@example.org")
    assert answered(office, "GET", f"/domains/{domain['id']}")["status"] == "partially_verified"
    assert office.submissions.stored[id_].return_path == "a@example.org"  # this office has no common one for letters
    publish(office, domain)
    answered(office, "POST", f"/domains/{domain['id']}/verify")
    id_ = office.send(sender="a@example.org")
    assert office.submissions.stored[id_].return_path == RETURN_PATHS.of(SubmissionId(id_), "send.example.org")


def test_tls_can_be_asked_of_all_letters_of_a_domain(office: Office) -> None:
    domain = verified(office, tls="opportunistic")
    assert office.submissions.stored[office.send(sender="a@example.org")].tls is None
    assert answered(office, "PATCH", f"/domains/{domain['id']}", {"id": "x", "tls": "enforced"}) == {
        "object": "domain",
        "id": domain["id"],
    }
    assert answered(office, "GET", f"/domains/{domain['id']}")["tls"] == "enforced"
    assert office.submissions.stored[office.send(sender="a@example.org")].tls == "require"
    answered(office, "PATCH", f"/domains/{domain['id']}", {"open_tracking": False})
    assert answered(office, "GET", f"/domains/{domain['id']}")["tls"] == "enforced"


def test_keys_are_rotated_without_a_letter_unsigned(office: Office) -> None:
    domain = verified(office)
    rotating = answered(office, "POST", f"/domains/{domain['id']}/rotate")
    assert rotating["status"] == "verified"
    (old, new) = [each for each in rotating["records"] if each["record"] == "DKIM"]
    assert (old["note"], new["note"]) == ("signs every letter", "signs once it was seen to be published")
    assert (old["required"], new["required"]) == (True, False)
    publish(office, rotating)
    answered(office, "POST", f"/domains/{domain['id']}/verify")
    rotated = answered(office, "GET", f"/domains/{domain['id']}")
    (old, new) = [each for each in rotated["records"] if each["record"] == "DKIM"]
    assert old["note"].startswith("retired: ")
    assert new["note"] == "signs every letter"
    office.now += timedelta(days=7)
    records = answered(office, "GET", f"/domains/{domain['id']}")["records"]
    assert [each["name"] for each in records if each["record"] == "DKIM"] == [new["name"]]


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (None, ["k=rsa"]),
        ({}, ["k=rsa"]),
        ({"ed25519": None}, ["k=rsa"]),
        ({"ed25519": True, "else": 1}, ["k=rsa", "k=ed25519"]),
    ],
)
def test_a_rotation_needs_no_body(office: Office, body: Any, kinds: list[str]) -> None:
    rotated = answered(office, "POST", f"/domains/{added(office)['id']}/rotate", body)
    new = [each for each in rotated["records"] if each["record"] == "DKIM"][1:]
    assert [each["value"].split("; ")[1] for each in new] == kinds


def test_without_a_limit_all_domains_are_listed_newest_first(office: Office) -> None:
    ids = [added(office, f"d{n:02}.example.org")["id"] for n in range(25)][::-1]
    whole = answered(office, "GET", "/domains")
    assert ([each["id"] for each in whole["data"]], whole["has_more"], whole["object"]) == (ids, False, "list")
    assert "records" not in whole["data"][0]
    page = answered(office, "GET", f"/domains?limit=3&after={ids[1]}")
    assert ([each["id"] for each in page["data"]], page["has_more"]) == (ids[2:5], True)
    back = answered(office, "GET", f"/domains?before={ids[2]}")
    assert [each["id"] for each in back["data"]] == ids[:2]
    status, name, message = problem(asked(office, "GET", f"/domains?after={NOBODY}"))
    assert (status, name) == (422, "validation_error")
    assert "`after`" in message


def test_domains_that_were_stored_before_there_were_lists_are_listed(office: Office) -> None:
    old = {
        "id": "5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57",
        "name": "old.example.org",
        "verified": True,
        "created_at": NOON.isoformat(),
        "keys": [],
    }
    office.directory.put("domain", "old.example.org", old)
    made = added(office)
    assert {each["id"] for each in answered(office, "GET", "/domains")["data"]} == {old["id"], made["id"]}
    assert answered(office, "GET", f"/domains/{old['id']}")["status"] == "verified"


def test_a_deleted_domain_is_gone_and_may_come_back(office: Office) -> None:
    domain = verified(office)
    one = f"/domains/{domain['id']}"
    assert answered(office, "DELETE", one) == {"object": "domain", "id": domain["id"], "deleted": True}
    assert problem(office.post(letter(sender="a@example.org")))[0] == 403
    for method, path in (
        *(("GET", one), ("DELETE", one), ("PATCH", one), ("POST", f"{one}/verify"), ("POST", f"{one}/rotate")),
        ("GET", f"/domains/{NOBODY}"),
    ):
        body = {"tls": "enforced"} if method == "PATCH" else None
        assert problem(asked(office, method, path, body)) == (404, "not_found", "There is no domain with this id.")
    assert answered(office, "GET", "/domains")["data"] == []
    assert added(office)["status"] == "not_started"
    assert problem(office.post(letter(sender="a@example.org")))[0] == 403


def test_no_key_is_made_for_a_domain_that_is_deleted(office: Office) -> None:
    domain = verified(office)
    key = {"name": "shop", "permission": "sending_access", "domain_id": domain["id"]}
    assert asked(office, "POST", "/api-keys", key).status_code == 201
    answered(office, "DELETE", f"/domains/{domain['id']}")
    status, _, message = problem(asked(office, "POST", "/api-keys", key))
    assert (status, "`domain_id` field: there is no domain with this id" in message) == (422, True)


def test_a_name_is_added_once(office: Office) -> None:
    added(office)
    answer = asked(office, "POST", "/domains", {"name": "EXAMPLE.org"})
    assert problem(answer) == (403, "validation_error", "The example.org domain has been added already.")


@pytest.mark.parametrize(
    ("members", "name", "named"),
    [
        ({"name": ...}, "missing_required_field", "Missing `name` field."),
        ({"name": None}, "missing_required_field", "Missing `name` field."),
        ({"name": 1}, "validation_error", "`name`"),
        ({"name": ["example.org"]}, "validation_error", "`name`"),
        ({"name": ""}, "validation_error", "`name`"),
        ({"name": "x" * 254}, "validation_error", "`name`"),
        ({"name": "localhost"}, "validation_error", "`name` field: 'localhost' can't be a sending domain"),
        ({"name": "192.0.2.1"}, "validation_error", "`name`"),
        ({"name": "a.example\r\nBcc: x"}, "validation_error", "`name`"),
        ({"name": "a\u0000.example"}, "validation_error", "`name`"),
        ({"name": "a\ud800.example"}, "validation_error", "`name`"),
        ({"name": "new.postroom.test"}, "validation_error", "`name`"),
        ({"region": "mars"}, "invalid_region", "`region` field: expected one of us-east-1, eu-west-1"),
        ({"region": 1}, "invalid_region", "`region`"),
        ({"tls": "never"}, "validation_error", "`tls` field: expected one of opportunistic, enforced"),
        ({"tls": True}, "validation_error", "`tls`"),
        ({"ed25519": "yes"}, "validation_error", "`ed25519`"),
        ({"open_tracking": True}, "validation_error", "`open_tracking` field: this deployment doesn't track"),
        ({"click_tracking": 1}, "validation_error", "`click_tracking`"),
        ({"capabilities": "all"}, "validation_error", "`capabilities`"),
        ({"capabilities": {"receiving": "enabled"}}, "validation_error", "`capabilities.receiving`"),
        ({"capabilities": {"sending": "disabled"}}, "validation_error", "`capabilities.sending`"),
        ({"custom_return_path": ""}, "validation_error", "`custom_return_path`"),
        ({"custom_return_path": 5}, "validation_error", "`custom_return_path`"),
        ({"custom_return_path": "a b"}, "validation_error", "`custom_return_path`"),
        ({"custom_return_path": "x@y"}, "validation_error", "`custom_return_path`"),
        ({"custom_return_path": "\ud800"}, "validation_error", "`custom_return_path`"),
        ({"custom_return_path": "x" * 64}, "validation_error", "`custom_return_path`"),
        ({"custom_return_path": "send"}, "validation_error", "bounces.shop.example, which is to take its reports"),
    ],
)
def test_what_is_wrong_with_a_new_domain_is_named(
    office: Office, members: dict[str, Any], name: str, named: str
) -> None:
    if members.get("custom_return_path") != "send":
        office.book.records["bounces.shop.example", "MX"] = MxFound((Exchanger(10, "mx.shop.example"),))
    body = {name: each for name, each in {"name": "example.org", **members}.items() if each is not ...}
    found = problem(asked(office, "POST", "/domains", body))
    assert found[:2] == (422, name)
    assert named in found[2]
    assert answered(office, "GET", "/domains")["data"] == []


def test_members_that_nobody_knows_are_passed_over(office: Office) -> None:
    domain = added(
        office, tracking_subdomain="links", customReturnPath="x", region=None, click_tracking=False, else_=[1]
    )
    assert domain["region"] == "us-east-1"
    assert answered(office, "PATCH", f"/domains/{domain['id']}", {"tracking_subdomain": "links"})["id"] == domain["id"]


@pytest.mark.parametrize(
    "body", [{"tls": "never"}, {"open_tracking": True}, {"capabilities": {"receiving": "enabled"}}]
)
def test_what_is_wrong_with_a_change_is_named(office: Office, body: dict[str, Any]) -> None:
    domain = added(office)
    status, name, message = problem(asked(office, "PATCH", f"/domains/{domain['id']}", body))
    assert (status, name, f"`{next(iter(body))}" in message) == (422, "validation_error", True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "/domains"), ("GET", "/domains"), ("GET", f"/domains/{NOBODY}"), ("PATCH", f"/domains/{NOBODY}")),
        *(
            ("DELETE", f"/domains/{NOBODY}"),
            ("POST", f"/domains/{NOBODY}/verify"),
            ("POST", f"/domains/{NOBODY}/rotate"),
        ),
    ],
)
def test_a_key_that_may_only_send_touches_no_domain(office: Office, method: str, path: str) -> None:
    assert problem(asked(office, method, path, {}, SENDING))[:2] == (401, "restricted_api_key")


def test_what_is_no_id_is_not_there(office: Office) -> None:
    assert problem(asked(office, "GET", "/domains/example.org"))[:2] == (404, "not_found")


def test_a_deployment_that_can_not_seal_says_what_it_lacks(office: Office) -> None:
    view = Domains(replace(office.domains, seal_public=None))
    (create,) = [each.view for each in view.operations() if (each.method, each.path) == ("POST", "/domains")]
    with (
        office.app.test_request_context("/domains", method="POST", json={"name": "example.org"}),
        pytest.raises(Problem, match="POSTROOM_SEAL_PUBLIC") as caught,
    ):
        create()
    assert (caught.value.status, caught.value.name) == (500, "application_error")


def test_nobody_who_reads_a_domain_reads_its_keys(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    domain = verified(office)
    stored = SendingDomain.from_record(office.directory.documents["domain", "example.org"])
    (key,) = stored.keys
    pem = unseal(key.sealed, UNSEAL, DkimKey.purpose(key, "example.org")).decode()
    shown = json.dumps(domain) + json.dumps(answered(office, "GET", "/domains")) + "".join(capfd.readouterr())
    assert key.sealed not in shown
    assert "PRIVATE KEY" not in shown
    assert pem.splitlines()[1] not in json.dumps(office.directory.documents["domain", "example.org"])
