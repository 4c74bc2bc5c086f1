"""The secrets of one machine, made on the first start and kept in the data folder for its owner alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from postroom.account.seal import pair
from postroom.clouds.local.folders import write_once


def load_or_make(folder: Path, randomness: Callable[[int], bytes]) -> Mapping[str, str]:
    """Variables by name. Safe when two processes start at once: whoever comes second reads the first's."""
    path = folder / "secrets.json"
    if not path.exists():
        public, private = pair(randomness(32))
        made = {
            "POSTROOM_SEAL_PUBLIC": public,
            "POSTROOM_SEAL_PRIVATE": private,
            "POSTROOM_TASK_SECRET": randomness(32).hex(),
        }
        write_once(path, json.dumps(made).encode())
    secrets: dict[str, str] = json.loads(path.read_text())
    return secrets
