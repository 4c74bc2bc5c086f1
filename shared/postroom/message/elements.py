"""The elements of HTML that give a text its shape (https://html.spec.whatwg.org/multipage/rendering.html)."""

from typing import Final

LINE: Final = 1
"""A break: a new line."""
PARAGRAPH: Final = 2
"""A break: a new line behind an empty one."""

_PARAGRAPHS = "p h1 h2 h3 h4 h5 h6 ul ol dl table blockquote pre figure form fieldset address"
_LINES = """
    div center section article header footer main nav aside html head body
    tr thead tbody tfoot caption li dt dd figcaption legend details summary
"""
_VOID = "area base br col embed hr img input link meta source track wbr"
_UNSEEN = "select svg template datalist"

BREAKS: Final = dict.fromkeys(_PARAGRAPHS.split(), PARAGRAPH) | dict.fromkeys(_LINES.split(), LINE)
"""What stands before and behind the block elements."""
VOID: Final = frozenset(_VOID.split())
"""Those that hold nothing and have no end."""
UNSEEN: Final = frozenset(_UNSEEN.split())
"""Those whose text isn't part of what is read."""
