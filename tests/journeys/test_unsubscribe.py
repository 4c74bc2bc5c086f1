"""Who has had enough leaves with one click (RFC 8058), and is written to no more."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import Message
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import dkim

from tests.journeys.destination import Destination
from tests.journeys.office import Office


def test_who_unsubscribes_with_one_click_is_written_to_no_more(office: Office, destination: Destination) -> None:
    *_, record = office.run("domains", "add", "news.example.org").strip().splitlines()
    asked = {
        "from": "News <news@news.example.org>",
        "text": None,
        "html": '<p>News.</p><p><a href="{{ unsubscribe_url }}">No more of it</a></p>',
        "delivery": {"unsubscribe": True},
    }
    office.wait_for(office.send("Reader@leaves.example.net", **asked), "delivered")
    (letter,) = destination.letters_to("Reader@leaves.example.net")

    def dns(_name: bytes, timeout: int = 5) -> bytes:  # noqa: ARG001  dkimpy's signature
        return record.partition("  ")[2].encode()

    assert dkim.verify(letter.content, dnsfunc=dns)
    mail = message_from_bytes(letter.content)
    covered = re.sub(r"\s", "", mail["DKIM-Signature"]).lower().partition(";h=")[2].partition(";")[0].split(":")
    # RFC 8058 §4. Each is named once more than it is there, so that no other can be added.
    assert covered.count("list-unsubscribe") == covered.count("list-unsubscribe-post") == 2
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = mail["List-Unsubscribe"].strip().strip("<>")
    text, html = (body(part) for part in mail.walk() if not part.is_multipart())
    assert text == f"News.\n\nNo more of it ({url})"
    assert f'<a href="{url}">No more of it</a>' in html

    assert ask("GET", url).status == 200, "a scanner looks"
    office.wait_for(office.send("reader@leaves.example.net", **asked), "delivered")

    for _ in range(2):
        assert ask("POST", url, "List-Unsubscribe=One-Click").status == 200
    email = office.wait_for(office.send("reader@leaves.example.net", **asked), "suppressed")
    assert email["recipients"][0]["cause"] == "manual"
    assert len(destination.letters_to("reader@leaves.example.net")) == 1
    status, entry = office.request("GET", "/suppressions/reader@leaves.example.net")
    assert (status, entry["origin"], entry["source_id"]) == (200, "manual", None)


def test_a_link_that_was_changed_does_nothing(office: Office, destination: Destination) -> None:
    office.wait_for(office.send("bob@stays.example.net", delivery={"unsubscribe": True}), "delivered")
    (letter,) = destination.letters_to("bob@stays.example.net")
    url = message_from_bytes(letter.content)["List-Unsubscribe"].strip().strip("<>")
    assert ask("POST", url[:-4], "List-Unsubscribe=One-Click").status == 404
    assert ask("POST", url, "yes=please").status == 400
    assert office.request("GET", "/suppressions/bob@stays.example.net")[0] == 404


def body(part: Message) -> str:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode().replace("\r\n", "\n")


def ask(method: str, url: str, form: str | None = None) -> HTTPResponse:
    """A request as a mail provider makes it: with no key, no cookie, and a form."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        headers = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, parts.path, form, headers)
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()
