"""Resend's client for Node, in each of its major versions, as `tests/servers/fetch` has put them."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.unpacked import CLIENTS, node

VERSIONS = (2, 3, 4, 5, 6)

_SCRIPT = Path(__file__).parent / "call.cjs"


@dataclass(frozen=True)
class Call:
    """One call, such as `emails.send`, of one version. An earlier call's id is `{"$id": its number}`."""

    version: int
    key: str
    call: str
    args: Sequence[Any]


def missing() -> str | None:
    """Why the clients can't run here, or None."""
    if (CLIENTS / "node_modules" / f"resend{VERSIONS[-1]}").is_dir():
        return None
    return f"no clients for Node in {CLIENTS}: tests/servers/fetch fetches them"


def buffer(octets: bytes) -> dict[str, str]:
    """A Node Buffer."""
    return {"$buffer": b64encode(octets).decode()}


def called(url: str, calls: Sequence[Call]) -> list[dict[str, Any]]:
    """What each call gave, `{data, error}`."""
    done = subprocess.run(
        [node(), str(_SCRIPT)],
        cwd=CLIENTS,
        env={"RESEND_BASE_URL": url},
        input=json.dumps([vars(each) for each in calls]),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers
