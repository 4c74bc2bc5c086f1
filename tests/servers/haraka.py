"""Haraka. A letter that it takes is kept by a plugin of ours, `haraka/keep.js`."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.server import LATER, NOBODY, UNWELCOME, Host, Server, Taken
from tests.servers.unpacked import HARAKA, node

PLUGIN = Path(__file__).parent / "haraka" / "keep.js"

CONNECTION = """\
[headers]
add_received=false
max_lines=1000
max_received=100

[max]
bytes=26214400
mime_parts=1000
line_length=512
; A longer line is broken in two, and the signature with it: by default one of 993 octets with its CRLF. This counts
; the dot that is doubled too.
data_line_length=1001

[message]
helo=welcome
close=goodbye

[uuid]
banner_chars=6
deny_chars=0
"""


class Haraka(Server):
    name = "haraka"
    chunking = False

    def _prepare(self) -> tuple[Sequence[str], Mapping[str, str]]:
        for name in ("config", "plugins", "letters", "queue"):
            (self.folder / name).mkdir()
        shutil.copy(PLUGIN, self.folder / "plugins")
        keep = {
            "hosts": {host.address: _manners(host) for host in self.hosts},
            "letters": str(self.folder / "letters"),
            "nobody": NOBODY,
            "later": LATER,
            "unwelcome": UNWELCOME,
        }
        listen = ",".join(f"{host.address}:{self.port}" for host in self.hosts)
        for name, text in {
            "me": "haraka.example.net\n",
            "smtp.ini": f"listen={listen}\nnodes=0\npublic_ip=192.0.2.1\n",
            "connection.ini": CONNECTION,
            "log.ini": "[main]\nlevel=notice\n",
            "plugins": "tls\nkeep\n",
            "keep.json": json.dumps(keep),
            "tls_key.pem": self.certificate.key,
            "tls_cert.pem": self.certificate.chain,
        }.items():
            (self.folder / "config" / name).write_text(text)
        return (node(), str(HARAKA / "bin" / "haraka"), "-c", str(self.folder)), {}

    def letters(self) -> list[Taken]:
        return [_taken(each) for each in (self.folder / "letters").glob("*.json")]


def _manners(host: Host) -> Mapping[str, object]:
    offers = {"STARTTLS": host.tls, "PIPELINING": host.pipelining, "SMTPUTF8": host.smtputf8}
    unsaid = [keyword for keyword, said in offers.items() if not said]
    return {"unsaid": unsaid, "largest": host.largest, "most_letters": host.most_letters}


def _taken(kept: Path) -> Taken:
    letter = json.loads(kept.read_text())
    return Taken(letter["sender"], tuple(letter["recipients"]), b64decode(letter["octets"]))
