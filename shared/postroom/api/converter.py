"""Schemas in the words of JSON Schema: apispec's conversion, taught our own kinds of fields. For `api.openapi`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import fields

from postroom.api.fields import Items, Members, NotOffered, Value

_NULL = {"type": "null"}


class Converter(OpenAPIConverter):
    """apispec's, which is also told what our kinds of fields are, and what null and absence mean here."""

    def init_attribute_functions(self) -> None:
        super().init_attribute_functions()  # type: ignore[no-untyped-call]  # apispec's, as the next two
        self.attribute_functions.append(_shape)

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        described: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        kind = schema if isinstance(schema, type) else type(schema)
        described["description"] = (kind.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ")
        if not issubclass(kind, Members):  # an answer, which may get more members one day
            described.pop("additionalProperties", None)
        return described

    def fields2jsonschema(self, fields: Mapping[str, Any], *, partial: Any = None) -> dict[str, Any]:
        offered = {name: field for name, field in fields.items() if not isinstance(field, NotOffered)}
        described: dict[str, Any] = super().fields2jsonschema(offered, partial=partial)  # type: ignore[no-untyped-call]
        for name, field in offered.items():
            name = field.data_key or name
            if isinstance(field.parent, Members) and name not in described.get("required", ()):
                described["properties"][name] = _or_null(described["properties"][name])
        return described


def component_name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema")


def _shape(field: fields.Field[Any], ret: Mapping[str, Any], **_: Any) -> dict[str, Any]:
    """What our own kinds of fields and validators say of themselves."""
    shape: dict[str, Any] = {}
    if isinstance(field, Value):
        shape |= field.shape()
    if isinstance(field, Items):
        shape["maxItems"] = field.most
    for validator in field.validators:
        shape |= getattr(validator, "shape", {})
    if "pattern" in ret:  # marshmallow matches from the start on; JSON Schema searches, and knows no \Z
        shape.setdefault("pattern", "^" + ret["pattern"].removeprefix("^").replace(r"\Z", "$"))
    return _or_null(shape) if field.allow_none and {"type", "anyOf"} & shape.keys() else shape


def _or_null(described: dict[str, Any]) -> dict[str, Any]:
    """The same, or null, which counts as absent."""
    if described.get("default") == ():
        del described["default"]
    if "$ref" in described:
        return {"anyOf": [{"$ref": described.pop("$ref")}, _NULL], **described}
    if "anyOf" in described:
        return described | {"anyOf": [*(each for each in described["anyOf"] if each != _NULL), _NULL]}
    types = described["type"] if isinstance(described["type"], list) else [described["type"]]
    if "enum" in described:
        described["enum"] = [*(each for each in described["enum"] if each is not None), None]
    return described | {"type": [*(each for each in types if each != "null"), "null"]}
