"""The letter as it goes out: taken from its store, rendered and signed. The same octets for every attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.account.seal import SealError
from postroom.delivery.parcel import Franking, Parcel
from postroom.delivery.submission import Submission
from postroom.message.dkim import SigningKey, UnusableKey, sign
from postroom.message.letter import Letter
from postroom.message.mime import render
from postroom.ports import Found, Submissions
from postroom.smtp.commands import MailFrom, RcptTo
from postroom.smtp.envelope import Mail
from postroom.smtp.security import Security


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A stored letter and the keys of its From domain, and what is wrong with either."""

    letter: Letter | None
    keys: tuple[SigningKey, ...] = ()
    trouble: str | None = None
    incomplete: bool = False  # some of its files are still to be fetched

    @classmethod
    def of(
        cls,
        found: Found,
        submissions: Submissions,
        signing: Callable[[str, Sequence[str] | None], tuple[SigningKey, ...]],
    ) -> Outgoing:
        stored = submissions.letter(found.submission.id) if found.letter is None else found.letter
        if stored is None:
            return cls(None, trouble="The letter is gone from its store")
        try:
            letter = Letter.unpack(stored)
        except ValueError as error:
            return cls(None, trouble=f"The stored letter is damaged: {error}")
        if not letter.complete:
            return cls(letter, trouble="Some of its files are still to be fetched", incomplete=True)
        franking = found.parcel.franking
        try:
            return cls(letter, signing(letter.sender.domain, None if franking is None else franking.selectors))
        except (SealError, UnusableKey) as error:
            return cls(letter, trouble=f"The key of {letter.sender.domain} can't sign: {error}")

    @property
    def franking(self) -> Franking | None:
        """What the first claim freezes."""
        if self.letter is None or self.trouble is not None:
            return None
        return Franking(self.letter.sender.domain, tuple(key.selector for key in self.keys))

    def mail(self, submission: Submission, parcel: Parcel, now: datetime, valid_for: timedelta) -> Mail:
        """The letter for those of the parcel whose turn it is, its signature valid for so long.

        All that goes into its octets was frozen with the letter or at the first claim; only the signature of one that
        was put back by hand is valid for longer. Raises `UnsendableLetter` or `UnsafeCommand`.
        """
        if self.letter is None:
            raise ValueError("there is no letter")
        date = submission.date_of(parcel)
        octets = rendered(self.letter, submission, date)
        recipients = tuple(each.address for each in parcel.due(now))
        for command in (MailFrom(submission.return_path), *map(RcptTo, recipients)):
            command.encode()
        # RFC 8689 §4.2.1: it goes to nobody whose certificate isn't checked.
        asked = Security.VERIFY if submission.requiretls else Security(submission.tls or Security.OPPORTUNISTIC)
        return Mail(
            submission.return_path,
            recipients,
            sign(octets, self.keys, at=date, expires=submission.due_since(parcel) + valid_for),
            smtputf8=self.letter.needs_smtputf8 or not all(map(str.isascii, (submission.return_path, *recipients))),
            security=asked,
            marked=parcel.hold,
            envelope_id=submission.id,
            requiretls=submission.requiretls,
        )


def rendered(letter: Letter, submission: Submission, date: datetime) -> bytes:
    """The letter's octets, without a signature. Raises `UnsendableLetter`."""
    return render(letter, message_id=submission.message_id, date=date, seed=submission.id)
