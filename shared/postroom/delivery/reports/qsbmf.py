"""Bounces of qmail, which are for people first: its Simple Bounce Message Format (https://cr.yp.to/proto/qsbmf.txt)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postroom.delivery.reports.report import MOST_RECIPIENTS, Action, Said
from postroom.message.entity import Entity

_BEGINS = "Hi. This is the"
_PARAGRAPHS = re.compile(r"\n(?:[ \t]*\n)+")
_RECIPIENT = re.compile(r"<([^<>\n]+)>:\n(.*)", re.DOTALL)
_STATUS = re.compile(r"\(#([245]\.\d{1,3}\.\d{1,3})\)", re.ASCII)
_REPLY = re.compile(r"\b(?:said|response): ([45]\d\d[ -].*)", re.DOTALL)
_HOST = re.compile(r"\b(\d{1,3}(?:\.\d{1,3}){3})\b", re.ASCII)

MOST = 65536  # characters that are looked at


def read(text: str) -> tuple[tuple[Said, ...], Entity | None] | None:
    """What it says of each recipient, and the returned letter; None where the text isn't one."""
    text = text.replace("\r\n", "\n").lstrip("\n")
    if not text.startswith(_BEGINS):
        return None
    failed: list[Said] = []
    for start, paragraph in _paragraphs(text):
        if paragraph.startswith("-"):  # the break, behind which the letter follows
            letter = text[start + len(paragraph) :].lstrip("\n").encode("utf-8", "replace")
            return tuple(failed), Entity.read(letter)
        match = _RECIPIENT.match(paragraph)
        if match and len(failed) < MOST_RECIPIENTS:
            failed.append(_said(match[1], " ".join(match[2].split())))
    return tuple(failed), None


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Each with where it begins."""
    start = 0
    for gap in _PARAGRAPHS.finditer(text, 0, MOST):
        yield start, text[start : gap.start()]
        start = gap.end()
    yield start, text[start:MOST]


def _said(address: str, words: str) -> Said:
    reply, status, host = _REPLY.search(words), _STATUS.search(words), _HOST.search(words)
    return Said(
        action=Action.FAILED,
        addresses=(address,),
        status=status[1] if status else None,
        words=reply[1] if reply else words,
        by_smtp=reply is not None,
        mx=host[1] if host else None,
    )
