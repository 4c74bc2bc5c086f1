"""Lists of tags, `name=value; name=value`, in which DKIM and DMARC publish what they have to say (RFC 6376 §3.2)."""

from __future__ import annotations

import re

_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")
_VALUE = re.compile(r"[!-:<-~ \t\r\n]*")


class BadTags(ValueError):
    """Not a list of tags; the text quotes what is none."""


def tags(text: str) -> dict[str, str]:
    """Names, whose case counts, and values, in the order of the list. Raises `BadTags`."""
    found: dict[str, str] = {}
    parts = text.split(";")
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    for part in parts:
        name, equals, value = (each.strip() for each in part.partition("="))
        if not (equals and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise BadTags(f"{part.strip()[:80]!r} is not a tag and its value")
        if name in found:
            raise BadTags(f"{name}= stands there twice")
        found[name] = value
    return found
