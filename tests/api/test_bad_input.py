"""Every member and parameter that the API takes, with everything that it must not hold.

The members come from the schemas themselves, and what they may hold from their own shapes: one that is added is tested
from then on, and one of a new kind must say its shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes
from uuid import uuid4

import pytest
from flask import request
from marshmallow import Schema, ValidationError, fields
from werkzeug.test import TestResponse

from postroom.api.fields import Address, Addresses, NotOffered, Value
from postroom.api.operation import Operation
from postroom.api.problems import invalid
from tests.api.office import FULL, Office, problem

OFFICE = Office()

OF_EACH_TYPE: Mapping[str, Any] = {
    "string": "x",
    "integer": 7,
    "number": 7.5,
    "boolean": True,
    "array": [],
    "object": {},
}
CONTROLS = ["a\r\nBcc: b@home.example", "a\nb", "a\x00b", "a\x1b[31m", "a\x7fb"]
LINE_BREAKS = ["a\x85b", "a\u2028b", "a\u2029b"]
"""Of other alphabets: text is encoded with them in it, but an address is not."""
HALVES = ["\ud800", "a\udfffb"]

BODIES = {"html", "text"}
"""Text that is bounded by the request alone, and may hold controls: a letter's body is encoded where it has to be."""


@dataclass(frozen=True)
class Member:
    """One member of a body, or one parameter."""

    operation: Operation
    path: str  # as error texts have it
    field: fields.Field[Any]
    within: Callable[[Any], Any]  # the smallest body that holds this value there

    def __str__(self) -> str:
        return f"{self.operation.method} {self.operation.path} {self.path}"

    @property
    def is_body(self) -> bool:
        return self.path.removeprefix("[0].") in BODIES

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def types(self) -> set[str]:
        """The types of JSON that it may have."""
        if isinstance(self.field, fields.Nested):
            return {"object"}
        if isinstance(self.field, fields.List):
            return {"array"}
        assert isinstance(self.field, Value), f"{self}: what is a {type(self.field).__name__}?"
        shape = self.field.shape()
        return {each["type"] for each in shape.get("anyOf", [shape])}

    def may_be(self, value: str) -> bool:
        """Whether its shape says in so many words that it may."""
        pattern = self.field.shape().get("pattern") if isinstance(self.field, Value) else None
        return pattern is not None and re.search(pattern, value) is not None

    @property
    def longest(self) -> int | None:
        """How long a string may be, or None where that isn't said as a number."""
        shapes = [getattr(each, "shape", {}) for each in self.field.validators]
        shapes += [self.field.shape()] if isinstance(self.field, Value) else []
        said = [each["maxLength"] for each in shapes if "maxLength" in each]
        said += [each.max for each in self.field.validators if getattr(each, "max", None) is not None]  # type: ignore[attr-defined]
        return min(said, default=None)


def members(operation: Operation, schema: Schema, path: str, within: Callable[[Any], Any]) -> Iterator[Member]:
    for name, field in schema.fields.items():
        key = field.data_key or name
        yield from member(operation, field, f"{path}.{key}" if path else key, _held(key, within))


