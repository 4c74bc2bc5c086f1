"""The secrets of one machine, made on the first start and kept in the data folder for its owner alone."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

from postroom.account.seal import pair
from postroom.clouds.local.folders import make_folder, write_over
from postroom.clouds.local.locks import locked


def load_or_make(folder: Path, randomness: Callable[[int], bytes]) -> Mapping[str, str]:
    """Variables by name. Safe when two processes start at once: whoever comes second reads the first's.

    What a newer postroom needs besides is made and added.
    """
    path = folder / "secrets.json"
    make_folder(folder)
    with locked(folder / "secrets.lock"):
        kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        secrets = _made(randomness) | kept
        if secrets != kept:
            write_over(path, json.dumps(secrets).encode())
    return secrets


def _made(randomness: Callable[[int], bytes]) -> dict[str, str]:
    public, private = pair(randomness(32))
    return {
        "POSTROOM_SEAL_PUBLIC": public,
        "POSTROOM_SEAL_PRIVATE": private,
        "POSTROOM_TASK_SECRET": randomness(32).hex(),
        "POSTROOM_MASTER_KEYS": b64encode(randomness(32)).decode(),
    }
