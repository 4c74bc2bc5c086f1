"""What a reply is about, in one word."""

import pytest

from postroom.delivery.bounces import cause_of, rules
from postroom.smtp.reply import Reply


@pytest.mark.parametrize(
    ("code", "text", "cause"),
    [
        (550, "5.1.1 The email account that you tried to reach does not exist", "no_such_mailbox"),
        (550, "No such user here", "no_such_mailbox"),
        (550, "5.1.2 bad destination", "bad_address"),
        (552, "5.2.2 over quota", "mailbox_full"),
        (452, "insufficient system storage", "mailbox_full"),
        (450, "4.2.0 <bob@example.net>: Recipient address rejected: Greylisted", "greylisted"),
        (554, "5.7.1 Service unavailable; client host blocked using zen.spamhaus.org", "blocklisted"),
        (550, "5.7.1 message looks like SPAM", "spam"),
        (421, "4.7.28 rate limit exceeded", "rate_limited"),
        (452, "4.3.1 out of disk", "system_full"),
        (550, "5.7.26 unauthenticated mail", "policy"),
        (552, "5.3.4 message too big", "size"),
        (451, "try me tomorrow", "unavailable"),
        (571, "odd", "refused"),
        (499, "odder", "deferred"),
        (354, "at the wrong moment", "out_of_place"),
    ],
)
def test_each_reply_has_its_cause(code: int, text: str, cause: str) -> None:
    assert cause_of(Reply(code, (text,))) == cause


def test_a_2xx_refuses_nothing() -> None:
    assert cause_of(Reply(250, ("user unknown, but taken",))) is None


def test_every_rule_can_be_read() -> None:
    assert all(rule.cause and (rule.code or rule.enhanced or rule.text) for rule in rules())