def _held(key: str, within: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: within({key: value})


def member(operation: Operation, field: fields.Field[Any], path: str, within: Callable[[Any], Any]) -> Iterator[Member]:
    yield Member(operation, path, field, within)
    if isinstance(field, fields.Nested):
        yield from members(operation, field.schema, path, within)
    elif isinstance(field, fields.List):
        yield from member(operation, field.inner, f"{path}[0]", lambda v: within([v]))


def of_bodies() -> Iterator[Member]:
    for each in OFFICE.app.extensions["postroom"]:
        if each.takes is not None and each.takes_as == "application/json":
            path = "[0]" if each.takes_list else ""
            yield from members(each, each.takes, path, (lambda v: [v]) if each.takes_list else (lambda v: v))


def of_queries() -> Iterator[Member]:
    for each in OFFICE.app.extensions["postroom"]:
        if each.asks is not None:
            yield from members(each, each.asks, "", lambda v: v)


IN_BODIES, IN_QUERIES = list(of_bodies()), list(of_queries())

each_member = pytest.mark.parametrize("member", IN_BODIES, ids=str)
each_parameter = pytest.mark.parametrize("member", IN_QUERIES, ids=str)


def message(member: Member, value: Any) -> str:
    """What is said of the value, at a path that leads to something where it is a letter's."""
    answered = asked_anywhere(member.operation, json.dumps(member.within(value)).encode())
    status, _, text = problem(answered)
    assert 400 <= status < 500
    return text


def refused(member: Member, value: Any) -> None:
    text = message(member, value)
    assert any(f"Invalid `{member.path}{end}" in text for end in "`[."), text


def test_there_is_something_to_test() -> None:
    assert {"from", "to", "tags[0].name", "attachments[0].content", "delivery.tls"} <= {each.path for each in IN_BODIES}
    assert {"limit", "after", "before", "domain"} <= {each.path for each in IN_QUERIES}


@each_member
def test_a_value_of_another_type_is_refused_by_its_path(member: Member) -> None:
    types = member.types | ({"integer"} if "number" in member.types else set())
    for type_, value in OF_EACH_TYPE.items():
        if type_ not in types or isinstance(member.field, NotOffered):
            refused(member, value)


@each_member
def test_null_is_as_good_as_nothing(member: Member) -> None:
    if member.path.endswith("]"):
        refused(member, None)  # an item of an array is there or it isn't
    elif member.field.required:
        assert f"Missing `{member.path}` field." in message(member, None)
    else:
        nothing = member.within(None)
        try:
            said = member.operation.takes.load(nothing) and ""  # type: ignore[union-attr]
        except ValidationError as error:
            said = str(invalid(error.messages))
        assert f"Invalid `{member.path}" not in said


@each_member
def test_what_is_too_long_is_refused(member: Member) -> None:
    if member.is_body:
        return
    if "string" in member.types:
        refused(member, "x" * ((member.longest or 100_000) + 1))
        refused(member, "ü" * 100_000)
    if "array" in member.types:
        refused(member, ["x@home.example"] * 10_001)


@each_member
def test_control_characters_are_refused(member: Member) -> None:
    if "string" in member.types and not member.is_body:
        for value in [*CONTROLS, *(LINE_BREAKS if isinstance(member.field, Address | Addresses) else ())]:
            refused(member, value)


@each_member
def test_half_a_surrogate_pair_is_refused(member: Member) -> None:
    if "string" in member.types:
        for value in HALVES:
            refused(member, value)


@each_member
def test_a_member_that_is_given_twice_is_refused_by_its_name(member: Member) -> None:
    name = member.name
    if name.endswith("]"):
        return
    whole = json.dumps(member.within("x"))
    pair = f'"{name}": "x"'
    assert whole.count(pair) == 1
    answered = asked_anywhere(member.operation, whole.replace(pair, f"{pair}, {pair}").encode())
    if answered.status_code == 404 and "<" in member.operation.path:
        return  # it looks for what the path leads to before it reads on
    status, _, text = problem(answered)
    assert status == 422
    assert text == f"Invalid `{member.path}` field: it is given twice in one object."


def asked_anywhere(operation: Operation, body: bytes) -> TestResponse:
    """At the path of a letter that waits, or at one whose arguments are made up."""
    path = re.sub("<[^>]*>", str(uuid4()), operation.path.replace("/emails/<uuid:id_>", f"/emails/{WAITING}"))
    headers = {"Authorization": f"Bearer {FULL}"}
    return OFFICE.client.open(path, method=operation.method, data=body, headers=headers)


@each_parameter
def test_a_parameter_is_refused_by_its_name(member: Member) -> None:
    for value in ["x" * 1000, "-1", "%00", "1%0d%0a", "%7f", quote_from_bytes(b"\xed\xa0\x80"), "%ff"]:
        with OFFICE.app.test_request_context(f"/?x={value}"):
            if member.may_be(request.args["x"]):
                continue
        answered = asked_with(member.operation, f"{member.path}={value}")
        status, name, text = problem(answered)
        assert (status, name) == (422, "validation_error")
        assert f"Invalid `{member.path}` parameter: " in text


@each_parameter
def test_a_parameter_that_is_given_twice_is_refused(member: Member) -> None:
    status, _, text = problem(asked_with(member.operation, f"{member.path}=1&{member.path}=1"))
    assert status == 422
    assert f"Invalid `{member.path}` parameter: it is given twice." in text


def asked_with(operation: Operation, query: str) -> TestResponse:
    path = re.sub("<[^>]*>", SENT, operation.path)
    headers = {"Authorization": f"Bearer {FULL}"}
    return OFFICE.client.open(path, method=operation.method, query_string=query, headers=headers)


SENT = OFFICE.send()
WAITING = OFFICE.send(scheduled_at="in 1 hour")
