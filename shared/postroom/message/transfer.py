"""Bodies as lines of 7-bit ASCII that any server carries unchanged (RFC 2045 §6).

Always 7-bit: whether the next server offers 8BITMIME is only known in the session, and a body that is re-encoded then
no longer fits its signature.
"""

import re
from binascii import b2a_base64, b2a_qp

LINE = 76  # RFC 2045 §6.7 (5), §6.8
PLAIN_LINE = 78  # RFC 5322 §2.1.1 asks for it; longer lines are legal to 998, but some relays break them at will
BLOCK = LINE // 4 * 3 * 512  # what base64 encodes at once: whole lines, few enough to stay in the processor's cache
CLEAR = bytes([*b"\t\r\n", *range(ord(" "), ord("~") + 1)])
REPAIRABLE = re.compile(rb"^From [^\r\n]*|^[^\r\n]{%d,}" % (LINE + 1), re.MULTILINE)


def text_body(text: str) -> tuple[str, bytes]:
    """A text's transfer encoding and its lines; quoted-printable or base64, whichever is smaller, if it needs one."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    octets = "\r\n".join(lines).encode()  # RFC 2046 §4.1.1: a text's line ends are CRLF
    if max(map(len, lines)) <= PLAIN_LINE and _is_sturdy(octets):
        return "7bit", octets
    quoted = quoted_printable(octets)
    if len(quoted) > len(octets) * 4 // 3:
        encoded = base64(octets)
        if len(encoded) < len(quoted):
            return "base64", encoded
    return "quoted-printable", quoted


def quoted_printable(octets: bytes) -> bytes:
    """RFC 2045 §6.7, for text whose lines end in CRLF."""
    quoted = b2a_qp(octets)
    if b"\n" not in octets:
        quoted = quoted.replace(b"\n", b"\r\n")  # the library breaks lines as the text does, and here it has no example
    if b"From " in quoted or b" \r\n" in octets or b"\t\r\n" in octets:
        quoted = REPAIRABLE.sub(_repair, quoted)
    return quoted


def _repair(match: re.Match[bytes]) -> bytes:
    """Hide `From ` at a line's start from mailboxes of the old kind, and keep to 76 columns.

    The library encodes a blank before a line end without counting the columns that this adds.
    """
    line = match[0]
    if line.startswith(b"From "):
        line = (b"=46" if len(line) + 2 <= LINE else b"=46=\r\n") + line[1:]
    if len(line) - (line.rfind(b"\n") + 1) > LINE:
        line = line[:-3] + b"=\r\n" + line[-3:]
    return line


def base64(octets: bytes) -> bytes:
    """RFC 2045 §6.8: lines of 76 characters with CRLF between them."""
    return b"\r\n".join([_base64_block(octets[start : start + BLOCK]) for start in range(0, len(octets), BLOCK)])


def _base64_block(octets: bytes) -> bytes:
    encoded = b2a_base64(octets, newline=False)
    return b"\r\n".join([encoded[start : start + LINE] for start in range(0, len(encoded), LINE)])


def _is_sturdy(octets: bytes) -> bool:
    """Whether the text survives in clear: ASCII without blanks before a line end, mailbox separator, our boundaries."""
    return not (
        octets.translate(None, CLEAR)
        or b" \r\n" in octets
        or b"\t\r\n" in octets
        or octets.endswith((b" ", b"\t"))
        or octets.startswith(b"From ")
        or b"\nFrom " in octets
        or b"--=_" in octets
    )
