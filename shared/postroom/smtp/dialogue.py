"""One session with one server, from its greeting to QUIT, as generators without a socket.

`introduce`, `transaction` (or `transactions`) and `farewell` yield flights: commands to be written at once, each of
which gets one reply. They are sent what was `Heard` in answer. A flight holds more than one command only where the
server offers PIPELINING (RFC 2920), in the EHLO after TLS if there is TLS. Where it offers CHUNKING too (RFC 3030),
envelope and letter make one flight: one round trip a letter.

    session = Session("mx.example.org", Security.OPPORTUNISTIC)
    failure = yield from session.introduce()
    verdicts = yield from session.transaction(mail)
    yield from session.farewell()
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from itertools import takewhile

from postroom.smtp.answers import Answers, answers_to, doubtful
from postroom.smtp.commands import Bdat, Command, Content, Data, MailFrom, NoContent, Quit, RcptTo
from postroom.smtp.envelope import Mail, cannot_carry, opening
from postroom.smtp.flight import Failure, Flight, Heard, Lost
from postroom.smtp.habits import NOTHING_KNOWN, Habits
from postroom.smtp.introduction import Introduction
from postroom.smtp.reply import Capabilities, Reply, all_positive
from postroom.smtp.security import Credentials, Security
from postroom.smtp.verdict import Fate, Verdict, judge

MOST_RECIPIENTS = 100
"""Of one transaction: a server must take so many (RFC 5321 §4.5.3.1.8)."""

MOST_TRANSACTIONS = 100
"""Of one session; many servers stop there, and a set-up shared by so many costs next to nothing."""

LARGEST_FLIGHT = 64 * 1024
"""Octets of a letter that goes in one flight with its envelope: a larger one would be wasted on a refusal."""

LONGEST_IDLE = 5.0
"""Seconds of silence after which a server may have left: the envelope goes first, so that no letter is at stake."""

MOST_REFUSALS = 3
"""Transactions in a row refused for every recipient, after which the envelope is asked about first.

