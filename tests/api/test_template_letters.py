"""Letters that are made of templates."""

from __future__ import annotations

import time
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.api.office import FULL, Office, letter, problem
from tests.api.test_templates import WELCOME, done, stored


@pytest.fixture
def welcome(office: Office) -> str:
    id_ = stored(office, **WELCOME)
    done(office, "POST", f"/{id_}/publish")
    return id_


def made(**members: Any) -> dict[str, Any]:
    """A request that leaves all to the template."""
    use = {"id": "welcome", "variables": {"NAME": "Ann", "PRICE": 3}}
    return letter(**{"sender": ..., "subject": ..., "text": ..., "template": use, **members})


def batch(office: Office, items: list[Any], **headers: str) -> TestResponse:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return office.client.post("/emails/batch", json=items, headers={"Authorization": f"Bearer {FULL}", **told})


def sent(office: Office, **members: Any) -> Any:
    answered = office.post(made(**members))
    assert answered.status_code == 200, answered.text
    return office.kept(answered.json["id"])  # type: ignore[index]


def test_the_template_says_what_the_letter_does_not(office: Office, welcome: str) -> None:
    kept = sent(office)
    assert (str(kept.sender), kept.subject) == ("Shop <hello@shop.example>", "Welcome, Ann")
    assert list(map(str, kept.reply_to)) == ["help@shop.example"]
    assert (kept.html, kept.text) == ("<p>Hello Ann, that is 3.", "Hello Ann")
    by_id = sent(office, template={"id": welcome.upper(), "variables": {"NAME": "<Bob>", "PRICE": 2.5}})
    assert (by_id.html, by_id.text) == ("<p>Hello &lt;Bob&gt;, that is 2.5.", "Hello <Bob>")


def test_what_the_letter_says_itself_comes_first(office: Office, welcome: str) -> None:  # noqa: ARG001  it is there
    kept = sent(office, sender="me@shop.example", subject="Hi {{ NAME }}", reply_to=["x@y.example"])
    assert (str(kept.sender), kept.subject) == ("me@shop.example", "Hi {{ NAME }}")
    assert list(map(str, kept.reply_to)) == ["x@y.example"]


def test_a_fallback_stands_in_and_more_variables_do_no_harm(office: Office, welcome: str) -> None:  # noqa: ARG001  it is there
    assert (
        sent(office, template={"id": "welcome", "variables": {"PRICE": 1, "more": {"a": [1]}}}).text == "Hello friend"
    )
    assert sent(office, template={"id": "welcome", "variables": {"PRICE": 1, "NAME": None}}).text == "Hello friend"


def test_text_is_made_of_the_html_unless_it_is_not_wanted(office: Office) -> None:
    html = "<h1>Hello {{ NAME }}</h1>{% for each in things %}<p>{{ each }} &amp; more</p>{% endfor %}"
    stored(office, alias="plain", html=html, subject="s", **{"from": "a@shop.example"})
    done(office, "POST", "/plain/publish")
    use = {"id": "plain", "variables": {"NAME": "<Ann>", "things": ["a", "b"]}}
    text = sent(office, template=use).text
    assert "Hello <Ann>" in text
    assert "a & more" in text
    assert "b & more" in text
    done(office, "PATCH", "/plain", {"text": ""})
    done(office, "POST", "/plain/publish")
    assert not sent(office, template=use).text


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"template": {"id": "nobody"}}, "Invalid `template.id` field: there is no template with this id or alias."),
        ({"template": {}}, "Missing `template.id` field."),
        ({"template": "welcome"}, "Invalid `template` field: expected an object, not a string."),
        ({"template": {"id": "welcome"}}, "Missing `template.variables.PRICE` field."),
        (
            {"template": {"id": "welcome", "variables": {"PRICE": "3", "NAME": 3}}},
            "Invalid `template.variables.NAME` field: the template declares it as a string, and this isn't one. "
            "Invalid `template.variables.PRICE` field: the template declares it as a number, and this isn't one.",
        ),
        (
            {"html": "<p>x", "text": "x"},
            "Invalid `html` field: `template` was given too, and makes the letter's body: leave one of them out. "
            "Invalid `text` field: `template` was given too, and makes the letter's body: leave one of them out.",
        ),
        (
            {"template": {"id": "welcome", "variables": []}},
            "Invalid `template.variables` field: expected an object, not",
        ),
        (
            {"template": {"id": "welcome", "variables": {"a b": 1}}},
            'Invalid `template.variables."a b"` field: a variable',
        ),
        (
            {"template": {"id": "welcome", "variables": {"A": 10**16}}},
            "Invalid `template.variables.A` field: it is larger",
        ),
        (
            {"template": {"id": "welcome", "variables": {"A": "\ud800"}}},
            "Invalid `template.variables.A` field: it holds ",
        ),
        (
            {"template": {"id": "welcome", "variables": {"A": [[[[[[[[[1]]]]]]]]]}}},
            "Invalid `template.variables.A` field: its",
        ),
        (
            {"template": {"id": "welcome", "variables": {"A": "x" * 200_001}}},
            "Invalid `template.variables.A` field: the ",
        ),
        (
            {"template": {"id": "welcome", "variables": {"A": [1] * 200_001}}},
            "Invalid `template.variables.A` field: the ",
        ),
        (
            {"template": {"id": "welcome", "variables": {f"A{n}": 1 for n in range(201)}}},
            "Invalid `template.variables` field: it holds 201 variables, and at most 200 may be given.",
        ),
    ],
)
def test_what_is_wrong_with_its_use_is_told(
    office: Office,
    welcome: str,  # noqa: ARG001  it is there
    members: dict[str, Any],
    message: str,
) -> None:
    status, _, text = problem(office.post(made(**members)))
    assert status == 422
    assert text.startswith(message)
    assert not office.submissions.stored


