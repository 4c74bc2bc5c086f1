"""HTML in pieces, as a browser cuts it (https://html.spec.whatwg.org/multipage/parsing.html#tokenization).

One pass from left to right, and no piece is looked at twice, so that hostile HTML costs no more than its length. What a
template's markers hold, `{{ … }}`, `{{{ … }}}` and `{% … %}`, is no HTML and stays whole.
"""

import re
from collections.abc import Iterator
from html import unescape

# A quotation mark means something only where a value begins. What is left open ends with the document.
_ATTRIBUTES = r"""(?>(?:[^>=]++|=\s*+(?>(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?))*)"""
_RAW = ("script", "style", "title", "textarea", "iframe", "xmp", "noembed", "noframes")  # what is in them is no markup
_RAW_ELEMENTS = "|".join(
    rf"(?i:{name})(?=[\s/>]){_ATTRIBUTES}>?+.*?(?:</(?i:{name})(?=[\s/>]){_ATTRIBUTES}(?:>|\Z)|\Z)" for name in _RAW
)
_PIECE = re.compile(
    rf"""
    ( (?>(?: [^<{{]++ | <(?![a-zA-Z/!?]) | \{{(?![{{%]) )*) )
    (?:
        < (?: (?!(?i:{"|".join(_RAW)})[\s/>]) (/?[a-zA-Z][^\s/>]*+) ({_ATTRIBUTES}) (?:>|\Z)
            | (?:{_RAW_ELEMENTS})
            | !--(?:-?>|.*?(?:--!?>|\Z))
            | (?:[!?]|/(?![a-zA-Z])) [^>]*+ (?:>|\Z)
          )
      | ( \{{\{{\{{?[^{{}}]*+\}}\}}\}}? | \{{%(?>(?:[^%{{]++|%(?!\}})|\{{(?!%))*)%\}} | \{{ )
      | \Z
    )
    """,
    re.DOTALL | re.VERBOSE,
)
_ATTRIBUTE = re.compile(
    r"""([^\s/>="'][^\s/>=]*+)(?:\s*+=\s*+(?:"([^"]*+)|'([^']*+)|(\{\{\{?[^{}]*+\}\}\}?[^\s>]*+|[^\s>"'][^\s>]*+)))?"""
)


def pieces(html: str) -> Iterator[tuple[str, str | None, str, str | None]]:
    """Again and again some text, which may be empty, and what ends it, in one of two: a tag, or a template's marker.

    A tag is its name, with a `/` in front where it closes, and its attributes. All stand as they were written;
    comments, declarations, styles and scripts are passed over.
    """
    return map(re.Match.groups, _PIECE.finditer(html))  # type: ignore[arg-type]  # the pattern has four groups


def attribute(attributes: str, name: str) -> str | None:
    """A tag's attribute, decoded; the first where there are several, None where there is none."""
    for found in _ATTRIBUTE.finditer(attributes):
        if found[1].lower() == name:
            return decoded(found[2] or found[3] or found[4] or "")
    return None


def decoded(text: str) -> str:
    """Text with its character references resolved."""
    if "&" not in text:
        return text
    try:
        return unescape(text)
    except ValueError:  # a number of more digits than Python reads
        return text
