"""functions-framework: how a whole application takes the place of the one function that it was asked to serve."""

from __future__ import annotations

import gc
from collections.abc import Callable

from flask import Flask, Request, Response, current_app, has_app_context
from werkzeug.wrappers import Response as Answer


def taking_over(app: Flask) -> Callable[[Request], Answer]:
    """The function of an application that answers every request by itself.

    functions-framework loads a function within the context of its own Flask application, whose only task is to call
    it. To go through both applications would add a quarter to what a letter costs to accept. So where there is such a
    context, the server calls ours from here on, which is put where Flask wants middleware to be.
    """
    if has_app_context():
        gc.freeze()  # what is loaded stays: no collection need look at it, nor copy it into forked workers
        current_app.wsgi_app = app  # type: ignore[method-assign]  # Flask's documented place
    return lambda request: Response.from_app(app, request.environ)
