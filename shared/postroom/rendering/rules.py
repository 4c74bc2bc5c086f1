"""A style sheet as far as it goes into elements: its rules, each with what it picks and what it declares.

It is read to tell what putting it in place would take, so in doubt a rule is found rather than missed (CSS Syntax
Level 3 §5). What is in `@media` and its like stays in the sheet and is passed over; `@layer` is gone into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from postroom.rendering import selectors
from postroom.rendering.selectors import Selector
from postroom.rendering.tokens import Tokens, parted, past, tokens_of


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
    """All rules of a sheet. Raises `TooMuch` where it is nested too deeply."""
    tokens, whole = tokens_of(css)
    found: list[Rule] = []
    whole &= _read(tokens, found)
    return Rules(tuple(found), whole)


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
            at = past(tokens, at)
        head, opened = tokens[begun:at], at
        if at >= len(tokens):
            return False
        if tokens[at][1] == ";":
            at += 1
            continue
        at = past(tokens, at)
        block = tokens[opened + 1 : at - 1 if tokens[at - 1][1] == "}" else at]
        if not is_at_rule:
            found.append(Rule(tuple(map(selectors.read, parted(head, ","))), tuple(_declared(block))))
        elif head[0][1].lower() == "@layer" or "\\" in head[0][1]:
            whole &= _read(block, found)
    return whole


def _declared(block: Tokens) -> Iterator[tuple[str, int]]:
    for each in parted(block, ";"):
        said = "".join(text for _, text in each).strip()
        if said:
            yield said.partition(":")[0].strip().lower(), len(said) + 3
