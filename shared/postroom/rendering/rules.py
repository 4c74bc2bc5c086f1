"""A style sheet as far as it goes into elements: its rules, each with what it picks and what it declares.

It is read to tell what putting it in place would take, so in doubt a rule is found rather than missed (CSS Syntax
Level 3 §5). What is in `@media` and its like stays in the sheet and is passed over; `@layer` is gone into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
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


@dataclass(frozen=True, slots=True)
class Selector:
    """What one alternative of a rule picks."""

    text: str
    kind: str  # by what its last part is found: `class`, `id`, `name`, or `any`
    key: str
    parts: int
    above: int  # how often it looks at all that an element is in
    beside: int  # … and at all that stand before it
    attributes: int  # that it looks at
    empty: bool
    odd: bool  # how long it takes isn't bounded by these


@dataclass(frozen=True, slots=True)
class Rule:
    selectors: tuple[Selector, ...]
    declared: tuple[tuple[str, int], ...]  # properties, each with the characters of its declaration


@dataclass(frozen=True, slots=True)
class Rules:
    all: tuple[Rule, ...]
    whole: bool  # nothing is left open in its end


@lru_cache(maxsize=16)
def read(css: str) -> Rules:
    """All rules of a sheet. Raises `TooMuch` where it is nested more than `DEEPEST`."""
    tokens = [("call" if match["calls"] else match.lastgroup or "", match.group()) for match in _TOKEN.finditer(css)]
    whole = not (tokens and tokens[-1][0] in ("comment", "string", "url") and not _is_closed(tokens[-1][1]))
    found: list[Rule] = []
    whole &= _closes(tokens)
    whole &= _read([each for each in tokens if each[0] != "comment"], found)
    return Rules(tuple(found), whole)


def _closes(tokens: Tokens) -> bool:
    """Whether all that is opened is closed. Raises `TooMuch`."""
    open_: list[str] = []
    for kind, text in tokens:
        if kind == "call":
            open_.append(")")
        elif kind == "other" and text in _CLOSES:
            open_.append(_CLOSES[text])
        elif kind == "other" and open_ and text == open_[-1]:
            open_.pop()
        if len(open_) > DEEPEST:
            raise TooMuch(f"they are nested more than {DEEPEST} deep")
    return not open_


def _is_closed(text: str) -> bool:
    return len(text) > 1 and text.endswith(("*/", '"', "'", ")")) and not (text.startswith("/*") and len(text) < 4)


def _read(tokens: Tokens, found: list[Rule]) -> bool:
    """Whether nothing is left open."""
    at, whole = 0, True
    while at < len(tokens):
        if tokens[at][0] == "space":
            at += 1
            continue
        begun = at
        is_at_rule = tokens[at][1].startswith("@")
        while at < len(tokens) and tokens[at][1] != "{" and not (is_at_rule and tokens[at][1] == ";"):
            at = _past(tokens, at)
        head, opened = tokens[begun:at], at
        if at >= len(tokens):
            return False
        if tokens[at][1] == ";":
            at += 1
            continue
        at = _past(tokens, at)
        block = tokens[opened + 1 : at - 1 if tokens[at - 1][1] == "}" else at]
        if not is_at_rule:
            found.append(Rule(tuple(map(_selector, _parted(head, ","))), tuple(_declared(block))))
        elif head[0][1].lower() == "@layer" or "\\" in head[0][1]:
            whole &= _read(block, found)
    return whole


def _past(tokens: Tokens, at: int) -> int:
    """Behind the token, and behind its block where it opens one."""
    open_: list[str] = []
    while at < len(tokens):
        kind, text = tokens[at]
        at += 1
        if kind == "call":
            open_.append(")")
        elif kind == "other" and text in _CLOSES:
            open_.append(_CLOSES[text])
        elif kind == "other" and open_ and text == open_[-1]:
            open_.pop()
        if not open_:
            break
    return at


def _parted(tokens: Tokens, by: str) -> Iterator[Tokens]:
    begun = at = 0
    while at < len(tokens):
        if tokens[at] == ("other", by):
            yield tokens[begun:at]
            begun = at = at + 1
        else:
            at = _past(tokens, at)
    yield tokens[begun:]


def _declared(block: Tokens) -> Iterator[tuple[str, int]]:
    for each in _parted(block, ";"):
        said = "".join(text for _, text in each).strip()
        if said:
            yield said.partition(":")[0].strip().lower(), len(said) + 3


def _stripped(tokens: Sequence[tuple[str, str]]) -> Tokens:
    begun, end = 0, len(tokens)
    while begun < end and tokens[begun][0] == "space":
        begun += 1
    while end > begun and tokens[end - 1][0] == "space":
        end -= 1
    return list(tokens[begun:end])


def _selector(tokens: Tokens) -> Selector:
    tokens = _stripped(tokens)
    above = beside = 0
    last = at = 0
    odd = False
    while at < len(tokens):
        kind, text = tokens[at]
        behind = _past(tokens, at)
        if kind == "call":
            odd |= _is_odd(text, tokens[at + 1 : behind])
        elif kind == "space" or (kind == "other" and text in ">+~|"):
            last = behind
            signs = {tokens[at][1]}
            while last < len(tokens) and (tokens[last][0] == "space" or tokens[last][1] in (">", "+", "~", "|")):
                signs.add(tokens[last][1])
                last += 1
            beside += "~" in signs or "+" in signs
            above += not signs & {"~", "+", "|"}
            behind = last
        at = behind
    kind, key = _key(tokens[last:])
    said = "".join(text for _, text in tokens)
    parts = sum(text in (".", "#", ":", "[", ",") or kind == "call" for kind, text in tokens) + above + beside + 1
    attributes = said.count("[")
    return Selector(said, kind, key, parts, above, beside, attributes, "empty" in said.lower() or "\\" in said, odd)


def _is_odd(name: str, inner: Tokens) -> bool:
    """Whether a function looks further than at the element, or can't be told from one that does."""
    name = name.lower()
    if "\\" in name or name.startswith("has"):
        return True
    if name.startswith("nth-"):
        return any(text.lower() == "of" or "\\" in text for _, text in inner)
    if inner and inner[-1][1] == ")":
        inner = inner[:-1]
    for each in _parted(inner, ","):
        alternative, at = _stripped(each), 0
        while at < len(alternative):
            kind, text = alternative[at]
            behind = _past(alternative, at)
            if kind == "space" or (kind == "other" and text in ("~", "+", ">")):
                return True
            if kind == "call" and _is_odd(text, alternative[at + 1 : behind]):
                return True
            at = behind
    return False


def _key(compound: Tokens) -> tuple[str, str]:
    """By what the elements are found that it may pick, in lower case; `any` where it can't be told."""
    name = ("any", "")
    at = 0
    while at < len(compound):
        kind, text = compound[at]
        if kind == "other" and text in (".", "#") and at + 1 < len(compound) and compound[at + 1][0] == "name":
            if "\\" not in compound[at + 1][1]:
                return ("class" if text == "." else "id"), compound[at + 1][1].lower()
        elif kind == "name" and at == 0 and "\\" not in text:
            name = ("name", text.lower())
        at = _past(compound, at)
        if kind == "other" and text in (":", "."):
            at = min(at + 1, len(compound)) if at < len(compound) and compound[at][0] == "name" else at
    return name
