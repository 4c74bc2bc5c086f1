"""`GET /openapi.json` and `GET /docs`: the API's own description, and the page that shows it.

The page is Swagger UI out of the package flask-swagger-ui; nothing of it is loaded from anywhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from flask import Response, request

from postroom.api.answers import Document
from postroom.api.operation import Access, Operation
from postroom.api.problems import not_found

FILES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}

# `{files}` and `{document}` are relative, so that the page works behind any prefix.
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>postroom API</title>
<link rel="stylesheet" href="{files}swagger-ui.css">
<link rel="icon" type="image/png" href="{files}favicon-32x32.png">
</head>
<body>
<div id="page" data-document="{document}"></div>
<script src="{files}swagger-ui-bundle.js"></script>
<script src="{files}start.js"></script>
</body>
</html>
"""

START = """\
const page = document.getElementById("page")
SwaggerUIBundle({
  domNode: page,
  url: new URL(page.dataset.document, location.href).href,
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
})
"""

# Swagger UI sets styles of its own making, and shows images that are written into its style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SLASHED = "postroom.slashed"
"""In the WSGI environment: whether the path that was asked for ended in a slash, before it was tidied."""


class Reference:
    """The views. The document is made when it is first asked for: a function that starts shall not wait for it."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._document: Callable[[], bytes] = cache(lambda: _written(operations))

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="GET",
            path="/openapi.json",
            view=self.document,
            access=Access.ANYBODY,
            summary="Read this document.",
            answers=Document(),
        )
        for path, view in (("/docs", self.page), ("/docs/<name>", self.file)):
            yield Operation(
                method="GET",
                path=path,
                view=view,
                access=Access.ANYBODY,
                summary="Look at this document.",
                media_type="text/html",
                documented=False,
            )

    def document(self) -> Response:
        """GET /openapi.json"""
        return _kept(self._document(), "application/json")

    def page(self) -> Response:
        """GET /docs"""
        slashed = request.environ.get(SLASHED, False)
        here, document = ("", "../openapi.json") if slashed else ("docs/", "openapi.json")
        return _kept(PAGE.format(files=here, document=document).encode(), "text/html; charset=utf-8")

    def file(self, name: str) -> Response:
        """GET /docs/{name}"""
        if name == "start.js":
            return _kept(START.encode(), "text/javascript; charset=utf-8")
        if name not in FILES:
            raise not_found("such file of the page")
        return _kept(_file(name), FILES[name])


def _written(operations: Sequence[Operation]) -> bytes:
    from postroom.api.openapi import document

    return json.dumps(document(operations), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@cache
def _file(name: str) -> bytes:
    return (files("flask_swagger_ui") / "dist" / name).read_bytes()


def _kept(content: bytes, content_type: str) -> Response:
    """An answer that a browser keeps, and asks each time whether it still holds."""
    response = Response(content, content_type=content_type)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.set_etag(sha256(content).hexdigest())
    response.make_conditional(request)
    return response
