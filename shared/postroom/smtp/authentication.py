"""How we show a relay who we are: the mechanism, its steps, and what a refusal means (RFC 4954)."""

from __future__ import annotations

import base64
from collections.abc import Container
from dataclasses import dataclass, field

from postroom.smtp.commands import Command, UnsafeCommand
from postroom.smtp.security import Credentials, Mechanism

# RFC 4954 §6, and 538 of the RFC that it replaced.
REFUSALS = {
    432: "The relay wants this user's password changed first",
    454: "The relay can't check our credentials for now",
    534: "The relay wants a stronger mechanism",
    538: "The relay wants more encryption before we authenticate",
}


def chosen(credentials: Credentials, offered: Container[str]) -> Mechanism | None:
    """The mechanism that was asked for, else the first that is offered; a token is never shown as a password."""
    wanted = (credentials.mechanism,) if credentials.mechanism else (Mechanism.PLAIN, Mechanism.LOGIN)
    return next((each for each in wanted if each.upper() in offered), None)


def steps(credentials: Credentials, mechanism: Mechanism) -> tuple[AuthStep, ...]:
    """What is said, one by one, as long as a 334 asks for it."""
    username, password = credentials.username, credentials.password
    match mechanism:
        case Mechanism.PLAIN:
            return (AuthPlain(username, password),)
        case Mechanism.LOGIN:
            return (AuthLogin(), AuthAnswer(username), AuthAnswer(password))
        case Mechanism.XOAUTH2:
            return (AuthXoauth2(username, password), AuthAnswer(""))  # the 334 tells why not, and wants an answer


class AuthStep(Command):
    """A step of an authentication (RFC 4954 §4). No transcript has what it says, even where a server says it back."""

    __slots__ = ()

    def secrets(self) -> tuple[str, ...]:
        """What is to be left out of an answer too, as it may stand there."""
        return ()

    def spoken(self) -> tuple[bytes, str]:
        return self.encode(), self.shown()


@dataclass(frozen=True, slots=True)
class AuthPlain(AuthStep):
    """AUTH PLAIN with its initial response (RFC 4616, RFC 4954 §4)."""

    username: str
    password: str = field(repr=False)

    def line(self) -> str:
        if "\0" in self.username + self.password:
            raise UnsafeCommand("a user name or password for AUTH PLAIN can't hold NUL")
        return "AUTH PLAIN " + _base64(f"\0{self.username}\0{self.password}")

    def shown(self) -> str:
        return "AUTH PLAIN (credentials left out)"

    def secrets(self) -> tuple[str, ...]:
        return (self.line().split()[-1], self.password)


@dataclass(frozen=True, slots=True)
class AuthXoauth2(AuthStep):
    """An OAuth 2.0 access token in the form that Google and Microsoft ask for, which no RFC describes."""

    username: str
    token: str = field(repr=False)

    def line(self) -> str:
        if "\1" in self.username + self.token:
            raise UnsafeCommand("a user name or token for AUTH XOAUTH2 can't hold U+0001")
        return "AUTH XOAUTH2 " + _base64(f"user={self.username}\1auth=Bearer {self.token}\1\1")

    def shown(self) -> str:
        return "AUTH XOAUTH2 (credentials left out)"

    def secrets(self) -> tuple[str, ...]:
        return (self.line().split()[-1], self.token)


@dataclass(frozen=True, slots=True)
class AuthLogin(AuthStep):
    """AUTH LOGIN, which asks for name and password one by one. Not every server takes the name along with it."""

    def line(self) -> str:
        return "AUTH LOGIN"


@dataclass(frozen=True, slots=True)
class AuthAnswer(AuthStep):
    """The answer to a 334; the empty one says that there is nothing to say."""

    text: str = field(repr=False)

    def line(self) -> str:
        return _base64(self.text)

    def shown(self) -> str:
        return "(an answer left out)" if self.text else "(an empty answer)"

    def secrets(self) -> tuple[str, ...]:
        return (self.line(), self.text)


@dataclass(frozen=True, slots=True)
class AuthCancel(AuthStep):
    """The end of an authentication that leads nowhere (RFC 4954 §4)."""

    def line(self) -> str:
        return "*"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
