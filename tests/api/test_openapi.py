"""The API's description of itself, and the page that shows it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import schemathesis

from postroom.api.openapi import document
from postroom.api.operation import Access, Operation
from postroom.api.problems import STATUSES
from tests.api.office import Office, problem


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def described(office: Office) -> dict[str, Any]:
    answered = office.client.get("/openapi.json")
    assert (answered.status_code, answered.content_type) == (200, "application/json")
    found: dict[str, Any] = answered.json  # type: ignore[assignment]
    return found


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def objects(within: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document, however deep."""
    if isinstance(within, dict):
        yield within
    for each in within.values() if isinstance(within, dict) else within if isinstance(within, list) else ():
        yield from objects(each)


def test_it_is_openapi(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(described).validate()


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    references = {each["$ref"] for each in objects(described) if isinstance(each.get("$ref"), str)}
    assert references
    for reference in references:
        found = described
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]


def test_every_operation_is_described(office: Office, described: dict[str, Any]) -> None:
    known: list[Operation] = office.app.extensions["postroom"]
    assert {each.path for each in known if not each.documented} == {"/docs", "/docs/<name>"}
    assert len(list(operations(described))) == sum(each.documented for each in known)
    named = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(named)) == len(named)
    for each in known:
        assert each.answers is not None or each.media_type != "application/json", f"{each.path} has no `answers`"


def test_every_member_and_parameter_has_a_type(described: dict[str, Any]) -> None:
    for name, schema in described["components"]["schemas"].items():
        assert schema["description"], name
        for member, shape in schema.get("properties", {}).items():
            assert {"type", "anyOf", "$ref"} & shape.keys(), f"{name}.{member}"


