"""What becomes an address, and what must not (RFC 5321 §4.1.2, RFC 6531)."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postroom.message.address import InvalidAddress, Mailbox
from tests.message.strategies import locals_, mailboxes

ACCEPTED = [
    ("a@b.example", Mailbox("a", "b.example")),
    (" a@b.example ", Mailbox("a", "b.example")),
    ("<a@b.example>", Mailbox("a", "b.example")),
    ("Ada <a@b.example>", Mailbox("a", "b.example", "Ada")),
    ("Ada<a@b.example>", Mailbox("a", "b.example", "Ada")),
    ('"Lovelace, Ada" <a@b.example>', Mailbox("a", "b.example", "Lovelace, Ada")),
    ("Acme, Inc. <a@b.example>", Mailbox("a", "b.example", "Acme, Inc.")),
    ('"a@b.example" <a@b.example>', Mailbox("a", "b.example", "a@b.example")),
    ("A@b.example <a@b.example>", Mailbox("a", "b.example", "A@b.example")),
    (r'"Ada \"Countess\" L" <a@b.example>', Mailbox("a", "b.example", 'Ada "Countess" L')),
    ('Ada "Countess" L <a@b.example>', Mailbox("a", "b.example", "Ada Countess L")),
    ("Conan O'Brien Jr. <a@b.example>", Mailbox("a", "b.example", "Conan O'Brien Jr.")),
    ("Zoë 🎉 山田 <a@b.example>", Mailbox("a", "b.example", "Zoë 🎉 山田")),
    ("[Tickets] Support: urgent; now <a@b.example>", Mailbox("a", "b.example", "[Tickets] Support: urgent; now")),
    ("=?utf-8?q?a=0d=0a?= <a@b.example>", Mailbox("a", "b.example", "=?utf-8?q?a=0d=0a?=")),
    ('"" <a@b.example>', Mailbox("a", "b.example")),
    ("A.b+C_d-e@B.Example", Mailbox("A.b+C_d-e", "b.example")),
    ('"john doe"@b.example', Mailbox('"john doe"', "b.example")),
    ('"john"@b.example', Mailbox("john", "b.example")),
    (r'"a\b\"c"@b.example', Mailbox(r'"ab\"c"', "b.example")),
    ('"a@evil.example"@b.example', Mailbox('"a@evil.example"', "b.example")),
    ('"<a>"@b.example', Mailbox('"<a>"', "b.example")),
    ('Ada <"a>b"@b.example>', Mailbox('"a>b"', "b.example", "Ada")),
    ("пример@b.example", Mailbox("пример", "b.example")),
    ("a@MÜNCHEN.example", Mailbox("a", "xn--mnchen-3ya.example")),
    ("a@xn--mnchen-3ya.example", Mailbox("a", "xn--mnchen-3ya.example")),
    ("a@日本。example", Mailbox("a", "xn--wgv71a.example")),
    ("a@ｂ．example", Mailbox("a", "b.example")),
    (f"{'a' * 64}@b.example", Mailbox("a" * 64, "b.example")),
    (f"a@{'b' * 63}.example", Mailbox("a", "b" * 63 + ".example")),
]

REFUSED = [
    ("", "empty"),
    ("   ", "empty"),
    ("a", "no '@'"),
    ("a@", "no dot"),
    ("@b.example", "nothing before"),
    ("Ada", "no '@'"),
    ("Ada <a>", "no '@'"),
    ("Ada <>", "no '@'"),
    # Two readers, two recipients (CVE-2023-27043, CVE-2019-16056, GHSA-mm7p-fcc7-pg87).
    ("alice@example.org)bob@example.com", "more than one '@'"),
    ("alice@example.org(bob@example.com", "more than one '@'"),
    ("alice@example.org<bob@example.com>", "name holds an '@'"),
    ("alice@example.org, bob@example.com", "more than one '@'"),
    ("alice@example.org,bob@example.com", "more than one '@'"),
    ("<alice@example.org> <bob@example.com>", "pair up"),
    ("alice@example.org <bob@example.com>", "name holds an '@'"),
    ('alice@example.org"<bob@example.com>', "pair up"),
    ("a@malicious.example@important.example", "more than one '@'"),
    ('"xclow3n@gmail.example x"@internal.example x@b.example', "more than one '@'"),
    ('"a"b@c.example', "no '@'"),
    ('"a"bc.example', "no '@'"),
    ('"a" @c.example', "no '@'"),
    ('a"b"@c.example', "may not stand"),
    ('"a@c.example', "may not stand"),
    ('""@c.example', "nothing before"),
    ("a@b.example\r\nBcc: x@evil.example", "control"),
    ("a@b.example\nRCPT TO:<x@evil.example>", "control"),
    ("a\x00@b.example", "control"),
    ("a\t@b.example", "control"),
    ("a\x7f@b.example", "control"),
    ("a\x85@b.example", "control"),
    ("a\x9b@b.example", "control"),
    ("a\u2028@b.example", "control"),
    ("a\u2029@b.example", "control"),
    ("a\ud800@b.example", "control"),
    ("Ada\r\n <a@b.example>", "control"),
    ("Ada\u2028 <a@b.example>", "control"),
    ("Ada\udfff <a@b.example>", "control"),
    ("Ada (home) <a@b.example>", "comments"),
    ("a(home)@b.example", "may not stand"),
    ("a@b.example (Ada)", "host name"),
    ("<@relay.example:a@b.example>", "nothing before"),
    ("<@relay.example,@other.example:a@b.example>", "nothing before"),
    ("Friends: a@b.example;", "may not stand"),
    ("undisclosed-recipients:;", "no '@'"),
    ("mailto:a@b.example", "may not stand"),
    ("Ada <a@b.example", "may not stand"),
    ("Ada a@b.example", "may not stand"),
    ("a@b.example>", "pair up"),
    ("Ada < a@b.example >", "may not stand"),
    (".a@b.example", "may not stand"),
    ("a.@b.example", "may not stand"),
    ("a..b@b.example", "may not stand"),
    ("a b@b.example", "may not stand"),
    ("=?utf-8?q?a=40evil.example=3e?=@b.example", "encoded word"),
    ('"=?utf-8?q?a?="@b.example', "encoded word"),
    ("a\u00a0b@b.example", "invisible"),
    ("a\u200bb@b.example", "invisible"),
    ("a\u202eb@b.example", "invisible"),
    ("alice＠evil.example@b.example", "look-alike"),
    ("a＞b@b.example", "look-alike"),
    ("a．b@b.example", "look-alike"),
    ("a@localhost", "no dot"),
    ("a@[127.0.0.1]", "brackets"),
    ("a@[IPv6:::1]", "brackets"),
    ("a@127.0.0.1", "host name"),
    ("a@2130706433", "no dot"),
    ("a@127.0.0.0x1", "host name"),
    ("a@b.example.", "host name"),
    ("a@.b.example", "host name"),
    ("a@b..example", "host name"),
    ("a@b。。example", "internationalised"),
    ("a@-b.example", "host name"),
    ("a@b-.example", "host name"),
    ("a@b_c.example", "host name"),
    ("a@b c.example", "host name"),
    ("a@b.example:25", "host name"),
    ("a@b.example/x", "host name"),
    ("a@b\u202e.example", "internationalised"),
    ("a@\u2100.example", "internationalised"),
    ("a@b＠c.example", "internationalised"),
    ("a@b.example\u3000", "internationalised"),
    (f"{'a' * 65}@b.example", "64 octets"),
    (f"{'é' * 33}@b.example", "64 octets"),
    (f"a@{'b' * 64}.example", "host name"),
    (f"a@{'b.' * 124}example", "253 octets"),
    (f"{'a' * 64}@{'b.' * 92}example", "254 octets"),
    (f"a@{'é' * 300}.example", "253 octets"),
    (f"{'n' * 501} <a@b.example>", "500 characters"),
    ("a" * 3000, "too long"),
]


@pytest.mark.parametrize(("text", "mailbox"), ACCEPTED)
def test_what_applications_send_is_read(text: str, mailbox: Mailbox) -> None:
    assert Mailbox.parse(text) == mailbox
    assert Mailbox.parse(str(mailbox)) == mailbox


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_not_one_mailbox_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidAddress, match=reason):
        Mailbox.parse(text)


@pytest.mark.parametrize(
    ("mailbox", "shown"),
    [
        (Mailbox("a", "b.example"), "a@b.example"),
        (Mailbox("a", "b.example", "Ada L."), "Ada L. <a@b.example>"),
        (Mailbox("a", "b.example", "Acme, Inc."), '"Acme, Inc." <a@b.example>'),
        (Mailbox("a", "b.example", "Zoë"), "Zoë <a@b.example>"),
        (Mailbox("a", "b.example", 'the "best" \\o/'), '"the \\"best\\" \\\\o/" <a@b.example>'),
    ],
)
def test_a_mailbox_is_shown_as_people_write_it(mailbox: Mailbox, shown: str) -> None:
    assert str(mailbox) == shown


def test_the_key_folds_what_is_the_same_mailbox_and_nothing_else() -> None:
    key = Mailbox.parse("User@B.Example").key
    assert key == "user@b.example"
    assert Mailbox.parse('Ada <"USER"@b.example>').key == key
    assert Mailbox.parse("e\u0301@b.example").key == Mailbox.parse("é@b.example").key
    # The dotless i and full-width letters are other people: accounts have been stolen by folding them together.
    assert Mailbox.parse("m\u0131ke@b.example").key != Mailbox.parse("mike@b.example").key
    assert Mailbox.parse("ｕser@b.example").key != key
    assert Mailbox.parse("É@b.example").key == "É@b.example"


def test_only_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    assert Mailbox.parse("é@b.example").needs_smtputf8
    assert not Mailbox.parse("Zoë <e@münchen.example>").needs_smtputf8


@settings(max_examples=150)
@given(st.text() | st.text('a@."<>\\, ()é＠\u0301'))
@example('"\\')
@example('"a"bc.example')
@example("a@xn--a.example")
def test_whatever_comes_is_read_the_same_twice_or_refused(text: str) -> None:
    try:
        mailbox = Mailbox.parse(text)
    except InvalidAddress:
        return
    assert Mailbox.parse(str(mailbox)) == mailbox
    assert Mailbox.parse(mailbox.address).address == mailbox.address


@settings(max_examples=60)
@given(mailboxes)
def test_what_is_shown_can_be_read(mailbox: Mailbox) -> None:
    assert Mailbox.parse(str(mailbox)) == mailbox


@settings(max_examples=60)
@given(locals_, st.text("aé-ß.。\u00ad\u200dx", max_size=20))
def test_a_domain_is_ascii_and_lower_case_when_it_is_accepted(local: str, domain: str) -> None:
    try:
        mailbox = Mailbox.parse(f"{local}@{domain}")
    except InvalidAddress:
        return
    assert mailbox.domain.isascii()
    assert mailbox.domain == mailbox.domain.lower()
    assert mailbox.local == local


@pytest.mark.timeout(2)
@pytest.mark.parametrize(
    "text", ['"' * 2048, '"\\' * 1024, "a." * 1024, "<" * 2048, '"a"' * 682 + ">", "a@" + "a." * 500]
)
def test_hostile_input_costs_nothing(text: str) -> None:
    with pytest.raises(InvalidAddress):
        Mailbox.parse(text)
