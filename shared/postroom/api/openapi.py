"""The API as OpenAPI 3.1, from the operations that route and guard, and from the schemas that validate.

https://spec.openapis.org/oas/v3.1.1.html. To be imported when the document is asked for: apispec takes its time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter

from postroom.api.converter import Converter, component_name
from postroom.api.operation import Access, Operation
from postroom.api.problems import STATUSES
from postroom.api.shared_parts import add_parts, headers

ABOUT = """\
Takes letters, and tells what became of them. It is wire-compatible with Resend's API: paths, members and errors have
the same names, and what is ours alone stands in `delivery`, `recipients` and paths of their own.

Every error is a JSON object of `statusCode`, `name` and `message`; the message names each bad field. A path that isn't
listed here is answered 404 `not_found`, a method that its path doesn't take 405 `method_not_allowed`. A member that is
null counts as absent, and one that nobody knows is passed over, but not in `delivery`. Who asks for it by
`Accept: application/problem+json` gets the members of RFC 9457 in the same object."""

KEYS: Mapping[Access, str] = {
    Access.ANYBODY: "It needs no key.",
    Access.SENDING: "Every key will do.",
    Access.FULL: "It needs a key with full access.",
}

_CONVERTED = re.compile(r"<(?:(\w+):)?(\w+)>")
_FORMATS: Mapping[str, Mapping[str, str]] = {"uuid": {"format": "uuid"}}
_TITLES = {"api-keys": "API Keys", "healthz": "Service", "openapi.json": "Service", "preflight": "Service"}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The OpenAPI document of these operations, but for those that aren't to be documented."""
    plugin = MarshmallowPlugin(schema_name_resolver=component_name)
    plugin.Converter = Converter
    documented = [each for each in operations if each.documented]
    spec = APISpec(
        title="postroom",
        version=_version(),
        openapi_version="3.1.1",
        plugins=[plugin],
        info={"description": ABOUT},
        servers=[{"url": ".", "description": "Where this document is."}],
        security=[{"bearer": []}],
        tags=[{"name": tag} for tag in dict.fromkeys(map(_tag, documented))],
    )
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "description": "An API key."})
    add_parts(spec, sorted(set().union(*map(_problems, documented))))
    for each in documented:
        spec.path(path=_path(each.path), operations={each.method.lower(): _operation(each, plugin.converter)})
    written = spec.to_dict()
    return {name: written.pop(name) for name in ("openapi", "info")} | written


def _operation(operation: Operation, converter: OpenAPIConverter | None) -> dict[str, Any]:
    """One method of one path, in the words of OpenAPI."""
    parameters: list[Any] = [_path_parameter(kind, name) for kind, name in _path_arguments(operation.path)]
    for schema, location in ((operation.asks, "query"), (operation.heeds, "header")):
        if schema is not None and converter is not None:
            parameters += converter.schema2parameters(schema, location=location)
    success: dict[str, Any] = {
        "description": (operation.answers.__doc__ or operation.summary) if operation.answers else operation.summary,
        "headers": headers(limited=operation.access is not Access.ANYBODY),
        "content": {operation.media_type: {"schema": operation.answers or {"type": "string"}}},
    }
    described: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "description": KEYS[operation.access],
        "tags": [_tag(operation)],
        "parameters": [*parameters, "RequestId"],
        "responses": {str(operation.status): success}
        | {str(status): f"Problem{status}" for status in sorted(_problems(operation))},
    }
    if operation.access is Access.ANYBODY:
        described["security"] = []
    if operation.takes is not None:
        content = {operation.takes_as: _body(operation)}
        described["requestBody"] = {"required": operation.needs_body, "content": content}
    if operation.takes_octets:
        content = {media_type: {"schema": {"type": "string", "minLength": 1}} for media_type in operation.takes_octets}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _body(operation: Operation) -> dict[str, Any]:
    """What the operation takes, with the example that its schema has of itself."""
    schema: Any = operation.takes
    example = getattr(schema, "example", None)
    if operation.takes_list:
        most = {"maxItems": operation.most} if operation.most else {}
        schema, example = {"type": "array", "items": schema, "minItems": 1, **most}, example and [example]
    return {"schema": schema} | ({"example": example} if example else {})


def _problems(operation: Operation) -> set[int]:
    """The statuses of all problems that the operation can end in."""
    statuses = {414, 500, *operation.refuses}
    if operation.access is not Access.ANYBODY:
        statuses |= {401, 403, 503}
        statuses |= {429} & {each for possible in STATUSES.values() for each in possible}
    if operation.takes is not None or operation.takes_octets:
        statuses |= {400, 413, 415, 422}
    if operation.asks is not None:
        statuses.add(422)
    if "<" in operation.path:
        statuses.add(404)
    return statuses


def _path(path: str) -> str:
    return _CONVERTED.sub(lambda match: f"{{{_argument(path, match)}}}", path)


def _path_arguments(path: str) -> list[tuple[str, str]]:
    return [(match[1] or "", _argument(path, match)) for match in _CONVERTED.finditer(path)]


def _argument(path: str, match: re.Match[str]) -> str:
    """`/emails/<uuid:id_>`: `email_id`. An id is called after what it is one of."""
    if match[1] != "uuid" and not match[2].startswith("id"):
        return match[2]
    return path[: match.start()].rstrip("/").rpartition("/")[2].removesuffix("s").replace("-", "_") + "_id"


def _path_parameter(kind: str, name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", **_FORMATS.get(kind, {})}}


def _operation_id(operation: Operation) -> str:
    words: Sequence[str] = re.findall(r"[a-z0-9]+", _path(operation.path).replace(".json", ""))
    return "_".join([operation.method.lower(), *words])


def _tag(operation: Operation) -> str:
    first = operation.path.split("/")[1]
    return _TITLES.get(first, first.replace("-", " ").title())


def _version() -> str:
    try:
        return version("postroom")
    except PackageNotFoundError:  # a function's folder may hold the package alone
        return "0"
