from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import resend

from tests.clients.python import Client, awaited, called
from tests.doubles.names import names
from tests.doubles.socks import Socks
from tests.internet.peer import serving
from tests.journeys.deployments import CHOSEN, HOMES, Home
from tests.journeys.destination import Destination
from tests.journeys.files import ZONE as FILES
from tests.journeys.files import FileServer, file_server
from tests.journeys.office import KEY, Office
from tests.journeys.trouble import GONE_TOO, TROUBLES, says
from tests.journeys.ways import LOGIN, ZONE, ways

RETURNS = "returns.example.org"  # where reports about letters would come back to
MANY = 1000  # requests a second that each key may make in the house of most stories


@pytest.fixture(scope="package")
def destination() -> Iterator[Destination]:
    """A server that takes every letter unless a test tells it otherwise."""
    server = Destination()
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _forgetful(destination: Destination, proxy: Socks) -> None:
    """The same story is told in every home, by the same names."""
    destination.forget()
    proxy.asked.clear()


@pytest.fixture(scope="package")
def proxy() -> Socks:
    return Socks(login=LOGIN)


@pytest.fixture(scope="package")
def routes(destination: Destination, proxy: Socks) -> Iterator[str]:
    """The good server for every domain but for those of `TROUBLES`, which have their own, and those of `ways`."""
    with ExitStack() as stack:
        hosts = {
            name: f"127.0.0.1:{stack.enter_context(says(trouble.greeting))}" if trouble.greeting is not None else name
            for name, trouble in TROUBLES.items()
        }
        hosts |= {name: trouble.host for name, trouble in TROUBLES.items() if trouble.host is not None}
        hosts[GONE_TOO] = "127.0.0.1:9"
        hosts["*"] = f"127.0.0.1:{destination.port}"
        yield ways(stack.enter_context(serving(proxy))) + "".join(
            f'[[route]]\nname = "{name if name != "*" else "here"}"\nmatch = "{name}"\nvia = "smtp://{host}"\n'
            for name, host in hosts.items()
        )


@pytest.fixture(scope="package")
def zone() -> dict[tuple[str, str], Sequence[str]]:
    """What DNS has, to which a story may add."""
    return {**ZONE, **FILES, (f"{RETURNS}.", "MX"): ["10 inbound.example.org."]}


@pytest.fixture(scope="package", params=CHOSEN)
def home(request: pytest.FixtureRequest) -> Home:
    """Every story that asks for it is told in each home."""
    return HOMES[request.param]


@pytest.fixture(scope="package")
def office(
    home: Home,
    destination: Destination,
    routes: str,
    files: FileServer,
    zone: dict[tuple[str, str], Sequence[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Office]:
    """One house for all stories that don't need settings of their own."""
    with home() as place, names(zone) as resolver:
        house = Office(
            tmp_path_factory.mktemp("office"),
            destination.port,
            place,
            POSTROOM_ROUTES=routes,
            POSTROOM_RESOLVERS=resolver,
            POSTROOM_CA_FILE=str(files.roots),
            POSTROOM_SMTP_PORT=str(destination.port),
            POSTROOM_TIMEOUTS="connect=2s,greeting=2s,command=2s",
            POSTROOM_VERIFIED_SENDERS="required",
            POSTROOM_TEST_DOMAIN="postroom.test",
            POSTROOM_RETURN_PATH_DOMAIN=RETURNS,
            POSTROOM_RATE_LIMIT=str(MANY),
        )
        house.settings["POSTROOM_PUBLIC_URL"] = f"http://{house.host}:{house.port}"  # a gateway tells of its https
        house.run("domains", "add", "example.org")
        house.start()
        yield house
        assert house.stop() == 0


@pytest.fixture(scope="package")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    """Where letters' files are fetched from."""
    with file_server(tmp_path_factory.mktemp("roots") / "roots.pem") as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(params=[called, awaited])
def client(request: pytest.FixtureRequest, office: Office, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Resend's client for Python, pointed at the house."""
    monkeypatch.setattr(resend, "api_url", f"http://127.0.0.1:{office.port}")
    monkeypatch.setattr(resend, "api_key", KEY)
    way: Client = request.param
    return way
