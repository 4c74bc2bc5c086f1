"""HTTP in: takes letters and answers questions about them. `submit` is what functions-framework calls."""

from flask import Request, Response

from postroom import wiring
from postroom.settings import Settings

app = wiring.submit_app(Settings.from_environment())


def submit(request: Request) -> Response:
    """Called for each request to the API."""
    return Response.from_app(app, request.environ)
