"""One mailbox: who a letter is from or for (RFC 5321 §4.1.2, RFC 5322 §3.4, RFC 6531 §3.3).

The grammar here is our own and the whole input must match it, so that the address that was checked is the address
that is used: parsers that skip what they don't understand have delivered mail to strangers (CVE-2023-27043).
"""

import re
import unicodedata
from dataclasses import dataclass

LONGEST_INPUT = 2048
LONGEST_NAME = 500  # characters, so that a name with every character escaped still fits the input limit
LONGEST_LOCAL = 64  # octets, RFC 5321 §4.5.3.1.1
LONGEST_DOMAIN = 253  # octets, RFC 1035 §2.3.4 less the length bytes
LONGEST_PATH = 254  # octets, RFC 5321 §4.5.3.1.3 less the angle brackets

# Controls, line breaks of every alphabet, and halves of surrogate pairs: none has a place in an address or a name.
UNSAFE = frozenset({"Cc", "Zl", "Zp", "Cs"})
ATEXT = r'[^\x00-\x20()<>\[\]:;@\\,."\x7f]'  # RFC 5322 §3.2.3, and beyond ASCII anything (RFC 6531 §3.3)
DOT_ATOM = re.compile(rf"{ATEXT}++(?>(?:\.{ATEXT}++)*)")
QUOTED = re.compile(r'"(?>(?:[^"\\]|\\.)*)"')
NAME_ADDR = re.compile(rf'((?>(?:{QUOTED.pattern}|[^"<>])*))<((?>(?:{QUOTED.pattern}|[^"<>])*))>')
LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # RFC 1123 §2.1
DOMAIN = re.compile(rf"(?:{LABEL}\.)+(?=[a-z]){LABEL}")  # a last label that starts with a digit would be an IP address
SPECIALS = frozenset('()<>[]:;@\\,"')  # RFC 5322 §3.2.3; the dot is left out, people write it in names
SPOOFS = SPECIALS | {".", " "}
ASCII_LOWER = dict(zip(range(ord("A"), ord("Z") + 1), range(ord("a"), ord("z") + 1), strict=True))


class InvalidAddress(ValueError):
    """The text is not exactly one mailbox; str() says why."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox, with the display name it was written with."""

    local: str  # as written; in quotes only when it needs them
    domain: str  # A-label, lower case
    name: str = ""  # the display name as people read it

    @classmethod
    def parse(cls, text: str) -> "Mailbox":
        """Read `a@b.example`, `Name <a@b.example>` or `"Quoted, Name" <a@b.example>`; anything else is refused."""
        if len(text) > LONGEST_INPUT:
            raise InvalidAddress("it is too long")
        if not text.isprintable() and any(unicodedata.category(char) in UNSAFE for char in text):
            raise InvalidAddress("it holds a control character or a line break")
        text = text.strip(" ")
        if not text:
            raise InvalidAddress("it is empty")
        if not text.endswith(">"):
            return cls(*_local_and_domain(text))
        match = NAME_ADDR.fullmatch(text)
        if not match:
            raise InvalidAddress("its quotes or angle brackets don't pair up")
        phrase, path = match[1].strip(), match[2]
        # Applications that know no name write the address twice: the one case of a bare '@' that says one thing.
        name = phrase if phrase.lower() == path.lower() else _display_name(phrase)
        return cls(*_local_and_domain(path), name=name)

    @property
    def address(self) -> str:
        """What the envelope carries: local@domain."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Only a local part beyond ASCII needs SMTPUTF8; a domain always has an ASCII form (RFC 6531 §3.2)."""
        return not self.local.isascii()

    @property
    def key(self) -> str:
        """The mailbox for look-ups: NFC and ASCII case folded, never NFKC, which would let one user pose as another."""
        local = self.local
        folded = local.lower() if local.isascii() else unicodedata.normalize("NFC", local).translate(ASCII_LOWER)
        return f"{folded}@{self.domain}"

    def __str__(self) -> str:
        if not self.name:
            return self.address
        name = _quote(self.name) if SPECIALS.intersection(self.name) else self.name
        return f"{name} <{self.address}>"