A server counts each refused command as an error, the letter behind a refused envelope too, and hangs up at its limit.
"""


class Session:
    """What one side of a session knows. It outlives a transaction and carries many, one after another."""

    def __init__(
        self,
        name: str,
        security: Security = Security.OPPORTUNISTIC,
        credentials: Credentials | None = None,
        *,
        encrypted: bool = False,
        clear_text: bool = False,
        habits: Habits = NOTHING_KNOWN,
        most: int | None = None,
    ) -> None:
        """`encrypted`: TLS came before the greeting. `clear_text`: STARTTLS broke before, so don't ask again.

        `most`: transactions at most, below `MOST_TRANSACTIONS`.
        """
        # A password goes out under TLS or not at all: whoever strips STARTTLS would get it.
        least = Security.REQUIRE if credentials and security is Security.OPPORTUNISTIC else security
        in_clear = clear_text and least is Security.OPPORTUNISTIC
        self._introduction = Introduction(name, least, credentials, encrypted, in_clear, Capabilities())
        self.security = least
        self.habits = habits
        self._most = most
        self.can = Capabilities()
        self.carried = 0  # letters that were answered
        self.open = True
        self.moved_on = False  # it ended without a judgement on the letter: another session may carry it at once
        self._unclean = False
        self._content_said = False
        self._begun = 0  # transactions
        self._refusals = 0  # transactions in a row in which every recipient was refused

    @property
    def encrypted(self) -> bool:
        return self._introduction.encrypted

    @property
    def can(self) -> Capabilities:
        """What the server offers, in the EHLO after TLS if there is TLS."""
        return self._can

    @can.setter
    def can(self, offered: Capabilities) -> None:
        self._can = offered
        self._weigh()

    @property
    def is_full(self) -> bool:
        """Whether it has carried as much as the server, or we ourselves, allow in one session (RFC 9422 §4.1)."""
        return self._begun >= self._most_transactions

    def _weigh(self) -> None:
        """What may be said, by what the server offers and by what was learnt of it."""
        self._pipelines = "PIPELINING" in self._can and not self.habits.no_pipelining
        self._chunks = self._pipelines and "CHUNKING" in self._can and not self.habits.no_chunks
        limits = (MOST_TRANSACTIONS, self._most, self._can.limit("MAILMAX"), self.habits.letters)
        self._most_transactions = min(limit for limit in limits if limit is not None)
        self._most_recipients = min(MOST_RECIPIENTS, self._can.limit("RCPTMAX") or MOST_RECIPIENTS)

    def _learn(self, news: Habits) -> None:
        self.habits = self.habits.with_news(news)
        self._weigh()

    # The parts of a session.

    def introduce(self) -> Generator[Flight, Heard, Failure | None]:
        """Greeting, EHLO, STARTTLS, EHLO again, AUTH. None when the session is ready for MAIL."""
        failure = yield from self._introduction.introduce()
        self.can = self._introduction.can
        self.open = failure is None and not self._introduction.goodbye
        return failure

    def transaction(self, mail: Mail, idle: float = 0.0) -> Generator[Flight, Heard, tuple[Verdict, ...]]:
        """MAIL, RCPT for each recipient, and the letter; the verdict on each recipient.

        Where there are more recipients than one transaction takes, the rest has another at once, as long as each
        gets the letter to somebody (RFC 5321 §4.5.3.1.10). `idle`: seconds since the server was last heard.
        """
        refusal = self._cannot_carry(mail)
        if refusal is not None:
            return tuple(replace(refusal, recipient=each) for each in mail.recipients)
        self._content_said = False
        verdicts: dict[str, Verdict] = {}
        left, most = mail.recipients, self._most_recipients
        while left:
            part, left = left[:most], left[most:]
            judged = yield from self._one_transaction(mail, part, idle)
            if len(judged) == len(mail.recipients) and Fate.NOT_ATTEMPTED not in [verdict.fate for verdict in judged]:
                return judged
            verdicts |= {verdict.recipient: verdict for verdict in judged}
            if not self.open or not any(verdict.fate is Fate.ACCEPTED for verdict in judged):
                break
            left = (*(verdict.recipient for verdict in judged if verdict.fate is Fate.NOT_ATTEMPTED), *left)
            idle = 0.0
        unasked = Verdict("", Fate.NOT_ATTEMPTED, note="The server took no more recipients for now")
        return tuple(verdicts.get(each) or replace(unasked, recipient=each) for each in mail.recipients)

    def together(self, mails: Sequence[Mail], most: int) -> int:
        """How many of `mails`, the first ones, may go in one flight, `most` at most; 1 where each goes by itself.

        Only once this session has got a letter across: whatever is in a flight is in doubt where its answers are lost.
        """
        if self.carried == 0:
            return 1
        fitting = takewhile(self._fits_a_common_flight, mails[: min(most, self._most_transactions - self._begun)])
        return max(1, sum(1 for _ in fitting))

    def transactions(self, mails: Sequence[Mail]) -> Generator[Flight, Heard, list[tuple[Verdict, ...]]]:
        """A transaction for each letter, all in one flight, as `together` allows; the verdicts of each."""
        self._content_said = True
        # RSET in front of each: what became of the one before isn't known yet.
        groups = [(*opening(each, each.recipients, self.can, reset=True), self._chunk(each)) for each in mails]
        heard = self._noted((yield tuple(command for group in groups for command in group)))
        self._begun += len(mails)
        verdicts, replies, in_doubt = [], heard.replies, doubtful(heard)
        goodbye: Reply | None = None
        for at, (mail, group) in enumerate(zip(mails, groups, strict=True)):
            mine, replies = replies[: len(group)], replies[len(group) :]
            lost = heard.lost if len(mine) < len(group) else None
            if lost is not None and at < len(mails) - 1:
                lost = replace(lost, handed_over=True)  # something of the flight was: who knows how much
            answers = self._flight_answers(group, mine, lost, goodbye)
            answers.later, answers.doubtful = at > 0, in_doubt
            answers.goodbye = answers.goodbye or goodbye is not None
            verdicts.append(self._judged(mail.recipients, answers))
            goodbye = goodbye or next((reply for reply in mine if reply.code == 421), None)
        self._close_if_full()
        return verdicts

    def broken_off(self, mail: Mail, why: str) -> tuple[Verdict, ...]:
        """The verdicts where whoever drove a transaction failed in the middle of it; the session is over."""
        self.open = False
        fate, cause = (Fate.UNKNOWN, "reply_lost") if self._content_said else (Fate.DEFERRED, "internal_error")
        return tuple(Verdict(recipient, fate, note=why, cause=cause) for recipient in mail.recipients)

    def farewell(self) -> Generator[Flight, Heard, None]:
        """QUIT, also after errors (RFC 5321 §4.1.1.10); its answer changes nothing any more."""
        self.open = False
        yield (Quit(),)

    # Carrying one letter.

    def _cannot_carry(self, mail: Mail) -> Verdict | None:
        if mail.security.at_least(self.security) is not self.security:
            return Verdict("", Fate.NOT_ATTEMPTED, note="This letter asks for more security than the session has")
        verdict = cannot_carry(mail, self.can, verified=self.encrypted and self.security is Security.VERIFY)
        if verdict is not None and self._introduction.degraded:
            # It may offer more once it is well again.
            return replace(verdict, fate=Fate.DEFERRED, enhanced=None)
        return verdict

    def _fits_one_flight(self, mail: Mail) -> bool:
        """Whether the letter may go with its envelope.

        Not where its end is to be marked: that is done once somebody was accepted, and leaves the least in doubt.
        """
        return self._chunks and not mail.marked and len(mail.octets) <= LARGEST_FLIGHT

    def _fits_a_common_flight(self, mail: Mail) -> bool:
        alone = self._cannot_carry(mail) is not None or len(mail.recipients) > self._most_recipients
        return not alone and not self.habits.envelope_first and self._fits_one_flight(mail)

    def _one_transaction(
        self, mail: Mail, recipients: tuple[str, ...], idle: float
    ) -> Generator[Flight, Heard, tuple[Verdict, ...]]:
        wary = self.habits.envelope_first or idle > LONGEST_IDLE or self._refusals >= MOST_REFUSALS
        if self._fits_one_flight(mail) and not wary:
            answers = yield from self._at_once(mail, recipients)
        else:
            answers = yield from self._envelope_first(mail, recipients)
        if answers.chunk_not_understood and self.open and not self.is_full:
            # Nobody has the letter, and the session is in step: the other way, in the same session.
            self._learn(Habits(no_chunks=True))
            answers = yield from self._envelope_first(mail, recipients)
        verdicts = self._judged(recipients, answers)
        self._close_if_full()
        return verdicts

    def _judged(self, recipients: tuple[str, ...], answers: Answers) -> tuple[Verdict, ...]:
        """The verdicts, and what is learnt from the answers for what follows."""
        verdicts = judge(recipients, answers, first=self.carried == 0)
        if answers.unanimous and not answers.doubtful:
            self._refusals = 0
            self.carried += 1
            return verdicts
        self._refusals = 0 if answers.someone_was_accepted or answers.lost else self._refusals + 1
        if answers.out_of_step or answers.lost_count:
            self._learn(Habits(no_pipelining=True))
        if answers.chunk_not_understood:
            self._learn(Habits(no_chunks=True))
        if answers.out_of_step or answers.lost_count or answers.chunk_not_understood or answers.reset_refused:
            self.moved_on = not answers.lost_count
            self.open = False
        if answers.chunked and answers.lost is not None and answers.lost.handed_over and not answers.said_goodbye:
            self._learn(Habits(envelope_first=True))
        if self.carried and not self.open:
            self.moved_on = True
        if answers.mail is not None and answers.mail.code == 421:
            if self.carried and answers.mail.too_many and not answers.goodbye:
                self._learn(Habits(letters=self.carried))
        elif answers.final is not None and not answers.goodbye:
            self.carried += 1
        return verdicts

    def _close_if_full(self) -> None:
        if self.is_full:
            self.open = False
            self.moved_on = True

    def _chunk(self, mail: Mail) -> Bdat:
        return Bdat(mail.octets, mail.digest)

    def _begin(self) -> None:
        self._unclean = True
        self._begun += 1

    def _at_once(self, mail: Mail, recipients: tuple[str, ...]) -> Generator[Flight, Heard, Answers]:
        """Envelope and letter in one flight (RFC 3030 §4.2)."""
        flight = (*opening(mail, recipients, self.can, reset=self._unclean), self._chunk(mail))
        self._begin()
        self._content_said = True
        heard = self._noted((yield flight))
        answers = self._flight_answers(flight, heard.replies, heard.lost)
        answers.doubtful = doubtful(heard)
        return answers

    def _flight_answers(
        self, flight: Flight, replies: tuple[Reply, ...], lost: Lost | None, goodbye: Reply | None = None
    ) -> Answers:
        answers = self._heard(flight, replies, lost, goodbye)
        answers.content_sent = answers.chunked = True
        final = answers.final
        # RFC 3030 §2: after a chunk that was refused, RSET must be said.
        self._unclean = final is None or not final.positive
        answers.unanimous = lost is None and all_positive(replies)
        if final is not None and final.positive and not answers.unanimous and not answers.someone_was_accepted:
            self.open = False  # it took a letter for nobody: replies and commands are out of step
        return answers

    def _envelope_first(self, mail: Mail, recipients: tuple[str, ...]) -> Generator[Flight, Heard, Answers]:
        """The letter once the server is ready for it (RFC 5321 §3.3)."""
        envelope = (*opening(mail, recipients, self.can, reset=self._unclean), Data())
        self._begin()
        heard = yield from self._say(envelope)
        answers = self._heard(envelope, heard.replies, heard.lost)
        answers.doubtful = heard.surplus is not None
        if answers.data is not None and answers.data.code == 354 and heard.surplus is None:
            yield from self._hand_over(mail, answers)
        return answers

    def _say(self, commands: Flight) -> Generator[Flight, Heard, Heard]:
        """All commands in one flight where the server allows it, else one by one, as far as it makes sense."""
        if self._pipelines:
            return self._noted((yield commands))
        replies: list[Reply] = []
        for command in commands:
            if not self.open or not _makes_sense(command, commands, replies):
                break
            heard = self._noted((yield (command,)))
            replies += heard.replies
            if heard.lost or heard.surplus is not None:
                return Heard(tuple(replies), heard.lost, heard.surplus)
        return Heard(tuple(replies))

    def _heard(
        self, commands: Flight, replies: tuple[Reply, ...], lost: Lost | None, goodbye: Reply | None = None
    ) -> Answers:
        answers = answers_to(commands, replies, lost, goodbye)
        answers.pipelined = self._pipelines
        if answers.reset_refused:  # finish what is under way, begin nothing new
            self.open = False
        return answers

    def _hand_over(self, mail: Mail, answers: Answers) -> Generator[Flight, Heard, None]:
        wanted = answers.someone_was_accepted and answers.mail is not None and answers.mail.positive
        self._content_said = self._content_said or wanted
        heard = self._noted((yield (Content(mail.octets, mail.digest) if wanted else NoContent(),)))
        final = heard.replies[0] if heard.replies else None
        self._unclean = final is None
        answers.final, answers.lost, answers.content_sent = final if wanted else None, heard.lost, wanted
        answers.doubtful = doubtful(heard)

    def _noted(self, heard: Heard) -> Heard:
        """RFC 5321 §3.8: a 421 may answer anything and ends the session. A reply too many does too."""
        if heard.surplus is not None:
            self._learn(Habits(no_pipelining=True))
        if heard.lost or heard.surplus is not None:
            self.open = False
        for reply in heard.replies:
            if reply.code == 421:
                self.open = False
        return heard


def commands_of(mail: Mail) -> int:
    """How many commands the letter has in a flight that it shares: RSET, MAIL, each RCPT, BDAT."""
    return len(mail.recipients) + 3


def _makes_sense(command: Command, commands: Flight, replies: list[Reply]) -> bool:
    """Without pipelining: no RCPT after MAIL was refused, no DATA when nobody was accepted."""
    asked = list(zip(commands, replies, strict=False))
    if isinstance(command, RcptTo | Data) and any(isinstance(c, MailFrom) and not r.positive for c, r in asked):
        return False
    return not isinstance(command, Data) or any(isinstance(c, RcptTo) and r.positive for c, r in asked)
