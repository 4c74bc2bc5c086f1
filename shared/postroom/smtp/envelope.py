"""An envelope and its letter, and the commands that open its transaction with the extensions that a server offers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from postroom.smtp.commands import MailFrom, RcptTo, Rset
from postroom.smtp.flight import Flight
from postroom.smtp.reply import Capabilities
from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate, Verdict


@dataclass(frozen=True, slots=True)
class Mail:
    """An envelope and its letter: CRLF lines, 7-bit but for what SMTPUTF8 allows."""

    sender: str  # empty for the null reverse-path
    recipients: tuple[str, ...]
    octets: bytes = field(repr=False)
    smtputf8: bool = False
    security: Security = Security.OPPORTUNISTIC  # the least that this letter asks for
    marked: bool = False  # its end is to be marked before it is said
    envelope_id: str = ""  # comes back in delivery status notifications (RFC 3461 §4.4)
    requiretls: bool = False  # every hop behind this one must promise TLS too (RFC 8689)
    digest: str = field(init=False, repr=False, compare=False)  # SHA-256 of the octets, in hexadecimal

    def __post_init__(self) -> None:
        # Here, in the thread of whoever made the letter: a large one would hold up the loop that speaks for all.
        object.__setattr__(self, "digest", hashlib.sha256(self.octets).hexdigest())


def cannot_carry(mail: Mail, can: Capabilities, *, verified: bool) -> Verdict | None:
    """Our own word where this server can't take this letter; `verified` tells of TLS with a checked certificate."""
    if can.size is not None and len(mail.octets) > can.size:  # RFC 1870 §6.1
        note = f"The letter has {len(mail.octets)} octets and the server takes {can.size} at most"
        return Verdict("", Fate.REFUSED, note=note, enhanced="5.3.4", cause="size")
    if mail.smtputf8 and "SMTPUTF8" not in can:  # RFC 6531 §3.2; X.6.7 in RFC 6531 §4.1
        note = "An address of this letter isn't ASCII, and the server doesn't offer SMTPUTF8"
        return Verdict("", Fate.REFUSED, note=note, enhanced="5.6.7", cause="smtputf8")
    if mail.requiretls and not (verified and "REQUIRETLS" in can):  # RFC 8689 §4.2.1; X.7.30 in RFC 8689 §5
        note = "This letter asks for REQUIRETLS, and the server doesn't offer it under verified TLS"
        return Verdict("", Fate.REFUSED, note=note, enhanced="5.7.30", cause="tls")
    return None


def opening(mail: Mail, recipients: tuple[str, ...], can: Capabilities, *, reset: bool) -> Flight:
    """MAIL and RCPT for each of `recipients`, after RSET where the transaction before was left unclean."""
    notify = "DSN" in can and bool(mail.sender)  # RFC 3461 §4; no report goes to the null reverse-path
    parameters = _mail_parameters(mail, can, notify=notify)
    return (
        *((Rset(),) if reset else ()),
        MailFrom(mail.sender, parameters),
        *[RcptTo(recipient, _original(recipient) if notify else ()) for recipient in recipients],
    )


def _mail_parameters(mail: Mail, can: Capabilities, *, notify: bool) -> tuple[str, ...]:
    parameters = []
    if "SIZE" in can:
        parameters.append(f"SIZE={len(mail.octets)}")
    if mail.smtputf8:
        parameters += ["SMTPUTF8"] + (["BODY=8BITMIME"] if "8BITMIME" in can else [])
    if mail.requiretls:
        parameters.append("REQUIRETLS")
    if notify:
        # RFC 3461 §4.3: a report with the headers alone tells as much, and is no second copy.
        parameters += ["RET=HDRS"] + ([f"ENVID={_xtext(mail.envelope_id)}"] if mail.envelope_id else [])
    return tuple(parameters)


_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")
_NOT_UNITEXT = re.compile(r"[\x00-\x20+=\\\x7f]")


def _original(recipient: str) -> tuple[str, ...]:
    """Reports of failure only, and the address to name in them, as we know it (RFC 3461 §4.1 and §4.2)."""
    if recipient.isascii():
        return ("NOTIFY=FAILURE", f"ORCPT=rfc822;{_xtext(recipient)}")
    return ("NOTIFY=FAILURE", f"ORCPT=utf-8;{_unitext(recipient)}")  # RFC 6533 §3


def _xtext(text: str) -> str:
    return _NOT_XTEXT.sub(lambda match: f"+{ord(match[0]):02X}", text)


def _unitext(text: str) -> str:
    return _NOT_UNITEXT.sub(lambda match: rf"\x{{{ord(match[0]):02X}}}", text)
