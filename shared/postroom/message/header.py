"""Header fields: which ones an application may add, and how every one is written (RFC 5322 §2.2, §3.6).

Folding happens at white space and nowhere else, so ids and links survive untouched; unfolding gives back what was
meant. Encoded words appear in unstructured text and in display names alone (RFC 2047 §5).
"""

import re
from collections.abc import Iterable, Sequence

from postroom.message.address import Mailbox
from postroom.message.words import encoded_words

LINE = 76  # RFC 5322 §2.1.1 asks for 78 at most, RFC 2047 §2 for 76 where encoded words stand
LONGEST_LINE = 998  # RFC 5322 §2.1.1
LONGEST_NAME = 76
LONGEST_VALUE = 16_384  # servers refuse large headers; References of a long thread stay well below
LONGEST_QUOTED = 60  # a longer display name is written in encoded words, which can be folded

NAME = re.compile(r"[!-9;-~]+")  # RFC 5322 §2.2: printable ASCII without the colon
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")  # all but TAB; half a surrogate pair is no character
PIECE = re.compile(r"[ \t]*[^ \t]+")
ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"  # RFC 5322 §3.2.3
ATOMS = re.compile(rf"{ATEXT}++(?>(?: {ATEXT}++)*)")
DOT_ATOM = rf"{ATEXT}++(?>(?:\.{ATEXT}++)*)"
MESSAGE_ID = re.compile(rf"<{DOT_ATOM}@(?:{DOT_ATOM}|\[[!-Z^-~]*\])>")  # RFC 5322 §3.6.4

RESERVED = {
    "from": "it is written from `from`",
    "to": "it is written from `to`",
    "cc": "use `cc`",
    "bcc": "use `bcc`; it never stands in a letter",
    "reply-to": "use `reply_to`",
    "subject": "use `subject`",
    "sender": "it is written by the service that sends",
    "date": "it is written when the letter goes out",
    "return-path": "it is written by the receiving server",
    "received": "it is written by the servers on the way",
    "mime-version": "it is written with the body",
    "authentication-results": "it is what a receiving server found, and would be a forgery here",
    "received-spf": "it is what a receiving server found, and would be a forgery here",
    "delivered-to": "it is written by the receiving server",
    "x-original-to": "it is written by the receiving server",
    "apparently-to": "it is written by the receiving server",
    "errors-to": "reports go to the return path",
}
RESERVED_FAMILIES = {
    "dkim-": "signatures are made when the letter goes out",
    "arc-": "signatures are made when the letter goes out",
    "content-": "it is written with the body",
    "resent-": "a letter is sent, not sent again",
}
STRUCTURED = {"message-id", "in-reply-to", "references", "auto-submitted", "disposition-notification-to"}


class InvalidHeader(ValueError):
    """The value could never stand in a header field; str() says why."""


def check_text(text: str) -> None:
    """Refuse text that no header field can hold: a subject, a filename."""
    match = CONTROL.search(text)
    if match:
        raise InvalidHeader(f"it holds a character that no header can carry (U+{ord(match[0]):04X})")
    if len(text) > LONGEST_VALUE:
        raise InvalidHeader(f"it is longer than {LONGEST_VALUE} characters")


def check_header(name: str, value: str) -> None:
    """Refuse a header field that would break the letter, or that is not the application's to write."""
    if not NAME.fullmatch(name):
        raise InvalidHeader("a header's name is made of printable ASCII characters without colon or space")
    if len(name) > LONGEST_NAME:
        raise InvalidHeader(f"its name is longer than {LONGEST_NAME} characters")
    lower = name.lower()
    reason = RESERVED.get(lower) or RESERVED_FAMILIES.get(lower[: lower.find("-") + 1])
    if reason:
        raise InvalidHeader(f"`{name}` may not be set: {reason}")
    check_text(value)
    if lower == "message-id" and not MESSAGE_ID.fullmatch(value.strip(" \t")):
        raise InvalidHeader("a message id looks like <left@right>")
    if not value.isascii():
        if is_structured(name):
            raise InvalidHeader(f"`{name}` holds characters beyond ASCII, and has no way to encode them")
    elif any(len(piece) >= LONGEST_LINE for piece in PIECE.findall(value)):
        raise InvalidHeader(
            f"it holds more than {LONGEST_LINE - 1} characters without a space, and lines can't be longer"
        )


def is_structured(name: str) -> bool:
    """Whether the field's value has a grammar of its own, in which an encoded word would be wrong (RFC 2047 §5)."""
    lower = name.lower()
    return lower in STRUCTURED or lower.startswith("list-")


def custom(name: str, value: str) -> str:
    """A field that the application added."""
    value = value.strip(" \t")
    return field(name, PIECE.findall(value)) if is_structured(name) else unstructured(name, value)


def unstructured(name: str, text: str) -> str:
    """A field of human text (RFC 5322 §3.6.5). Text that could be taken for an encoded word is encoded as a whole."""
    text = text.strip(" \t")
    if text.isascii() and "=?" not in text:
        pieces = PIECE.findall(text)
        if len(text) < LONGEST_LINE or all(len(piece) < LONGEST_LINE for piece in pieces):
            return field(name, pieces)
    return field(name, encoded_words(text))


def mailboxes(name: str, boxes: Sequence[Mailbox]) -> str:
    """A field of addresses (RFC 5322 §3.6.2, §3.6.3)."""
    pieces: list[str] = []
    for box in boxes:
        words = [*_phrase(box.name), f"<{box.address}>,"] if box.name else [f"{box.address},"]
        whole = " ".join(words)
        pieces += [whole] if len(whole) < LINE else words  # a mailbox that fits a line stays on one
    pieces[-1] = pieces[-1][:-1]
    return field(name, pieces)


def _phrase(name: str) -> list[str]:
    """A display name: plain words, one quoted string, or encoded words (RFC 5322 §3.2.5, RFC 2047 §5 (3))."""
    if name.isascii() and "=?" not in name:
        if ATOMS.fullmatch(name):
            return name.split(" ")
        if len(name) <= LONGEST_QUOTED:
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            return [f'"{escaped}"']
    return encoded_words(name)


def field(name: str, pieces: Iterable[str]) -> str:
    """One header field, folded before the pieces that don't fit. Pieces without leading white space get a blank."""
    written = [name, ":"]
    column = len(name) + 1
    for piece in pieces:
        if piece[0] not in " \t":
            piece = " " + piece
        width = column + len(piece)
        # A first piece that is too long for any line stays beside its name: some readers trip over an empty first line.
        stays = len(written) == 2 and len(piece) > LINE and width <= LONGEST_LINE
        if width > LINE and not stays:
            written.append("\r\n")
            column = 0
        written.append(piece)
        column += len(piece)
    written.append("\r\n")
    return "".join(written)
