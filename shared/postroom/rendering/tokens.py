"""CSS in tokens (CSS Syntax Level 3 §4), and which of them belong together: what brackets and separators enclose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from postroom.rendering.budget import TooMuch

_TOKEN: Final = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|\Z))|(?P<space>\s++)"""
    r"""|(?P<string>"(?>(?:[^"\\\n]|\\.)*)(?:"|\Z)|'(?>(?:[^'\\\n]|\\.)*)(?:'|\Z))"""
    r"""|(?P<url>url\(\s*+(?!["'\s])(?>(?:[^)\\]|\\.)*)(?:\)|\Z))"""
    r"""|(?P<name>@?(?>(?:[\w-]|[^\x00-\x7f]|\\[0-9a-f]{1,6}\s?|\\[^\n])+)(?P<calls>\()?)"""
    r"""|(?P<other>.)""",
    re.IGNORECASE | re.DOTALL,
)
DEEPEST: Final = 20  # blocks, brackets and functions within each other
_CLOSES: Final = {"(": ")", "[": "]", "{": "}"}

Tokens = list[tuple[str, str]]  # kinds and what is written


def tokens_of(css: str) -> tuple[Tokens, bool]:
    """What it says, without its comments, and whether nothing in it is left open. Raises `TooMuch`."""
    tokens = [("call" if match["calls"] else match.lastgroup or "", match.group()) for match in _TOKEN.finditer(css)]
    whole = not (tokens and tokens[-1][0] in ("comment", "string", "url") and not _is_closed(tokens[-1][1]))
    open_: list[str] = []
    for each in tokens:
        _follow(each, open_)
        if len(open_) > DEEPEST:
            raise TooMuch(f"they are nested more than {DEEPEST} deep")
    return [each for each in tokens if each[0] != "comment"], whole and not open_


def past(tokens: Tokens, at: int) -> int:
    """Behind the token, and behind its block where it opens one."""
    open_: list[str] = []
    while at < len(tokens):
        _follow(tokens[at], open_)
        at += 1
        if not open_:
            break
    return at


def _follow(token: tuple[str, str], open_: list[str]) -> None:
    """Take down what the token opens, as what will close it, or that it closes what was opened last."""
    kind, text = token
    if kind == "call":
        open_.append(")")
    elif kind == "other" and text in _CLOSES:
        open_.append(_CLOSES[text])
    elif kind == "other" and open_ and text == open_[-1]:
        open_.pop()


def _is_closed(text: str) -> bool:
    return len(text) > 1 and text.endswith(("*/", '"', "'", ")")) and not (text.startswith("/*") and len(text) < 4)


def parted(tokens: Tokens, by: str) -> Iterator[Tokens]:
    begun = at = 0
    while at < len(tokens):
        if tokens[at] == ("other", by):
            yield tokens[begun:at]
            begun = at = at + 1
        else:
            at = past(tokens, at)
    yield tokens[begun:]


def stripped(tokens: Tokens) -> Tokens:
    begun, end = 0, len(tokens)
    while begun < end and tokens[begun][0] == "space":
        begun += 1
    while end > begun and tokens[end - 1][0] == "space":
        end -= 1
    return tokens[begun:end]
