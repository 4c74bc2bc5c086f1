"""The domains that letters may be sent from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Response, request

from postroom.account.dns_record import DnsRecord
from postroom.account.domain import OPPORTUNISTIC, SendingDomain
from postroom.api.body import answer, read_members, read_members_given
from postroom.api.domain_schemas import (
    REGIONS,
    CreatedDomain,
    DeletedDomain,
    DomainChangesSchema,
    DomainList,
    DomainPageSchema,
    NamedDomain,
    NewDomainSchema,
    RotationSchema,
    WholeDomain,
)
from postroom.api.operation import Access, Operation
from postroom.api.pages import PageSchema, page_of
from postroom.api.problems import Problem, invalid, not_found
from postroom.api.representation import moment
from postroom.domain_register import UnknownDomain
from postroom.domains import InvalidDomain, InvalidReturnPath, NoSeal, SendingDomains, TakenDomain
from postroom.ports import Cursor

MOST_AT_ONCE = 10_000  # clients of old ask for all, and name no limit

_NEW, _CHANGES, _ROTATION = NewDomainSchema(), DomainChangesSchema(), RotationSchema()


@dataclass(frozen=True, slots=True)
class Domains:
    """The views of the resource."""

    domains: SendingDomains

    def operations(self) -> Iterator[Operation]:
        def operation(method: str, path: str, view: Callable[..., Response], summary: str, **schemas: Any) -> Operation:
            path = f"/domains{path}"
            return Operation(
                method=method, path=path, view=_answering(view), access=Access.FULL, summary=summary, **schemas
            )

        one = "/<uuid:id_>"
        yield operation(
            "POST",
            "",
            self.create,
            "Add a domain to send from; its keys are made.",
            takes=_NEW,
            answers=CreatedDomain(),
            status=201,
        )
        yield operation(
            "GET",
            "",
            self.list,
            "List the domains, newest first; without a limit all of them.",
            asks=DomainPageSchema(),
            answers=DomainList(),
        )
        yield operation("GET", one, self.get, "Read one domain, and what it is to publish.", answers=WholeDomain())
        yield operation("PATCH", one, self.change, "Change a domain.", takes=_CHANGES, answers=NamedDomain())
        yield operation("DELETE", one, self.delete, "Send no more from a domain.", answers=DeletedDomain())
        yield operation("POST", f"{one}/verify", self.verify, "Look at what a domain publishes.", answers=NamedDomain())
        yield operation(
            "POST",
            f"{one}/rotate",
            self.rotate,
            "Make keys that follow those of a domain.",
            takes=_ROTATION,
            needs_body=False,
            answers=WholeDomain(),
        )

    def create(self) -> Response:
        """POST /domains"""
        asked = read_members(request, _NEW)
        try:
            made = self.domains.create(
                asked["name"],
                ed25519=asked["ed25519"],
                region=asked.get("region"),
                tls=asked.get("tls", OPPORTUNISTIC),
                return_path=asked.get("custom_return_path"),
            )
        except InvalidDomain as error:
            raise invalid({"name": [str(error)]}) from None
        except InvalidReturnPath as error:
            raise invalid({"custom_return_path": [str(error)]}) from None
        except TakenDomain as error:
            raise Problem("validation_error", f"The {error} domain has been added already.", 403) from None
        return answer(self._whole(made), 201)

    def list(self) -> Response:
        """GET /domains"""
        if PageSchema().fields.keys().isdisjoint(request.args):
            page = self.domains.register.page(Cursor(limit=MOST_AT_ONCE))
            return answer({"object": "list", "has_more": page.has_more, "data": [*map(summary, page.items)]})
        return answer(page_of(request, self.domains.register.page, summary))

    def get(self, id_: UUID) -> Response:
        """GET /domains/{id}"""
        return answer({"object": "domain", **self._whole(self.domains.register.get(str(id_)))})

    def change(self, id_: UUID) -> Response:
        """PATCH /domains/{id}"""
        asked = read_members(request, _CHANGES)
        domain = self.domains.register.get(str(id_))
        if "tls" in asked:
            self.domains.change(domain.id, tls=asked["tls"])
        return answer(_named(id_))

    def delete(self, id_: UUID) -> Response:
        """DELETE /domains/{id}"""
        self.domains.register.remove(str(id_))
        return answer({**_named(id_), "deleted": True})

    def verify(self, id_: UUID) -> Response:
        """POST /domains/{id}/verify"""
        self.domains.verify(str(id_))
        return answer(_named(id_))

    def rotate(self, id_: UUID) -> Response:
        """POST /domains/{id}/rotate"""
        asked = read_members_given(request, _ROTATION)
        domain = self.domains.rotate(str(id_), ed25519=asked.get("ed25519"))
        return answer({"object": "domain", **self._whole(domain)})

    def _whole(self, domain: SendingDomain) -> dict[str, Any]:
        return whole(domain, self.domains.records(domain))


def summary(domain: SendingDomain) -> dict[str, Any]:
    """A domain in a list."""
    return {
        "id": domain.id,
        "name": domain.name,
        "status": domain.status,
        "created_at": moment(domain.created_at),
        "region": domain.region or REGIONS[0],
        "capabilities": {"sending": "enabled", "receiving": "disabled"},
        "tls": domain.tls,
        "open_tracking": False,
        "click_tracking": False,
    }


def whole(domain: SendingDomain, records: Sequence[DnsRecord]) -> dict[str, Any]:
    """A domain, and what it is to publish."""
    # Strict clients fail on a purpose that Resend has no word for.
    return {
        **summary(domain),
        "records": [_record(each, domain) for each in records if each.purpose != "DMARC"],
        "recommended": [_record(each, domain) for each in records if each.purpose == "DMARC"],
    }


def _record(record: DnsRecord, domain: SendingDomain) -> dict[str, Any]:
    seen = domain.seen(record)
    return {
        "record": record.purpose,
        "name": record.name,
        "type": record.type,
        "ttl": "Auto",
        "status": str(seen.status),
        "value": record.value,
        **({} if record.priority is None else {"priority": record.priority}),
        "required": record.required,
        "note": record.note,
        "detail": seen.detail,
    }


def _named(id_: UUID) -> dict[str, Any]:
    return {"object": "domain", "id": str(id_)}


def _answering(view: Callable[..., Response]) -> Callable[..., Response]:
    """The view, what it raises of domains being an answer."""

    @wraps(view)
    def answering(*args: Any, **kwargs: Any) -> Response:
        try:
            return view(*args, **kwargs)
        except UnknownDomain:
            raise not_found("domain with this id") from None
        except NoSeal as error:
            raise Problem("application_error", str(error), 500) from None

    return answering
