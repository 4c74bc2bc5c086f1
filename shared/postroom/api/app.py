"""The API over HTTP, once for every cloud: a Flask application around the use cases it is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from postroom.accept import SubmitRequest
from postroom.account.event import Event
from postroom.account.links import Links
from postroom.account.unsubscribe import UnsubscribeLinks
from postroom.api import limits
from postroom.api.answers import Health
from postroom.api.auth import Guard
from postroom.api.batch import Batches
from postroom.api.body import LARGEST, answer, too_large
from postroom.api.bounces import BounceReports
from postroom.api.changes import Changes
from postroom.api.details import REQUEST_ID, refusal
from postroom.api.domains import Domains
from postroom.api.emails import Emails
from postroom.api.files import Files
from postroom.api.filling import Filling
from postroom.api.guesses import Guesses
from postroom.api.keys import ApiKeys
from postroom.api.operation import Access, Operation
from postroom.api.preflight import Preflights
from postroom.api.problems import RETRY_AFTER, Problem
from postroom.api.reference import SLASHED, Reference
from postroom.api.sending import Sending
from postroom.api.stored import Stored
from postroom.api.suppressions import SuppressionList
from postroom.api.templates import TemplateViews
from postroom.api.unsubscribe import Unsubscribe
from postroom.api.unsubscribing import Unsubscribing
from postroom.api.webhook_events import WebhookEvents
from postroom.api.webhooks import Hooks
from postroom.batch import BatchRequest, Outcome
from postroom.change import Change
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.domains import SendingDomains
from postroom.filling import Published
from postroom.internet.guard import Guard as DialGuard
from postroom.journal import complain, warn
from postroom.keys import Keys, Uses
from postroom.ports import Directory, Submissions, Unavailable
from postroom.preflight.check import Check
from postroom.rates import Rates
from postroom.returns import Returns
from postroom.suppressions import Suppressions
from postroom.templates import Templates
from postroom.trying import Trying
from postroom.webhooks import Webhooks

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST_TARGET = 8192  # octets of path and query; RFC 9110 §4.1 asks for 8,000 at least

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_SLASHES = re.compile("//+")


def create_app(
    *,
    accept: Callable[[SubmitRequest], Submission],
    accept_batch: Callable[[BatchRequest], Sequence[Outcome]],
    change: Change,
    under_key: Callable[[str], Iterator[Submission]],
    erase: Callable[[SubmissionId], bool],
    links: Links,
    unsubscribe_links: UnsubscribeLinks,
    public_url: str | None,
    submissions: Submissions,
    directory: Directory,
    suppressions: Suppressions,
    bootstrap_key: str | None,
    clock: Callable[[], datetime],
    healthy: Callable[[], None],
    preflight: Callable[[str | None], Sequence[Check]],
    domains: SendingDomains,
    templates: Templates,
    published: Published,
    repeat: Callable[[str, str], Submission | None],
    returns: Returns,
    webhooks: Webhooks,
    trying: Trying,
    event_body: Callable[[Event], bytes | None],
    dialled: DialGuard,
    proxies: int = 0,
    rates: Rates | None = None,
) -> Flask:
    """The application. `healthy` raises `Unavailable` where a home is out of reach; `proxies` of ours are before it."""
    app = Flask("postroom", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST
    uses = Uses(Keys(directory), clock, warn)
    guard = Guard(directory, bootstrap_key, clock, uses, Guesses(clock), proxies, rates)
    stored = Stored(submissions)
    unsubscribing = Unsubscribing(unsubscribe_links, public_url)

    def filling() -> Filling:
        return Filling(published, unsubscribing.url)

    def healthz() -> Response:
        healthy()
        return answer({"status": "ok"})

    operations = [
        *Sending(accept, repeat, filling, clock).operations(),
        *Batches(accept_batch, filling, clock).operations(),
        *Emails(stored=stored, under_key=under_key, erase=erase, clock=clock).operations(),
        *Files(stored, links, public_url, clock).operations(),
        *Changes(stored, change, clock).operations(),
        *ApiKeys(Keys(directory), domains.register, clock).operations(),
        *Preflights(preflight).operations(),
        *SuppressionList(suppressions).operations(),
        *Unsubscribe(unsubscribe_links, suppressions, clock).operations(),
        *Domains(domains).operations(),
        *TemplateViews(templates).operations(),
        *BounceReports(returns).operations(),
        *Hooks(webhooks, dialled).operations(),
        *WebhookEvents(webhooks, trying.log, trying, event_body).operations(),
        Operation(
            method="GET",
            path="/healthz",
            view=healthz,
            access=Access.ANYBODY,
            summary="Tell whether all is well.",
            answers=Health(),
            refuses=(503,),
        ),
    ]
    operations += Reference(operations).operations()
    app.extensions["postroom"] = operations
    for each in operations:
        app.add_url_rule(each.path, f"{each.method} {each.path}", guard.guarded(each), methods=[each.method])
    app.after_request(_options)
    app.after_request(limits.tell)
    app.register_error_handler(Exception, _refuse)
    app.wsgi_app = Front(app.wsgi_app)  # type: ignore[method-assign]  # Flask's documented place for middleware
    return app


class Front:
    """WSGI middleware: tidies the path, and gives every answer its X-Request-Id.

    Half of the clients want a slash at the end of the address that they are given, the other half don't.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        environ["PATH_INFO"] = _SLASHES.sub("/", path).rstrip("/") or "/"
        environ[SLASHED] = path.endswith("/")
        asked = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = asked if _SANE_ID.fullmatch(asked) else str(uuid4())
        environ[REQUEST_ID] = request_id

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
            return start_response(status, [*headers, ("X-Request-Id", request_id)], exc_info)

        if len(path) + len(environ.get("QUERY_STRING", "")) > LONGEST_TARGET:
            message = f"The path and the query of a request may hold at most {LONGEST_TARGET} octets together."
            return refusal(Problem("validation_error", message, 414), environ)(environ, start)
        return self.application(environ, start)


