"""Wires and certificates that the tests of this room share."""

from __future__ import annotations

import pytest
import trustme

from postroom.internet.wire import SmtpWire
from tests.internet.carrying import QUICK, wire_with


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def roots(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("roots") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def wire(roots: str) -> SmtpWire:
    return wire_with(QUICK, roots)