def test_a_draft_makes_no_letters(office: Office) -> None:
    stored(office, **WELCOME)
    told = "Invalid `template.id` field: the template isn't published, and letters are made of what is."
    assert problem(office.post(made())) == (422, "validation_error", told)


def test_somebody_has_to_say_whom_it_is_from_and_what_it_is_about(office: Office) -> None:
    stored(office, alias="welcome")
    done(office, "POST", "/welcome/publish")
    told = "Missing `from` field. Missing `subject` field."
    assert problem(office.post(made())) == (422, "missing_required_field", told)


def test_the_senders_domain_is_looked_at_wherever_it_is_said(office: Office) -> None:
    stored(office, **WELCOME | {"from": "a@new.example"})
    done(office, "POST", "/welcome/publish")
    assert problem(office.post(made()))[:2] == (403, "validation_error")


def test_no_variable_brings_a_header_along(office: Office, welcome: str) -> None:  # noqa: ARG001  it is there
    use = {"id": "welcome", "variables": {"NAME": "Ann\r\nBcc: eve@away.example\r\n\r\nHello", "PRICE": 1}}
    assert sent(office, template=use).subject == "Welcome, Ann Bcc: eve@away.example Hello"
    use["variables"]["NAME"] = "Ann\x00"  # type: ignore[index]
    assert problem(office.post(made(template=use)))[2].startswith("Invalid `subject` field: as the template makes it, ")
    use["variables"]["NAME"] = "x" * 1000  # type: ignore[index]
    assert problem(office.post(made(template=use)))[2].startswith("Invalid `subject` field: as the template makes it, ")


def test_letters_are_made_of_what_is_published(office: Office, welcome: str) -> None:
    done(office, "PATCH", f"/{welcome}", {"text": "Edited"})
    assert sent(office).text == "Hello Ann"
    done(office, "POST", f"/{welcome}/publish")
    assert sent(office).text == "Edited"


def test_a_repeat_under_its_key_is_the_letter_that_was_sent(office: Office, welcome: str) -> None:
    first: Any = office.post(made(), key="k").json
    done(office, "PATCH", f"/{welcome}", {"text": "Edited"})
    done(office, "POST", f"/{welcome}/publish")
    assert office.post(made(), key="k").json == first
    assert office.kept(first["id"]).text == "Hello Ann"
    done(office, "DELETE", f"/{welcome}")
    assert office.post(made(), key="k").json == first
    assert problem(office.post(made(), key="another"))[0] == 422
    changed = made(template={"id": "welcome", "variables": {"NAME": "Bob", "PRICE": 3}})
    assert problem(office.post(changed, key="k"))[0] == 422


