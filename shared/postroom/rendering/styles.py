"""CSS put where mail programs heed it: the rules of `<style>` into the elements' own `style`. Nothing is fetched.

css-inline builds a tree of the HTML and walks it recursively, and HTML that is broken in the right way makes a tree
out of all proportion. So it is only given what is nested as it should be, and not too deeply. Anything else, and what
has CSS that can't be read, stays as it is, with its `<style>`, which many mail programs heed too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from postroom.message.elements import VOID
from postroom.rendering import rules, toil
from postroom.rendering.budget import LONGEST, Budget, TooMuch

if TYPE_CHECKING:
    from css_inline import CSSInliner

DEEPEST = 200  # elements within each other
_MOST_FORMATTING = 15  # of them those that HTML opens again by itself
_MOST_TAGS = 20_000

_VOID = VOID | {"param"}  # which is obsolete
_MAY_STAY_OPEN = frozenset(
    ("p", "li", "td", "th", "tr", "dt", "dd", "tbody", "thead", "tfoot", "colgroup", "option", "body", "html", "head")
)
_FORMATTING = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
)
_BLOCK = "%"  # stands among elements for a block of a template
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
    r"""(?>(?:\s++[^\s"'<>/=]++(?>(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>`=]++))?))*)\s*+/?+>)""",
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
    made = in_place(html) if is_well_nested(html) else None
    return html if made is None else made


def in_place(html: str) -> str | None:
    """The HTML, which is well nested, with its rules in place, or None where its CSS can't be read.

    Raises `TooMuch`.
    """
    from css_inline import InlineError

    if not is_affordable(html):
        return None
    try:
        made = _inliner().inline(html).replace("<style></style>", "")
    except InlineError:
        return None
    if len(made) > LONGEST:
        raise TooMuch(f"with them in its elements it has more than {LONGEST:,} characters")
    return made


def is_affordable(html: str) -> bool:
    """Whether it can be told what putting the rules in place takes; raises `TooMuch` where that is too much."""
    found = [piece for piece in pieces(html) if piece is not None]
    sheets = [piece.group().partition(">")[2].rpartition("</")[0] for piece in found if is_style(piece)]
    read = [rules.read(sheet) for sheet in sheets]
    if len(read) > 1 and not all(each.whole for each in read):
        return False  # what one leaves open, the next goes on with
    open_ = deepest = 0
    tags = [("html", ""), ("body", "")]
    for piece in found:
        name = piece["name"] or piece["raw"]
        if piece["close"]:
            open_ -= 1
        elif name is not None:
            tags.append((name, piece.group()))
            open_ += piece["name"] is not None and name.lower() not in _VOID
            deepest = max(deepest, open_)
    toil.check([rule for each in read for rule in each.all], tags, len(found), min(deepest, DEEPEST) + 2)
    return True


def is_style(piece: re.Match[str]) -> bool:
    return piece["raw"] is not None and piece["raw"].lower() == "style"


def pieces(html: str) -> Iterator[re.Match[str] | None]:
    """The tags, comments and elements without markup in it; None, and no more, where one isn't written as it should."""
    at = 0
    while (begun := _OPENS.search(html, at)) is not None:
        piece = _PIECE.match(html, begun.start())
        yield piece
        if piece is None:
            return
        at = piece.end()


def is_well_nested(html: str, blocks: Mapping[str, str] | None = None) -> bool:
    """Whether what is opened is closed, in its order, and all of it to a depth that can be built.

    `blocks` are comments that stand for a template's statements: where a block `opens`, `goes on` or `closes`. What is
    between two of these has to be nested as it should be by itself, and no style may depend on one.
    """
    if "--!>" in html or html.count("<") > _MOST_TAGS:
        return False
    open_: list[str] = []
    formatting = 0
    for piece in pieces(html):
        if piece is None:
            return False
        if piece["name"] is None:
            role = blocks.get(piece["comment"] or "") if blocks else None
            if role == "opens":
                open_.append(_BLOCK)
            elif role:
                _leave_open(open_)
                if not open_ or open_[-1] != _BLOCK:
                    return False
                if role == "closes":
                    open_.pop()
            elif is_style(piece) and _BLOCK in open_:
                return False
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
        _leave_open(open_, name)
        if not open_ or open_.pop() != name:
            return False
        formatting -= name in _FORMATTING
    return all(name in _MAY_STAY_OPEN for name in open_)


def _leave_open(open_: list[str], until: str = "") -> None:
    """Leave the innermost elements that needn't be closed."""
    while open_ and open_[-1] != until and open_[-1] in _MAY_STAY_OPEN:
        open_.pop()


@cache
def _inliner() -> CSSInliner:
    from css_inline import CSSInliner

    return CSSInliner(
        load_remote_stylesheets=False,
        keep_style_tags=True,
        remove_inlined_selectors=True,  # of those that are kept
        keep_link_tags=True,
    )
