"""A sending domain's life, from the request that adds it to the last letter that it signed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import dkim
import pytest
import resend

from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office, eventually

Zone = dict[tuple[str, str], Sequence[str]]


def publish(zone: Zone, records: Iterable[Any]) -> None:
    for each in records:
        value = each["value"]
        if each["type"] == "MX":
            zone[f"{each['name']}.", "MX"] = [f"{each['priority']} {value}."]
            continue
        strings = [value[start : start + 255] for start in range(0, len(value), 255)]
        zone[f"{each['name']}.", each["type"]] = [" ".join(f'"{each}"' for each in strings)]


def verdicts(zone: Zone, letter: bytes) -> dict[str, bool]:
    """What each signature is worth to who asks the same DNS, by its selector."""

    def txt(name: bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG001  dkimpy's signature
        found = zone.get((name.decode().rstrip(".") + ".", "TXT"))
        return None if found is None else "".join(re.findall(r'"([^"]*)"', found[0])).encode()

    verifier = dkim.DKIM(letter)

    def verifies(position: int) -> bool:
        try:
            return bool(verifier.verify(idx=position, dnsfunc=txt))
        except dkim.ValidationError:
            return False

    selectors = re.findall(rb"DKIM-Signature:(?:[^\r]|\r\n[ \t])*? s=([^;]+);", letter)
    return {selector.decode(): verifies(position) for position, selector in enumerate(selectors)}


def keys(domain: Any) -> list[str]:
    """Its selectors, the oldest first."""
    return [each["name"].partition(".")[0] for each in domain["records"] if each["record"] == "DKIM"]


def one(office: Office, domain: Any, method: str = "GET", path: str = "") -> Any:
    status, answer = office.request(method, f"/domains/{domain['id']}{path}")
    assert status == 200, answer
    return answer


def added(office: Office, name: str, **members: Any) -> Any:
    status, domain = office.request("POST", "/domains", {"name": name, **members})
    assert status == 201, domain
    return domain


def verified(office: Office, zone: Zone, name: str, **members: Any) -> Any:
    domain = added(office, name, **members)
    publish(zone, domain["records"])
    one(office, domain, "POST", "/verify")
    return one(office, domain)


def taken(office: Office, sender: str, to: str) -> str:
    """The id of a letter from there, once all processes have heard that it may be sent."""
    letter = {"from": sender, "to": to, "subject": "hello", "text": "hello\n"}
    found: list[str] = []

    def sent() -> bool:
        status, answer = office.request("POST", "/emails", letter)
        found.append(answer.get("id"))
        return status == 200

    eventually(sent)
    return found[-1]


def refused(office: Office, sender: str) -> bool:
    letter = {"from": sender, "to": "b@example.net", "subject": "x", "text": "x"}
    status, answer = office.request("POST", "/emails", letter)
    return (status, answer.get("name")) == (403, "validation_error")


def test_a_domain_is_added_published_verified_and_signs(office: Office, destination: Destination, zone: Zone) -> None:
    domain = added(office, "new.example.org", ed25519=True)
    assert domain["status"] == "not_started"
    assert refused(office, "a@new.example.org")
    one(office, domain, "POST", "/verify")
    assert one(office, domain)["status"] == "pending"
    assert refused(office, "a@new.example.org")
    publish(zone, [*domain["records"], *domain["recommended"]])
    one(office, domain, "POST", "/verify")
    looked = one(office, domain)
    assert {each["status"] for each in (*looked["records"], *looked["recommended"])} == {"verified"}
    assert looked["status"] == "verified"
    assert refused(office, "a@sub.new.example.org")
    id_ = taken(office, "a@new.example.org", "bob@domains.example.net")
    office.wait_for(id_, "delivered")
    (letter,) = destination.letters_to("bob@domains.example.net")
    assert verdicts(zone, letter.content) == dict.fromkeys(keys(domain), True)
    assert not any(verdicts(zone, letter.content.replace(b"hello", b"goodbye")).values())


def test_letters_under_way_keep_their_keys_while_those_of_the_domain_change(
    office: Office, destination: Destination, zone: Zone
) -> None:
    domain = verified(office, zone, "turn.example.org")
    (old,) = keys(domain)
    waiting = destination.data["bob@turn.example.net"]
    waiting.extend(["451 4.3.0 not now"] * 500)
    under_way = taken(office, "a@turn.example.org", "bob@turn.example.net")
    eventually(lambda: len(office.attempts(under_way)) > 0)

    rotating = one(office, domain, "POST", "/rotate")
    new = keys(rotating)[1]
    between = taken(office, "a@turn.example.org", "ann@turn.example.net")
    office.wait_for(between, "delivered")
    publish(zone, rotating["records"])
    one(office, domain, "POST", "/verify")
    rotated = one(office, domain)
    assert keys(rotated) == [old, new]
    assert rotated["records"][0]["note"].startswith("retired: ")

    def signed_by_the_new_one() -> bool:
        later = taken(office, "a@turn.example.org", "carl@turn.example.net")
        office.wait_for(later, "delivered")
        return list(verdicts(zone, destination.letters_to("carl@turn.example.net")[-1].content)) == [new]

    eventually(signed_by_the_new_one)
    waiting.clear()
    office.wait_for(under_way, "delivered")
    assert verdicts(zone, destination.letters_to("bob@turn.example.net")[-1].content) == {old: True}
    assert verdicts(zone, destination.letters_to("ann@turn.example.net")[-1].content) == {old: True}
    said = [line["line"] for attempt in office.attempts(under_way) for line in attempt["transcript"]]
    assert len({line for line in said if "sha256" in line}) == 1, "the same octets each time"


def test_what_was_taken_goes_on_signed_though_the_domain_is_deleted(
    office: Office, destination: Destination, zone: Zone
) -> None:
    domain = verified(office, zone, "gone.example.org")
    waiting = destination.data["bob@gone.example.net"]
    waiting.extend(["451 4.3.0 not now"] * 500)
    under_way = taken(office, "a@gone.example.org", "bob@gone.example.net")
    eventually(lambda: len(office.attempts(under_way)) > 0)
    assert one(office, domain, "DELETE") == {"object": "domain", "id": domain["id"], "deleted": True}
    eventually(lambda: refused(office, "a@gone.example.org"))
    before = len(office.attempts(under_way))
    eventually(lambda: len(office.attempts(under_way)) > before)
    waiting.clear()
    office.wait_for(under_way, "delivered")
    assert verdicts(zone, destination.letters_to("bob@gone.example.net")[-1].content) == dict.fromkeys(
        keys(domain), True
    )


def test_the_official_client_keeps_domains(office: Office, zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", f"http://127.0.0.1:{office.port}")
    monkeypatch.setattr(resend, "api_key", KEY)
    made: Any = resend.Domains.create({"name": "resend.example.org", "region": "sa-east-1"})
    publish(zone, made["records"])
    assert resend.Domains.verify(made["id"])["id"] == made["id"]
    assert resend.Domains.get(made["id"])["status"] == "verified"
    assert resend.Domains.update({"id": made["id"], "tls": "enforced"})["id"] == made["id"]
    assert made["id"] in [each["id"] for each in resend.Domains.list()["data"]]
    assert resend.Domains.remove(made["id"])["deleted"] is True
    assert made["id"] not in [each["id"] for each in resend.Domains.list()["data"]]
