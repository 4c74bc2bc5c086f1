"""The query string, read by a schema as a body is."""

from __future__ import annotations

from typing import Any, cast

from flask import Request
from marshmallow import Schema, ValidationError

from postroom.api.problems import invalid


def read_query(request: Request, schema: Schema) -> dict[str, Any]:
    """What the schema makes of the query string. Raises `Problem` 422 with everything that is wrong with it."""
    known = {field.data_key or name for name, field in schema.fields.items()}
    twice = [name for name, values in request.args.lists() if len(values) > 1 and name in known]
    if twice:
        raise invalid({name: ["it is given twice"] for name in twice}, "parameter")
    try:
        return cast(dict[str, Any], schema.load(request.args.to_dict()))
    except ValidationError as error:
        raise invalid(error.messages, "parameter") from None
