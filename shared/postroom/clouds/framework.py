"""functions-framework: how a whole application takes the place of the one function that it was asked to serve."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from flask import Flask, Request, Response, current_app, has_app_context
from werkzeug.wrappers import Response as Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PIECE = 64 * 1024  # octets read at a time


def taking_over(app: Flask, largest: int) -> Callable[[Request], Answer]:
    """The function of an application that answers every request by itself; bodies hold `largest` octets at most.

    functions-framework loads a function within the context of its own Flask application, whose only task is to call
    it. To go through both applications would add a quarter to what a letter costs to accept. So where there is such a
    context, the server calls ours from here on, which is put where Flask wants middleware to be.
    """
    if has_app_context():
        gc.freeze()  # what is loaded stays: no collection need look at it, nor copy it into forked workers
        current_app.wsgi_app = Drained(app, largest)  # type: ignore[method-assign]  # Flask's documented place
    return lambda request: Response.from_app(app, request.environ)


class Drained:
    """WSGI middleware that reads what its application left of a body.

    A connection that is closed before that is reset, and a client may never see the answer that it was too hasty for.
    """

    def __init__(self, application: WSGIApplication, largest: int) -> None:
        self.application = application
        self.largest = largest

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self.application(environ, start_response)
        if environ.get("wsgi.input_terminated"):  # else nobody knows where it ends
            with suppress(OSError):  # what the server raises for chunks that aren't
                left = self.largest
                while left > 0 and (piece := environ["wsgi.input"].read(_PIECE)):
                    left -= len(piece)
        return answer
