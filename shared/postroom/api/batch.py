"""Batches of letters on their way in: `POST /emails/batch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from flask import Response, request
from marshmallow import ValidationError, fields

from postroom.accept import SubmitRequest, Untimely, UnverifiedSender
from postroom.api.answers import Answer, SentEmail, told
from postroom.api.body import answer, digest, read_array
from postroom.api.filling import Filling
from postroom.api.headers import MODE, MODES, BatchHeaders
from postroom.api.operation import Access, Operation
from postroom.api.problems import Problem, invalid
from postroom.api.schemas import EmailSchema
from postroom.api.sending import checked, conflict, flaws_of, idempotency_key, spelled, submit_request, unverified
from postroom.batch import BatchRefused, BatchRequest, Outcome, RefusedBefore
from postroom.delivery.routing import NoRoute
from postroom.delivery.submission import Submission
from postroom.idempotency import IdempotencyConflict

MOST = 500  # letters in one batch

_TOLD = 10  # items that an error tells of one by one
_AGAIN = "it was refused when this batch was first asked for under its idempotency key; send it again under another one"


class RefusedEmail(Answer):
    """An item of a permissive batch that was refused."""

    index = fields.Integer(metadata=told("The item's place in the request, from 0."))
    message = fields.String(metadata=told("What is wrong with it."))


class SentBatch(Answer):
    """What became of a batch."""

    data = fields.List(fields.Nested(SentEmail), metadata=told("The letters that were taken, in order."))
    errors = fields.List(
        fields.Nested(RefusedEmail),
        metadata=told(f"Those that were refused; only where `{MODE}` is `permissive`.", optional=True),
    )


class _Item(NamedTuple):
    """An item as it was read, and the part of the batch's fingerprint that it makes."""

    email: dict[str, Any] | None
    errors: dict[Any, Any]
    spelled: Any


@dataclass(frozen=True, slots=True)
class Batches:
    """The view."""

    accept: Callable[[BatchRequest], Sequence[Outcome]]
    filling: Callable[[], Filling]
    clock: Callable[[], datetime]

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="POST",
            path="/emails/batch",
            view=self.submit,
            access=Access.SENDING,
            summary=f"Send up to {MOST} letters.",
            takes=EmailSchema(),
            takes_list=True,
            most=MOST,
            heeds=BatchHeaders(),
            answers=SentBatch(),
            refuses=(409,),
        )

    def submit(self) -> Response:
        """POST /emails/batch"""
        key, strict = idempotency_key(), _is_strict()
        documents, twice = read_array(request)
        if not 1 <= len(documents) <= MOST:
            text = f"A batch has 1 to {MOST} items, and this one has {len(documents)}."
            raise Problem("validation_error", text)
        now = self.clock()
        items = [
            _Item(None, twice[place], each) if place in twice else _read(each, now, keyed=key is not None)
            for place, each in enumerate(documents)
        ]
        flaws = {place: item.errors for place, item in enumerate(items) if item.errors}
        if strict and flaws:
            raise _all_of(flaws)
        fingerprint = digest([item.spelled for item in items])
        filling = self.filling()
        asked = BatchRequest(
            items=[_asked(item, filling, fingerprint) for item in items],
            fingerprint=fingerprint,
            idempotency_key=key,
            strict=strict,
        )
        try:
            outcomes = self.accept(asked)
        except BatchRefused as error:
            raise _refused(error.refusals, asked) from None
        except IdempotencyConflict as error:
            raise conflict(error) from None
        told: dict[str, Any] = {"data": [{"id": each.id} for each in outcomes if isinstance(each, Submission)]}
        if not strict:
            told["errors"] = [
                {"index": place, "message": _problem(why, asked.items[place]).message}
                for place, why in enumerate(outcomes)
                if not isinstance(why, Submission)
            ]
        return answer(told)


def _is_strict() -> bool:
    mode = request.headers.get(MODE, "strict").strip().lower()
    if mode not in MODES:
        raise Problem("validation_error", f"The header {MODE} is `strict` or `permissive`.")
    return mode == "strict"


def _read(document: Any, now: datetime, *, keyed: bool) -> _Item:
    try:
        email = checked(document, now, keyed=keyed)
    except ValidationError as error:
        return _Item(None, error.messages_dict, document)
    return _Item(email, {}, spelled(document, email["attachments"]))


def _asked(item: _Item, filling: Filling, fingerprint: str) -> SubmitRequest | ValidationError:
    """The use case's form of an item, or why it has none."""
    if item.email is None:
        return ValidationError(item.errors)
    try:
        return submit_request(filling(item.email), fingerprint)
    except ValidationError as error:
        return error


def _refused(refusals: Mapping[int, Exception], asked: BatchRequest) -> Problem:
    """The answer to a strict batch with items that can't be accepted."""
    senders = {place: why for place, why in refusals.items() if isinstance(why, UnverifiedSender)}
    if senders:
        told = [f"`[{place}]`: {why}" for place, why in islice(senders.items(), _TOLD)]
        return Problem("validation_error", " ".join([*told, *_and_more(senders)]), 403)
    return _all_of({place: _flaws(why, asked.items[place]) for place, why in refusals.items()})


def _all_of(flaws: Mapping[int, Any]) -> Problem:
    problem = invalid(dict(islice(flaws.items(), _TOLD)))
    message = " ".join([problem.message, *_and_more(flaws)])
    return Problem(problem.name, message, problem.status, flaws=problem.flaws)


def _and_more(items: Mapping[int, Any]) -> list[str]:
    more = len(items) - _TOLD
    return [f"There are errors in {more} more of the {len(items)} items."] if more > 0 else []


def _problem(why: Exception, item: SubmitRequest | Exception) -> Problem:
    """What an item by itself would be answered."""
    if isinstance(why, UnverifiedSender):
        return unverified(why)
    return invalid(_flaws(why, item))


def _flaws(why: Exception, item: SubmitRequest | Exception) -> Mapping[Any, Any]:
    """Why an item is refused, as a schema would name it."""
    match why:
        case ValidationError():
            return dict(why.messages_dict)
        case Untimely() | NoRoute() if isinstance(item, SubmitRequest):
            return flaws_of(why, item)
        case RefusedBefore():
            return {"_schema": [_AGAIN]}
    raise why
