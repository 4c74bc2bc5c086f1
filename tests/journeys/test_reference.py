"""The running functions serve their own description, the page that shows it, and keep to it."""

from __future__ import annotations

from http.client import HTTPConnection
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.journeys.office import KEY, Office

SLOW = {"/preflight"}  # it dials hosts of the world outside


def got(office: Office, path: str) -> tuple[int, str, bytes]:
    connection = HTTPConnection(office.host, office.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_the_page_is_served_whole(office: Office) -> None:
    status, content_type, page = got(office, "/docs/")
    assert (status, content_type) == (200, "text/html; charset=utf-8")
    for name, its_type in (
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("favicon-32x32.png", "image/png"),
    ):
        assert f'"{name}"'.encode() in page
        original = (files("flask_swagger_ui") / "dist" / name).read_bytes()
        assert got(office, f"/docs/{name}") == (200, its_type, original)


def test_the_functions_keep_to_their_document(office: Office) -> None:
    schema = schemathesis.openapi.from_url(
        f"http://{office.host}:{office.port}/openapi.json",
        config=schemathesis.Config.from_dict({"generation": {"allow-extra-parameters": False}}),
    )
    read: Any = schema.get_all_operations()
    operations = [operation for operation in (each.ok() for each in read) if operation.path not in SLOW]
    assert len(operations) >= 6
    asked: set[str] = set()

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def keeps_to_it(data: st.DataObject) -> None:
        operation: Any = data.draw(st.sampled_from(operations))
        case = data.draw(operation.as_strategy(generation_mode=data.draw(st.sampled_from(schemathesis.GenerationMode))))
        answered = case.call(headers={"Authorization": f"Bearer {KEY}"})
        # In a permissive batch the items are refused, not the request.
        permissive = [negative_data_rejection] if "permissive" in str(case.headers) else []
        case.validate_response(answered, excluded_checks=[positive_data_acceptance, *permissive])
        asked.add(operation.label)

    keeps_to_it()
    assert len(asked) >= 6
    assert urlsplit(schema.get_base_url()).port == office.port
