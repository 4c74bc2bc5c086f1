"""Templates over HTTP: stored, edited, published, copied, deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from werkzeug.test import TestResponse

from postroom.account.template import LARGEST
from tests.api.office import FULL, SENDING, Office, problem

WELCOME: dict[str, Any] = {
    "name": "Welcome",
    "alias": "welcome",
    "from": "Shop <hello@shop.example>",
    "subject": "Welcome, {{ NAME }}",
    "reply_to": "help@shop.example",
    "html": "<p>Hello {{{NAME}}}, that is {{ PRICE }}.",
    "text": "Hello {{ NAME }}",
    "variables": [
        {"key": "NAME", "type": "string", "fallback_value": "friend"},
        {"key": "PRICE", "type": "number"},
    ],
}
UNKNOWN = (404, "not_found", "There is no template with this id or alias.")


def asked(office: Office, method: str, path: str, body: Any = None, token: str = FULL) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"}
    return office.client.open(f"/templates{path}", method=method, json=body, headers=headers)


def stored(office: Office, **members: Any) -> str:
    answered = asked(office, "POST", "", {"name": "A", "html": "<p>Hello", **members})
    assert answered.status_code == 201, answered.text
    body: dict[str, Any] = answered.json  # type: ignore[assignment]
    assert body == {"object": "template", "id": str(UUID(body["id"]))}
    office.now += timedelta(seconds=1)
    return str(body["id"])


def read(office: Office, name: str) -> dict[str, Any]:
    answered = asked(office, "GET", f"/{name}")
    assert answered.status_code == 200, answered.text
    return answered.json  # type: ignore[return-value]


def done(office: Office, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answered = asked(office, method, path, body)
    assert answered.status_code in (200, 201), answered.text
    office.now += timedelta(seconds=1)
    return answered.json  # type: ignore[return-value]


def test_a_template_is_read_by_its_id_or_by_its_alias(office: Office) -> None:
    id_ = stored(office, **WELCOME)
    at = "2030-01-02T12:00:00.123Z"
    shown = read(office, "welcome")
    assert shown == {
        "object": "template",
        "id": id_,
        "name": "Welcome",
        "alias": "welcome",
        "status": "draft",
        "published_at": None,
        "created_at": at,
        "updated_at": at,
        "has_unpublished_versions": True,
        "current_version_id": str(UUID(shown["current_version_id"])),
        "from": "Shop <hello@shop.example>",
        "subject": "Welcome, {{ NAME }}",
        "reply_to": ["help@shop.example"],
        "html": "<p>Hello {{{NAME}}}, that is {{ PRICE }}.",
        "text": "Hello {{ NAME }}",
        "variables": [
            {"key": "NAME", "type": "string", "fallback_value": "friend", "created_at": at, "updated_at": at},
            {"key": "PRICE", "type": "number", "fallback_value": None, "created_at": at, "updated_at": at},
        ],
    }
    assert read(office, id_) == read(office, id_.upper()) == shown


def test_what_is_left_out_is_null_or_empty(office: Office) -> None:
    shown = read(office, stored(office))
    assert {name: shown[name] for name in ("alias", "from", "subject", "reply_to", "text", "variables")} == {
        "alias": None,
        "from": None,
        "subject": None,
        "reply_to": [],
        "text": None,
        "variables": [],
    }


def test_publishing_is_told(office: Office) -> None:
    id_ = stored(office, **WELCOME)
    assert done(office, "POST", "/welcome/publish") == {"object": "template", "id": id_}
    published = read(office, id_)
    assert (published["status"], published["has_unpublished_versions"]) == ("published", False)
    assert published["published_at"] == "2030-01-02T12:00:01.123Z"
    assert done(office, "PATCH", f"/{id_}", {"html": "<p>Hi"}) == {"object": "template", "id": id_}
    edited = read(office, id_)
    assert (edited["status"], edited["has_unpublished_versions"], edited["html"]) == ("published", True, "<p>Hi")
    assert edited["updated_at"] == "2030-01-02T12:00:02.123Z"
    assert edited["current_version_id"] != published["current_version_id"]
    done(office, "POST", f"/{id_}/publish")
    assert not read(office, id_)["has_unpublished_versions"]


def test_an_edit_changes_what_it_names_and_nothing_else(office: Office) -> None:
    id_ = stored(office, **WELCOME)
    before = read(office, id_)
    done(office, "PATCH", "/welcome", {"name": "Hello", "alias": "hello", "subject": None})
    after = read(office, "hello")
    changed = {"name": "Hello", "alias": "hello", "updated_at": after["updated_at"]}
    assert after == before | changed
    assert problem(asked(office, "GET", "/welcome")) == UNKNOWN
    variables = [{"key": "PRICE", "type": "number", "fallback_value": 1}, {"key": "NEW", "type": "string"}]
    done(office, "PATCH", "/hello", {"variables": variables, "text": ""})
    edited = read(office, "hello")
    assert [(each["key"], each["fallback_value"]) for each in edited["variables"]] == [("PRICE", 1), ("NEW", None)]
    assert edited["variables"][0]["created_at"] == before["created_at"]
    assert edited["variables"][0]["updated_at"] == edited["updated_at"]
    assert edited["text"] == ""


def test_a_copy_is_a_draft_of_its_own(office: Office) -> None:
    id_ = stored(office, **WELCOME)
    done(office, "POST", f"/{id_}/publish")
    copy = done(office, "POST", "/welcome/duplicate")["id"]
    assert copy != id_
    shown, original = read(office, copy), read(office, id_)
    assert (shown["name"], shown["alias"], shown["status"]) == ("Welcome (copy)", None, "draft")
    assert [shown[name] for name in ("html", "text", "subject", "from")] == [
        original[name] for name in ("html", "text", "subject", "from")
    ]
    done(office, "PATCH", f"/{copy}", {"html": "<p>Else"})
    assert read(office, id_)["html"] == original["html"]


def test_what_is_deleted_is_gone_with_all_its_versions(office: Office) -> None:
    id_ = stored(office, **WELCOME)
    for turn in range(3):
        done(office, "POST", "/welcome/publish")
        done(office, "PATCH", "/welcome", {"html": f"<p>{turn}"})
    assert done(office, "DELETE", "/welcome") == {"object": "template", "id": id_, "deleted": True}
    for name in ("welcome", id_):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/publish"), ("POST", "/duplicate")):
            assert problem(asked(office, method, f"/{name}{path}")) == UNKNOWN
        assert problem(asked(office, "PATCH", f"/{name}", {"name": "x"})) == UNKNOWN
    assert not [kind for kind, _ in office.directory.documents if kind.startswith("template")]
    stored(office, **WELCOME)


def test_versions_that_nobody_needs_are_not_kept(office: Office) -> None:
    stored(office, **WELCOME)
    for turn in range(20):
        done(office, "PATCH", "/welcome", {"html": f"<p>{turn}"})
        done(office, "PATCH", "/welcome", {"html": f"<p>{turn}!"})
        done(office, "POST", "/welcome/publish")
    assert len([kind for kind, _ in office.directory.documents if kind == "template_version"]) == 11


def test_a_page_tells_of_the_newest_first(office: Office) -> None:
    ids = [stored(office, name=f"Number {number}") for number in range(3)]
    page: Any = asked(office, "GET", "?limit=2").json
    assert [each["id"] for each in page["data"]] == ids[:0:-1]
    assert page["has_more"] is True
    assert set(page["data"][0]) == {"id", "name", "alias", "status", "published_at", "created_at", "updated_at"}
    rest: Any = asked(office, "GET", f"?after={ids[1]}").json
    assert [each["name"] for each in rest["data"]] == ["Number 0"]


def test_no_two_templates_have_one_alias(office: Office) -> None:
    first, second = stored(office, alias="one"), stored(office)
    taken = (422, "validation_error", "Invalid `alias` field: another template has it.")
    assert problem(asked(office, "POST", "", {"name": "B", "html": "b", "alias": "one"})) == taken
    assert problem(asked(office, "PATCH", f"/{second}", {"alias": "one"})) == taken
    assert done(office, "PATCH", "/one", {"alias": "one", "name": "Still"})["id"] == first
    done(office, "PATCH", "/one", {"alias": "two"})
    done(office, "PATCH", f"/{second}", {"alias": "one"})
    assert (read(office, "one")["id"], read(office, "two")["id"]) == (second, first)


def test_an_alias_that_was_claimed_and_never_taken_is_free(office: Office) -> None:
    office.directory.put("template_alias", "mine", {"id": str(uuid4())})
    assert read(office, "mine" if stored(office, alias="mine") else "")["alias"] == "mine"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"html": ...}, "Missing `html` field."),
        ({"name": None}, "Missing `name` field."),
        ({"html": ""}, "Invalid `html` field: it is empty."),
        (
            {"html": "a\n{{ x"},
            "Invalid `html` field: line 2: unexpected end of template, expected 'end of print statement'.",
        ),
        (
            {"text": "{% if a %}"},
            "Invalid `text` field: line 1: Unexpected end of template. Jinja was looking for the ",
        ),
        ({"subject": "{{ a.b() }}"}, "Invalid `subject` field: line 1: only macros, `range` and `loop.cycle` can be "),
        (
            {"html": "{{ ''.__class__ }}"},
            "Invalid `html` field: line 1: `.__class__` isn't a member that templates can",
        ),
        ({"from": "nobody"}, "Invalid `from` field: there is no '@' after its local part."),
        ({"alias": "a/b"}, "Invalid `alias` field: an alias is made of 1 to 100 ASCII letters, digits, "),
        ({"alias": str(uuid4())}, "Invalid `alias` field: an alias that looks like an id would hide the template of"),
        ({"variables": [{"key": "a b", "type": "string"}]}, "Invalid `variables[0].key` field: a variable's name is"),
        ({"variables": [{"key": "loop", "type": "string"}]}, "Invalid `variables[0].key` field: this name means "),
        ({"variables": [{"key": "a", "type": "list"}]}, "Invalid `variables[0].type` field: expected one of string, "),
        (
            {"variables": [{"key": "a", "type": "number", "fallback_value": "1"}]},
            "Invalid `variables[0].fallback_value` field: the variable is a number, and this isn't one.",
        ),
        (
            {"variables": [{"key": "a", "type": "string"}] * 2},
            "Invalid `variables[1].key` field: an item before it has the same.",
        ),
        ({"html": "ü" * (LARGEST // 6)}, "Invalid `html` field: a template holds 300,000 octets at most, with its "),
    ],
)
def test_what_is_wrong_is_told(office: Office, members: dict[str, Any], message: str) -> None:
    body = {"name": "A", "html": "<p>A", **members}
    body = {name: value for name, value in body.items() if value is not ...}
    status, _, text = problem(asked(office, "POST", "", body))
    assert status == 422
    assert text.startswith(message)
    assert not [kind for kind, _ in office.directory.documents if kind.startswith("template")]


def test_a_draft_that_cannot_be_read_is_not_stored(office: Office) -> None:
    id_ = stored(office)
    assert problem(asked(office, "PATCH", f"/{id_}", {"text": "{{"}))[0] == 422
    assert read(office, id_)["html"] == "<p>Hello"


def test_a_key_that_may_only_send_sees_no_templates(office: Office) -> None:
    assert asked(office, "GET", "", token=SENDING).status_code == 401