def test_paths_and_members_are_called_as_resends_clients_generators_know_them(described: dict[str, Any]) -> None:
    assert {"/emails", "/emails/{email_id}"} <= described["paths"].keys()
    (parameter,) = (
        each for each in described["paths"]["/emails/{email_id}"]["get"]["parameters"] if each.get("in") == "path"
    )
    assert parameter == {
        "name": "email_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    }
    email = described["components"]["schemas"]["Email"]
    assert {"from", "to", "subject", "html", "text", "cc", "bcc", "reply_to", "headers", "tags", "attachments"} <= set(
        email["properties"]
    )
    assert email["required"] == ["to"]  # a template may have the rest


def test_what_is_not_offered_is_not_described(described: dict[str, Any]) -> None:
    assert "topic_id" not in described["components"]["schemas"]["Email"]["properties"]


def test_kinds_of_members_say_what_they_take(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    mailbox = {"type": "string", "format": "mailbox", "minLength": 3, "maxLength": 2048}
    several = {"type": "array", "items": mailbox, "minItems": 1, "maxItems": 50}
    assert schemas["Email"]["properties"]["to"]["anyOf"] == [mailbox, several]
    content = schemas["Attachment"]["properties"]["content"]["anyOf"]
    assert [each["type"] for each in content] == ["string", "array", "object", "null"]
    assert schemas["Email"]["properties"]["tags"]["maxItems"] == 50
    assert schemas["Email"]["properties"]["delivery"]["anyOf"] == [
        {"$ref": "#/components/schemas/Delivery"},
        {"type": "null"},
    ]
    assert schemas["Delivery"]["additionalProperties"] is False
    assert schemas["Tag"]["properties"]["name"]["pattern"] == "^[A-Za-z0-9_-]{1,256}$"


def test_a_batch_is_an_array_of_letters_with_headers_of_its_own(described: dict[str, Any]) -> None:
    batch = described["paths"]["/emails/batch"]["post"]
    body = batch["requestBody"]["content"]["application/json"]
    assert body["schema"] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Email"},
        "minItems": 1,
        "maxItems": 500,
    }
    assert body["example"][0].keys() == {"from", "to", "subject", "html"}
    heeded = {each["name"]: each["schema"] for each in batch["parameters"] if each.get("in") == "header"}
    assert heeded.keys() == {"Idempotency-Key", "x-batch-validation"}
    assert heeded["x-batch-validation"]["enum"] == ["strict", "permissive"]
    assert "errors" not in described["components"]["schemas"]["SentBatch"]["required"]


def test_every_problem_has_its_names(described: dict[str, Any]) -> None:
    assert set(described["components"]["schemas"]["Problem"]["properties"]["name"]["enum"]) == set(STATUSES)
    for _, path, operation in operations(described):
        for status, answer in operation["responses"].items():
            if int(status) < 300:
                assert "X-Request-Id" in answer["headers"]
                continue
            component = described["components"]["responses"][answer["$ref"].rpartition("/")[2]]
            (_, narrowed) = component["content"]["application/json"]["schema"]["allOf"]
            assert narrowed["properties"]["statusCode"] == {"const": int(status)}, path
            names = narrowed["properties"]["name"]["enum"]
            assert names == sorted(name for name, statuses in STATUSES.items() if int(status) in statuses)
            assert ("Retry-After" in component["headers"]) == (status in ("429", "503"))


def test_a_problem_has_two_forms(described: dict[str, Any]) -> None:
    content = described["components"]["responses"]["Problem422"]["content"]
    assert content.keys() == {"application/json", "application/problem+json"}
    details = described["components"]["schemas"]["ProblemDetails"]
    assert set(details["properties"]) - set(details["required"]) == {"instance", "errors"}


def test_where_a_key_stands_is_told_of_what_needs_one(described: dict[str, Any]) -> None:
    assert "ratelimit-remaining" in described["paths"]["/emails"]["get"]["responses"]["200"]["headers"]
    assert "ratelimit-remaining" not in described["paths"]["/healthz"]["get"]["responses"]["200"]["headers"]
    assert {"ratelimit-reset", "Retry-After"} <= described["components"]["responses"]["Problem429"]["headers"].keys()


def test_who_may_ask_is_told(office: Office, described: dict[str, Any]) -> None:
    assert described["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert described["security"] == [{"bearer": []}]
    free = {each.summary for each in office.app.extensions["postroom"] if each.access is Access.ANYBODY}
    assert {operation["summary"] for _, _, operation in operations(described) if "security" in operation} <= free
    assert {"401", "403"} <= described["paths"]["/emails"]["get"]["responses"].keys()
    assert not {"401", "403"} & described["paths"]["/healthz"]["get"]["responses"].keys()


def test_its_example_is_a_letter_that_is_taken(office: Office, described: dict[str, Any]) -> None:
    body = described["paths"]["/emails"]["post"]["requestBody"]["content"]["application/json"]
    sent = body["example"] | {"from": "hello@shop.example", "to": ["ann@home.example"]}
    assert office.post(sent).status_code == 200


def test_it_is_made_once_and_kept_by_who_asks(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    first = office.client.get("/openapi.json")
    monkeypatch.setattr("postroom.api.openapi.document", None)
    again = office.client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert office.client.get("/openapi.json").data == first.data


def test_a_function_that_starts_does_not_wait_for_it() -> None:
    asked = (
        "import sys, postroom.api.app; print([name for name in sys.modules if 'apispec' in name or 'swagger' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    assert done.stdout == "[]\n"


def test_the_same_operations_give_the_same_document(office: Office) -> None:
    known = office.app.extensions["postroom"]
    assert json.dumps(document(known)) == json.dumps(document(known))


class References(HTMLParser):
    """What a page loads, and whether it holds script or style of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.named: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        assert tag != "style"
        assert not [name for name in held if name == "style" or name.startswith("on")]
        assert tag != "script" or held.get("src")
        self.loaded += [str(held[name]) for name in ("src", "href") if held.get(name)]
        if held.get("data-document"):
            self.named["document"] = str(held["data-document"])


TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".png": "image/png"}


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/behind/a/prefix/docs", "/behind/a/prefix/docs/"])
def test_the_page_and_all_that_it_loads_come_from_here(office: Office, path: str) -> None:
    prefix = path.rstrip("/").removesuffix("/docs")
    answered = office.client.get(path.removeprefix(prefix), environ_overrides={"SCRIPT_NAME": prefix})
    assert (answered.status_code, answered.content_type) == (200, "text/html; charset=utf-8")
    page = References()
    page.feed(answered.text)
    assert len(page.loaded) >= 3
    for reference in [*page.loaded, page.named["document"]]:
        where = urlsplit(urljoin(f"http://here.example{path}", reference))
        assert where.netloc == "here.example"
        assert where.path.startswith(prefix + "/")
        file = office.client.get(where.path.removeprefix(prefix))
        assert file.status_code == 200, where.path
        ending = where.path[where.path.rindex(".") :]
        assert file.content_type == TYPES.get(ending, "application/json")


def test_the_page_may_load_and_ask_nothing_elsewhere(office: Office) -> None:
    policy = office.client.get("/docs").headers["Content-Security-Policy"]
    said = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert said["default-src"] == "'none'"
    assert said["script-src"] == said["connect-src"] == "'self'"
    assert not re.search(r"unsafe|\*|http", policy)
    style = office.client.get("/docs/swagger-ui.css").text
    outside = [url for url in re.findall(r"url\(['\"]?([^)'\"]{1,40})", style) if not url.startswith("data:")]
    assert outside == []
    assert "@import" not in style
    start = office.client.get("/docs/start.js").text
    assert "validatorUrl: null" in start
    assert "http" not in start


@pytest.mark.parametrize("name", ["nothing", "swagger-ui.js", "..%2f__init__.py", "VERSION", "swagger-ui.css.map"])
def test_no_other_file_of_the_package_is_served(office: Office, name: str) -> None:
    assert problem(office.client.get(f"/docs/{name}"))[:2] == (404, "not_found")
