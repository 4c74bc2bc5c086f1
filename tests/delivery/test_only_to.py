"""Who alone may be written to."""

import pytest

from postroom.delivery.only_to import OnlyTo
from postroom.message.address import Mailbox


@pytest.mark.parametrize(
    ("recipient", "allowed"),
    [
        ("qa@example.com", True),
        ("QA@Example.com", True),
        ("qa+1@example.com", False),
        ("other@example.com", False),
        ("anybody@example.net", True),
        ("anybody@below.example.net", False),
        ("anybody@notexample.net", False),
        ("anybody@bücher.example", True),
        ('"qa@example.com"@example.org', False),
        ("qa@example.com.example.org", False),
    ],
)
def test_it_is_those_recipients_and_everybody_of_those_domains(recipient: str, allowed: bool) -> None:
    only = OnlyTo.parse(" QA@example.com, Example.NET,bücher.example,")
    assert only.allows(Mailbox.parse(recipient)) is allowed


@pytest.mark.parametrize("text", ["*.example.com", "qa", "@", "a@b@example.com", "example.com;example.net", ","])
def test_what_is_no_recipient_and_no_domain_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither an address nor a domain|names nobody"):
        OnlyTo.parse(text)
