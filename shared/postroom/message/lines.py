"""Plain text as it is written down: words, breaks between lines and paragraphs, quotes and lists at the left edge."""

from postroom.message.elements import PARAGRAPH


class Lines:
    """Takes words and breaks in the order of the document. Breaks in a row are one, the larger one."""

    __slots__ = ("_broken", "_common", "_gap", "_out", "_wanted", "edges")

    def __init__(self) -> None:
        self.edges: list[str] = []  # what stands at the left, from the outside in
        self._out: list[str] = []
        self._broken = PARAGRAPH  # line breaks that stand before this place already
        self._wanted = 0  # and those that must, before the next words
        self._gap = ""  # and the blank, where there is no break
        self._common = 0  # edges that have stood since the last words: those of an empty line

    def __str__(self) -> str:
        return "".join(self._out).rstrip("\n")

    @property
    def mark(self) -> int:
        """This place, for `since`."""
        return len(self._out)

    def since(self, mark: int) -> str:
        """What was written behind the mark."""
        return "".join(self._out[mark:]).strip()

    def words(self, text: str) -> None:
        """Words with a blank between them, and before and behind them where one is in the text."""
        words = text.strip(" ")
        if text[0] == " ":
            self.blank()
        if words:
            self.verbatim(words)
            if text[-1] == " ":
                self._gap = " "

    def blank(self) -> None:
        """A blank before the next words, if they are in the same line and there isn't one."""
        if not self._gap:
            self._gap = " "

    def verbatim(self, text: str) -> None:
        """Text of one line as it stands."""
        if self._wanted:
            self._break()
        if self._broken:
            self._out.append("".join(self.edges))
            self.edges[:] = [edge if edge == "> " else " " * len(edge) for edge in self.edges]  # an item has one bullet
            self._broken = 0
        elif self._gap:
            self._out.append(self._gap)
        self._gap = ""
        self._common = len(self.edges)
        self._out.append(text)

    def append(self, text: str) -> None:
        """Text that belongs to the last words, whatever break is wanted behind them."""
        self._out.append(text)

    def invisible(self, text: str) -> None:
        """Text of which a reader will see nothing: at the start of a line it is still its start."""
        if self._wanted:
            self._break()
        elif not self._broken and self._gap == " ":
            self._out.append(" ")
            self._gap = ""
        self._out.append(text)

    def gap(self, blanks: str) -> None:
        """These blanks before the next words, if they are in the same line."""
        self._gap = blanks

    def space(self, breaks: int) -> None:
        """At least so large a break before the next words."""
        if breaks > self._wanted:
            self._wanted = breaks

    def newline(self, most: int) -> None:
        """One more line break before the next words, but no more than so many."""
        if self._wanted < most:
            self._wanted += 1

    def outdent(self, depth: int) -> None:
        """From here on only so many edges stand at the left."""
        del self.edges[depth:]
        if depth < self._common:
            self._common = depth

    def _break(self) -> None:
        missing = self._wanted - self._broken
        if missing > 0:
            empty = "".join(self.edges[: self._common]).rstrip()
            self._out.append("\n" + (empty + "\n") * (missing - 1))
            self._broken = self._wanted
        self._wanted = 0
        self._gap = ""