def _options(response: Response) -> Response:
    """OPTIONS is answered by Flask, with the methods in Allow; a JSON body suits clients that parse each success."""
    if request.method == "OPTIONS" and response.status_code == 200:
        response.set_data("{}\n")
        response.content_type = "application/json"
    return response


def _refuse(error: Exception) -> Response:
    """The one place where an exception becomes an answer."""
    problem = error if isinstance(error, Problem) else _problem(error)
    return refusal(problem, request.environ)


def _problem(error: Exception) -> Problem:
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        return _http_problem(error, error.code)
    if isinstance(error, Unavailable):
        complain(error, "WARNING", **_asked())
        message = (
            "The service can't reach its storage at the moment. Repeat the request in a few seconds; "
            "repeat a submission under the same Idempotency-Key."
        )
        return Problem("application_error", message, 503, {"Retry-After": RETRY_AFTER})
    complain(error, **_asked())
    request_id = request.environ[REQUEST_ID]
    return Problem("application_error", f"Something went wrong on our side. It is logged under request {request_id}.")


def _http_problem(error: HTTPException, code: int) -> Problem:
    """What Flask and werkzeug found wrong before a view had its say."""
    if code == 404:
        return Problem("not_found", "There is nothing at this path.")
    if code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        message = f"{request.method} is not a method of this path, which takes {allowed}."
        return Problem("method_not_allowed", message, headers={"Allow": allowed})
    if code == 413:
        return too_large()
    return Problem("validation_error", f"The request is malformed: {error.description or error.name}", 400)


def _asked() -> dict[str, str]:
    """The request, for the journal. A token is good for something, so of its path only the shape is written down."""
    path = request.path if "token" not in (request.view_args or {}) else str(request.url_rule)
    return {"request_id": request.environ[REQUEST_ID], "method": request.method, "path": path}
