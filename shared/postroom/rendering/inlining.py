"""CSS put in place once, in the template itself, so that its letters needn't pay for it.

What Jinja is to do is taken out of the HTML, a comment or a word left where it was, and put back when the rules are in
their elements. That is the same as doing it letter by letter only where no rule depends on what the template makes of
its HTML; where one may, or where that can't be told, it is left to be done letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from postroom.rendering.sandbox import Sandbox
from postroom.rendering.styles import has_styles, in_place, is_affordable, is_style, is_well_nested, pieces

_BEGINS = {"variable_begin": "variable_end", "block_begin": "block_end", "comment_begin": "comment_end"}
_WORD = re.compile("jx[0-9]+q")
_BLOCK = re.compile(r"\{%[-+]?\s*(\w+)")
_OPENS, _GOES_ON = {"if", "for", "macro", "with"}, {"else", "elif"}
_PICKS = re.compile(r"[+~\[]|:(?!hover|active|focus|visited|link\b)")  # by what stands beside, or by what is written
_SELECTOR = re.compile(r"([^{};]*)\{")
_CHOSEN_BY = re.compile(r"""\s(?:class|id)\s*=\s*(?:"[^"]*jx[0-9]|'[^']*jx[0-9]|jx)""", re.IGNORECASE)


def inlined_once(source: str, sandbox: Sandbox) -> str | None:
    """The template with its rules in place, or None where that has to wait for its letters. Raises `TooMuch`."""
    if not has_styles(source) or _WORD.search(source):
        return None
    texts: list[str] = []
    constructs: dict[str, str] = {}
    for text, construct in _parts(source, sandbox):
        texts.append(text)
        if construct:
            word = f"jx{len(constructs)}q"
            constructs[word] = construct
            texts.append(word)
    whole = "".join(texts)
    if is_well_nested(whole):
        is_affordable(whole)  # also where it waits: who writes a template learns it before letters are made of it
    skeleton = _with_comments(whole)
    if skeleton is None or not is_well_nested(skeleton, {word: _role(each) for word, each in constructs.items()}):
        return None
    made = in_place(skeleton)
    if made is None:
        return None
    if made.count("<tbody") != skeleton.count("<tbody"):
        # It was added in a table, at a place where a row may be one of many.
        if "<tbody" in skeleton:
            return None
        made = made.replace("<tbody>", "").replace("</tbody>", "")
    if sorted(_WORD.findall(made)) != sorted(constructs):
        return None
    return re.sub(r"<!--(jx[0-9]+q)-->|(jx[0-9]+q)", lambda match: constructs[match[1] or match[2]], made)


def _parts(source: str, sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """Text of the template as it stands, each with what Jinja is to do after it."""
    text, construct, until = "", "", ""
    for _, kind, value in sandbox.lex(source):
        if until:
            construct += value
            if kind == until:
                yield text, construct
                text, construct, until = "", "", ""
        elif kind in _BEGINS:
            construct, until = value, _BEGINS[kind]
        else:
            text += value
    yield text, ""


def _role(construct: str) -> str:
    """What a construct is for those around it: where a block opens, goes on or closes, or nothing of it."""
    found = _BLOCK.match(construct)
    if found is None:
        return ""
    name = found[1]
    if name in _OPENS or (name == "set" and "=" not in construct):
        return "opens"
    return "goes on" if name in _GOES_ON else "closes" if name.startswith("end") else ""


def _with_comments(html: str) -> str | None:
    """The HTML with a comment for each word that stands between tags, since there a word could be moved elsewhere.

    None where a word makes out what an element is, or where a rule may apply by what the words stand for.
    """
    whole, at = "", 0
    for piece in pieces(html):
        if piece is None:
            return None
        said = piece.group()
        if piece["raw"] is not None and piece["raw"].lower() in ("style", "script") and _WORD.search(said):
            return None
        if is_style(piece) and _chooses(said):
            return None
        if piece["name"] is not None and _WORD.search(said):
            unquoted = re.sub(r""""[^"]*"|'[^']*'""", "", said)
            if _WORD.search(unquoted) or _CHOSEN_BY.search(said):
                return None
        whole += _commented(html[at : piece.start()]) + said
        at = piece.end()
    return whole + _commented(html[at:])


def _commented(text: str) -> str:
    return _WORD.sub(lambda word: f"<!--{word[0]}-->", text)


def _chooses(style: str) -> bool:
    """Whether one of the rules applies by more than an element's name, its class, its id and those that it is in."""
    return any(_PICKS.search(each) for each in _SELECTOR.findall(style.partition(">")[2]) if "@" not in each)