def test_each_item_of_a_batch_has_variables_of_its_own(office: Office, welcome: str) -> None:  # noqa: ARG001  it is there
    names = ["Ann", "Bob", "Cem"]
    items = [made(template={"id": "welcome", "variables": {"NAME": name, "PRICE": 1}}) for name in names]
    answered: Any = batch(office, [*items, letter()]).json
    texts = [office.kept(each["id"]).text for each in answered["data"]]
    assert texts == ["Hello Ann", "Hello Bob", "Hello Cem", "Hello, Ann."]


def test_items_of_a_batch_that_cannot_be_made_are_told_by_their_places(office: Office, welcome: str) -> None:
    items = [made(), made(template={"id": "welcome"}), made(template={"id": "x"}), letter()]
    status, name, text = problem(batch(office, items))
    assert (status, name) == (422, "validation_error")
    assert text == (
        "Missing `[1].template.variables.PRICE` field. "
        "Invalid `[2].template.id` field: there is no template with this id or alias."
    )
    assert not office.submissions.stored
    permissive: Any = batch(office, items, x_batch_validation="permissive", Idempotency_Key="k").json
    assert [each["index"] for each in permissive["errors"]] == [1, 2]
    assert len(permissive["data"]) == 2
    done(office, "DELETE", f"/{welcome}")
    repeated: Any = batch(office, items, x_batch_validation="permissive", Idempotency_Key="k").json
    assert repeated["data"] == permissive["data"]


HOSTILE = [
    ("html", "\n{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"),
    ("html", "\n{% set x = NAME %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}"),
    ("text", "\n{% macro a() %}{{ b() }}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}"),
    ("subject", "{% for a in range(99999) %}{{ NAME }}{{ NAME }}{% endfor %}"),
]


@pytest.mark.parametrize(("part", "source"), HOSTILE)
def test_a_hostile_template_is_refused_soon(office: Office, part: str, source: str) -> None:
    stored(office, **WELCOME | {part: source})
    done(office, "POST", "/welcome/publish")
    began = time.thread_time()
    status, name, text = problem(office.post(made()))
    assert time.thread_time() - began < 3
    assert (status, name) == (422, "validation_error")
    line = 1 if part == "subject" else 2
    assert text.startswith(f"Invalid `template.id` field: welcome can't be filled in: its {part}, line {line}: it")
    assert not office.submissions.stored


def test_a_batch_of_letters_that_take_long_is_cut_off(office: Office) -> None:
    slow = "{% for a in range(380000) %}{% endfor %}{% for a in range(1000) %}{{ NAME }}{% endfor %}"
    stored(office, **WELCOME | {"html": slow})
    done(office, "POST", "/welcome/publish")
    began = time.thread_time()
    answered: Any = batch(office, [made()] * 500, x_batch_validation="permissive").json
    assert time.thread_time() - began < 30
    assert 0 < len(answered["data"]) < 60
    assert "the letters of this request take too much to fill in" in answered["errors"][-1]["message"]


def test_a_link_to_unsubscribe_needs_one_recipient(office: Office) -> None:
    stored(office, **WELCOME | {"html": "<a href='{{ unsubscribe_url }}'>no more</a>"})
    done(office, "POST", "/welcome/publish")
    told = problem(office.post(made(cc="carl@home.example")))[2]
    assert told.startswith(
        "Invalid `template.id` field: it uses `unsubscribe_url`, which is made for letters to exactly one"
    )


def test_what_variables_hold_is_data_also_where_it_looks_like_the_place_of_a_link(office: Office) -> None:
    stored(office, **WELCOME | {"html": "<p>{{ NAME }}</p>"})
    done(office, "POST", "/welcome/publish")
    asked = made(delivery={"unsubscribe": True})
    asked["template"]["variables"]["NAME"] = "{{ unsubscribe_url }}"
    answered: Any = office.post(asked).json
    kept = office.kept(answered["id"])
    assert kept.html == "<p>{{ unsubscribe_url }}</p>"
    assert [name for name, _ in kept.headers] == ["List-Unsubscribe", "List-Unsubscribe-Post"]


def test_the_link_to_unsubscribe_is_nobodys_to_give(office: Office) -> None:
    stored(office, **WELCOME)
    done(office, "POST", "/welcome/publish")
    asked = made()
    asked["template"]["variables"]["unsubscribe_url"] = "https://else.example/"
    status, name, told = problem(office.post(asked))
    assert (status, name) == (422, "validation_error")
    assert told.startswith("Invalid `template.variables.unsubscribe_url` field: the link is made for each letter")
