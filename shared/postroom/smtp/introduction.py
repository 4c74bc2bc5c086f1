"""The beginning of a session: greeting, EHLO, STARTTLS and EHLO again, AUTH. Each is a flight of its own."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from postroom.smtp.authentication import REFUSALS, AuthCancel, chosen, steps
from postroom.smtp.commands import Command, Ehlo, Greeting, Helo, StartTls
from postroom.smtp.flight import Failure, Flight, Heard, Lost
from postroom.smtp.reply import Capabilities, Reply
from postroom.smtp.security import Credentials, Security


@dataclass(slots=True)
class Introduction:
    """What we ask for, and after `introduce` what we got."""

    name: str
    security: Security
    credentials: Credentials | None
    encrypted: bool  # TLS came before the greeting, or by STARTTLS since
    clear_text: bool  # STARTTLS broke before, so it isn't asked for again
    can: Capabilities
    degraded: bool = False  # the server has offered less than it can: TLS broke, or it wouldn't hear EHLO just now
    goodbye: bool = False  # a 421 was among the answers: nothing may follow but QUIT (RFC 5321 §3.8)

    def introduce(self) -> Generator[Flight, Heard, Failure | None]:
        """None when the server is ready for MAIL."""
        greeting = yield from self._ask(Greeting())
        if isinstance(greeting, Lost):
            cause = "tls" if self.encrypted and greeting.tls else "connection_lost"
            return Failure(f"The server didn't greet: {greeting.why}", cause=cause)
        if greeting.code != 220:
            return Failure("The server turned us away with its greeting", greeting, "turned_away")
        failure = (yield from self._hello()) or (yield from self._encrypt())
        if failure is None and self.credentials is not None:
            failure = yield from self._authenticate(self.credentials)
        return failure

    def _hello(self) -> Generator[Flight, Heard, Failure | None]:
        self.can = Capabilities()  # RFC 3207 §4.2: what was said before TLS must be forgotten
        answer = yield from self._ask(Ehlo(self.name))
        if isinstance(answer, Reply) and answer.positive:
            self.can = Capabilities.parse(answer)
            return None
        if isinstance(answer, Reply) and answer.permanent:  # RFC 5321 §3.2
            self.degraded = answer.code not in (500, 501, 502, 504)
            answer = yield from self._ask(Helo(self.name))
            if isinstance(answer, Reply) and answer.positive:
                return None
        if isinstance(answer, Lost):
            return Failure(f"The session ended at our introduction: {answer.why}")
        return Failure("The server refused our introduction", answer, "turned_away")

    def _encrypt(self) -> Generator[Flight, Heard, Failure | None]:
        if self.encrypted or self.clear_text:
            self.degraded = self.degraded or self.clear_text
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
            if self.security is Security.OPPORTUNISTIC and not self.goodbye:
                self.degraded = True
                return None
            note = "The server refused STARTTLS, and this letter must not go in clear text"
            return Failure(note, answer, "tls")
        self.encrypted = True
        return (yield from self._hello())

    def _authenticate(self, credentials: Credentials) -> Generator[Flight, Heard, Failure | None]:
        """One mechanism, once: a relay counts refusals, and locks out whoever tries the next."""
        mechanism = chosen(credentials, self.can.auth)
        if mechanism is None:
            wanted = credentials.mechanism.upper() if credentials.mechanism else "PLAIN or LOGIN"
            offered = ", ".join(sorted(self.can.auth)) or "none"
            return Failure(f"The relay doesn't offer AUTH {wanted} (offered: {offered})", cause="auth")
        for step in steps(credentials, mechanism):
            answer = yield from self._ask(step)
            if isinstance(answer, Lost) or not answer.intermediate:
                break
        if isinstance(answer, Reply) and answer.intermediate:
            answer = yield from self._ask(AuthCancel())  # it wants more than this mechanism has
        if isinstance(answer, Lost):
            return Failure(f"The session ended at AUTH: {answer.why}")
        if answer.positive:
            return None
        if answer.code == 421:
            return Failure("The relay said goodbye when we authenticated", answer, "turned_away")
        note = REFUSALS.get(answer.code, "The relay refused our credentials")
        return Failure(f"{note} (AUTH {mechanism.upper()})", answer, "auth")

    def _ask(self, command: Command) -> Generator[Flight, Heard, Reply | Lost]:
        heard = yield (command,)
        if heard.lost:
            return heard.lost
        reply = heard.replies[0]
        self.goodbye = self.goodbye or reply.code == 421
        return reply
