"""The lists and quotes that are open at a place of a document, and what they put at the left edge of its lines."""

from typing import Final

from postroom.message.lines import Lines

DEEPEST: Final = 8  # inside each other; what is deeper stands at the same edge
CONTAINERS: Final = frozenset(("ul", "ol", "li", "blockquote"))
_LONGEST_NUMBER: Final = 5  # digits of a list's first one


class Outline:
    """Opens and closes containers, also where HTML lets an end be left out."""

    __slots__ = ("_counts", "_lines", "_numbers", "_open")

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._open: list[tuple[str, int]] = []  # the containers, and how many edges are outside each
        self._counts = dict.fromkeys(CONTAINERS, 0)
        self._numbers: list[int] = []  # what the next item of each open list has; 0 is a bullet

    @property
    def in_item(self) -> bool:
        return self._counts["li"] > 0

    def enter(self, name: str, start: str = "") -> None:
        """A container begins; `start` is the number of a list's first item, where it says one."""
        edge = ""
        if name == "blockquote":
            edge = "> "
        elif name == "ul":
            self._numbers.append(0)
        elif name == "ol":
            fits = start.isascii() and start.isdigit() and len(start) <= _LONGEST_NUMBER
            self._numbers.append(int(start) if fits else 1)
        else:
            if self._open and self._open[-1][0] == "li":
                self.leave("li")
            edge = "- "
            if self._numbers and self._numbers[-1]:
                edge = f"{self._numbers[-1]}. "
                self._numbers[-1] += 1
        self._open.append((name, len(self._lines.edges)))
        self._counts[name] += 1
        if edge and len(self._lines.edges) < DEEPEST:
            self._lines.edges.append(edge)

    def leave(self, name: str) -> None:
        """The innermost container of the name ends, if there is one, and with it what is still open in it."""
        if not self._counts[name]:
            return
        left = ""
        while left != name:
            left, depth = self._open.pop()
            self._counts[left] -= 1
            if left in ("ul", "ol"):
                self._numbers.pop()
            self._lines.outdent(depth)
