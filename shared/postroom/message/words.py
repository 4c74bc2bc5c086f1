"""Text beyond ASCII inside header fields: encoded words (RFC 2047) and extended parameters (RFC 2231).

Both are cut between characters, never inside one: a reader decodes each piece on its own.
"""

from binascii import b2a_base64
from collections.abc import Callable

# RFC 2047 §2 allows 75 characters for a word and 76 for its line. 66 lets the first word stand beside `Reply-To: `.
WORD = 66
PAYLOAD = WORD - len("=?utf-8?q??=")
SEGMENT = 48  # characters of a parameter's value in one piece, so that ` filename*10*=utf-8''…;` stays within 76
TOKEN = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)  # RFC 5987 §3.2.1, the safe part
PHRASE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")  # RFC 2047 §5 (3)
Q = [chr(octet) if octet in PHRASE else f"={octet:02X}" for octet in range(256)]
Q[ord(" ")] = "_"  # RFC 2047 §4.2 (2)
PERCENT = [chr(octet) if octet in TOKEN else f"%{octet:02X}" for octet in range(256)]


def encoded_words(text: str) -> list[str]:
    """The text as encoded words, Q or B, whichever is shorter. Readers drop the white space between two of them."""
    if len(_spell(text, Q)) <= (len(text.encode()) + 2) // 3 * 4:
        return [f"=?utf-8?q?{_spell(piece, Q)}?=" for piece in _cut(text, lambda char: len(_spell(char, Q)), PAYLOAD)]
    pieces = _cut(text, lambda char: len(char.encode()), PAYLOAD // 4 * 3)
    return [f"=?utf-8?b?{b2a_base64(piece.encode(), newline=False).decode()}?=" for piece in pieces]


def extended_parameter(name: str, text: str) -> list[str]:
    """`name*=utf-8''…`, in numbered segments when it is long (RFC 2231 §4.1)."""
    first, *rest = (_spell(piece, PERCENT) for piece in _cut(text, lambda char: len(_spell(char, PERCENT)), SEGMENT))
    if not rest:
        return [f"{name}*=utf-8''{first}"]
    return [f"{name}*0*=utf-8''{first}", *(f"{name}*{number}*={segment}" for number, segment in enumerate(rest, 1))]


def _spell(text: str, alphabet: list[str]) -> str:
    return "".join([alphabet[octet] for octet in text.encode()])


def _cut(text: str, size: Callable[[str], int], room: int) -> list[str]:
    """The text in pieces whose sizes fit the room."""
    pieces = []
    start = filled = 0
    for position, char in enumerate(text):
        needed = size(char)
        if filled + needed > room:
            pieces.append(text[start:position])
            start, filled = position, 0
        filled += needed
    return [*pieces, text[start:]]
