"""Listens in on the handshake: replies as they were on the wire, kept to our own limits, one for each command.

aiosmtplib forgives what must end a session: a code that changes inside a reply, more replies than commands, octets
behind the answer to STARTTLS that somebody may have slipped in before the handshake (RFC 3207 §4.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from postroom.smtp.reply import MalformedReply, Reply, ReplyParser


class Ear(asyncio.Protocol):
    """Stands between a transport and aiosmtplib's protocol, and hands on what it has checked."""

    def __init__(self, transport: asyncio.Transport, inner: asyncio.Protocol, hidden: Sequence[bytes]) -> None:
        self._transport = transport
        self._inner = inner
        self._parser = ReplyParser(hidden)
        self._replies: list[Reply] = []
        self._wanted = 0
        self.trouble: str | None = None
        transport.set_protocol(self)

    def expect(self) -> None:
        """One more command is about to be said."""
        self._replies.clear()
        self._wanted = 1

    @property
    def reply(self) -> Reply | None:
        """What was heard to the last command."""
        return self._replies[0] if self._replies else None

    def data_received(self, data: bytes) -> None:
        try:
            for reply in self._parser.feed(data):
                self._replies.append(reply)
                if len(self._replies) > self._wanted:
                    return self._fail(f"the server spoke out of turn: {reply.quoted()}")
            if len(self._replies) == self._wanted and not self._parser.idle:
                return self._fail("the server sent more than its reply")
        except MalformedReply as error:
            return self._fail(str(error))
        return self._inner.data_received(data)

    def _fail(self, why: str) -> None:
        if self.trouble is None:
            self.trouble = why
        self._transport.abort()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


def listening(transport: asyncio.BaseTransport, inner: asyncio.BaseProtocol, hidden: Sequence[bytes]) -> Ear:
    """An Ear on a transport of aiosmtplib's, whose types promise less than they are."""
    return Ear(cast("asyncio.Transport", transport), cast("asyncio.Protocol", inner), hidden)
