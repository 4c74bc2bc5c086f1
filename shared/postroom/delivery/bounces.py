"""What a refusal is about and what follows from it, by the rules of bounces.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from postroom.smtp.reply import Reply
from postroom.smtp.verdict import Stage

READ = 1024  # characters of a reply that are looked at, about what is kept of it

# Not words: addresses, whose parts may be called anything, and codes that are repeated on every line.
_NOT_WORDS = re.compile(r"<[^<>\s]*@[^<>\s]*>|[^\s<>@]+@[^\s<>]+|(?<!\S)[245]\.\d{1,3}\.\d{1,3}(?!\S)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal comes to."""

    cause: str  # one of `causes()`, or out_of_place
    retry: bool  # another attempt may succeed: always where the refusal is for now, at times where it is for good
    suppress: bool  # the address doesn't exist: no other letter should be sent to it either
    ours: bool  # the sender's side is to blame, so that nothing is held against the recipient


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its conditions, of which those that are None take any reply, and what follows where all are met."""

    cause: str
    code: re.Pattern[str] | None = None
    enhanced: re.Pattern[str] | None = None  # of the subject and detail: RFC 3463 §2 without the class
    text: re.Pattern[str] | None = None
    stage: Stage | None = None
    retry: bool = False
    suppress: bool = False
    ours: bool = False

    def matches(self, reply: Reply, detail: str, words: str, stage: Stage | None) -> bool:
        return (
            (self.stage is None or self.stage is stage)
            and (self.code is None or self.code.fullmatch(str(reply.code)) is not None)
            and (self.enhanced is None or self.enhanced.fullmatch(detail) is not None)
            and (self.text is None or self.text.search(words) is not None)
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, in the order in which they are tried."""

    causes: Mapping[str, str]  # with what each of them means
    for_now: re.Pattern[str]  # words by which a refusal for good says that it is for now after all
    rules: tuple[Rule, ...]

    @classmethod
    def read(cls, text: str) -> Rules:
        """The rules of a TOML text; raises ValueError that names everything wrong with them."""
        table = tomllib.loads(text)
        problems = [f"unknown key {key!r}" for key in sorted(table.keys() - {"for_now", "causes", "rule"})]
        causes = table.get("causes", {})
        problems += [f"the cause {cause} has no meaning" for cause in causes if not isinstance(causes[cause], str)]
        rules: dict[tuple[Any, ...], Rule] = {}
        for number, entry in enumerate(table.get("rule", ()), 1):
            name = f"rule {number} ({entry.get('cause', 'without a cause')})"
            try:
                rule = _rule(entry, causes)
                conditions = (rule.code, rule.enhanced, rule.text, rule.stage)
                if conditions in rules:
                    raise ValueError(f"has the conditions of another rule, for {rules[conditions].cause}")
                rules[conditions] = rule
            except (ValueError, TypeError, re.error) as error:
                problems.append(f"{name}: {error}")
        try:
            for_now = re.compile(table.get("for_now", "("), re.IGNORECASE)
        except (TypeError, re.error) as error:
            problems.append(f"for_now is missing or no regular expression: {error}")
        reached = {rule.cause for rule in rules.values()}
        problems += [f"no rule is for the cause {cause}" for cause in causes if cause not in reached]
        if problems:
            raise ValueError("the rules for refusals are wrong: " + "; ".join(problems))
        return cls(causes, for_now, tuple(rules.values()))

    def classify(self, reply: Reply, stage: Stage | None = None) -> Refusal | None:
        """What `reply`, heard at `stage` of a transaction, comes to, or None where it refuses nothing."""
        if reply.positive:
            return None
        words = words_of(reply)
        # RFC 5321 §4.2.1: the first digit decides, unless a rule or the server's own words know better.
        again = not reply.permanent or self.for_now.search(words) is not None
        detail = reply.enhanced.partition(".")[2] if reply.enhanced else ""
        for rule in self.rules:
            if rule.matches(reply, detail, words, stage):
                return Refusal(rule.cause, again or rule.retry, rule.suppress and not again, rule.ours)
        return Refusal("out_of_place", retry=again, suppress=False, ours=False)


_KEYS = {"cause": str, "code": str, "enhanced": list, "text": str, "stage": str}
_FLAGS = ("retry", "suppress", "ours")
_DETAIL = re.compile(r"\d+\.[\d*?\[\]-]+", re.ASCII)


def _rule(entry: Mapping[str, Any], causes: Mapping[str, str]) -> Rule:
    """One rule of the table. Raises ValueError, TypeError or re.error."""
    for key, value in entry.items():
        if key not in _KEYS and key not in _FLAGS:
            raise ValueError(f"unknown key {key!r}")
        if not isinstance(value, _KEYS.get(key, bool)):
            raise TypeError(f"{key} = {value!r} is not of the kind it should be")
    if entry.get("cause") not in causes:
        raise ValueError("its cause is not among the causes")
    if not entry.keys() & {"code", "enhanced", "text"}:
        raise ValueError("it has neither code nor enhanced nor text, so it would match everything")
    code = re.compile(entry["code"]) if "code" in entry else None
    matched = [number for number in range(400, 600) if code is None or code.fullmatch(str(number))]
    if not matched:
        raise ValueError(f"code = {entry['code']!r} matches no refusal")
    details = entry.get("enhanced", [])
    if not all(isinstance(each, str) and _DETAIL.fullmatch(each) for each in details):
        raise ValueError(f"enhanced = {details!r} are not subjects and details, such as 1.1 or 7.*")
    rule = Rule(
        entry["cause"],
        code,
        re.compile("|".join(map(translate, details))) if details else None,
        re.compile(entry["text"], re.IGNORECASE) if "text" in entry else None,
        Stage(entry["stage"]) if "stage" in entry else None,
        **{flag: entry.get(flag, False) for flag in _FLAGS},
    )
    # What can take an address from somebody for good must be beyond doubt.
    said = rule.stage is Stage.RCPT and matched[0] >= 500 and details and all(each[:2] == "1." for each in details)
    if rule.suppress and (not said or rule.retry or rule.ours):
        raise ValueError("it may suppress only for a 5xx with an enhanced code 1.x at RCPT that is final and not ours")
    return rule


@cache
def rules() -> Rules:
    """The rules of bounces.toml, read once."""
    return Rules.read(files(__package__).joinpath("bounces.toml").read_text("utf-8"))


@lru_cache(maxsize=16)  # a settlement asks more than once
def classify(reply: Reply, stage: Stage | None = None) -> Refusal | None:
    """What `reply`, heard at `stage` of a transaction, comes to, or None where it refuses nothing."""
    return rules().classify(reply, stage)


def words_of(reply: Reply) -> str:
    """The words of a reply on one line, without what isn't words, at most `READ` characters."""
    return " ".join(_NOT_WORDS.sub(" ", " ".join(reply.lines)[:READ]).split())
