"""What domains publish of their mail, by DNS and by the host of an MTA-STS policy."""

from __future__ import annotations

from collections.abc import Callable

from postroom.delivery.sts import BadPolicy, Policy, policy_id
from postroom.internet.http import Answer, Request, Unfetched
from postroom.internet.policies import fetched
from postroom.internet.resolver import DnsResolver
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx


class PublishedInDns:
    """A `Published`, by a resolver that nobody else uses, so that it remembers only what this look has asked."""

    def __init__(
        self, resolver: DnsResolver, https: Callable[[Request], Answer], sts_port: int = 443, sts_seconds: float = 8.0
    ) -> None:
        self._resolver = resolver
        self._https = https
        self._sts_port = sts_port
        self._sts_seconds = sts_seconds

    def exchangers(self, domain: str) -> MxFound | NullMx | NoDomain | NoAnswer:
        return self._resolver.exchangers(domain)

    def texts(self, name: str) -> tuple[str, ...] | NoAnswer:
        try:
            return self._resolver.texts(name)
        except LookupError as error:
            return NoAnswer(str(error))

    def addresses(self, host: str, version: int) -> tuple[str, ...] | NoAnswer:
        try:
            return self._resolver.of_version(host, version)
        except LookupError as error:
            return NoAnswer(str(error))

    def pointer(self, address: str) -> tuple[str, ...] | NoAnswer:
        try:
            return self._resolver.pointer(address)
        except LookupError as error:
            return NoAnswer(str(error))

    def certificates(self, host: str, port: int) -> int | NoAnswer:
        try:
            return len(self._resolver.published(host, port).records)
        except LookupError as error:
            return NoAnswer(str(error))

    def policy(self, domain: str) -> Policy | NoAnswer | None:
        texts = self.texts(f"_mta-sts.{domain}")
        if isinstance(texts, NoAnswer):
            return texts
        if policy_id(texts) is None:
            return None
        try:
            return fetched(self._https, domain, self._sts_port, self._sts_seconds)
        except (Unfetched, BadPolicy) as error:
            return NoAnswer(f"{domain} announces an MTA-STS policy that can't be had: {error}")
