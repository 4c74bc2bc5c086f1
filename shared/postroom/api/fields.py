"""Kinds of members that requests are made of. Each refuses what it isn't with a text that goes behind a colon.

A member that is null counts as absent. Types are taken at their word: a number is not a string, nor is a boolean.
Each kind knows its own JSON Schema, its `shape`: what a look at the value alone can tell. What it can't stays words.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load

from postroom.api.body import kind, shown
from postroom.message.address import LONGEST_INPUT, InvalidAddress, Mailbox
from postroom.message.header import LONGEST_NAME, LONGEST_VALUE
from postroom.message.letter import check_header

MOST_HEADERS = 100
LONGEST_HEADERS = 64 * 1024  # characters of all names and values
MOST_VARIABLES = 200
LONGEST_VARIABLE_NAME = 50
VARIABLE_NAME = r"^[A-Za-z][A-Za-z0-9_]*$"

_MOST_VALUES = 200_000  # characters of all variables, and one for each value
_DEEPEST_VALUE = 8
_LARGEST_NUMBER = 10**15

Shape = Mapping[str, Any]
"""JSON Schema, as OpenAPI 3.1 has it."""

T = TypeVar("T")

ONE_LINE = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
"""Text that a header field can hold, as a pattern of JSON Schema."""

_MAILBOX: Shape = {"type": "string", "format": "mailbox", "minLength": 3, "maxLength": LONGEST_INPUT}


class Members(Schema):
    """An object. Members that nobody knows are passed over, since clients of every age send some."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def _present(self, data: Any, **_: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise ValidationError(f"expected an object, not {kind(data)}")
        return {name: value for name, value in data.items() if value is not None}


class Value(fields.Field[T], ABC):
    """A value that is read without a look at its neighbours."""

    def shape(self) -> Shape:
        """Its JSON Schema."""
        return {"type": "string"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> T:
        return self.read(value)

    @abstractmethod
    def read(self, value: Any) -> T:
        """What the value stands for; raises ValidationError."""


class Text(Value[str]):
    """A string of whole characters: half a surrogate pair can neither be stored nor sent."""

    def read(self, value: Any) -> str:
        return _text(value)


class Flag(Value[bool]):
    """True or false, and nothing that merely looks like it."""

    def shape(self) -> Shape:
        return {"type": "boolean"}

    def read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"expected true or false, not {kind(value)}")
        return value


