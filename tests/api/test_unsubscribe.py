"""Unsubscribing with one click (RFC 8058): the letters that offer it, and where their links lead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from postroom.account.vault import Vault
from postroom.ports import Unavailable
from tests.api.office import FULL, UNSUBSCRIBE, Office, letter, problem

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def office() -> Office:
    return Office(public_url="https://mail.shop.example")


def offered(office: Office, **members: Any) -> str:
    """The path of the link in a letter that offers to unsubscribe."""
    kept = office.kept(office.send(delivery={"unsubscribe": True}, **members))
    return urlsplit(dict(kept.headers)["List-Unsubscribe"].strip("<>")).path


def listed(office: Office, address: str = "ann@home.example") -> Any:
    found = office.get(f"/suppressions/{address}")
    return found.json if found.status_code == 200 else None


def path_of(token: str) -> str:
    return f"/unsubscribe/{token}"


def test_a_letter_offers_it_when_asked_to(office: Office) -> None:
    id_ = office.send(
        to="Ann <Ann@home.example>",
        html='<p>News. <a href="{{ unsubscribe_url }}">No more of it</a></p>',
        text=...,
        delivery={"unsubscribe": True},
    )
    kept = office.kept(id_)
    (link, url), post = kept.headers
    assert (link, post) == ("List-Unsubscribe", ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    assert re.fullmatch(r"<https://mail\.shop\.example/unsubscribe/[A-Za-z0-9_-]+>", url)
    assert kept.html == f'<p>News. <a href="{url[1:-1]}">No more of it</a></p>'
    told: Any = office.get(f"/emails/{id_}").json
    assert told["text"] == f"News. No more of it ({url[1:-1]})"
    assert UNSUBSCRIBE.mailbox(url[1:-1].rpartition("/")[2]).address == "Ann@home.example"
    raw = office.get(f"/emails/{id_}/raw").data
    assert f"List-Unsubscribe: {url}\r\n".encode() in raw.replace(b"\r\n ", b" ")


@pytest.mark.parametrize("delivery", [..., {}, {"unsubscribe": False}, {"unsubscribe": None}])
def test_a_letter_that_does_not_ask_has_no_link_and_no_place_for_one(office: Office, delivery: Any) -> None:
    to = ["a@home.example", "b@home.example"]
    kept = office.kept(office.send(text="{{ unsubscribe }}", to=to, delivery=delivery))
    assert (kept.text, kept.headers) == ("{{ unsubscribe }}", ())
    for member in ("html", "text"):
        status, name, told = problem(office.post(letter(to=to, delivery=delivery) | {member: "{{{unsubscribe_url}}}"}))
        assert (status, name) == (422, "validation_error")
        assert told.startswith(f"Invalid `{member}` field: it holds `{{{{ unsubscribe_url }}}}`")
        assert "`delivery.unsubscribe`" in told


def test_a_repeat_under_its_key_is_the_same_letter(office: Office) -> None:
    asked = letter(delivery={"unsubscribe": True})
    first, second = office.post(asked, key="k"), office.post(asked, key="k")
    assert first.json == second.json


def test_each_letter_of_a_batch_has_a_link_of_its_own(office: Office) -> None:
    items = [letter(to=f"{name}@home.example", delivery={"unsubscribe": True}) for name in ("ann", "bob")]
    answered = office.client.post("/emails/batch", json=items, headers={"Authorization": f"Bearer {FULL}"})
    kept = [office.kept(each["id"]) for each in answered.json["data"]]  # type: ignore[index]
    tokens = [dict(each.headers)["List-Unsubscribe"].strip("<>").rpartition("/")[2] for each in kept]
    assert [UNSUBSCRIBE.mailbox(token).local for token in tokens] == ["ann", "bob"]


def test_a_batch_tells_which_letter_has_no_link_to_offer() -> None:
    office = Office(public_url="http://mail.shop.example")
    items = [letter(), letter(delivery={"unsubscribe": True})]
    key = {"Authorization": f"Bearer {FULL}"}
    status, _, message = problem(office.client.post("/emails/batch", json=items, headers=key))
    assert status == 422
    assert message.startswith("Invalid `[1].delivery.unsubscribe` field: receivers take a link to unsubscribe by https")
    assert office.submissions.letters == {}
    permissive = office.client.post("/emails/batch", json=items, headers=key | {"x-batch-validation": "permissive"})
    told: Any = permissive.json
    assert (len(told["data"]), [each["index"] for each in told["errors"]]) == (1, [1])


@pytest.mark.parametrize(
    ("members", "told"),
    [
        (
            {"sender": ..., "cc": "b@home.example", "headers": {"List-Unsubscribe": "x"}},
            "Missing `from` field. Invalid `headers.List-Unsubscribe` field: it is written with the link to unsubscribe"
            "; leave it out, or leave that out. Invalid `delivery.unsubscribe` field: a link to unsubscribe is one",
        ),
        (
            {"to": ["a@home.example", "b@home.example"]},
            "Invalid `delivery.unsubscribe` field: a link to unsubscribe is one recipient's own, and this letter has 2."
            " Send a batch with an item for each of them.",
        ),
        ({"cc": "b@home.example", "bcc": "c@home.example"}, "has 3. Send a batch"),
        (
            {"headers": {"list-unsubscribe": "<mailto:a@shop.example>"}},
            "Invalid `headers.list-unsubscribe` field: it is written",
        ),
        ({"headers": {"List-Unsubscribe-Post": "x"}}, "Invalid `headers.List-Unsubscribe-Post` field: it is written"),
        (
            {"delivery": {"unsubscribe": "yes"}},
            "Invalid `delivery.unsubscribe` field: expected true or false, not a string.",
        ),
    ],
)
def test_a_letter_that_cannot_offer_it_is_refused(office: Office, members: dict[str, Any], told: str) -> None:
    status, name, message = problem(office.post(letter(**{"delivery": {"unsubscribe": True}, **members})))
    assert (status, name) == (422, "validation_error")
    assert told in message


def test_one_recipient_who_is_named_twice_is_one(office: Office) -> None:
    assert offered(office, cc="ANN@home.example")


@pytest.mark.parametrize(
    ("public_url", "host", "good"),
    [
        (None, "localhost:8080", True),
        (None, "127.0.0.1:8080", True),
        (None, "[::1]:8080", True),
        (None, "api.shop.example", False),
        (None, "localhost.shop.example", False),
        (None, "192.168.1.7:8080", False),
        ("http://api.shop.example", "localhost", False),
        ("http://127.0.0.1:9", "api.shop.example", True),
        ("https://api.shop.example/mail/", "localhost", True),
    ],
)
def test_a_link_goes_by_https_unless_it_leads_to_this_machine(public_url: str | None, host: str, good: bool) -> None:
    office = Office(public_url=public_url)
    answered = office.client.post(
        "/emails",
        json=letter(delivery={"unsubscribe": True}),
        headers={"Authorization": f"Bearer {FULL}", "Host": host},
    )
    if good:
        (_, url), _ = office.kept(answered.json["id"]).headers  # type: ignore[index]
        assert url.startswith(f"<{(public_url or f'http://{host}').rstrip('/')}/unsubscribe/")
    else:
        status, name, message = problem(answered)
        assert (status, name) == (422, "validation_error")
        assert "`delivery.unsubscribe`" in message
        assert "Set POSTROOM_PUBLIC_URL to the https address" in message
        assert office.submissions.letters == {}


class Form(HTMLParser):
    """What a browser makes of the page's form."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "form":
            assert given == {"method": "post"}, "to where the page is"
        if tag == "input":
            self.fields[given["name"] or ""] = given["value"] or ""


