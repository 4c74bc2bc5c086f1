"""Headers of a request that change what it does. Their views read them; these are what the document says of them."""

from __future__ import annotations

from marshmallow import validate

from postroom.api.fields import Members, Text

LONGEST_KEY = 256
MODE = "x-batch-validation"
MODES = ("strict", "permissive")


class SubmissionHeaders(Members):
    """What goes with a submission."""

    idempotency_key = Text(
        data_key="Idempotency-Key",
        validate=validate.Length(1, LONGEST_KEY),
        metadata={
            "description": "A name of the caller's choice for this submission. Under it the same request, repeated "
            "within 24 hours, is answered as it was the first time, and nothing is sent twice.",
            "examples": ["order-7"],
        },
    )


class BatchHeaders(SubmissionHeaders):
    """What goes with a batch: one name for all of it."""

    mode = Text(
        data_key=MODE,
        load_default=MODES[0],
        validate=validate.OneOf(MODES),
        metadata={
            "description": "`strict`: of a batch with an item that isn't valid nothing is sent. `permissive`: the "
            "others are sent, and `errors` tells of those that aren't."
        },
    )
