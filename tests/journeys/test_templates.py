"""A template is stored, published and edited, and letters are made of what was published when they were taken."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest
import resend

from tests.clients.node import VERSIONS, Call, called, missing
from tests.clients.python import Client
from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office, eventually

HTML = """\
<html><head><style>.price { color: #800000 }</style></head><body>
<h1>Hello {{{NAME}}}</h1>
<table>{% for line in lines %}
<tr><td>{{ line.name }}</td><td class="price">{{ '%.2f'|format(line.price) }}</td></tr>{% endfor %}
</table></body></html>
"""


def done(office: Office, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    told, answer = office.request(method, f"/templates{path}", body)
    assert told == status, answer
    return dict(answer)


def published(office: Office, **members: Any) -> str:
    """The alias of a template that letters can be made of."""
    alias = f"t{uuid4().hex}"
    whole = {"name": "Of a test", "alias": alias, "from": "Alice <alice@example.org>", "html": HTML, **members}
    done(office, "POST", "", whole, 201)
    done(office, "POST", f"/{alias}/publish")
    return alias


def message(destination: Destination, address: str) -> EmailMessage:
    (letter,) = destination.letters_to(address)
    parsed = message_from_bytes(letter.content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def body(parsed: EmailMessage, kind: str) -> str:
    part = parsed.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def made(office: Office, to: str, alias: str, **variables: Any) -> str:
    letter = {"to": to, "template": {"id": alias, "variables": variables}}
    status, answer = office.request("POST", "/emails", letter)
    assert status == 200, answer
    return str(answer["id"])


def test_a_letter_is_made_of_what_is_published(office: Office, destination: Destination) -> None:
    alias = published(office, subject="For {{ NAME }}")
    lines = [{"name": "Tea & milk", "price": 3.5}, {"name": "<Cake>", "price": 12}]
    office.wait_for(made(office, "first@templates.example.net", alias, NAME="Ann <3", lines=lines), "delivered")
    first = message(destination, "first@templates.example.net")
    assert (first["From"], first["Subject"]) == ("Alice <alice@example.org>", "For Ann <3")
    html, text = body(first, "html"), body(first, "plain")
    assert "<h1>Hello Ann &lt;3</h1>" in html
    assert '<td class="price" style="color: #800000;">12.00</td>' in html
    assert "&lt;Cake&gt;" in html
    assert "Hello Ann <3" in text
    assert "<Cake>" in text
    assert "Tea & milk" in text

    done(office, "PATCH", f"/{alias}", {"html": "<p>Edited for {{ NAME }}</p>"})
    office.wait_for(made(office, "second@templates.example.net", alias, NAME="Ann", lines=[]), "delivered")
    assert "<h1>Hello Ann</h1>" in body(message(destination, "second@templates.example.net"), "html")

    done(office, "POST", f"/{alias}/publish")
    numbers = iter(range(1000))

    def edited() -> bool:  # in every process, some of which may remember for a moment what was published before
        to = f"third{next(numbers)}@templates.example.net"
        office.wait_for(made(office, to, alias, NAME="Ann", lines=[]), "delivered")
        return "<p>Edited for Ann</p>" in body(message(destination, to), "html")

    eventually(edited)


def test_each_letter_of_a_batch_is_its_own(office: Office, destination: Destination) -> None:
    alias = published(office, subject="For {{ NAME }}", html="<p>Hello {{ NAME }}</p>")
    names = ["Ann", "Bob", "Cem"]
    items = [
        {"to": f"{name.lower()}@batch.templates.example.net", "template": {"id": alias, "variables": {"NAME": name}}}
        for name in names
    ]
    key = {"Idempotency-Key": uuid4().hex}
    status, answer = office.request("POST", "/emails/batch", items, key)
    assert status == 200, answer
    for each in answer["data"]:
        office.wait_for(each["id"], "delivered")
    done(office, "DELETE", f"/{alias}")
    assert office.request("POST", "/emails/batch", items, key)[1] == answer
    for name in names:
        letter = message(destination, f"{name.lower()}@batch.templates.example.net")
        assert (letter["Subject"], body(letter, "html").strip()) == (f"For {name}", f"<p>Hello {name}</p>")


def test_a_hostile_template_leaves_the_function_well(office: Office) -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"
    alias = published(office, subject="s", html=endless)
    letter = {"to": "nobody@templates.example.net", "template": {"id": alias}}
    status, answer = office.request("POST", "/emails", letter)
    assert (status, answer["name"]) == (422, "validation_error")
    assert "its html, line 1: it takes more than" in answer["message"]
    assert office.request("GET", "/healthz")[0] == 200


def test_python_keeps_templates(client: Client, destination: Destination, office: Office) -> None:
    alias = f"t{uuid4().hex}"
    variables = [{"key": "NAME", "type": "string", "fallback_value": "friend"}]
    created = client(resend.Templates, "create")(
        {"name": "Of a client", "alias": alias, "html": "<p>Hi {{{NAME}}}</p>", "variables": variables}
    )
    assert client(resend.Templates, "update")({"id": alias, "subject": "For {{{NAME}}}"})["id"] == created["id"]
    assert client(resend.Templates, "publish")(created["id"])["object"] == "template"
    read = client(resend.Templates, "get")(alias)
    assert (read["status"], read["subject"], read["variables"][0]["key"]) == ("published", "For {{{NAME}}}", "NAME")
    assert created["id"] in [each["id"] for each in client(resend.Templates, "list")({"limit": 100})["data"]]
    copy = client(resend.Templates, "duplicate")(alias)
    assert client(resend.Templates, "remove")(copy["id"])["deleted"] is True
    to = f"{alias}@python.example.net"
    use = {"id": alias, "variables": {"NAME": "Ann"}}
    sent = client(resend.Emails, "send")({"from": "alice@example.org", "to": [to], "template": use})
    office.wait_for(sent["id"], "delivered")
    assert message(destination, to)["Subject"] == "For Ann"


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_the_newest_node_keeps_templates(office: Office, destination: Destination) -> None:
    alias, to = f"t{uuid4().hex}", f"{uuid4().hex}@node.example.net"
    variables = [{"key": "NAME", "type": "string", "fallbackValue": "friend"}, {"key": "AGE", "type": "number"}]
    template = {"name": "Node", "alias": alias, "html": "<p>{{{NAME}}}, {{{AGE}}}</p>", "variables": variables}
    use = {"id": alias, "variables": {"AGE": 7}}
    calls: list[tuple[str, list[Any]]] = [
        ("templates.create", [template]),
        ("templates.update", [{"$id": 0}, {"subject": "For {{{NAME}}}", "replyTo": "help@example.org"}]),
        ("templates.publish", [{"$id": 0}]),
        ("templates.get", [alias]),
        ("templates.list", [{"limit": 100}]),
        ("templates.duplicate", [alias]),
        ("templates.remove", [{"$id": 5}]),
        ("emails.send", [{"from": "alice@example.org", "to": to, "template": use}]),
    ]
    answers = called(f"http://127.0.0.1:{office.port}", [Call(VERSIONS[-1], KEY, name, args) for name, args in calls])
    assert [each["error"] for each in answers] == [None] * len(calls)
    created, _, _, read, listed, _, removed, sent = (each["data"] for each in answers)
    assert read["variables"][0]["fallback_value"] == "friend"
    assert read["reply_to"] == ["help@example.org"]
    assert created["id"] in [each["id"] for each in listed["data"]]
    assert removed["deleted"] is True
    office.wait_for(sent["id"], "delivered")
    assert message(destination, to)["Subject"] == "For friend"
    assert "friend, 7" in body(message(destination, to), "html")
