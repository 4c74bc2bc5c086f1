"""CSS put where mail programs heed it: the rules of `<style>` into the elements' own `style`. Nothing is fetched.

css-inline builds a tree of the HTML and walks it recursively, and HTML that is broken in the right way makes a tree
out of all proportion. So it is only given what is nested as it should be, and not too deeply; anything else stays as it
is, with its `<style>`, which many mail programs heed too.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from postroom.rendering.budget import Budget

if TYPE_CHECKING:
    from css_inline import CSSInliner

DEEPEST = 200  # elements within each other
_MOST_FORMATTING = 15  # of them those that HTML opens again by itself
_MOST_TAGS = 20_000

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
_MAY_STAY_OPEN = frozenset(
    ("p", "li", "td", "th", "tr", "dt", "dd", "tbody", "thead", "tfoot", "colgroup", "option", "body", "html", "head")
)
_FORMATTING = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
)
# What is read by rules of its own.
_PECULIAR = frozenset(
    ("svg", "math", "plaintext", "xmp", "iframe", "noembed", "noframes", "noscript", "template", "select", "frameset")
)

# A comment, an element whose content is no markup, or a tag as it should be written. Nothing in it is tried twice.
_PIECE = re.compile(
    r"<(?:!--(?!-?>)(?P<comment>.*?)-->"
    r"|(?P<raw>style|script|title|textarea)\b[^<>]*+>.*?</(?P=raw)\s*+>"
    r"|!doctype[^<>]*+>"
    r"|(?P<close>/?)(?P<name>[a-z][a-z0-9:-]*+)"
    r"""(?:\s++[^\s"'<>/=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>`=]++))?+)*+\s*+/?+>)""",
    re.IGNORECASE | re.DOTALL,
)
_OPENS = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE)
_STYLE = re.compile(r"<style\b[^<>]*+>(.*?)</style", re.IGNORECASE | re.DOTALL)


def has_styles(html: str) -> bool:
    return "<style" in html or "<style" in html.lower()


def inlined(html: str, budget: Budget) -> str:
    """The HTML with its rules in place. What can't be said of one element (`@media`, `:hover`) stays in `<style>`.

    Raises `TooMuch`.
    """
    tags = html.count("<")
    # Each rule is held against each element, and the longer it is, the longer that takes.
    budget.spend(tags + tags * sum(map(len, _STYLE.findall(html))) // 4096)
    return _inliner().inline(html) if is_well_nested(html) else html


def is_well_nested(html: str) -> bool:
    """Whether what is opened is closed, in its order, and all of it to a depth that can be built."""
    if "--!>" in html or html.count("<") > _MOST_TAGS:
        return False
    open_: list[str] = []
    formatting = at = 0
    while (begun := _OPENS.search(html, at)) is not None:
        piece = _PIECE.match(html, begun.start())
        if piece is None:
            return False
        at = piece.end()
        if piece["name"] is None:
            continue
        name = piece["name"].lower()
        if name in _PECULIAR:
            return False
        if name in _VOID:
            continue
        if not piece["close"]:
            open_.append(name)
            formatting += name in _FORMATTING
            if len(open_) > DEEPEST or formatting > _MOST_FORMATTING:
                return False
            continue
        while open_ and open_[-1] != name and open_[-1] in _MAY_STAY_OPEN:
            open_.pop()
        if not open_ or open_.pop() != name:
            return False
        formatting -= name in _FORMATTING
    return all(name in _MAY_STAY_OPEN for name in open_)


@cache
def _inliner() -> CSSInliner:
    from css_inline import CSSInliner

    return CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, keep_link_tags=True)