def _display_name(phrase: str) -> str:
    """The words before the angle bracket. Applications leave out quotes that the RFC wants; one reading is left."""
    bare = QUOTED.sub("", phrase)
    if "@" in bare:
        raise InvalidAddress("its name holds an '@'; one address is expected, or the name in quotes")
    if "(" in bare or ")" in bare:
        raise InvalidAddress("comments in parentheses are not accepted; put the name in quotes")
    name = QUOTED.sub(lambda quoted: _unquote(quoted[0]), phrase).strip()
    if len(name) > LONGEST_NAME:
        raise InvalidAddress(f"its name is longer than {LONGEST_NAME} characters")
    return name


def parse_domain(text: str) -> str:
    """A domain that mailboxes can have, as an A-label in lower case. Raises `InvalidAddress`."""
    return Mailbox.parse(f"postmaster@{text}").domain


def _local_and_domain(path: str) -> tuple[str, str]:
    quoted = QUOTED.match(path)
    if quoted:
        content, rest = _unquote(quoted[0]), path[quoted.end() :]
        at, domain = rest[:1], rest[1:]
        local = content if DOT_ATOM.fullmatch(content) else _quote(content)
    else:
        content, at, domain = path.partition("@")
        local = content
    if at != "@":
        raise InvalidAddress("there is no '@' after its local part")
    if not content:
        raise InvalidAddress("there is nothing before its '@'")
    if "@" in domain:
        raise InvalidAddress("it holds more than one '@'")
    if not quoted and not DOT_ATOM.fullmatch(local):
        raise InvalidAddress("the part before its '@' holds a character or a dot that may not stand there")
    if "=?" in content:
        # Legal letters, but some servers decode them into another address, with another domain.
        raise InvalidAddress("the part before its '@' looks like an encoded word")
    if not local.isascii():
        _check_beyond_ascii(content)
    if len(local.encode()) > LONGEST_LOCAL:
        raise InvalidAddress(f"the part before its '@' is longer than {LONGEST_LOCAL} octets")
    domain = _a_label(domain)
    if len(local.encode()) + 1 + len(domain) > LONGEST_PATH:
        raise InvalidAddress(f"it is longer than {LONGEST_PATH} octets")
    return local, domain


def _check_beyond_ascii(local: str) -> None:
    """Refuse what can't be seen, and what a careless server would turn into syntax: a full-width '@', say."""
    if not local.isprintable():
        raise InvalidAddress("the part before its '@' holds an invisible character")
    for char in local:
        if char > "\x7f" and SPOOFS.intersection(unicodedata.normalize("NFKC", char)):
            raise InvalidAddress(f"the part before its '@' holds a look-alike of punctuation (U+{ord(char):04X})")


def _a_label(domain: str) -> str:
    """The domain as the DNS knows it (RFC 5890 §2.3.2.1)."""
    if len(domain) > LONGEST_DOMAIN:
        raise InvalidAddress(f"its domain is longer than {LONGEST_DOMAIN} octets")
    if domain.startswith("["):
        raise InvalidAddress("an IP address in brackets is not accepted as its domain")
    if not domain.isascii():
        import idna  # few domains need it, and its tables cost a cold start several milliseconds

        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except ValueError:
            raise InvalidAddress("its domain is not a valid internationalised name") from None
    domain = domain.lower()
    if "." not in domain:
        raise InvalidAddress("its domain has no dot")
    if len(domain) > LONGEST_DOMAIN:
        raise InvalidAddress(f"its domain is longer than {LONGEST_DOMAIN} octets")
    # Checked after the mapping: full-width dots and letters have become ASCII by now, and nothing slips past.
    if not DOMAIN.fullmatch(domain):
        raise InvalidAddress("its domain is not a valid host name")
    return domain


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquote(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])
