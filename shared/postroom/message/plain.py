"""The plain text that an HTML letter says, for those who read no HTML.

Paragraphs, lists, quotes and tables keep their shape, a link is followed by its address, and a picture is what its
`alt` says. A template's markers stay as they are, so that its text can be made from its HTML once.
"""

import re
from typing import Final

from postroom.message.elements import BREAKS, LINE, PARAGRAPH, UNSEEN, VOID
from postroom.message.hidden import Hidden, hides
from postroom.message.lines import Lines
from postroom.message.markup import attribute, decoded, pieces
from postroom.message.outline import CONTAINERS, Outline

RULE: Final = "-" * 24
CELL: Final = "  "
"""What stands between the cells of a row."""

_BLANKS = re.compile("[ \t\n\r\f\xa0\u2007]+")
_INVISIBLE = re.compile("[\xad\u034f\u200b\ufeff]")  # hyphens that may be, joiners of graphemes, spaces of no width
_LINE_END = re.compile("\r\n?|\n")
_MOST_EMPTY = 100  # lines of a preformatted text
_BREAKS_IN_URL = re.compile("[\t\n\r]+")
_SCHEME = re.compile("https?://|mailto:|tel:", re.IGNORECASE)
_NOWHERE: Final = ("#", "javascript:", "data:", "cid:", "about:")


def text_of(html: str) -> str:
    """What the HTML says, in lines of any length with LF between them; the same text for the same HTML.

    What isn't shown (`display:none`, comments, styles) is left out, but for a template's statements: an `{% if … %}`
    must not lose its `{% endif %}`.
    """
    page = _Page()
    for text, tag, attributes, marker in pieces(html):
        if text and page.hidden is None:
            page.text(text)
        if tag is not None:
            name = tag.lower()
            if name[0] == "/":
                page.end(name[1:])
            else:
                page.start(name, attributes)
        elif marker is not None:
            page.marker(marker)
    page.end_link()
    return str(page.lines)


class _Page:
    """Where in the document we are."""

    __slots__ = ("_link", "_opening", "_outline", "_preformatted", "hidden", "lines")

    def __init__(self) -> None:
        self.lines = Lines()
        self.hidden: Hidden | None = None
        self._outline = Outline(self.lines)
        self._preformatted = 0  # how many `pre` are open
        self._opening = False  # nothing has come of it yet
        self._link: tuple[str, int] | None = None  # where it leads, and where its label starts

    def text(self, raw: str) -> None:
        """What stands between tags."""
        if self._preformatted:
            self._kept(decoded(raw))
        elif raw.isspace():
            self.lines.blank()
        else:
            self._say(decoded(raw))

    def _say(self, text: str) -> None:
        if not text.isascii():
            text = _BLANKS.sub(" ", _INVISIBLE.sub("", text))
        elif text.isspace():
            text = " "
        elif text:
            words = " ".join(text.split())
            text = f"{' ' if text[0].isspace() else ''}{words}{' ' if text[-1].isspace() else ''}"
        if text:
            self.lines.words(text)

    def _kept(self, text: str) -> None:
        lines = _LINE_END.split(_INVISIBLE.sub("", text).replace("\xa0", " "))
        if self._opening and not lines[0]:
            del lines[0]  # the line break behind the tag is none of the text's
        self._opening = False
        for number, line in enumerate(lines, 1):
            kept = line if number == len(lines) else line.rstrip()
            if kept.strip():
                self.lines.verbatim(kept)
            if number < len(lines):
                self.lines.newline(_MOST_EMPTY)

    def marker(self, marker: str) -> None:
        if marker.startswith("{%"):
            self.lines.invisible(marker)
        elif self.hidden is None:
            self.lines.verbatim(marker)

    def start(self, name: str, attributes: str) -> None:
        if self.hidden is not None:
            if not self.hidden.ends(name):
                return
            self.hidden = None
        if name in UNSEEN or (attributes and hides(attributes)):
            if name not in VOID:
                self.hidden = Hidden(name)
            return
        if name in BREAKS:
            self._break(name)
            if name in CONTAINERS:
                self._outline.enter(name, attribute(attributes, "start") or "" if name == "ol" else "")
            elif name == "pre":
                self._preformatted += 1
                self._opening = True
        elif name == "br":
            self.lines.newline(PARAGRAPH)
        elif name == "a":
            self.end_link()
            self._link = (_target(attribute(attributes, "href") or ""), self.lines.mark)
        elif name == "img":
            if alt := attribute(attributes, "alt"):
                self._say(alt)
        elif name in ("td", "th"):
            self.lines.gap(CELL)
        elif name == "hr":
            self.lines.space(PARAGRAPH)
            self.lines.verbatim(RULE)
            self.lines.space(PARAGRAPH)

    def end(self, name: str) -> None:
        if self.hidden is not None:
            if not self.hidden.closes(name):
                return
            self.hidden = None
        if name in BREAKS:
            if name in CONTAINERS:
                self._outline.leave(name)
            elif name == "pre" and self._preformatted:
                self._preformatted -= 1
            self._break(name)
        elif name == "a":
            self.end_link()

    def _break(self, name: str) -> None:
        # A list in a list is part of its item.
        within = self._outline.in_item and name in ("ul", "ol")
        self.lines.space(LINE if within else BREAKS[name])

    def end_link(self) -> None:
        """A link is followed by where it leads, unless that is what it says."""
        if self._link is None:
            return
        target, mark = self._link
        self._link = None
        label = self.lines.since(mark)
        if not target or _bare(label) == _bare(target):
            return
        if label:
            self.lines.append(f" ({target})")
        else:
            self.lines.verbatim(target)


def _target(href: str) -> str:
    """Where a link leads, as it is worth telling: an address or a number without its scheme."""
    target = _BREAKS_IN_URL.sub("", href.strip())
    lowered = target[:11].lower()
    if lowered.startswith(_NOWHERE):
        return ""
    if lowered.startswith("mailto:"):
        return target[7:].partition("?")[0]
    return target[4:] if lowered.startswith("tel:") else target


def _bare(address: str) -> str:
    """What makes two spellings of an address one."""
    scheme = _SCHEME.match(address)
    return address[scheme.end() if scheme else 0 :].rstrip("/").replace(" ", "").lower()
