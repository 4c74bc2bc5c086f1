"""How an operator spells a duration, the limits of a session's phases, a host's name. Readers raise ValueError."""

from __future__ import annotations

import re
from datetime import timedelta

SHORTEST = timedelta(milliseconds=100)  # nothing that postroom waits for is sooner
PHASES = ("command", "connect", "data", "final", "greeting")

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a duration such as 90s, 5m, 2h or 3d")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def positive(text: str) -> timedelta:
    """A duration that isn't nothing."""
    read = duration(text)
    if read < SHORTEST:
        raise ValueError(f"{text!r} is too short: it must be {SHORTEST / timedelta(milliseconds=1):.0f}ms at least")
    return read


def phases(text: str) -> tuple[tuple[str, float], ...]:
    """Seconds by phase, of `connect=10s,final=5m`; those that aren't named are left out."""
    parts = dict(part.strip().partition("=")[::2] for part in text.split(","))
    if unknown := sorted(set(parts) - set(PHASES)):
        raise ValueError(f"{', '.join(unknown)}: the phases are {', '.join(PHASES)}")
    return tuple((phase, positive(value).total_seconds()) for phase, value in parts.items())


def host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f.:IPv]+\]", text):
        raise ValueError(f"{text!r} is not a host name or an address literal")
    return text
