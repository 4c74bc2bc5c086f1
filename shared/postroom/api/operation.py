"""One thing that the API can be asked for: all that routes, guards and documents it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from flask import Response
from marshmallow import Schema


class Access(StrEnum):
    """Whose keys may ask for it."""

    ANYBODY = "anybody"  # no key is needed
    SENDING = "sending"  # every key
    FULL = "full"  # keys with full access


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. `path` is written as Flask's routes are; its parameters are arguments of `view`."""

    method: str
    path: str
    view: Callable[..., Response]
    access: Access
    summary: str
    takes: Schema | None = None  # the body
    takes_as: str = "application/json"  # its media type
    takes_octets: tuple[str, ...] = ()  # or those of a body that no schema reads
    takes_list: bool = False  # the body is an array of those
    needs_body: bool = True  # where it takes one
    most: int | None = None  # items of that array
    asks: Schema | None = None  # the query string
    heeds: Schema | None = None  # the headers that change what it does
    answers: Schema | None = None  # the body of a success, as it is described; nothing is checked against it
    status: int = 200  # of a success
    media_type: str = "application/json"  # of a success
    refuses: tuple[int, ...] = ()  # statuses of its problems, beside those that every such operation has
    documented: bool = True
