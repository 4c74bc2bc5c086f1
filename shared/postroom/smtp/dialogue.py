"""One session with one server, from its greeting to QUIT, as generators without a socket.

`introduce`, `transaction` and `farewell` yield flights: commands to be written at once, each of which gets
one reply. They are sent what was `Heard` in answer. A flight holds more than one command only where the
server offers PIPELINING (RFC 2920), in the EHLO after TLS if there is TLS. Where it offers CHUNKING too (RFC 3030),
envelope and letter make one flight: one round trip a letter.

    session = Session("mx.example.org", Security.OPPORTUNISTIC)
    failure = yield from session.introduce()
    verdicts = yield from session.transaction(mail)
    yield from session.farewell()
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

from postroom.smtp.commands import (
    AuthPlain,
    Bdat,
    Command,
    Content,
    Data,
    Ehlo,
    Greeting,
    Helo,
    MailFrom,
    NoContent,
    Quit,
    RcptTo,
    Rset,
    StartTls,
)
from postroom.smtp.reply import Capabilities, Reply
from postroom.smtp.security import Credentials, Security
from postroom.smtp.verdict import Answers, Fate, Lost, Verdict, judge


@dataclass(frozen=True, slots=True)
class Mail:
    """An envelope and its letter: CRLF lines, 7-bit but for what SMTPUTF8 allows."""

    sender: str
    recipients: tuple[str, ...]
    octets: bytes = field(repr=False)
    smtputf8: bool = False
    security: Security = Security.OPPORTUNISTIC  # the least that this letter asks for
    marked: bool = False  # its end is to be marked before it is said


@dataclass(frozen=True, slots=True)
class Heard:
    """The replies to a flight, in order; fewer than its commands only where `lost` says why."""

    replies: tuple[Reply, ...]
    lost: Lost | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The session came to nothing before any letter: nobody's address has been judged."""

    note: str
    reply: Reply | None = None
    cause: str = "connection_lost"  # `tls` where TLS was the trouble


Flight = tuple[Command, ...]

MOST_RECIPIENTS = 100
"""Of one transaction: a server must take so many (RFC 5321 §4.5.3.1.8)."""

