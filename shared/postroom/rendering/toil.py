"""What it would take to put a style sheet in place, told before it is tried: nothing interrupts css-inline.

A unit is about 15 ns on the machine of the benchmarks: a part of a selector that is held against an element.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from postroom.rendering.budget import LONGEST, TooMuch
from postroom.rendering.rules import Rule

MOST: Final = 20_000_000
"""Units, which are a third of a second."""
MOST_LOOKED: Final = 500_000
LONGEST_RESULT: Final = 4 * LONGEST
"""Characters that the declarations could take in their elements at most."""

_ATTRIBUTE = re.compile(r"""\s(class|id|style)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]*))""", re.IGNORECASE)

Signature = tuple[tuple[tuple[str, str], ...], int]  # by what rules find an element, and its own declarations


@dataclass(frozen=True, slots=True)
class _Page:
    elements: int
    written: int  # characters of their tags
    longest: int  # … of one
    pieces: int  # tags and comments
    depth: int  # elements within each other


def check(rules: Sequence[Rule], tags: Sequence[tuple[str, str]], pieces: int, depth: int) -> None:
    """Raises `TooMuch`. `tags` are those that open an element: its name, and the tag as it is written."""
    for rule in rules:
        for each in rule.selectors:
            if each.odd:
                raise TooMuch(
                    f"`{each.text[:80]}` looks from within `:not`, `:is`, `:where`, `:nth-…` or `:has` at other "
                    "elements, which can take any time; write it without, or within `@media all { … }`, where it "
                    "stays in <style>"
                )
    alike: Counter[Signature] = Counter()
    written = 0
    for name, tag in tags:
        alike[_signature(name, tag)] += 1
        written += len(tag)
    elements = alike.total()
    longest = max(len(tag) for _, tag in tags)
    found = Counter({("any", ""): elements})
    for (keys, _), number in alike.items():
        for key in keys:
            found[key] += number
    toil = _picking(rules, found, _Page(elements, written, longest, pieces, depth))
    more, characters = _declaring(rules, alike)
    if toil + more > MOST:
        raise TooMuch(
            f"{sum(len(rule.selectors) for rule in rules):,} selectors for {elements:,} elements could take "
            f"{(toil + more) // 1_000_000:,} million steps, and {MOST // 1_000_000} million are the most"
        )
    if characters > LONGEST_RESULT:
        raise TooMuch(f"put into the elements they could take {characters:,} characters, of {LONGEST_RESULT:,} at most")


def _signature(name: str, tag: str) -> Signature:
    keys = {("name", name.lower())}
    own = 0
    for said in _ATTRIBUTE.finditer(tag):
        value = said[2] or said[3] or said[4] or ""
        kind = said[1].lower()
        if kind == "style":
            own += value.count(":")
        elif "&" in value:
            keys.add(("coded", kind))
        else:
            keys.update((kind, each) for each in (value.lower().split() if kind == "class" else [value.lower()]))
    return tuple(sorted(keys)), own


def _picking(rules: Iterable[Rule], found: Counter[tuple[str, str]], page: _Page) -> int:
    toil = 0
    for rule in rules:
        for each in rule.selectors:
            held = found[each.kind, each.key] + found["coded", each.kind]
            toil += 20 + page.elements // 64
            toil += held * (each.parts + each.above * page.depth + each.beside * page.elements)
            if each.attributes:
                read = page.written
                read += held * (page.written if each.beside else 0)
                read += held * (page.depth * page.longest if each.above else 0)
                toil += each.attributes * (read // 8 + read * len(each.text) // 256)
            toil += page.pieces // 4 if each.empty else 0
    return toil


def _declaring(rules: Iterable[Rule], alike: Counter[Signature]) -> tuple[int, int]:
    """Units, and characters of the result. Raises `TooMuch`."""
    times: Counter[tuple[str, str]] = Counter()  # declarations by what finds their elements
    longest: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    looked = 0
    for rule in rules:
        by_key = Counter((each.kind, each.key) for each in rule.selectors)
        looked += len(by_key) * len(rule.declared)
        if looked > MOST_LOOKED:
            raise TooMuch(f"there are more than {MOST_LOOKED:,} declarations, each counted for all that its rule picks")
        for found, number in by_key.items():
            times[found] += len(rule.declared) * number
            of_key = longest[found]
            for name, length in rule.declared:
                of_key[name] = max(of_key.get(name, 0), length)
    sizes = {key: sum(each.values()) for key, each in longest.items()}
    by_kind = {kind: [key for key in times if key[0] == kind] for kind in ("class", "id")}
    toil = characters = 0
    for (keys, own), number in alike.items():
        mine = [("any", "")]
        for named in keys:
            mine += by_kind[named[1]] if named[0] == "coded" else [named]
        known = [key for key in mine if key in times]
        if not known:
            continue
        applied, different = sum(times[key] for key in known), sum(len(longest[key]) for key in known)
        toil += number * (applied + own) * (1 + (different + own) // 10)
        characters += number * sum(sizes[key] for key in known)
    return toil, characters
