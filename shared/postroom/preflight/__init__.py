"""Looking before anything is sent: can letters leave, who do others take us for, and what do domains publish.

Every check goes and looks, side by side with the others; one that couldn't, or not in time, says so and what to do.
What is dialled is dialled as a letter would be, past the same guard, and nobody is shown a credential.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from postroom.delivery.routing import MX_FOR_EVERYTHING, Routes
from postroom.domain_register import all_domains
from postroom.ports import Directory, Published, Visits
from postroom.preflight.check import Check, warned
from postroom.preflight.look import Look
from postroom.preflight.ways import WELL_KNOWN

SECONDS = 15.0  # for all of it
MOST_DOMAINS = 20  # sending domains that one look takes in


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """The checks of one deployment, and of a domain that letters are to go to."""

    directory: Directory
    setting_out: Callable[[], tuple[Published, Visits]]  # for each look, so that nothing is remembered from the last
    monotonic: Callable[[], float]
    routes: Routes = MX_FOR_EVERYTHING
    helo: str
    smtp_port: int = 25
    return_path_domain: str | None = None
    blocklists: Sequence[str] = ()
    dnssec: bool = False  # the resolvers validate, and nobody stands between
    well_known: Sequence[str] = WELL_KNOWN
    seconds: float = SECONDS

    def __call__(self, domain: str | None = None) -> tuple[Check, ...]:
        """What was found, in an order to read, of the deployment and of `domain`, an A-label in lower case.

        It takes `seconds` at most, and is over as soon as all is seen. Raises `Unavailable`.
        """
        known = list(islice(all_domains(self.directory), MOST_DOMAINS + 1))
        domains = tuple(known[:MOST_DOMAINS])
        published, visits = self.setting_out()
        look = Look(
            visits=visits,
            published=published,
            monotonic=self.monotonic,
            until=self.monotonic() + self.seconds,
            routes=self.routes,
            helo=self.helo,
            smtp_port=self.smtp_port,
            domains=domains,
            return_path_domain=self.return_path_domain,
            blocklists=self.blocklists,
            dnssec=self.dnssec,
            well_known=self.well_known,
        )
        found = look.at(domain)
        if not domains:
            none = "there is no sending domain yet: `postroom domains add NAME` keeps one, and makes its key"
            return (*found, warned("dkim", none))
        if len(known) > MOST_DOMAINS:
            return (*found, warned("dkim", f"only the first {MOST_DOMAINS} sending domains were looked at"))
        return found
