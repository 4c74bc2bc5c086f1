"""A destination server for `postroom dev` (aiosmtpd): takes every letter, keeps it, and lets nothing out."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "catch-all.postroom.test"
LARGEST = 64 * 1024 * 1024


class CatchAll:
    """aiosmtpd's handler: each letter becomes a file in `folder`, with its envelope in front."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._clock = clock
        self._numbers = count(1)

    # The names and the arguments of the two are aiosmtpd's.

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        # aiosmtpd reads line by line and answers in order, which is all that PIPELINING asks (RFC 2920).
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        now = self._clock()
        name = f"{now:%Y%m%d-%H%M%S}-{next(self._numbers):06}"
        lines = [f"Return-Path: <{envelope.mail_from}>", *(f"Delivered-To: {each}" for each in envelope.rcpt_tos)]
        trace = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        (self._folder / f"{name}.eml").write_bytes(trace + content)
        return f"250 2.0.0 caught, queued as {name}"


class CatchAllServer:
    """The running server. It offers STARTTLS with a certificate of its own making."""

    def __init__(self, folder: Path, host: str, port: int, clock: Callable[[], datetime]) -> None:
        # Whoever trusts this file can verify the server: `"tls": "verify"` works here as it would elsewhere.
        self.certificate = folder / "certificate.pem"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd's; a session that breaks is our client's
        self._controller = Controller(
            CatchAll(folder, clock),
            hostname=host,
            port=port,
            server_hostname=NAME,
            ident="postroom catch-all",
            tls_context=_tls(clock(), self.certificate),
            enable_SMTPUTF8=True,
            data_size_limit=LARGEST,
        )

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()


def _tls(now: datetime, certificate_file: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(days=1))
        .not_valid_after(now.astimezone(UTC) + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    public = certificate.public_bytes(serialization.Encoding.PEM)
    certificate_file.write_bytes(public)
    pem = public + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with TemporaryDirectory() as folder:  # Python's ssl reads keys from files alone
        path = Path(folder) / "certificate.pem"
        path.touch(0o600)
        path.write_bytes(pem)
        context.load_cert_chain(path)
    return context
