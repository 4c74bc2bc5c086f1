"""A sending domain comes back from its record, and its keys' seals are bound to where they belong."""

from datetime import UTC, datetime

from postroom.account.domain import DkimKey, SendingDomain


def test_a_domain_comes_back_from_its_record() -> None:
    key = DkimKey("s1", "sealed", "v=DKIM1; p=x")
    domain = SendingDomain("id", "example.org", True, datetime(2026, 11, 24, tzinfo=UTC), (key,))
    assert SendingDomain.from_record(domain.record()) == domain
    assert key.purpose("example.org") == "dkim s1._domainkey.example.org"