LARGEST_FLIGHT = 64 * 1024
"""Octets of a letter that goes in one flight with its envelope: a larger one would be wasted on a refusal."""

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
    ) -> None:
        """`encrypted`: TLS came before the greeting. `clear_text`: STARTTLS broke before, so don't ask again."""
        self.name = name
        # A password goes out under TLS or not at all: whoever strips STARTTLS would get it.
        self.security = Security.REQUIRE if credentials and security is Security.OPPORTUNISTIC else security
        self.credentials = credentials
        self.encrypted = encrypted
        self.clear_text = clear_text and self.security is Security.OPPORTUNISTIC
        self.can = Capabilities()
        self.carried = 0
        self.open = True
        self._unclean = False
        self._content_said = False
        self._begun = 0  # transactions
        self._refusals = 0  # transactions in a row in which every recipient was refused
        self._no_chunks = False  # the server didn't understand BDAT, though it offered it

    # The three parts of a session.

    def introduce(self) -> Generator[Flight, Heard, Failure | None]:
        """Greeting, EHLO, STARTTLS, EHLO again, AUTH. None when the session is ready for MAIL."""
        greeting = yield from self._ask(Greeting())
        if isinstance(greeting, Lost):
            return Failure(f"The server didn't greet: {greeting.why}")
        if greeting.code != 220:
            return Failure("The server turned us away with its greeting", greeting, "turned_away")
        failure = (yield from self._hello()) or (yield from self._encrypt())
        if failure is None and self.credentials is not None:
            failure = yield from self._authenticate(self.credentials)
        return failure

    def transaction(self, mail: Mail) -> Generator[Flight, Heard, tuple[Verdict, ...]]:
        """MAIL, RCPT for each recipient, and the letter; the verdict on each recipient.

        Where there are more recipients than one transaction takes, the rest has another at once, as long as each
        gets the letter to somebody (RFC 5321 §4.5.3.1.10).
        """
        refusal = self._cannot_carry(mail)
        if refusal is not None:
            return tuple(replace(refusal, recipient=each) for each in mail.recipients)
        self._content_said = False
        verdicts: dict[str, Verdict] = {}
        left = mail.recipients
        most = min(MOST_RECIPIENTS, self.can.limit("RCPTMAX") or MOST_RECIPIENTS)
        while left:
            part, left = left[:most], left[most:]
            judged = yield from self._one_transaction(replace(mail, recipients=part))
            verdicts |= {verdict.recipient: verdict for verdict in judged}
            if not self.open or not any(verdict.fate is Fate.ACCEPTED for verdict in judged):
                break
            left = (*(verdict.recipient for verdict in judged if verdict.fate is Fate.NOT_ATTEMPTED), *left)
        unasked = Verdict("", Fate.NOT_ATTEMPTED, note="The server took no more recipients for now")
        return tuple(verdicts.get(each, replace(unasked, recipient=each)) for each in mail.recipients)

    def _one_transaction(self, mail: Mail) -> Generator[Flight, Heard, tuple[Verdict, ...]]:
        answers = yield from (self._at_once(mail) if self._in_one_flight(mail) else self._envelope_first(mail))
        if answers.chunk_not_understood and answers.someone_was_accepted and self.open and not self._is_full:
            # Nobody has the letter, and the session is in step: the other way, in the same session.
            self._no_chunks = True
            answers = yield from self._envelope_first(mail)
        self._refusals = 0 if answers.someone_was_accepted or answers.lost else self._refusals + 1
        verdicts = judge(mail.recipients, answers, first=self.carried == 0)
        if answers.final is not None:
            self.carried += 1
        if self._is_full:
            self.open = False
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

    # Setting up.

    def _hello(self) -> Generator[Flight, Heard, Failure | None]:
        self.can = Capabilities()  # RFC 3207 §4.2: what was said before TLS must be forgotten
        answer = yield from self._ask(Ehlo(self.name))
        if isinstance(answer, Reply) and answer.positive:
            self.can = Capabilities.parse(answer)
            return None
        if isinstance(answer, Reply) and answer.permanent:  # RFC 5321 §3.2
            answer = yield from self._ask(Helo(self.name))
            if isinstance(answer, Reply) and answer.positive:
                return None
        if isinstance(answer, Lost):
            return Failure(f"The session ended at our introduction: {answer.why}")
        return Failure("The server refused our introduction", answer, "turned_away")

    def _encrypt(self) -> Generator[Flight, Heard, Failure | None]:
        if self.encrypted or self.clear_text:
            return None
        if "STARTTLS" not in self.can:
            if self.security is Security.OPPORTUNISTIC:
                return None
            note = "The server offers no STARTTLS, and this letter must not go in clear text"
            return Failure(note, cause="tls")
        answer = yield from self._ask(StartTls())
        if isinstance(answer, Lost):
            return Failure(f"STARTTLS failed: {answer.why}", cause="tls")
        if answer.code != 220:
            if self.security is Security.OPPORTUNISTIC and self.open:
                return None
            note = "The server refused STARTTLS, and this letter must not go in clear text"
            return Failure(note, answer, "tls")
        self.encrypted = True
        return (yield from self._hello())

    def _authenticate(self, credentials: Credentials) -> Generator[Flight, Heard, Failure | None]:
        if "PLAIN" not in self.can.auth:
            return Failure("The relay doesn't offer AUTH PLAIN", cause="auth")
        answer = yield from self._ask(AuthPlain(credentials.username, credentials.password))
        if isinstance(answer, Lost):
            return Failure(f"The session ended at AUTH: {answer.why}")
        return None if answer.positive else Failure("The relay refused our credentials", answer, "auth")

    # Carrying one letter.

    def _cannot_carry(self, mail: Mail) -> Verdict | None:
        """Our own word where this session, or this server, can't take this letter."""
        if mail.security.at_least(self.security) is not self.security:
            return Verdict("", Fate.NOT_ATTEMPTED, note="This letter asks for more security than the session has")
        if self.can.size is not None and len(mail.octets) > self.can.size:  # RFC 1870 §6.1
            note = f"The letter has {len(mail.octets)} octets and the server takes {self.can.size} at most"
            return Verdict("", Fate.REFUSED, note=note, enhanced="5.3.4", cause="size")
        if mail.smtputf8 and "SMTPUTF8" not in self.can:  # RFC 6531 §3.2; X.6.7 in RFC 6531 §4.1
            note = "An address of this letter isn't ASCII, and the server doesn't offer SMTPUTF8"
            return Verdict("", Fate.REFUSED, note=note, enhanced="5.6.7", cause="smtputf8")
        return None

    def _mail_parameters(self, mail: Mail) -> tuple[str, ...]:
        parameters = []
        if "SIZE" in self.can:
            parameters.append(f"SIZE={len(mail.octets)}")
        if mail.smtputf8:
            parameters += ["SMTPUTF8"] + (["BODY=8BITMIME"] if "8BITMIME" in self.can else [])
        return tuple(parameters)

    def _say(self, commands: Flight) -> Generator[Flight, Heard, Heard]:
        """All commands in one flight where the server allows it, else one by one, as far as it makes sense."""
        if "PIPELINING" in self.can:
            return self._noted((yield commands))
        replies: list[Reply] = []
        for command in commands:
            if not self.open or not _makes_sense(command, commands, replies):
                break
            heard = self._noted((yield (command,)))
            replies += heard.replies
            if heard.lost:
                return Heard(tuple(replies), heard.lost)
        return Heard(tuple(replies))

    def _in_one_flight(self, mail: Mail) -> bool:
        """Whether the letter goes with its envelope.

        Not where its end is to be marked: that is done once somebody was accepted, and leaves the least in doubt.
        """
        offered = "PIPELINING" in self.can and "CHUNKING" in self.can and not self._no_chunks
        return offered and not mail.marked and len(mail.octets) <= LARGEST_FLIGHT and self._refusals < MOST_REFUSALS

    def _envelope(self, mail: Mail) -> Flight:
        return (
            *((Rset(),) if self._unclean else ()),
            MailFrom(mail.sender, self._mail_parameters(mail)),
            *(RcptTo(recipient) for recipient in mail.recipients),
        )

    def _at_once(self, mail: Mail) -> Generator[Flight, Heard, Answers]:
        """Envelope and letter in one flight (RFC 3030 §4.2)."""
        envelope = self._envelope(mail)
        flight = (*envelope, Bdat(mail.octets))
        self._begin()
        self._content_said = True
        heard = self._noted((yield flight))
        answers = self._envelope_answers(envelope, heard)
        final = heard.replies[-1] if len(heard.replies) == len(flight) else None
        # RFC 3030 §2: after a chunk that was refused, RSET must be said.
        self._unclean = final is None or not final.positive
        if final is not None and final.positive and not answers.someone_was_accepted:
            self.open = False  # it took a letter for nobody: replies and commands are out of step
        return replace(answers, final=final, content_sent=True, chunked=True)

    def _begin(self) -> None:
        """A transaction is begun; after as many as the server takes in a session none follows (RFC 9422 §4.1)."""
        self._unclean = True
        self._begun += 1

    @property
    def _is_full(self) -> bool:
        most = self.can.limit("MAILMAX")
        return most is not None and self._begun >= most

    def _envelope_first(self, mail: Mail) -> Generator[Flight, Heard, Answers]:
        """The letter once the server is ready for it (RFC 5321 §3.3)."""
        envelope = (*self._envelope(mail), Data())
        self._begin()
        heard = yield from self._say(envelope)
        answers = self._envelope_answers(envelope, heard)
        if answers.data is not None and answers.data.code == 354:
            answers = yield from self._hand_over(mail, answers)
        return answers

    def _envelope_answers(self, envelope: Flight, heard: Heard) -> Answers:
        mail: Reply | None = None
        data: Reply | None = None
        recipients: list[Reply] = []
        for command, reply in zip(envelope, heard.replies, strict=False):
            match command:
                case MailFrom():
                    mail = reply
                case RcptTo():
                    recipients.append(reply)
                case Data():
                    data = reply
                case _ if not reply.positive:  # RSET refused: finish what is under way, begin nothing new
                    self.open = False
        # One by one, DATA isn't said where nobody was accepted, so its reply can't be a recipient's.
        return Answers(mail, tuple(recipients), data, lost=heard.lost)

    def _hand_over(self, mail: Mail, answers: Answers) -> Generator[Flight, Heard, Answers]:
        wanted = answers.someone_was_accepted and answers.mail is not None and answers.mail.positive
        self._content_said = self._content_said or wanted
        heard = self._noted((yield (Content(mail.octets) if wanted else NoContent(),)))
        final = heard.replies[0] if heard.replies else None
        self._unclean = final is None
        return Answers(answers.mail, answers.recipients, answers.data, final if wanted else None, heard.lost, wanted)

    # Hearing.

    def _ask(self, command: Command) -> Generator[Flight, Heard, Reply | Lost]:
        heard = self._noted((yield (command,)))
        return heard.lost or heard.replies[0]

    def _noted(self, heard: Heard) -> Heard:
        """RFC 5321 §3.8: a 421 may answer anything and ends the session."""
        if heard.lost or any(reply.code == 421 for reply in heard.replies):
            self.open = False
        return heard


def _makes_sense(command: Command, commands: Flight, replies: list[Reply]) -> bool:
    """Without pipelining: no RCPT after MAIL was refused, no DATA when nobody was accepted."""
    asked = list(zip(commands, replies, strict=False))
    if isinstance(command, RcptTo | Data) and any(isinstance(c, MailFrom) and not r.positive for c, r in asked):
        return False
    return not isinstance(command, Data) or any(isinstance(c, RcptTo) and r.positive for c, r in asked)
