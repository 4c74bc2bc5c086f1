"""A destination server that misbehaves by a script, over real sockets, and keeps a record of what it took."""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event, Thread
from types import TracebackType

from tests.internet.peer import Guest

LONGEST = 10.0  # seconds that a connection may last, whatever happens
SCRAP = 64 * 1024  # octets of a letter that are read before a fault in the middle of it
DRIP = 0.02  # seconds from one line to the next
FLOOD = 512 * 1024  # octets of a flood, well past what a reply may hold


class Stage(StrEnum):
    """Where in a session a fault happens. Each can come several times; the script counts them."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    HELO = "helo"
    STARTTLS = "starttls"
    HANDSHAKE = "handshake"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    LETTER = "letter"  # in the middle of its octets
    BDAT = "bdat"  # the reply to the chunk that is the letter
    DOT = "dot"
    RSET = "rset"
    QUIT = "quit"


class Fault(StrEnum):
    """What the server does there."""

    NONE = "none"
    REFUSE = "refuse"  # 5xx
    DEFER = "defer"  # 4xx
    NOT_UNDERSTOOD = "not_understood"  # 500, as to a word that it has never heard
    GOODBYE = "goodbye"  # 421, and hangs up
    LINGERING_GOODBYE = "lingering_goodbye"  # 421, and answers on, as Exim does
    STALL = "stall"  # says nothing more
    DRIP = "drip"  # begins a reply and never comes to its end: a further line now and then
    DROP = "drop"  # FIN
    RESET = "reset"  # RST
    FLOOD = "flood"  # a reply of endless lines
    ENDLESS_LINE = "endless_line"
    GARBAGE = "garbage"  # what is no reply, and goes on as if it had been one
    CODE_CHANGE = "code_change"  # two codes in one reply, the second a refusal, and goes on
    CODE_RETURN = "code_return"  # two codes in one reply, the first a refusal, and goes on
    EIGHT_BIT = "8bit"  # the right reply in no encoding that anyone could know
    BARE_LF = "bare_lf"
    SPLIT = "split"  # the right reply, an octet at a time
    SURPLUS = "surplus"  # the right reply and one more, at once
    EARLY = "early"  # the right reply together with the one before it, and none in its place
    CERTIFICATE = "certificate"  # one that nobody has vouched for


Script = Mapping[tuple[Stage, int], Fault]
"""The fault for the n-th time, from 0, that a stage comes in a connection."""

ENDS = (Stage.BDAT, Stage.DOT)
HALTS = (Fault.STALL, Fault.DRIP, Fault.DROP, Fault.RESET, Fault.FLOOD, Fault.ENDLESS_LINE)
UNREADABLE = (*HALTS, Fault.GARBAGE, Fault.CODE_CHANGE, Fault.CODE_RETURN)

_RIGHT = {
    Stage.BANNER: "220 mx.example.net ESMTP",
    Stage.HELO: "250 mx.example.net",
    Stage.STARTTLS: "220 2.0.0 go ahead",
    Stage.AUTH: "235 2.7.0 welcome",
    Stage.MAIL: "250 2.1.0 ok",
    Stage.RCPT: "250 2.1.5 ok",
    Stage.DATA: "354 go on",
    Stage.BDAT: "250 2.0.0 taken",
    Stage.DOT: "250 2.0.0 taken",
    Stage.RSET: "250 2.0.0 ok",
    Stage.QUIT: "221 2.0.0 bye",
}
_REFUSALS = {
    Stage.BANNER: "554 5.3.2 not for you",
    Stage.EHLO: "502 5.5.1 what?",
    Stage.STARTTLS: "502 5.5.1 not today",
    Stage.AUTH: "535 5.7.8 who?",
    Stage.RCPT: "550 5.1.1 no such user",
}
_DEFERRALS = {Stage.STARTTLS: "454 4.7.0 not now", Stage.AUTH: "454 4.7.0 not now", Stage.RCPT: "450 4.2.1 not now"}
_NEXT = {  # what may be answered early together with a stage's own reply
    Stage.BANNER: (Stage.EHLO,),
    Stage.EHLO: (Stage.MAIL,),
    Stage.MAIL: (Stage.RCPT,),
    Stage.RCPT: (Stage.RCPT, Stage.DATA, Stage.BDAT),
    Stage.DATA: (Stage.DOT,),
    Stage.BDAT: (Stage.QUIT,),
    Stage.DOT: (Stage.QUIT,),
}


@dataclass
class Transaction:
    """What the server knows of one: its own record, whatever the client makes of it."""

    sender: str
    recipients: list[str] = field(default_factory=list)  # those it took
    refused: set[str] = field(default_factory=set)  # those it has refused for good
    refused_all: bool = False  # it has refused the sender or the letter for good
    content: bytes | None = None  # the letter, once its end has come
    kept: bool = False  # the letter is in its hands, said or unsaid
    promised: bool = False  # it has answered 2xx to the end of the letter


class Hostile:
    """Plays `script` to everyone who connects, and does well in every place that the script doesn't name.

    `offers` are the extensions that it names. As some servers do, it takes a MAIL inside a transaction for a slip,
    says 503 and goes on with the transaction that it has; it wants RSET after a refused chunk (RFC 3030 §2).
    """

    def __init__(
        self,
        script: Script,
        offers: tuple[str, ...] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        recipients: int = 1,
        tls: ssl.SSLContext | None = None,
        unvouched: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script
        self.offers = offers
        self.recipients = recipients  # of each letter, so that it knows which RCPT is the last
        self.tls = tls
        self.unvouched = unvouched
        self.visits = 0
        self.met: set[tuple[Stage, int]] = set()  # the places of the script that some session came to
        self.transactions: list[Transaction] = []
        self.over = Event()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self._address: tuple[str, int] = self._listener.getsockname()
        self._fillers: list[socket.socket] = []
        self._guests: list[Guest] = []
        self._threads: list[Thread] = []

    @property
    def host(self) -> str:
        return self._address[0]

    @property
    def port(self) -> int:
        return self._address[1]

    def __enter__(self) -> Hostile:
        fault = self.script.get((Stage.CONNECT, 0))
        if fault is Fault.REFUSE:  # a port that is bound and not listened to answers RST
            return self
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SCRAP)
        if fault is Fault.STALL:
            self._listener.listen(0)
            for _ in range(3):  # the queue is full, and further SYNs get no answer
                self._fillers.append(socket.socket())
                self._fillers[-1].setblocking(False)
                self._fillers[-1].connect_ex(self._address)
            return self
        self._listener.listen(16)
        self._start(Thread(target=self._accept))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up everywhere. What has come in by now is read and recorded first."""
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for guest in self._guests:
            with suppress(OSError):
                socket.socket.shutdown(guest.sock, socket.SHUT_RDWR)  # TLS or not, whose own would wait for the thread
        for thread in self._threads:
            thread.join(LONGEST)
        for sock in self._fillers:
            sock.close()

    def _start(self, thread: Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.visits += 1
            sock.settimeout(LONGEST)
            guest = Guest(sock)
            self._guests.append(guest)
            self._start(Thread(target=self._receive, args=(guest,)))

    def _receive(self, guest: Guest) -> None:
        try:
            _Talk(self, guest).hold()
        except OSError:  # the client has left, or we have
            pass
        finally:
            guest.sock.close()


class _HungUpError(OSError):
    """The script wanted an end here."""


class _Talk:
    """One connection, from the banner on. Like most servers, it holds its replies back until it must wait for input."""

    def __init__(self, server: Hostile, guest: Guest) -> None:
        self._server = server
        self._guest = guest
        self._offers = server.offers
        self._seen: Counter[Stage] = Counter()
        self._early: set[tuple[Stage, int]] = set()
        self._held_back = b""
        self._transaction: Transaction | None = None
        self._begun: Transaction | None = None  # the last that was asked for, open or not
        self._closing = False  # it has said 421 and lingers

    def hold(self) -> None:
        if self._server.script.get((Stage.CONNECT, 0)) is Fault.RESET:
            self._guest.reset()
            return
        self._answer(Stage.BANNER)
        while True:
            verb, _, rest = self._line().partition(" ")
            match verb.upper():
                case "EHLO":
                    self._answer(Stage.EHLO)
                case "HELO":
                    self._answer(Stage.HELO)
                case "STARTTLS":
                    self._starttls()
                case "AUTH":
                    self._answer(Stage.AUTH)
                case "MAIL":
                    self._mail(_path(rest))
                case "RCPT":
                    self._rcpt(_path(rest))
                case "DATA":
                    self._data()
                case "BDAT":
                    self._bdat(int(rest.split()[0]))
                case "RSET":
                    self._transaction = None
                    self._answer(Stage.RSET)
                case "QUIT":
                    self._answer(Stage.QUIT)
                    self._flush()
                    return
                case _:
                    self._say("500 5.5.1 what?")

    # What it hears and says.

    def _line(self) -> str:
        if b"\r\n" not in self._guest.heard:
            self._flush()
        return self._guest.hear().decode("latin-1").strip()

    def _octets(self, count: int) -> bytes:
        if len(self._guest.heard) < count:
            self._flush()
        return self._guest.hear_octets(count)

    def _say(self, *lines: str) -> None:
        self._held_back += "".join(f"{line}\r\n" for line in lines).encode()

    def _flush(self) -> None:
        self._guest.sock.sendall(self._held_back)
        self._held_back = b""

    # Commands.

    def _starttls(self) -> None:
        if not self._answer(Stage.STARTTLS):
            return
        self._flush()
        match self._fault(Stage.HANDSHAKE):
            case Fault.NONE:
                self._encrypt(self._server.tls)
            case Fault.CERTIFICATE:
                self._encrypt(self._server.unvouched)
            case Fault.GARBAGE:
                self._say("this is no handshake, whatever it may look like")
                self._halt(Fault.STALL)
            case fault:
                self._halt(fault)

    def _encrypt(self, context: ssl.SSLContext | None) -> None:
        assert context is not None, "the script has STARTTLS and no certificate for it"
        self._guest.encrypt(context)
        self._guest.heard = b""
        self._offers = tuple(each for each in self._offers if each != "STARTTLS")

    def _mail(self, sender: str) -> None:
        if self._transaction is not None or self._closing:
            self._out_of_place(Stage.MAIL, "421 4.3.2 closing" if self._closing else "503 5.5.1 sender already given")
            return
        self._begun = Transaction(sender)
        self._server.transactions.append(self._begun)
        if self._answer(Stage.MAIL):
            self._transaction = self._begun

    def _rcpt(self, recipient: str) -> None:
        if self._transaction is None or self._closing:
            self._out_of_place(Stage.RCPT, "503 5.5.1 no sender yet")
        elif self._answer(Stage.RCPT, recipient):
            self._transaction.recipients.append(recipient)

    def _data(self) -> None:
        if self._transaction is None or not self._transaction.recipients or self._closing:
            self._out_of_place(Stage.DATA, "503 5.5.1 no valid recipients")
            return
        if not self._answer(Stage.DATA):
            return
        self._in_the_letter()
        self._flush()
        content = self._guest.hear(b"\r\n.\r\n")[: -len(b".\r\n")]
        self._end(Stage.DOT, self._transaction, _unstuffed(content))
        self._transaction = None

    def _bdat(self, octets: int) -> None:
        self._in_the_letter()
        content = self._octets(octets)
        if self._transaction is None or not self._transaction.recipients or self._closing:
            self._out_of_place(Stage.BDAT, "503 5.5.1 no valid recipients")
        elif self._end(Stage.BDAT, self._transaction, content):
            self._transaction = None

    def _in_the_letter(self) -> None:
        fault = self._fault(Stage.LETTER)
        if fault is Fault.NONE:
            return
        self._octets(SCRAP)
        if fault is Fault.REFUSE:
            self._note_refusal(None)
            self._say("552 5.3.4 too much")
        elif fault is Fault.SURPLUS:
            self._say("250 2.0.0 taken, surely")
        self._halt(fault if fault in HALTS else Fault.STALL)

    def _end(self, stage: Stage, transaction: Transaction, content: bytes) -> bool:
        """The end of a letter has come. It is kept unless that is denied: also where the client will never know."""
        fault = self._server.script.get((stage, self._seen[stage]), Fault.NONE)
        denied = (Fault.REFUSE, Fault.DEFER, Fault.NOT_UNDERSTOOD, Fault.GOODBYE, Fault.LINGERING_GOODBYE)
        transaction.content = content
        transaction.kept = fault not in denied
        transaction.promised = transaction.kept and fault not in UNREADABLE
        return self._answer(stage)

    # Replies.

    def _fault(self, stage: Stage) -> Fault:
        place = (stage, self._seen[stage])
        self._seen[stage] += 1
        self._server.met.add(place)
        return self._server.script.get(place, Fault.NONE)

    def _out_of_place(self, stage: Stage, reply: str) -> None:
        """Answer a command that can't be answered well, whatever the script has for its place."""
        place = (stage, self._seen[stage])
        self._seen[stage] += 1
        if place not in self._early:
            self._say(reply)

    def _answer(self, stage: Stage, recipient: str | None = None) -> bool:
        """Answer as the script has it. Whether the server goes on as if it had given the right reply."""
        fault = self._fault(stage)
        if fault is Fault.EARLY and (stage, self._seen[stage] - 1) in self._early:
            return True
        match fault:
            case Fault.REFUSE:
                self._note_refusal(recipient)
                self._say(_REFUSALS.get(stage, "554 5.7.1 never"))
                return False
            case Fault.DEFER:
                self._say(_DEFERRALS.get(stage, "451 4.3.0 not now"))
                return False
            case Fault.NOT_UNDERSTOOD:
                self._say("500 5.5.1 what?")
                return False
            case Fault.LINGERING_GOODBYE:
                self._say("421 4.3.2 closing, some day")
                self._closing = True
                return False
            case Fault.GOODBYE:
                self._say("421 4.3.2 closing")
                self._halt(Fault.DROP)
            case _ if fault in HALTS:
                self._halt(fault)
            case Fault.GARBAGE:
                self._say("what is this?")
            case Fault.CODE_CHANGE:
                self._say(f"{self._right(stage)[0][:3]}-one thing", "550 and another")
            case Fault.CODE_RETURN:
                self._say("550-one thing", *self._right(stage))
            case _:
                self._say_right(stage, fault)
        return True

    def _note_refusal(self, recipient: str | None) -> None:
        if self._begun is None:
            return
        if recipient is None:
            self._begun.refused_all = True
        else:
            self._begun.refused.add(recipient)

    def _say_right(self, stage: Stage, fault: Fault) -> None:
        lines = [line.encode() for line in self._right(stage)]
        if fault is Fault.EIGHT_BIT:
            lines = [line + b" gr\xfc\xdfe \xe2\x80\xae \x1b[31m" for line in lines]
        if fault is Fault.SURPLUS:
            lines.append(b"250 2.0.0 and one more")
        lines += self._answered_early(stage)
        self._held_back += b"".join(line + (b"\n" if fault is Fault.BARE_LF else b"\r\n") for line in lines)
        if fault is Fault.SPLIT:
            self._guest.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in self._held_back:
                self._guest.sock.sendall(bytes((octet,)))
            self._held_back = b""

    def _right(self, stage: Stage) -> list[str]:
        if stage is not Stage.EHLO:
            return [_RIGHT[stage]]
        *lines, last = ["mx.example.net greets you", *self._offers]
        return [*(f"250-{line}" for line in lines), f"250 {last}"]

    def _answered_early(self, stage: Stage) -> Iterator[bytes]:
        for following in _NEXT.get(stage, ()):
            place = (following, self._seen[following])
            last = self._seen[Stage.RCPT] % self._server.recipients == 0
            if stage is Stage.RCPT and last is (following is Stage.RCPT):
                continue  # that isn't what follows this one
            if self._server.script.get(place) is Fault.EARLY and place not in self._early:
                self._early.add(place)
                self._server.met.add(place)
                yield from (line.encode() for line in self._right(following))

    def _halt(self, fault: Fault) -> None:
        """Come to no reply, in the way of `fault`."""
        self._flush()
        match fault:
            case Fault.RESET:
                self._guest.reset()
            case Fault.DROP:
                self._guest.sock.shutdown(socket.SHUT_WR)
                self._server.over.wait(LONGEST)
            case Fault.DRIP:
                for _ in range(round(LONGEST / DRIP)):
                    self._guest.say("250-and")
                    if self._server.over.wait(DRIP):
                        break
            case Fault.FLOOD:
                self._guest.sock.sendall(b"250-and so on, and on\r\n" * (FLOOD // 23))
                self._server.over.wait(LONGEST)
            case Fault.ENDLESS_LINE:
                self._guest.sock.sendall(b"250 " + b"x" * FLOOD)
                self._server.over.wait(LONGEST)
            case _:
                self._server.over.wait(LONGEST)
        raise _HungUpError


def _path(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


def _unstuffed(content: bytes) -> bytes:
    return (b"\r\n" + content).replace(b"\r\n..", b"\r\n.")[2:]
