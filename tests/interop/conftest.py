"""Each story is told to every server. They are started once a process, each with a host for every kind of manners."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
import trustme

from postroom.internet.guard import Guard
from postroom.internet.loop import Background
from postroom.internet.reach import Reach
from postroom.internet.resolver import DnsResolver
from postroom.internet.wire import SmtpWire
from postroom.smtp.timeouts import Timeouts
from tests.interop.town import HOSTS, TLS
from tests.servers.exim import Exim
from tests.servers.haraka import Haraka
from tests.servers.postfix import Postfix
from tests.servers.server import Certificate, Server

PATIENCE = Timeouts(connect=2, greeting=5, command=5, data=5, final=5, quit=0.05)  # Exim answers QUIT after 0.2 s


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def roots(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("roots") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session", params=[Exim, Postfix, Haraka], ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[Server]:
    kind: type[Server] = request.param
    if absent := kind.missing():
        pytest.skip(absent)
    # Not one of pytest's folders, into which nobody else may look.
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with kind(Path(folder), HOSTS, Certificate.issue(authority, TLS)) as running:
            yield running


@pytest.fixture(scope="session")
def background() -> Background:
    return Background()


@pytest.fixture
def wire(roots: str, background: Background) -> SmtpWire:
    """One that remembers nothing yet."""
    guard = Guard([ip_network("127.0.0.0/8")])
    reach = Reach(helo="client.example.org", timeouts=PATIENCE, resolver=DnsResolver(), guard=guard, ca_file=roots)
    return SmtpWire(reach, background)


@pytest.fixture
def domain() -> str:
    """Where no letter of another test goes."""
    return f"{uuid4().hex[:12]}.example.net"
