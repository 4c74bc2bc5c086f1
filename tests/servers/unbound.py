"""Unbound, a resolver that validates DNSSEC, in front of zones that a test writes.

Postroom asks it where POSTROOM_RESOLVERS is its `place`. It knows the zones it is given and nothing else: every other
name is NXDOMAIN, and it never asks anybody.

    with Unbound(folder, [Zone(origin="example.net", records="@ MX 10 mx\\nmx A 127.0.0.1", signed=True)]) as unbound:
        resolver = DnsResolver([unbound.place], trust_ad=True)
"""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.dnssec
import dns.dnssectypes
import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.RRSIG
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec

from postroom.house.supervisor import free_port
from tests.servers import unpacked

CONFIGURATION = """\
server:
  interface: {host}
  port: {port}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: {folder}
  pidfile: ""
  logfile: {folder}/log
  use-syslog: no
  log-queries: yes
  num-threads: 1
  do-ip6: no
  module-config: "validator iterator"
  trust-anchor-signaling: no
  unblock-lan-zones: yes
  local-zone: "test." nodefault
  local-zone: "invalid." nodefault
{local}
remote-control:
  control-enable: no
{zones}
"""

ZONE = """\
auth-zone:
  name: "{name}"
  zonefile: "{file}"
  for-upstream: yes
  for-downstream: no
  fallback-enabled: no
"""

APEX = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 {negative}\n@ 60 IN NS ns\nns 60 IN A 192.0.2.53\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Records as a zone file has them, one a line; names are relative to `origin`, a TTL that is left out is 60."""

    origin: str
    records: str = ""
    signed: bool = False  # with a key that the resolver trusts
    bogus: tuple[tuple[str, str], ...] = ()  # names and kinds whose signature is made wrong: SERVFAIL
    negative: int = 60  # seconds that what isn't there isn't there


class Unbound:
    """The resolver, at `host` and a free port. `silent` domains get no answer at all, `refused` ones REFUSED."""

    def __init__(
        self,
        folder: Path,
        zones: Sequence[Zone],
        *,
        silent: Sequence[str] = (),
        refused: Sequence[str] = (),
        host: str = "127.0.0.1",
    ) -> None:
        self.folder = folder
        self.place = host, free_port(host)
        self._zones = (Zone(origin="."), *zones)
        self._local = [*((each, "deny") for each in silent), *((each, "refuse") for each in refused)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def resolvers(self) -> str:
        """As a value of POSTROOM_RESOLVERS."""
        return "{}:{}".format(*self.place)

    @classmethod
    def missing(cls) -> str | None:
        """Why it can't run here, or None."""
        return unpacked.missing()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def replace(self, zone: Zone) -> None:
        """Say this of its origin from now on. The resolver begins anew, and remembers nothing."""
        self._stop()
        self._zones = tuple(zone if each.origin == zone.origin else each for each in self._zones)
        self._start()

    def asked(self) -> Counter[tuple[str, str]]:
        """How often it was asked which kind of which name, so far; repeats of a question that came by TCP as well."""
        log = (self.folder / "log").read_text()
        return Counter(re.findall(r" info: [0-9a-f.:]+ (\S+)\. ([A-Z0-9]+) IN$", log, re.MULTILINE))

    def _start(self) -> None:
        anchors = [anchor for each in self._zones if (anchor := self._write(each))]
        local = [f'  local-zone: "{name}." {what}' for name, what in self._local]
        zones = [ZONE.format(name=_absolute(each.origin), file=self._file(each)) for each in self._zones]
        configuration = self.folder / "unbound.conf"
        configuration.write_text(
            CONFIGURATION.format(
                host=self.place[0],
                port=self.place[1],
                folder=self.folder,
                local="\n".join([*local, *(f'  trust-anchor: "{anchor}"' for anchor in anchors)]),
                zones="".join(zones),
            )
        )
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [unpacked.UNBOUND, "-d", "-c", configuration],
                env=unpacked.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            self._await_answer()
        except BaseException:
            self._stop()
            raise

    def _write(self, zone: Zone) -> str | None:
        """The zone's file; the trust anchor where it is signed."""
        origin = dns.name.from_text(zone.origin)
        text = "$TTL 60\n" + APEX.format(negative=zone.negative) + zone.records
        content = dns.zone.from_text(text, origin=origin, relativize=False, check_origin=False)
        anchor = None
        if zone.signed:
            key = ec.generate_private_key(ec.SECP256R1())
            public = dns.dnssec.make_dnskey(key.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)
            dns.dnssec.sign_zone(content, keys=[(key, public)], lifetime=3600, inception=int(time.time()) - 3600)
            anchor = f"{_absolute(zone.origin)} DNSKEY {public.to_text()}"
        for name, kind in zone.bogus:
            _spoil(content, dns.name.from_text(name, origin), kind)
        self._file(zone).write_text(content.to_text(relativize=False))
        return anchor

    def _file(self, zone: Zone) -> Path:
        return self.folder / f"{zone.origin.strip('.') or 'root'}.zone"

    def _await_answer(self) -> None:
        assert self._process is not None
        question, end = dns.message.make_query(".", "SOA"), time.monotonic() + 20
        while True:
            try:
                dns.query.tcp(question, self.place[0], 5, self.place[1])
                return
            except (OSError, EOFError, dns.exception.DNSException):
                pass
            if self._process.poll() is not None or time.monotonic() > end:
                told = [each.read_text() for each in (self.folder / "output", self.folder / "log") if each.exists()]
                raise RuntimeError(f"unbound doesn't start: {' '.join(told)}")
            time.sleep(0.02)

    def _stop(self) -> None:
        assert self._process is not None
        self._process.kill()  # what it holds is for nobody
        self._process.wait()


def _absolute(name: str) -> str:
    return name.rstrip(".") + "."


def _spoil(zone: dns.zone.Zone, name: dns.name.Name, kind: str) -> None:
    """Turn the last bit of the signature of these records."""
    signatures = zone.find_rdataset(name, "RRSIG", covers=kind)
    (signature,) = signatures
    assert isinstance(signature, dns.rdtypes.ANY.RRSIG.RRSIG)
    octets = signature.signature
    spoilt = dns.rdataset.from_rdata(signatures.ttl, signature.replace(signature=octets[:-1] + bytes([octets[-1] ^ 1])))
    zone.replace_rdataset(name, spoilt)