def assert_is_a_page(answered: TestResponse) -> None:
    assert answered.content_type == "text/html; charset=utf-8"
    policy = answered.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'" in policy
    assert answered.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answered.headers["Cache-Control"] == "no-store"
    assert answered.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in answered.headers
    assert "home.example" not in answered.text, "nobody is named"
    assert not {"script", "link", "img", "iframe"} & set(Form(answered.text).tags)


def test_following_the_link_shows_a_button_and_changes_nothing(office: Office) -> None:
    path = offered(office)
    for _ in range(2):
        answered = office.client.get(path, headers=BROWSER)
        assert answered.status_code == 200
        assert_is_a_page(answered)
        assert Form(answered.text).fields == ONE_CLICK
    head = office.client.head(path)
    assert (head.status_code, head.data) == (200, b"")
    assert listed(office) is None


def test_the_button_unsubscribes(office: Office) -> None:
    path = offered(office)
    answered = office.client.post(path, data=Form(office.client.get(path).text).fields, headers=BROWSER)
    assert answered.status_code == 200
    assert_is_a_page(answered)
    assert "You are unsubscribed" in answered.text
    entry = listed(office)
    assert (entry["email"], entry["origin"], entry["source_id"]) == ("ann@home.example", "manual", None)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_so_does_a_mail_provider(office: Office, content_type: str) -> None:
    answered = office.client.post(offered(office), data=ONE_CLICK, content_type=content_type)
    assert answered.status_code == 200
    assert listed(office)


