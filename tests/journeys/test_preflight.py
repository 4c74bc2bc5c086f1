"""`postroom preflight` and `GET /preflight` look at real servers: Unbound, a mail server, a policy host."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from postroom.message.dkim import SigningKey, new_key, record
from tests.internet.peer import Guest, serving
from tests.internet.web import page
from tests.journeys.office import Office
from tests.servers.unbound import Unbound, Zone

US = "9.9.9.10"

SHOP = """
@                    TXT  "v=spf1 include:spf -all"
spf                  TXT  "v=spf1 a:mail.shop.example ip6:2001:db8::/32 -all"
mail                 A    9.9.9.10
_dmarc               TXT  "v=DMARC1; p=quarantine"
postroom._domainkey  TXT  "{key}"
old._domainkey       TXT  "v=DKIM1; p="
"""

FRIEND = """
@                    MX   10 mx
mx                   A    127.0.0.1
_{port}._tcp.mx      TLSA 3 1 1 {digest}
_mta-sts             TXT  "v=STSv1; id=1;"
mta-sts              A    127.0.0.1
null                 MX   0 .
inside               MX   10 metadata
metadata             A    169.254.169.254
"""

LIST = """
2.0.0.127            A    127.0.0.2
10.9.9.9             A    127.0.0.4
10.9.9.9             TXT  "seen in spam"
"""


def mail_server(guest: Guest, context: ssl.SSLContext, heard: list[str]) -> None:
    """Knows no letters: whoever says more than hello is told off."""
    guest.say("220 mx.friend.example")
    while True:
        line = guest.hear().decode().split()
        heard.append(line[0])
        match line[0]:
            case "EHLO":
                guest.say(f"250-mx.friend.example at your service, [{US}]", "250 STARTTLS")
            case "STARTTLS":
                guest.say("220 go on")
                guest.encrypt(context)
            case "QUIT":
                guest.say("221 bye")
                return
            case _:
                guest.say("500 nothing but hello")


def policy_host(guest: Guest, context: ssl.SSLContext) -> None:
    guest.encrypt(context)
    guest.hear(b"\r\n\r\n")
    guest.sock.sendall(page(b"version: STSv1\nmode: enforce\nmx: *.friend.example\nmax_age: 86400\n"))


@pytest.fixture(scope="module")
def heard() -> list[str]:
    return []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, heard: list[str]) -> Iterator[Office]:
    if absent := Unbound.missing():
        pytest.skip(absent)
    folder, authority = tmp_path_factory.mktemp("house"), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "roots.pem"))
    issued = authority.issue_cert("mx.friend.example", "mta-sts.friend.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    public = load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).public_key()
    digest = sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    pem = new_key("ed25519")
    (folder / "key.pem").write_bytes(pem)
    with ExitStack() as stack:
        port = stack.enter_context(serving(lambda guest: mail_server(guest, context, heard)))
        sts_port = stack.enter_context(serving(lambda guest: policy_host(guest, context)))
        key = record(SigningKey.load("shop.example", "postroom", pem))[1]
        zones = [
            Zone(
                origin="shop.example", records=SHOP.format(key=key).replace("include:spf", "include:spf.shop.example")
            ),
            Zone(origin="friend.example", records=FRIEND.format(port=port, digest=digest), signed=True),
            Zone(origin="9.9.9.in-addr.arpa", records="10 PTR mail.shop.example."),
            Zone(origin="list.example", records=LIST),
        ]
        unbound = stack.enter_context(Unbound(tmp_path_factory.mktemp("unbound"), zones))
        house = Office(
            folder / "data",
            port,
            POSTROOM_ROUTES='[[route]]\nname = "straight"\nvia = "mx"',
            POSTROOM_HELO="mail.shop.example",
            POSTROOM_RESOLVERS=unbound.resolvers,
            POSTROOM_TRUST_AD="true",
            POSTROOM_SMTP_PORT=str(port),
            POSTROOM_STS_PORT=str(sts_port),
            POSTROOM_CA_FILE=str(folder / "roots.pem"),
            POSTROOM_BLOCKLISTS="list.example,gone.example",
        )
        house.run("domains", "add", "shop.example", "--key", str(folder / "key.pem"))
        house.run("domains", "add", "shop.example", "--selector", "old", "--key", str(folder / "key.pem"))
        house.start()
        yield house
        assert house.stop() == 0


EXPECTED = [
    ("port_25", "pass", "mx.friend.example (127.0.0.1:"),
    ("address", "pass", f"our letters come from {US}, as mx.friend.example"),
    ("route", "pass", "takes the route straight"),
    ("destination", "pass", "is ready for a letter, under TLSv1.3 (verified)"),
    ("ptr", "pass", f"{US} is named mail.shop.example, which leads back to it"),
    ("helo", "pass", f"we call ourselves mail.shop.example, as the PTR of {US} does"),
    ("blocklist", "fail", f"list.example lists {US} (127.0.0.4): seen in spam"),
    ("blocklist", "warn", "whether gone.example lists"),
    ("spf", "pass", "'include:spf.shop.example' in the SPF record of shop.example"),
    ("dkim", "pass", "postroom._domainkey.shop.example publishes our key"),
    ("dkim", "fail", "old._domainkey.shop.example: the key is revoked"),
    ("dmarc", "pass", "wants quarantine for shop.example; d=shop.example is aligned"),
    ("mx", "pass", "mail for friend.example goes to mx.friend.example (10)"),
    ("mta_sts", "pass", "in mode enforce for *.friend.example"),
    ("dane", "pass", "has DANE for mx.friend.example (1 TLSA)"),
]


def test_the_command_line_and_the_api_see_the_same(house: Office, heard: list[str]) -> None:
    done = house.try_to_run("preflight", "friend.example", "--json")
    assert done.returncode == 1, done.stderr
    checks = json.loads(done.stdout)
    for check, (name, status, words) in zip(checks, EXPECTED, strict=True):
        assert (check["check"], check["status"], words in check["detail"]) == (name, status, True), check
    answered = house.request("GET", "/preflight?domain=friend.example")
    assert answered == (200, {"object": "list", "data": checks})
    assert heard == ["EHLO", "STARTTLS", "EHLO", "QUIT"] * 2


def test_a_table_is_printed_for_people(house: Office) -> None:
    printed = house.try_to_run("preflight", "friend.example").stdout.splitlines()
    assert len(printed) == len(EXPECTED)
    assert printed[6] == f"fail  blocklist    list.example lists {US} (127.0.0.4): seen in spam"


def test_a_domain_that_takes_no_mail_fails(house: Office) -> None:
    done = house.try_to_run("preflight", "null.friend.example")
    assert done.returncode == 1
    assert "fail  mx           null.friend.example says by a null MX that it takes no mail" in done.stdout


def test_nobody_is_led_to_an_address_that_may_not_be_dialled(house: Office) -> None:
    _, answer = house.request("GET", "/preflight?domain=inside.friend.example")
    (destination,) = [each for each in answer["data"] if each["check"] == "destination"]
    assert destination["status"] == "warn"
    assert "169.254.169.254 is not a public address" in destination["detail"]


def test_without_a_domain_only_the_deployment_is_looked_at(house: Office) -> None:
    checks = json.loads(house.try_to_run("preflight", "--json").stdout)
    assert {"mx", "mta_sts", "dane", "route", "destination"}.isdisjoint(each["check"] for each in checks)
    assert [each["status"] for each in checks if each["check"] == "port_25"] == ["warn"]  # no well-known domain is here


def test_what_is_no_domain_is_refused_with_a_word(house: Office, tmp_path: Path) -> None:
    done = house.try_to_run("preflight", "no domain", "--data", str(tmp_path))
    assert done.returncode == 1
    assert "'no domain' is not a domain that mail can go to" in done.stderr
