"""The secrets of one machine, made on the first start and kept in the data folder for its owner alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from postroom.account.seal import pair


def load_or_make(folder: Path, randomness: Callable[[int], bytes]) -> Mapping[str, str]:
    """Variables by name. Safe when two processes start at once: whoever comes second reads the first's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "secrets.json"
    if not path.exists():
        public, private = pair(randomness(32))
        made = {
            "POSTROOM_SEAL_PUBLIC": public,
            "POSTROOM_SEAL_PRIVATE": private,
            "POSTROOM_TASK_SECRET": randomness(32).hex(),
        }
        unfinished = folder / f"secrets.{os.getpid()}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(made, file)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, path)  # fails where somebody else was faster
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    secrets: dict[str, str] = json.loads(path.read_text())
    return secrets
