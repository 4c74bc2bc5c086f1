"""What a refusal is about: real words of many servers, with their source, in bounces/*.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery.bounces import READ, Refusal, Rules, classify, rules, words_of
from postroom.smtp.reply import Reply, ReplyParser
from postroom.smtp.verdict import Stage


@dataclass(frozen=True)
class Case:
    """A reply that was really said, the stage it was said at, and what it comes to."""

    reply: Reply
    stage: Stage | None
    expected: Refusal


def _cases() -> list[tuple[str, Case]]:
    found = []
    for path in sorted((Path(__file__).parent / "bounces").glob("*.toml")):
        table = tomllib.loads(path.read_text("utf-8"))
        for entry in table["cases"]["each"]:
            assert entry.keys() <= {"reply", "stage", "cause", "flags", "source"}, entry
            assert entry["source"] in table["sources"], f"{path.name} doesn't say where this is from: {entry['reply']}"
            wire = "".join(f"{line}\r\n" for line in entry["reply"].split("\n"))
            (reply,) = ReplyParser().feed(wire.encode())
            flags = set(entry.get("flags", "").split())
            assert flags <= {"retry", "suppress", "ours"}, entry
            stage = entry.get("stage", "rcpt")
            expected = Refusal(
                entry["cause"], not reply.permanent or "retry" in flags, "suppress" in flags, "ours" in flags
            )
            case = Case(reply, None if stage == "none" else Stage(stage), expected)
            found.append((f"{path.stem}: {entry['reply'][:60]}", case))
    return found


CASES = _cases()


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_a_reply_of_the_field_comes_to_what_it_means(case: Case) -> None:
    assert classify(case.reply, case.stage) == case.expected


def test_every_rule_is_reached_by_a_reply_of_the_field() -> None:
    reached = set()
    for _, case in CASES:
        detail = case.reply.enhanced.partition(".")[2] if case.reply.enhanced else ""
        words = words_of(case.reply)
        matching = (rule for rule in rules().rules if rule.matches(case.reply, detail, words, case.stage))
        reached.add(next(matching, None))
    assert [rule for rule in rules().rules if rule not in reached] == []


def test_a_2xx_refuses_nothing() -> None:
    assert classify(Reply(250, ("user unknown, but taken",))) is None


GONE = Reply(550, ("5.1.1 User unknown",))


@pytest.mark.parametrize(
    ("reply", "stage", "suppress"),
    [
        (GONE, Stage.RCPT, True),
        (GONE, Stage.MAIL, False),
        (GONE, Stage.DATA, False),
        (GONE, None, False),
        (Reply(450, ("4.1.1 User unknown",)), Stage.RCPT, False),
        (Reply(550, ("User unknown",)), Stage.RCPT, False),
        (Reply(550, ("5.7.1 User unknown",)), Stage.RCPT, False),
        (Reply(550, ("4.1.1 User unknown",)), Stage.RCPT, False),  # where the two disagree nothing is sure
        (Reply(550, ("5.1.1 User unknown for now, try again later",)), Stage.RCPT, False),
        (Reply(550, ("5.1.1 blocked using zen.spamhaus.org",)), Stage.RCPT, False),
        (Reply(550, ("5.1.1 rejected as spam",)), Stage.RCPT, False),
        (Reply(550, ("5.1.1 Sender address rejected: User unknown",)), Stage.RCPT, False),
        (Reply(552, ("5.1.1 mailbox is over quota",)), Stage.RCPT, False),
    ],
)
def test_an_address_is_suppressed_only_where_it_is_beyond_doubt(
    reply: Reply, stage: Stage | None, suppress: bool
) -> None:
    refusal = classify(reply, stage)
    assert refusal is not None
    assert refusal.suppress is suppress


WORDS = sorted({word for _, case in CASES for word in words_of(case.reply).split()})
REPLIES = st.builds(
    lambda code, detail, words: Reply(code, (f"{str(code)[0]}.{detail} {' '.join(words)}",)),
    st.integers(300, 599),
    st.sampled_from(["1.1", "1.6", "1.10", "2.2", "7.1", "0.0", "1.x"]),
    st.lists(st.sampled_from(WORDS), max_size=8),
)


@given(REPLIES, st.none() | st.sampled_from(Stage))
def test_whatever_is_said_only_a_final_5_1_x_at_rcpt_costs_anybody_an_address(
    reply: Reply, stage: Stage | None
) -> None:
    refusal = classify(reply, stage)
    assert refusal is not None
    assert refusal.retry or reply.permanent
    if refusal.suppress:
        assert (stage, reply.permanent, (reply.enhanced or "")[:4]) == (Stage.RCPT, True, "5.1.")
        assert (refusal.retry, refusal.ours) == (False, False)


@pytest.mark.parametrize(
    ("text", "retry"),
    [
        ("5.7.1 Try again later", True),
        ("mailbox temporarily locked", True),
        ("5.7.1 come back in 5 minutes", True),
        ("5.1.1 no such user, please try double-checking the address", False),
        ("5.7.2 permanently deferred; Retrying will NOT succeed", False),
        ("5.7.1 inspect your SPF settings, and try again.", False),
    ],
)
def test_a_refusal_for_good_that_says_otherwise_goes_again(text: str, retry: bool) -> None:
    refusal = classify(Reply(550, (text,)), Stage.RCPT)
    assert refusal is not None
    assert refusal.retry is retry


def test_addresses_are_not_words() -> None:
    said = Reply(550, ("5.1.1 <greylist.spam@blocklist.example>: no such user; ask dkim@spamhaus.example",))
    assert classify(said, Stage.RCPT) == Refusal("no_such_mailbox", retry=False, suppress=True, ours=False)
    assert words_of(said) == ": no such user; ask"


def test_a_long_reply_is_read_as_far_as_it_is_kept() -> None:
    endless = Reply(550, ("a@" * 30_000, "x" * 4096, "spam"))
    began = perf_counter()
    refusal = classify(endless, Stage.DATA)
    assert perf_counter() - began < 0.5
    assert refusal == Refusal("refused", retry=False, suppress=False, ours=False)
    assert len(words_of(endless)) <= READ


GOOD = """
for_now = "later"
[causes]
gone = "nobody is there"
[[rule]]
cause = "gone"
code = "5.."
"""


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ("[greed]", "unknown key 'greed'"),
        ("[causes.more]", "the cause more has no meaning"),
        ('[[rule]]\ncause = "gone"\ncode = "550"\ntxt = "no"', r"rule 2 \(gone\): unknown key 'txt'"),
        ('[[rule]]\ncause = "lost"\ncode = "550"', r"rule 2 \(lost\): its cause is not among the causes"),
        ('[[rule]]\ncode = "550"', r"rule 2 \(without a cause\): its cause"),
        ('[[rule]]\ncause = "gone"', "it would match everything"),
        ('[[rule]]\ncause = "gone"\ncode = "550"\nretry = "yes"', "retry = 'yes' is not of the kind"),
        ('[[rule]]\ncause = "gone"\ncode = "250"', "matches no refusal"),
        ('[[rule]]\ncause = "gone"\ntext = "("', r"rule 2 \(gone\): missing \)"),
        ('[[rule]]\ncause = "gone"\nenhanced = ["5.1.1"]', "are not subjects and details"),
        ('[[rule]]\ncause = "gone"\ncode = "550"\nstage = "helo"', "'helo' is not a valid Stage"),
        ('[[rule]]\ncause = "gone"\ncode = "5.."', "has the conditions of another rule, for gone"),
        ('[causes.more]\n[[rule]]\ncause = "gone"\ncode = "50."', "no rule is for the cause more"),
        ('[[rule]]\ncause = "gone"\nenhanced = ["1.1"]\nstage = "rcpt"\nsuppress = true', "may suppress only"),
        ('[[rule]]\ncause = "gone"\ncode = "5.."\nenhanced = ["1.1"]\nsuppress = true', "may suppress only"),
        (
            '[[rule]]\ncause = "gone"\ncode = "5.."\nenhanced = ["1.1", "7.1"]\nstage = "rcpt"\nsuppress = true',
            "may suppress only",
        ),
        (
            '[[rule]]\ncause = "gone"\ncode = "5.."\nenhanced = ["1.1"]\nstage = "rcpt"\nsuppress = true\nours = true',
            "may suppress only",
        ),
    ],
)
def test_a_wrong_rule_is_named(more: str, complaint: str) -> None:
    assert len(Rules.read(GOOD).rules) == 1
    with pytest.raises(ValueError, match=complaint):
        Rules.read(GOOD + more)


@pytest.mark.parametrize("pattern", ["", 'for_now = "("', "for_now = 7"])
def test_the_words_of_time_must_be_a_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="for_now is missing or no regular expression"):
        Rules.read(GOOD.replace('for_now = "later"', pattern))


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"rule 2 \(x\).*; rule 3 \(y\)"):
        Rules.read(GOOD + '[[rule]]\ncause = "x"\n[[rule]]\ncause = "y"\n')