def test_once_more_is_as_good_and_costs_a_look(office: Office) -> None:
    path = offered(office)
    assert office.client.post(path, data=ONE_CLICK).status_code == 200
    first = listed(office)
    office.now += timedelta(days=400)
    before = dict(office.directory.documents)
    assert office.client.post(path, data=ONE_CLICK).status_code == 200
    assert office.directory.documents == before
    assert listed(office) == first


def test_a_repeat_finishes_what_a_crash_left_half_done(office: Office) -> None:
    path = offered(office)

    def put(kind: str, key: str, document: Mapping[str, Any]) -> None:
        raise Unavailable(f"{kind} {key} {document}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(office.directory, "put", put)
        assert office.client.post(path, data=ONE_CLICK).status_code == 503
    assert listed(office), "it counts at once"
    assert office.client.post(path, data=ONE_CLICK).status_code == 200
    found: Any = office.get("/suppressions?origin=manual").json
    assert [each["email"] for each in found["data"]] == ["ann@home.example"]


def test_the_link_works_when_the_letter_is_long_gone_and_again_after_the_address_was_taken_off(office: Office) -> None:
    kept = office.send(delivery={"unsubscribe": True})
    path = urlsplit(dict(office.kept(kept).headers)["List-Unsubscribe"].strip("<>")).path
    office.submissions.letters.clear()
    office.submissions.stored.clear()
    office.now += timedelta(days=3650)
    for _ in range(2):
        assert office.client.post(path, data=ONE_CLICK).status_code == 200
        assert listed(office)
        assert office.delete("/suppressions/ann@home.example").status_code == 200
        office.now += timedelta(days=1)


PART = b"--b\r\nContent-Disposition: form-data; name="
MULTIPART = "multipart/form-data; boundary=b"
GOOD = Vault((b"\x01" * 32,), bytes).close(b"ann@home.example", "unsubscribe")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "A" * 60,
        GOOD[:-1],
        GOOD + "A",
        GOOD[::-1],
        "%00" * 40,
        "%2e%2e%2f" * 10,
        "é" * 50,
        "<script>" * 8,
        "A" * 8000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_link_that_is_not_ours_leads_nowhere(office: Office, token: str, method: str) -> None:
    before = dict(office.directory.documents)
    plain = office.client.open(path_of(token), method=method, data=ONE_CLICK)
    assert plain.status_code == 404
    if method != "HEAD":
        assert plain.content_type == "application/json"
        page = office.client.open(path_of(token), method=method, data=ONE_CLICK, headers=BROWSER)
        assert page.status_code == 404
        if "%2f" not in token:
            assert_is_a_page(page)
        assert "<script" not in page.text
    assert office.directory.documents == before


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", None, 400),
        (b"", "application/x-www-form-urlencoded", 400),
        (b"List-Unsubscribe=One-Click", None, 400),
        (b"List-Unsubscribe=One-Click", "text/plain", 400),
        (b'{"List-Unsubscribe": "One-Click"}', "application/json", 400),
        (b"List-Unsubscribe=No", "application/x-www-form-urlencoded", 400),
        (b"list-unsubscribe=One-Click", "application/x-www-form-urlencoded", 400),
        (b"&=&;%ff%00List-Unsubscribe", "application/x-www-form-urlencoded", 400),
        (b"a=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"&a" * 8_000, "application/x-www-form-urlencoded", 400),
        (b"--b\r\nnonsense", MULTIPART, 400),
        (b"--b\r\n", "multipart/form-data", 400),
        (PART + b"List-Unsubscribe\r\n\r\nOne-", MULTIPART, 400),
        ((PART + b"a\r\n\r\n\r\n") * 40 + b"--b--", MULTIPART, 413),
        (PART + b"List-Unsubscribe; filename=x\r\n\r\nOne-Click\r\n--b--", MULTIPART, 400),
    ],
)
def test_a_body_that_is_not_the_one_pair_changes_nothing(
    office: Office, body: bytes, content_type: str | None, status: int
) -> None:
    path = offered(office)
    answered = office.client.post(path, data=body, content_type=content_type)
    assert problem(answered)[0] == status
    page = office.client.post(path, data=body, content_type=content_type, headers=BROWSER)
    assert page.status_code == status
    assert_is_a_page(page)
    assert listed(office) is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_none(office: Office, method: str) -> None:
    assert office.client.open(offered(office), method=method, data=ONE_CLICK).status_code == 405


def test_a_token_is_never_written_down(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    path = offered(office)
    office.directory.down = Unavailable("the directory is out of reach")
    assert office.client.post(path, data=ONE_CLICK).status_code == 503
    logged = "".join(capfd.readouterr())
    assert "/unsubscribe/<token>" in logged
    assert path not in logged
