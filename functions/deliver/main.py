"""Task in: carries the parcels of one task over SMTP. `deliver` is what functions-framework calls."""

from flask import Request, Response

from postroom import wiring
from postroom.settings import Settings

endpoint = wiring.deliver_endpoint(Settings.from_environment())


def deliver(request: Request) -> Response:
    """Called by the queue for each task."""
    return endpoint(request)
