"""What the commands of one transaction were answered, each reply under what it answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from postroom.smtp.commands import Content, Data, MailFrom, RcptTo
from postroom.smtp.flight import Flight, Heard, Lost
from postroom.smtp.reply import Reply, all_positive


@dataclass(slots=True)
class Answers:
    """What one transaction was answered. None stands where no reply came or nothing was asked."""

    mail: Reply | None = None
    recipients: tuple[Reply | None, ...] = ()
    data: Reply | None = None
    final: Reply | None = None
    lost: Lost | None = None
    content_sent: bool = False  # the letter's octets were part of the last flight
    unanimous: bool = False  # everything was said in one flight, and everything was answered with a yes
    chunked: bool = False  # they went with the envelope, in one flight
    doubtful: bool = False  # a reply too many came, and not all of them said yes: which is whose can't be told
    pipelined: bool = False  # more than one command in a flight
    later: bool = False  # said before it was known what became of the letter in front of it, in the same flight
    goodbye: bool = False  # a 421 was heard before any of this
    reset_refused: bool = False

    @property
    def chunk_not_understood(self) -> bool:
        """Whether the server didn't know BDAT: that says nothing of the letter, nor of anybody it is for."""
        unknown = self.final is not None and self.final.code in (500, 501, 502, 503, 504)
        return self.chunked and unknown and self.someone_was_accepted

    @property
    def someone_was_accepted(self) -> bool:
        return any(reply is not None and reply.positive for reply in self.recipients)

    @property
    def said_goodbye(self) -> bool:
        return self.goodbye or any(reply is not None and reply.code == 421 for reply in (self.mail, *self.recipients))

    @property
    def lost_count(self) -> bool:
        """Whether a reply came that can't be its command's: the two sides no longer speak of the same."""
        return (self.data is not None and self.data.positive) or (self.final is not None and self.final.intermediate)

    @property
    def out_of_step(self) -> bool:
        """Whether the server complains that it is told too much at once, which says nothing of anybody."""
        replies = (self.mail, *self.recipients, self.data, self.final)
        return self.pipelined and any(reply is not None and _asks_for_less(reply) for reply in replies)


_OUT_OF_STEP = re.compile(r"synchroni[sz]|pipelin", re.IGNORECASE)


def _asks_for_less(reply: Reply) -> bool:
    return reply.code in (500, 501, 503, 550, 554) and bool(_OUT_OF_STEP.search(reply.text))


def answers_to(
    commands: Flight, replies: Iterable[Reply], lost: Lost | None = None, goodbye: Reply | None = None
) -> Answers:
    """The replies to `commands`, as many as came; `goodbye` was heard before them."""
    answers = Answers(lost=lost)
    recipients: list[Reply] = []
    for command, said in zip(commands, replies, strict=False):
        # Whoever has said goodbye judges nobody any more: what is refused behind a 421 is refused for its sake.
        reply = goodbye if goodbye is not None and not said.positive else said
        if reply.code == 421:
            goodbye = reply
        match command:
            case RcptTo():
                recipients.append(reply)
            case MailFrom():
                answers.mail = reply
            case Content():
                answers.final = reply
            case Data():
                # One by one, DATA isn't said where nobody was accepted, so its reply can't be a recipient's.
                answers.data = reply
            case _:
                answers.reset_refused = not reply.positive
                answers.goodbye = reply.code == 421
    answers.recipients = tuple(recipients)
    return answers


def doubtful(heard: Heard) -> bool:
    """Whether a reply too many came with these, and which is whose makes a difference."""
    return heard.surplus is not None and not all_positive((*heard.replies, heard.surplus))
