"""What an HTML letter holds and doesn't show, and where it ends."""

import re
from typing import Final

from postroom.message.elements import BREAKS
from postroom.message.markup import attribute

# An element whose end may be left out, the tags that end it, and those that may hold such tags inside it.
_ROW_ENDS = frozenset(("tr", "tbody", "tfoot"))
_SIBLINGS: Final = {
    "p": frozenset(BREAKS),
    "li": frozenset(("li",)),
    "tr": _ROW_ENDS,
    "td": _ROW_ENDS | {"td", "th"},
    "th": _ROW_ENDS | {"td", "th"},
}
_PARENTS: Final = {"p": frozenset[str](), "li": frozenset(("ul", "ol"))}
_TABLE: Final = frozenset(("table",))
_STYLE = re.compile(r"display\s*:\s*none", re.IGNORECASE)


def hides(attributes: str) -> bool:
    """Whether an element with these attributes isn't shown."""
    lowered = attributes.lower()
    if "none" not in lowered and "hidden" not in lowered:
        return False
    return attribute(attributes, "hidden") is not None or bool(_STYLE.search(attribute(attributes, "style") or ""))


class Hidden:
    """An element that isn't shown, while its tags go by."""

    __slots__ = ("_element", "_like", "_nested", "_siblings")

    def __init__(self, element: str) -> None:
        self._element = element
        self._siblings = _SIBLINGS.get(element)
        self._like = frozenset((element,)) if self._siblings is None else _PARENTS.get(element, _TABLE)
        self._nested = 0

    def ends(self, name: str) -> bool:
        """Whether a start tag of the name ends it, and is outside."""
        if not self._nested and self._siblings is not None and name in self._siblings:
            return True
        self._nested += name in self._like
        return False

    def closes(self, name: str) -> bool:
        """Whether an end tag of the name ends it: its own, or that of what it stands in."""
        if self._element == "p":
            return name in BREAKS
        if name == self._element and not self._nested:
            return True
        self._nested -= name in self._like
        return self._nested < 0
