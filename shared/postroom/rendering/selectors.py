"""Selectors of a style sheet: what picks elements, by what these are found, and what it looks at besides."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.rendering.tokens import Tokens, parted, past, stripped


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


def read(tokens: Tokens) -> Selector:
    tokens = stripped(tokens)
    above = beside = 0
    last = at = 0
    odd = False
    while at < len(tokens):
        kind, text = tokens[at]
        behind = past(tokens, at)
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
    for each in parted(inner, ","):
        alternative, at = stripped(each), 0
        while at < len(alternative):
            kind, text = alternative[at]
            behind = past(alternative, at)
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
        at = past(compound, at)
    return name
