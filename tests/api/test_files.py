"""What a letter encloses, read back: descriptions, links that need no key, and the letter's own octets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from postroom.message.letter import Attachment
from postroom.outgoing import rendered
from tests.api.office import NOON, SENDING, Office, problem

UNKNOWN = "00000000-0000-4000-8000-00000000ffff"
FILES = [
    {"filename": 'Größe "1".html', "content": "PHNjcmlwdD4="},
    {"filename": "logo.png", "content": "QUJD", "content_id": "logo"},
    {"path": "https://files.example/report"},
]


@pytest.fixture
def email(office: Office) -> str:
    return office.send(attachments=FILES)


def listed(office: Office, email: str, query: str = "") -> list[dict[str, Any]]:
    answered: Any = office.get(f"/emails/{email}/attachments{query}").json
    assert set(answered) == {"object", "has_more", "data"}
    data: list[dict[str, Any]] = answered["data"]
    return data


def downloaded(office: Office, url: str) -> TestResponse:
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("http", "localhost")
    return office.client.get(f"{parts.path}?{parts.query}")


def test_every_file_is_described_in_the_letters_order(office: Office, email: str) -> None:
    html, logo, report = listed(office, email)
    assert len({each["id"] for each in (html, logo, report)}) == 3
    assert {UUID(each["id"]).version for each in (html, logo, report)} == {8}
    assert html.items() >= {"filename": 'Größe "1".html', "size": 8, "content_type": "text/html"}.items()
    assert html.items() >= {"content_disposition": "attachment", "content_id": None}.items()
    assert html["expires_at"] == "2030-01-02T13:00:01.000Z"
    assert logo.items() >= {"size": 3, "content_disposition": "inline", "content_id": "logo"}.items()
    assert {name: each for name, each in report.items() if name != "id"} == {
        "filename": "report",
        "size": None,
        "content_type": "application/octet-stream",
        "content_disposition": "attachment",
        "content_id": None,
        "download_url": None,
        "expires_at": None,
    }
    assert listed(office, email) == [html, logo, report], "and the ids stay what they are"


def test_one_file_is_described_the_same_way(office: Office, email: str) -> None:
    for each in listed(office, email):
        assert office.get(f"/emails/{email}/attachments/{each['id']}").json == {"object": "attachment", **each}
    for path in (f"{email}/attachments/{UNKNOWN}", f"{UNKNOWN}/attachments/{each['id']}", f"{UNKNOWN}/attachments"):
        assert problem(office.get(f"/emails/{path}"))[:2] == (404, "not_found")
    assert listed(office, office.send()) == []


def test_the_list_has_pages(office: Office, email: str) -> None:
    ids = [each["id"] for each in listed(office, email)]
    first: Any = office.get(f"/emails/{email}/attachments?limit=2").json
    assert ([each["id"] for each in first["data"]], first["has_more"]) == (ids[:2], True)
    assert [each["id"] for each in listed(office, email, f"?after={ids[1]}")] == ids[2:]
    assert [each["id"] for each in listed(office, email, f"?before={ids[2]}&limit=1")] == [ids[1]]
    assert problem(office.get(f"/emails/{email}/attachments?after={UNKNOWN}"))[0] == 422


def test_a_link_needs_no_key_and_no_browser_runs_what_is_behind_it(office: Office, email: str) -> None:
    answered = downloaded(office, listed(office, email)[0]["download_url"])
    assert (answered.status_code, answered.data) == (200, b"<script>")
    assert answered.content_type == "text/html"
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    assert answered.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answered.headers["Cache-Control"] == "private, no-store"
    disposition = answered.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.html"


def test_a_link_ends_with_its_hour(office: Office, email: str) -> None:
    url = listed(office, email)[0]["download_url"]
    office.now += timedelta(minutes=59, seconds=59)
    assert downloaded(office, url).status_code == 200
    office.now += timedelta(seconds=1)
    assert problem(downloaded(office, url))[:2] == (404, "not_found")


def test_a_link_opens_nothing_else(office: Office, email: str) -> None:
    html, logo, report = listed(office, email)
    for other in (logo["id"], report["id"], UNKNOWN):
        assert problem(downloaded(office, html["download_url"].replace(html["id"], other)))[0] == 404
    other = office.send(attachments=FILES)
    assert problem(downloaded(office, html["download_url"].replace(email, other)))[0] == 404
    query = parse_qs(urlsplit(html["download_url"]).query)
    longer = html["download_url"].replace(query["expires"][0], str(int(query["expires"][0]) + 3600))
    assert problem(downloaded(office, longer))[0] == 404
    assert problem(office.get(f"/emails/{email}/attachments/{html['id']}/download"))[0] == 404, "a key is no link"


def test_a_link_ends_with_its_letter(office: Office, email: str) -> None:
    url = listed(office, email)[0]["download_url"]
    assert office.delete(f"/emails/{email}").status_code == 200
    assert problem(downloaded(office, url))[0] == 404


def test_links_lead_where_the_settings_say() -> None:
    office = Office(public_url="https://mail.example.org/api/")
    url = listed(office, office.send(attachments=FILES))[0]["download_url"]
    assert url.startswith("https://mail.example.org/api/emails/")


def test_a_letter_is_read_as_it_is_sent(office: Office) -> None:
    email = office.send(attachments=FILES[:2], bcc="dora@home.example", html="<p>Hello")
    stored = office.submissions.stored[email]
    answered = office.get(f"/emails/{email}/raw")
    assert answered.status_code == 200
    assert answered.data == rendered(office.kept(email), stored, stored.created_at)
    assert b"Date: Wed, 2 Jan 2030 12:00:00 +0000\r\n" in answered.data
    assert b"dora" not in answered.data
    assert answered.content_type == "message/rfc822"
    assert answered.headers["Content-Disposition"] == f"attachment; filename={email}.eml"
    assert answered.headers["X-Content-Type-Options"] == "nosniff"


def test_a_letter_that_is_not_whole_can_not_be_read_yet(office: Office, email: str) -> None:
    message = "Some of its files are still to be fetched. Ask again once it was sent."
    assert problem(office.get(f"/emails/{email}/raw")) == (422, "validation_error", message)
    whole = office.kept(email)
    files = (*whole.attachments[:2], Attachment(filename="report", content=b"42", content_type="text/plain"))
    office.submissions.letters[email] = type(whole)(
        sender=whole.sender, to=whole.to, subject=whole.subject, text=whole.text, attachments=files
    ).pack()
    assert office.get(f"/emails/{email}/raw").status_code == 200
    assert listed(office, email)[2].items() >= {"size": 2, "content_type": "text/plain"}.items()


def test_a_letter_that_is_gone_or_damaged_can_not_be_read(office: Office, email: str) -> None:
    office.submissions.letters[email] = b"nonsense"
    assert problem(office.get(f"/emails/{email}/raw"))[:2] == (404, "not_found")
    assert listed(office, email) == []
    assert problem(office.get(f"/emails/{UNKNOWN}/raw"))[:2] == (404, "not_found")


def test_a_key_that_only_sends_reads_nothing(office: Office, email: str) -> None:
    for path in ("raw", "attachments", f"attachments/{UNKNOWN}"):
        answered = problem(office.get(f"/emails/{email}/{path}", token=SENDING))
        assert answered[:2] == (401, "restricted_api_key")
    assert problem(office.delete(f"/emails/{email}", token=SENDING))[:2] == (401, "restricted_api_key")
    assert office.submissions.stored[email].created_at == NOON