class Variables(Value[dict[str, Any]]):
    """What a template is filled in with: texts, numbers, true and false, and lists and objects of those."""

    def shape(self) -> Shape:
        return {
            "type": "object",
            "maxProperties": MOST_VARIABLES,
            "propertyNames": {"pattern": VARIABLE_NAME, "maxLength": LONGEST_VARIABLE_NAME},
        }

    def read(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError(f"expected an object, not {kind(value)}")
        given = {name: each for name, each in value.items() if each is not None}
        if len(given) > MOST_VARIABLES:
            raise ValidationError(f"it holds {len(given)} variables, and at most {MOST_VARIABLES} may be given")
        left = [_MOST_VALUES]
        return dict(collected(given.items(), lambda name, each: (name, _variable(name, each, left))))


def _variable(name: str, value: Any, left: list[int]) -> Any:
    if len(name) > LONGEST_VARIABLE_NAME or not re.fullmatch(VARIABLE_NAME, name):
        raise ValidationError(
            f"a variable's name is made of 1 to {LONGEST_VARIABLE_NAME} ASCII letters, digits and `_`, a letter first"
        )
    return _filled_in(value, 1, left)


def _filled_in(value: Any, depth: int, left: list[int]) -> Any:
    """The value, checked; `left` is how much all of the values may still hold, in characters, each one for itself."""
    left[0] -= len(value) + 1 if isinstance(value, str) else 1
    if left[0] < 0:
        raise ValidationError(f"the variables hold more than {_MOST_VALUES:,} characters and values in total")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
        raise ValidationError(
            "it is larger than 10^15, which not every reader of JSON keeps exactly: give it as a string"
        )
    if isinstance(value, list | dict):
        if depth > _DEEPEST_VALUE:
            raise ValidationError(f"its lists and objects are nested deeper than {_DEEPEST_VALUE} levels")
        inner = value.values() if isinstance(value, dict) else value
        for name in value if isinstance(value, dict) else ():
            left[0] -= len(_text(name))
        for each in inner:
            _filled_in(each, depth + 1, left)
    return value


class Address(Value[Mailbox]):
    """One mailbox."""

    def shape(self) -> Shape:
        return _MAILBOX

    def read(self, value: Any) -> Mailbox:
        return _mailbox(value)


class Addresses(Value[tuple[Mailbox, ...]]):
    """One mailbox, or an array of them."""

    def __init__(self, *, least: int = 0, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least = least
        self.most = most

    def shape(self) -> Shape:
        several = {"type": "array", "items": _MAILBOX, "minItems": self.least, "maxItems": self.most}
        return {"anyOf": [_MAILBOX, several]}

    def read(self, value: Any) -> tuple[Mailbox, ...]:
        if isinstance(value, str):
            return (_mailbox(value),)
        if not isinstance(value, list):
            raise ValidationError(f"expected a string or an array of strings, not {kind(value)}")
        if not self.least <= len(value) <= self.most:
            raise ValidationError(f"it holds {len(value)} addresses, and {self.least} to {self.most} may be given")
        return tuple(collected(enumerate(value), lambda _, each: _mailbox(each)))


class Items(fields.List[Any]):
    """An array of at most `most` things of one kind, no two of which have the same `key`; an item may have none."""

    def __init__(
        self, inner: fields.Field[Any], *, most: int, key: tuple[str, Callable[[Any], Any]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(inner, **kwargs)
        self.most = most
        self.key = key  # the member's name, and how an item that was read tells it

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError(f"expected an array, not {kind(value)}")
        if len(value) > self.most:
            raise ValidationError(f"it holds {len(value)} items, and at most {self.most} may be given")
        items = super()._deserialize(value, *args, **kwargs)
        if self.key is not None:
            _check_distinct(items, *self.key)
        return items


def _check_distinct(items: Sequence[Any], member: str, key: Callable[[Any], Any]) -> None:
    seen: set[Any] = set()
    twice: dict[Any, Any] = {}
    for place, found in enumerate(map(key, items)):
        if found in seen:
            twice[place] = {member: ["an item before it has the same"]}
        elif found is not None:
            seen.add(found)
    if twice:
        raise ValidationError(twice)


class Headers(Value[tuple[tuple[str, str], ...]]):
    """Header fields to add, as an object of strings."""

    def shape(self) -> Shape:
        return {
            "type": "object",
            "additionalProperties": {"type": ["string", "null"], "maxLength": LONGEST_VALUE},
            "propertyNames": {"pattern": "^[!-9;-~]+$", "maxLength": LONGEST_NAME},
            "maxProperties": MOST_HEADERS,
        }

    def read(self, value: Any) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, dict):
            raise ValidationError(f"expected an object of strings, not {kind(value)}")
        given = {name: each for name, each in value.items() if each is not None}
        if len(given) > MOST_HEADERS:
            raise ValidationError(f"it holds {len(given)} headers, and at most {MOST_HEADERS} may be given")
        seen: set[str] = set()

        def checked(name: str, each: Any) -> tuple[str, str]:
            content = _text(each)
            _refusing(check_header, name, content)
            if name.lower() in seen:
                raise ValidationError("it is given twice, and letters don't tell upper from lower case there")
            seen.add(name.lower())
            return name, content

        headers = collected(given.items(), checked)
        if sum(len(name) + len(content) for name, content in headers) > LONGEST_HEADERS:
            raise ValidationError(f"its names and values hold more than {LONGEST_HEADERS} characters in total")
        return tuple(headers)


class Timestamp(Value[datetime]):
    """A moment in ISO 8601 with its offset from UTC."""

    def shape(self) -> Shape:
        return {"type": "string", "format": "date-time"}

    def read(self, value: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(_text(value))
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            if isinstance(error, ValidationError):
                raise
        raise ValidationError("expected a time in ISO 8601 with its offset, such as 2030-01-31T09:30:00Z")


class NotOffered(Value[None]):
    """Known to the interface, and not served here: refused, since passing over it would change what is sent."""

    def read(self, _value: Any) -> NoReturn:
        raise ValidationError("this deployment doesn't offer it; leave it out")


def accepted_by(check: Callable[[str], None], **shape: Any) -> Callable[[str], None]:
    """A marshmallow validator from a check that raises ValueError, with what JSON Schema can say of it."""
    return _Accepted(check, shape)


@dataclass(frozen=True, slots=True)
class _Accepted:
    check: Callable[[str], None]
    shape: Shape

    def __call__(self, value: str) -> None:
        _refusing(self.check, value)


def collected(pairs: Iterable[tuple[Any, Any]], read: Callable[[Any, Any], Any]) -> list[Any]:
    """`read` of each pair; raises ValidationError with every failure under its key."""
    good: list[Any] = []
    bad: dict[Any, Any] = {}
    for key, value in pairs:
        try:
            good.append(read(key, value))
        except ValidationError as error:
            bad[key if isinstance(key, int) else shown(key)] = error.messages
    if bad:
        raise ValidationError(bad)
    return good


def _refusing(check: Callable[..., None], *args: str) -> None:
    try:
        check(*args)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValidationError(f"expected a string, not {kind(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValidationError(f"it holds half a surrogate pair at position {error.start}") from None
    return value


def _mailbox(value: Any) -> Mailbox:
    try:
        return Mailbox.parse(_text(value))
    except InvalidAddress as error:
        raise ValidationError(str(error)) from None
