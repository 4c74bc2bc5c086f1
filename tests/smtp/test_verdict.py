"""What the replies to a transaction mean, and at which stage each was heard."""

import pytest

from postroom.smtp.answers import Answers
from postroom.smtp.reply import Reply
from postroom.smtp.verdict import Fate, Stage, judge

OK, NO, GO = Reply(250, ("ok",)), Reply(550, ("5.1.1 no such user",)), Reply(354, ("go on",))


@pytest.mark.parametrize(
    ("answers", "stage"),
    [
        (Answers(mail=NO), Stage.MAIL),
        (Answers(mail=OK, recipients=(NO,)), Stage.RCPT),
        (Answers(mail=OK, recipients=(NO,), data=Reply(503, ("no recipients",))), Stage.RCPT),
        (Answers(mail=OK, recipients=(OK,), data=NO), Stage.DATA),
        (Answers(mail=OK, recipients=(OK,), data=GO, final=NO, content_sent=True), Stage.DATA),
        (Answers(mail=OK, recipients=(OK,), final=NO, content_sent=True, chunked=True), Stage.DATA),
    ],
)
def test_a_refusal_knows_the_stage_it_was_heard_at(answers: Answers, stage: Stage) -> None:
    (verdict,) = judge(("bob@example.net",), answers, first=True)
    assert (verdict.fate, verdict.reply, verdict.stage) == (Fate.REFUSED, NO, stage)


def test_without_a_reply_there_is_no_stage() -> None:
    (verdict,) = judge(("bob@example.net",), Answers(mail=OK), first=True)
    assert (verdict.fate, verdict.stage) == (Fate.DEFERRED, None)
