"""`/api-keys`: making, listing, renaming and revoking keys, and what restricts them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from werkzeug.test import TestResponse

from postroom.account.domain import SendingDomain
from postroom.account.key import token_hash
from postroom.catalog import Catalog
from postroom.ports import Unavailable
from tests.api.office import BOOTSTRAP, FULL, NOON, SENDING, Office, letter, problem

INVALID = (403, "invalid_api_key", "API key is invalid")
NOBODY = "00000000-0000-4000-8000-000000000000"
NETWORK = "expected a network in CIDR notation or an address, such as 192.0.2.0/24"


def ask(office: Office, method: str, path: str, body: Any = None, *, token: str = FULL, **more: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
    return office.client.open(path, method=method, json=body, headers=headers, **more)


def make(office: Office, **members: Any) -> dict[str, str]:
    """The id and the token of a new key."""
    answered = ask(office, "POST", "/api-keys", {"name": "shop", **members})
    assert answered.status_code == 201, answered.text
    made: dict[str, str] = answered.json  # type: ignore[assignment]
    return made


def listed(office: Office, query: str = "") -> list[dict[str, Any]]:
    body: Any = office.get(f"/api-keys{query}").json
    keys: list[dict[str, Any]] = body["data"]
    return keys


def a_domain(office: Office, name: str) -> str:
    """The id of a verified domain."""
    id_ = str(uuid4())
    office.directory.delete("domain", name)
    Catalog(office.directory, "domain").add(name, SendingDomain(id_, name, True, NOON).record())
    return id_


def test_a_key_is_shown_once_and_only_its_hash_is_kept(office: Office) -> None:
    made = make(office)
    assert set(made) == {"id", "token"}
    assert UUID(made["id"])
    assert made["token"] not in repr(office.directory.documents)
    assert ("api_key", token_hash(made["token"])) in office.directory.documents
    assert office.get("/emails", token=made["token"]).status_code == 200


def test_a_key_is_listed_with_all_that_is_known_of_it(office: Office) -> None:
    domain = a_domain(office, "shop.example")
    members = {
        "name": "Läden",
        "permission": "sending_access",
        "domain_id": domain.upper(),
        "expires_at": "2031-01-02T13:00:00+01:00",
        "allowed_addresses": ["127.0.0.0/8", "2001:DB8::1"],
    }
    made = make(office, **members)
    assert listed(office)[0] | {"last_used_at": None} == {
        "id": made["id"],
        "name": "Läden",
        "created_at": "2030-01-02T12:00:00.123Z",
        "last_used_at": None,
        "permission": "sending_access",
        "domain_id": domain,
        "expires_at": "2031-01-02T12:00:00.000Z",
        "allowed_addresses": ["127.0.0.0/8", "2001:db8::1/128"],
    }
    assert made["token"] not in office.get("/api-keys").text


def test_keys_come_in_pages(office: Office) -> None:
    for number in range(5):
        make(office, name=f"key {number}")
        office.now += timedelta(minutes=1)
    whole = [key["id"] for key in listed(office)]
    page: Any = office.get(f"/api-keys?limit=2&after={whole[1]}").json
    assert (page["object"], page["has_more"], [key["id"] for key in page["data"]]) == ("list", True, whole[2:4])
    assert problem(office.get(f"/api-keys?after={uuid4()}"))[0] == 422


def test_a_key_gets_another_name_and_stays_the_same_key(office: Office) -> None:
    made = make(office)
    answered = ask(office, "PATCH", f"/api-keys/{made['id']}", {"name": "new", "permission": "sending_access"})
    assert (answered.status_code, answered.json) == (200, {"object": "api_key", "id": made["id"]})
    key = next(key for key in listed(office) if key["id"] == made["id"])
    assert (key["name"], key["permission"]) == ("new", "full_access")
    assert office.get("/emails", token=made["token"]).status_code == 200


def test_a_revoked_key_is_a_wrong_key(office: Office) -> None:
    made = make(office)
    answered = ask(office, "DELETE", f"/api-keys/{made['id']}")
    assert (answered.status_code, answered.json) == (200, {"object": "api_key", "id": made["id"], "deleted": True})
    assert problem(office.get("/emails", token=made["token"])) == INVALID
    assert problem(ask(office, "DELETE", f"/api-keys/{made['id']}"))[:2] == (404, "not_found")
    assert made["id"] not in [key["id"] for key in listed(office)]


def test_a_key_that_has_leaked_can_revoke_itself_even_the_last_one(office: Office) -> None:
    for key in listed(office):
        if key["name"] != FULL:
            assert ask(office, "DELETE", f"/api-keys/{key['id']}").status_code == 200
    (last,) = listed(office)
    assert ask(office, "DELETE", f"/api-keys/{last['id']}").status_code == 200
    assert problem(office.get("/api-keys")) == INVALID
    assert office.get("/api-keys", token=BOOTSTRAP).status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_key_that_is_not_there(office: Office, method: str) -> None:
    answered = ask(office, method, f"/api-keys/{uuid4()}", {"name": "x"})
    assert problem(answered) == (404, "not_found", "There is no API key with this id.")


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"name": 1}, "name", "expected a string, not a number"),
    ({"name": ["a"]}, "name", "expected a string, not an array"),
    ({"name": ""}, "name", "a key needs a name that tells what it is for"),
    ({"name": "a\nb"}, "name", "a name is one line of printable characters"),
    ({"name": "\x7f"}, "name", "a name is one line of printable characters"),
    ({"name": "\ud800"}, "name", "it holds half a surrogate pair at position 0"),
    ({"name": "x" * 101}, "name", "it is longer than 100 characters"),
    ({"permission": "all"}, "permission", "expected one of full_access, sending_access"),
    ({"permission": True}, "permission", "expected a string, not a boolean"),
    ({"domain_id": 1, "permission": "sending_access"}, "domain_id", "expected a string, not a number"),
    ({"domain_id": "x", "permission": "sending_access"}, "domain_id", "there is no domain with this id"),
    (
        {"domain_id": NOBODY, "permission": "sending_access"},
        "domain_id",
        "there is no domain with this id",
    ),
    (
        {"domain_id": NOBODY},
        "domain_id",
        "a key with full access can't be held to one domain; ask for the permission sending_access",
    ),
    (
        {"expires_at": "soon"},
        "expires_at",
        "expected a time in ISO 8601 with its offset, such as 2030-01-31T09:30:00Z",
    ),
    ({"expires_at": "2030-01-02T12:00:00Z"}, "expires_at", "it has passed, so the key would never be good"),
    ({"allowed_addresses": "::1"}, "allowed_addresses", "expected an array, not a string"),
    ({"allowed_addresses": {}}, "allowed_addresses", "expected an array, not an object"),
    ({"allowed_addresses": []}, "allowed_addresses", "nobody could use it: name a network, or leave it out"),
    ({"allowed_addresses": [None]}, "allowed_addresses[0]", "expected a string, not null"),
    ({"allowed_addresses": ["::1", 1]}, "allowed_addresses[1]", "expected a string, not a number"),
    ({"allowed_addresses": ["home"]}, "allowed_addresses[0]", NETWORK),
    ({"allowed_addresses": ["\ud800"]}, "allowed_addresses[0]", "it holds half a surrogate pair at position 0"),
    ({"allowed_addresses": ["::1"] * 101}, "allowed_addresses", "it holds 101 items, and at most 100 may be given"),
    (
        {"allowed_addresses": ["10.1.2.3/8"]},
        "allowed_addresses[0]",
        "10.1.2.3 lies within a network: it is 10.0.0.0/8, and that address alone is 10.1.2.3/32",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("members", "path", "why"), WRONG)
def test_what_is_wrong_with_a_key_to_make_is_named(
    office: Office, members: dict[str, Any], path: str, why: str
) -> None:
    before = dict(office.directory.documents)
    answered = ask(office, "POST", "/api-keys", {"name": "shop", **members})
    assert problem(answered) == (422, "validation_error", f"Invalid `{path}` field: {why}.")
    assert {key for key in office.directory.documents if key[0] == "api_key"} == {
        key for key in before if key[0] == "api_key"
    }


def test_everything_that_is_wrong_is_told_at_once(office: Office) -> None:
    body = {"expires_at": "2020-01-01T00:00:00Z", "domain_id": "x", "permission": "sending_access"}
    assert problem(ask(office, "POST", "/api-keys", body)) == (
        422,
        "validation_error",
        "Missing `name` field. Invalid `domain_id` field: there is no domain with this id. "
        "Invalid `expires_at` field: it has passed, so the key would never be good.",
    )


@pytest.mark.parametrize("body", [{}, {"name": None}])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_key_without_a_name_is_refused(office: Office, method: str, body: Any) -> None:
    path = "/api-keys" if method == "POST" else f"/api-keys/{uuid4()}"
    assert problem(ask(office, method, path, body)) == (422, "missing_required_field", "Missing `name` field.")


def test_null_counts_as_absent(office: Office) -> None:
    names = ("permission", "domain_id", "expires_at", "allowed_addresses")
    made = make(office, **dict.fromkeys(names))
    assert office.get("/api-keys", token=made["token"]).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("GET", ""), ("PATCH", f"/{NOBODY}"), ("DELETE", f"/{NOBODY}")],
)
def test_a_sending_key_makes_no_keys_and_sees_none(office: Office, method: str, path: str) -> None:
    answered = ask(office, method, f"/api-keys{path}", {"name": "x"}, token=SENDING)
    assert problem(answered)[:2] == (401, "restricted_api_key")


# What restricts a key.


def test_a_key_is_good_until_it_expires(office: Office) -> None:
    made = make(office, expires_at=(NOON + timedelta(hours=1)).isoformat())
    assert office.get("/emails", token=made["token"]).status_code == 200
    office.now = NOON + timedelta(hours=1)
    assert problem(office.get("/emails", token=made["token"])) == INVALID


def test_a_key_held_to_a_domain_sends_from_nowhere_else(office: Office) -> None:
    domain = a_domain(office, "shop.example")
    a_domain(office, "other.example")
    token = make(office, permission="sending_access", domain_id=domain)["token"]
    assert office.post(letter(), token=token).status_code == 200
    refused = problem(office.post(letter(sender="a@other.example"), token=token))
    message = "This API key sends from one domain only, and other.example isn't that one."
    assert refused == (403, "validation_error", message)
    assert office.post(letter(sender="a@other.example")).status_code == 200


def test_a_key_held_to_a_domain_that_is_gone_sends_nothing(office: Office) -> None:
    token = make(office, permission="sending_access", domain_id=a_domain(office, "shop.example"))["token"]
    a_domain(office, "shop.example")
    assert problem(office.post(letter(), token=token))[:2] == (403, "validation_error")


def asked_from(office: Office, address: str, forwarded: str | None = None) -> TestResponse:
    """The answer to a request with a key that two networks may use."""
    token = make(office, allowed_addresses=["192.0.2.0/24", "2001:db8::/64"])["token"]
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    overrides = {"REMOTE_ADDR": address}
    return ask(office, "GET", "/emails", token=token, headers=headers, environ_overrides=overrides)


@pytest.mark.parametrize(
    ("proxies", "address", "forwarded", "status"),
    [
        (0, "192.0.2.9", None, 200),
        (0, "::ffff:192.0.2.9", None, 200),
        (0, "2001:db8::9", None, 200),
        (0, "198.51.100.1", None, 403),
        (0, "198.51.100.1", "192.0.2.9", 403),
        (0, "", "192.0.2.9", 403),
        (1, "198.51.100.1", "192.0.2.9", 200),
        (1, "198.51.100.1", "192.0.2.9, 203.0.113.5", 403),
        (1, "192.0.2.9", "203.0.113.5", 403),
        (1, "192.0.2.9", None, 403),
        (1, "192.0.2.9", "192.0.2.9,", 403),
        (2, "198.51.100.1", "203.0.113.5,192.0.2.9,198.51.100.2", 200),
        (2, "198.51.100.1", "192.0.2.9", 403),
        (2, "198.51.100.1", "192.0.2.9, 203.0.113.5, 198.51.100.2", 403),
    ],
)
def test_a_key_is_used_from_its_networks_and_nobody_can_pretend_to_be_there(
    proxies: int, address: str, forwarded: str | None, status: int
) -> None:
    assert asked_from(Office(proxies=proxies), address, forwarded).status_code == status


def test_whoever_comes_from_elsewhere_is_told_where_from(office: Office) -> None:
    message = "This API key may not be used from 203.0.113.5."
    assert problem(asked_from(office, "203.0.113.5")) == (403, "invalid_access", message)
    message = "This API key may not be used from an address that nobody vouches for."
    assert problem(asked_from(office, "unix:")) == (403, "invalid_access", message)


# When it was last used.


def last_used(office: Office, id_: str) -> Any:
    return next(key["last_used_at"] for key in listed(office) if key["id"] == id_)


def test_a_key_tells_when_it_was_last_used_to_the_hour(office: Office) -> None:
    made = make(office)
    assert last_used(office, made["id"]) is None
    for minutes, noted in ((0, "12:00"), (59, "12:00"), (61, "13:01"), (62, "13:01")):
        office.now = NOON + timedelta(minutes=minutes)
        office.get("/emails", token=made["token"])
        assert last_used(office, made["id"])[11:16] == noted


def test_a_key_that_was_turned_away_was_not_used(office: Office) -> None:
    made = make(office, allowed_addresses=["192.0.2.0/24"])
    assert office.get("/emails", token=made["token"]).status_code == 403
    assert last_used(office, made["id"]) is None


def test_to_note_a_use_is_tried_once_an_hour_and_fails_nobody(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(office)
    tried: list[str] = []

    def replace(kind: str, *_: Any, **__: Any) -> bool:
        tried.append(kind)
        raise Unavailable("the disk is full")

    monkeypatch.setattr(office.directory, "replace", replace)
    for _ in range(3):
        assert office.get("/emails", token=made["token"]).status_code == 200
    assert tried == ["api_key"]
    assert made["token"] not in capsys.readouterr().err
