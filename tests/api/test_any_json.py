"""Whatever is posted, the answer is JSON, never a fault of ours, and only a 200 stores anything."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.office import Office, letter, problem

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.text(st.characters(categories=["Cs"]), max_size=2)
    | st.sampled_from(
        [
            "a@home.example",
            "A <a@shop.example>",
            "QUJD",
            "2031-01-01T00:00:00Z",
            "in 1 hour",
            "retry",
            "mx",
            "",
            "a\r\nb",
        ]
    )
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=3), ANYTHING, max_size=4)


CONTENT = (
    ANYTHING | st.lists(st.integers(-1, 256)) | st.fixed_dictionaries({"type": st.just("Buffer"), "data": ANYTHING})
)
FILES = objects("content", "path", "filename", "content_type", "content_id") | st.fixed_dictionaries(
    {"content": CONTENT}, optional={"filename": ANYTHING, "content_id": ANYTHING}
)
MEMBERS = {
    "from": ANYTHING,
    "to": ANYTHING,
    "cc": ANYTHING,
    "bcc": ANYTHING,
    "reply_to": ANYTHING,
    "subject": ANYTHING,
    "html": ANYTHING,
    "text": ANYTHING,
    "headers": ANYTHING | objects("X-A", "x-a", "Message-ID", "_schema", "To"),
    "tags": ANYTHING | st.lists(objects("name", "value"), max_size=3),
    "attachments": ANYTHING | st.lists(FILES, max_size=3),
    "scheduled_at": ANYTHING,
    "template": ANYTHING,
    "topic_id": ANYTHING,
    "delivery": ANYTHING | objects("expires_at", "on_unknown", "requiretls", "route", "tls"),
    "_schema": ANYTHING,
}


def check(office: Office, body: Any) -> None:
    before = len(office.submissions.stored)
    answered = office.post(body)
    stored = len(office.submissions.stored) - before
    if answered.status_code == 200:
        assert answered.json
        assert set(answered.json) == {"id"}
        assert stored == 1
        assert office.get(f"/emails/{answered.json['id']}").status_code == 200
    else:
        status, _, message = problem(answered)
        assert 400 <= status < 500
        assert message.endswith((".", "?"))
        assert stored == 0


OFFICE = Office()


@settings(max_examples=100, deadline=None)
@given(ANYTHING)
def test_anything(body: Any) -> None:
    check(OFFICE, body)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(MEMBERS)), st.none()).flatmap(
        lambda names: st.fixed_dictionaries({name: MEMBERS[name] for name in names})
    )
)
def test_a_good_letter_with_anything_for_some_members(members: dict[str, Any]) -> None:
    check(OFFICE, letter() | members)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=20) | st.binary(max_size=20).map(lambda noise: json.dumps(letter()).encode() + noise))
def test_any_octets(body: bytes) -> None:
    check(OFFICE, body)
