"""`POST /emails/batch`: what it takes, what it refuses, and in which words."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from postroom.ports import Unavailable
from tests.api.office import FULL, SENDING, Office, letter, problem
from tests.api.test_requests import INVALID


def post(
    office: Office, body: Any, *, mode: str | None = None, key: str | None = None, token: str = FULL
) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    headers |= {} if key is None else {"Idempotency-Key": key}
    headers |= {} if mode is None else {"x-batch-validation": mode}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return office.client.post("/emails/batch", data=data, headers=headers)


def ids(answered: TestResponse) -> list[str]:
    """Of the letters that were taken."""
    assert answered.status_code == 200, answered.text
    body: dict[str, Any] = answered.json  # type: ignore[assignment]
    assert set(body) <= {"data", "errors"}
    assert all(set(each) == {"id"} for each in body["data"])
    return [each["id"] for each in body["data"]]


def letters(count: int) -> list[dict[str, Any]]:
    return [letter(to=f"r{number}@home.example") for number in range(count)]


def test_each_letter_has_an_id_in_the_order_of_the_request(office: Office) -> None:
    answered = post(office, letters(30))
    taken = ids(answered)
    assert "errors" not in (answered.json or {})
    assert [office.submissions.stored[each].to for each in taken] == [(f"r{n}@home.example",) for n in range(30)]
    assert [UUID(each).version for each in taken] == [4] * 30
    assert [len(task.parcels) for task, _ in office.schedule.put_] == [15, 15]


def test_attachments_and_all_other_members_are_taken(office: Office) -> None:
    files = [{"filename": "a.txt", "content": "QUJD"}]
    plain, full = ids(
        post(
            office,
            [
                letter(),
                letter(attachments=files, cc="c@home.example", headers={"X-A": "1"}, delivery={"on_unknown": "hold"}),
            ],
            token=SENDING,
        )
    )
    assert office.kept(plain).attachments == ()
    assert [file.content for file in office.kept(full).attachments] == [b"ABC"]
    assert office.kept(full).headers == (("X-A", "1"),)
    assert office.submissions.stored[full].on_unknown == "hold"


def test_items_that_are_alike_are_two_letters(office: Office) -> None:
    assert len(set(ids(post(office, [letter(), letter()])))) == 2


@pytest.mark.parametrize("count", [1, 500])
def test_a_batch_may_have_1_to_500_items(office: Office, count: int) -> None:
    assert len(ids(post(office, letters(count)))) == count


@pytest.mark.parametrize("mode", ["strict", "permissive"])
@pytest.mark.parametrize("count", [0, 501])
def test_no_other_number_of_items_is_taken(office: Office, count: int, mode: str) -> None:
    message = f"A batch has 1 to 500 items, and this one has {count}."
    assert problem(post(office, letters(count), mode=mode)) == (422, "validation_error", message)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it is empty, and an array is expected"),
        (b"{}", "it is an object, and an array is expected"),
        (b"null", "it is null, and an array is expected"),
        (b"[{", "Expecting property name enclosed in double quotes at line 1, column 3"),
        (b"[" * 100_000, "its arrays and objects are nested too deeply"),
    ],
)
def test_what_is_no_json_array_is_refused(office: Office, body: bytes, why: str) -> None:
    message = f"The request body can't be read as JSON: {why}."
    assert problem(post(office, body)) == (400, "validation_error", message)


@pytest.mark.parametrize("depth", range(300, 1100, 40))
def test_no_depth_of_an_item_is_a_fault_of_ours(office: Office, depth: int) -> None:
    nested = b'[{"x":' + b"[" * depth + b"]" * depth + b"," + json.dumps(letter()).encode()[1:] + b"]"
    assert post(office, nested).status_code in (200, 400)


# Strict.


@pytest.mark.parametrize(("item", "path", "why"), INVALID)
def test_a_flaw_is_named_with_its_item(office: Office, item: dict[str, Any], path: str, why: str) -> None:
    status, _, message = problem(post(office, [letter(), item]))
    assert (status, message) == (422, f"Invalid `[1].{path}` field: {why}" + ("" if why.endswith((".", "?")) else "."))
    assert office.submissions.stored == {}


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (None, "null"),
        ("x", "a string"),
        (7, "a number"),
        ([], "an array"),
        ([letter()], "an array"),
        (True, "a boolean"),
    ],
)
def test_an_item_that_is_no_object_is_refused(office: Office, item: Any, kind: str) -> None:
    message = f"Invalid `[1]` field: expected an object, not {kind}."
    assert problem(post(office, [letter(), item])) == (422, "validation_error", message)


@pytest.mark.parametrize(
    ("flaw", "name"),
    [
        ({"to": None}, "missing_required_field"),
        ({"sender": "x"}, "invalid_from_address"),
        ({"attachments": [{"filename": "a"}]}, "invalid_attachment"),
        ({"attachments": [{"content": "!"}]}, "invalid_attachment"),
        ({"subject": 7}, "validation_error"),
        ({"sender": "x", "subject": 7}, "validation_error"),
    ],
)
def test_an_error_has_the_name_that_it_has_for_one_letter(office: Office, flaw: dict[str, Any], name: str) -> None:
    answers = {problem(office.post(letter(**flaw)))[1], problem(post(office, [letter(), letter(**flaw)]))[1]}
    assert answers == {name}


def test_every_flaw_of_the_first_ten_items_is_told_and_the_others_are_counted(office: Office) -> None:
    _, name, message = problem(post(office, [letter(), *[letter(to=7, subject=...)] * 12, letter()]))
    assert name == "validation_error"
    for number in range(1, 11):
        assert f"Missing `[{number}].subject` field." in message
        assert f"Invalid `[{number}].to` field: expected a string or an array of strings, not a number." in message
    assert "[11]" not in message
    assert message.endswith(" There are errors in 2 more of the 12 items.")


def test_a_sender_that_is_not_verified_is_refused_with_its_item(office: Office) -> None:
    status, name, message = problem(post(office, [letter(), letter(sender="a@new.example")]))
    assert (status, name) == (403, "validation_error")
    assert message == ("`[1]`: The new.example domain is not verified. Add and verify it before you send from it.")
    assert office.submissions.stored == {}


def test_a_letter_that_no_route_carries_is_refused_with_its_item(office: Office) -> None:
    answered = post(office, [letter(), letter(to="a@b.test"), letter(delivery={"route": "none"})])
    assert problem(answered) == (
        422,
        "validation_error",
        "Invalid `[1].to` field: no route carries mail for b.test. "
        "Invalid `[2].delivery.route` field: there is no route named 'none'.",
    )


def test_a_name_that_an_item_holds_twice_is_that_item_s_flaw(office: Office) -> None:
    good = json.dumps(letter()).encode()
    bad = good[:-1] + b',"headers":{"X-A":"1","X-A":"2"}}'
    text = "Invalid `headers.X-A` field: it is given twice in one object."
    strict = post(office, b"[" + good + b"," + bad + b"]")
    assert problem(strict) == (422, "validation_error", text.replace("headers", "[1].headers"))
    assert not office.submissions.stored
    permissive = post(office, b"[" + bad + b"," + good + b"]", mode="permissive")
    assert len(ids(permissive)) == 1
    assert permissive.json["errors"] == [{"index": 0, "message": text}]  # type: ignore[index]


@pytest.mark.parametrize("mode", ["", "yes", "strict, permissive"])
def test_another_mode_is_refused(office: Office, mode: str) -> None:
    message = "The header x-batch-validation is `strict` or `permissive`."
    assert problem(post(office, letters(1), mode=mode)) == (422, "validation_error", message)


# Permissive.


def test_a_permissive_batch_names_the_bad_ones_by_their_place_and_takes_the_others(office: Office) -> None:
    body = [
        letter(to=7),
        letter(to="one@home.example"),
        "x",
        letter(sender="a@new.example"),
        letter(to="two@home.example"),
        letter(to="a@b.test", subject="x"),
        letter(to=...),
    ]
    answered = post(office, body, mode="Permissive")
    assert [office.submissions.stored[each].to for each in ids(answered)] == [
        ("one@home.example",),
        ("two@home.example",),
    ]
    assert answered.json
    assert answered.json["errors"] == [
        {
            "index": 0,
            "message": "Invalid `to` field: expected a string or an array of strings, not a number.",
        },
        {"index": 2, "message": "Invalid item: expected an object, not a string."},
        {
            "index": 3,
            "message": "The new.example domain is not verified. Add and verify it before you send from it.",
        },
        {"index": 5, "message": "Invalid `to` field: no route carries mail for b.test."},
        {"index": 6, "message": "Missing `to` field."},
    ]


@pytest.mark.parametrize(("body", "errors"), [(letters(2), 0), ([7, letter(to=7)], 2)])
def test_a_permissive_batch_always_tells_how_many_errors_there_were(
    office: Office, body: list[Any], errors: int
) -> None:
    answered = post(office, body, mode="permissive")
    assert len(ids(answered)) == 2 - errors
    assert answered.json
    assert len(answered.json["errors"]) == errors


# Under a key.


def test_a_repeat_gets_the_same_answer_and_sends_nothing(office: Office) -> None:
    first = post(office, letters(3), key="k")
    office.now += timedelta(hours=23)
    assert post(office, letters(3), key="k").json == first.json
    assert len(office.submissions.stored) == 3
    assert [UUID(each).version for each in ids(first)] == [8] * 3


def test_the_order_of_items_makes_another_batch_and_that_of_members_does_not(office: Office) -> None:
    body = letters(2)
    assert post(office, body, key="k").status_code == 200
    assert post(office, [dict(reversed(each.items())) for each in body], key="k").status_code == 200
    assert problem(post(office, body[::-1], key="k"))[:2] == (409, "invalid_idempotent_request")
    assert len(office.submissions.stored) == 2


@pytest.mark.parametrize(
    "change", [[], [letter()], [letter(), letter(), letter()], [letter(), letter(subject="Other")]]
)
def test_another_batch_under_the_key_is_a_conflict(office: Office, change: list[dict[str, Any]]) -> None:
    assert post(office, [letter(), letter()], key="k").status_code == 200
    status = post(office, change, key="k").status_code
    assert status == (409 if change else 422)
    assert len(office.submissions.stored) == 2


def test_a_batch_of_one_is_not_the_letter_by_itself(office: Office) -> None:
    assert office.post(letter(), key="letter").status_code == 200
    assert problem(post(office, [letter()], key="letter"))[:2] == (409, "invalid_idempotent_request")
    assert post(office, [letter()], key="batch").status_code == 200
    assert problem(office.post(letter(), key="batch"))[:2] == (409, "invalid_idempotent_request")


def test_the_encoding_of_a_file_is_no_difference_and_another_file_is(office: Office) -> None:
    def with_file(content: Any) -> list[dict[str, Any]]:
        return [letter(), letter(attachments=[{"filename": "a", "content": content}])]

    assert len({post(office, with_file(each), key="k").text for each in ("QUJD", [65, 66, 67], "QU\nJD")}) == 1
    assert post(office, with_file("QUJE"), key="k").status_code == 409


def test_a_refusal_does_not_burn_the_key(office: Office) -> None:
    assert post(office, [letter(), letter(to="nobody")], key="k").status_code == 422
    assert post(office, [letter(), letter(sender="a@new.example")], key="k").status_code == 403
    assert post(office, [7], mode="permissive", key="k").status_code == 200
    assert post(office, [letter(), letter()], key="k").status_code == 200


def test_a_repeat_that_comes_after_the_expiry_is_answered_as_the_first(office: Office) -> None:
    body = [letter(), letter(delivery={"expires_at": "2030-01-02T12:30:00Z"})]
    first = post(office, body, key="k")
    office.now += timedelta(hours=1)
    assert post(office, body, key="k").json == first.json
    passed = "Invalid `[1].delivery.expires_at` field: it has passed, so the letter could never be sent."
    assert problem(post(office, body))[2] == passed


def test_what_was_refused_stays_refused_under_the_key(office: Office) -> None:
    body = [letter(), letter(sender="a@new.example")]
    first = post(office, body, mode="permissive", key="k")
    verified = dict(office.directory.documents["domain", "new.example"]) | {"verified": True}
    office.directory.put("domain", "new.example", verified)
    again = post(office, body, mode="permissive", key="k")
    assert ids(again) == ids(first)
    assert again.json
    assert [each["index"] for each in again.json["errors"]] == [1]
    assert again.json["errors"][0]["message"].startswith("Invalid item: it was refused when this batch")
    assert "Invalid `[1]` field: it was refused" in problem(post(office, body, key="k"))[2]


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_a_key_has_1_to_256_characters(office: Office, key: str) -> None:
    assert problem(post(office, letters(1), key=key))[:2] == (400, "invalid_idempotency_key")


def test_a_home_out_of_reach_is_a_503(office: Office) -> None:
    office.submissions.down = Unavailable("the store is away")
    assert problem(post(office, letters(2), key="k"))[:2] == (503, "application_error")
    office.submissions.down = None
    assert len(ids(post(office, letters(2), key="k"))) == 2
