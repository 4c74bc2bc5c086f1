"""`postroom send --csv`, as an operator types it, before an API that a test tells what to answer."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import pytest

from postroom.api import batch
from postroom.bulk.ledger import MOST
from postroom.cli import summary
from tests.bulk.api import DROPPED
from tests.bulk.conftest import Desk
from tests.journeys.office import ROOT

ANN = "email,name,first_name\nann@example.net,Ann A.,Ann\n"


def many(number: int) -> str:
    return "email,first_name\n" + "".join(f"r{n}@example.net,N{n}\n" for n in range(number))


def test_each_row_becomes_a_letter_from_the_template(desk: Desk) -> None:
    told = desk.run(ANN + "bob@example.net,,Bob\n", "--from", "Shop <shop@example.org>", "--tag", "kind=news")
    ann, bob = (letter["item"] for letter in desk.api.letters.values())
    campaign = told.splitlines()[0]
    assert ann == {
        "from": "Shop <shop@example.org>",
        "to": "Ann A. <ann@example.net>",
        "template": {"id": "welcome", "variables": {"name": "Ann A.", "first_name": "Ann"}},
        "tags": [{"name": "campaign", "value": campaign}, {"name": "kind", "value": "news"}],
    }
    assert (bob["to"], bob["template"]["variables"]) == ("bob@example.net", {"first_name": "Bob"})
    assert campaign.startswith("customers-welcome-")
    assert told.splitlines()[1:] == ["          2  delivered", "          2  rows"]


def test_options_are_members_of_each_letter(desk: Desk) -> None:
    options = (
        "--reply-to a@example.org --reply-to b@example.org --subject Hi --at tomorrow --unsubscribe --campaign spring"
    )
    desk.run(ANN, *options.split())
    (letter,) = desk.api.letters.values()
    assert {name: letter["item"][name] for name in ("reply_to", "subject", "scheduled_at", "delivery")} == {
        "reply_to": ["a@example.org", "b@example.org"],
        "subject": "Hi",
        "scheduled_at": "tomorrow",
        "delivery": {"unsubscribe": True},
    }
    assert letter["item"]["tags"] == [{"name": "campaign", "value": "spring"}]


def test_numbers_are_numbers_where_the_template_wants_them(desk: Desk) -> None:
    desk.api.template("welcome", count=int, price=int, zip=str)
    desk.run("email,count,price,zip\nann@example.net,3,12.50,01234\n")
    (letter,) = desk.api.letters.values()
    assert letter["item"]["template"]["variables"] == {"count": 3, "price": 12.5, "zip": "01234"}
    assert (
        "line 2, column count: '1,5' is not a number" in desk.tried('email,count,price,zip\nb@c.de,"1,5",1,1\n').stderr
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "it is empty; its first line must name the columns"),
        ("email,first_name\n", "there is no row beside the names of the columns"),
        ("address,first_name\na@example.net,Ann\n", "no column is called 'email' or 'to': the columns are"),
        ("a@example.net,Ann\n", "it must name the columns, and column 1 is 'a@example.net', an address"),
        ("email,\na@example.net,x\n", "line 1: column 2 has no name"),
        ("email,x,x\na@example.net,x,x\n", "two columns are called 'x'"),
        ("email,First Name\na@example.net,x\n", "the column 'First Name' can't be a variable"),
        ("email,city\na@example.net,x\n", "the template wants 'first_name', and there is no such column"),
        ("email;first_name\na@example.net;Ann\n", "its columns seem to be separated by ';': --delimiter ';'"),
        ("email\tfirst_name\n", "its columns seem to be separated by tab: --delimiter tab"),
        ("email,first_name\na@@example.net,Ann\n", "line 2, column email: 'a@@example.net' is no address"),
        ("email,first_name\n,Ann\n", "line 2, column email: it is empty, and says whom the letter is for"),
        ("email,first_name\na@example.net,\n", "line 2, column first_name: it is empty, and the template has no"),
        ("email,first_name\na@example.net\n", "line 2: 1 cell, and there are 2 columns"),
        ("email,first_name\na@example.net,Ann,b\n", "line 2: 3 cells, and there are 2 columns"),
        ("email,first_name\na@example.net,A\x00B\n", "line 2, column first_name: it holds a control character"),
        ('email,first_name,name\na@example.net,x,"A\nB"\n', "line 2, column name: 'A\\nB' can't be a recipient's name"),
        ('email,first_name\na@example.net,"Ann\nb@example.net,Bob\n', "line 2: a quote is opened in it and never"),
        ('email,first_name\na@example.net,"An"n\n', "line 2: a cell goes on behind its closing quote"),
        ("email,first_name\ra@example.net,Ann\r", "line 1: lines end with a bare CR"),
        (b"email,first_name\na@example.net,Ren\xe9\n", "line 2, column 2: octet 0xE9 behind 'a@example.net,Ren'"),
        ("email,first_name\n".encode("utf-16"), "it is in UTF-16; save it as CSV in UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_use_is_refused_with_its_line_and_column(
    desk: Desk, content: str | bytes, complaint: str
) -> None:
    assert complaint in desk.refused(content)


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_sent(desk: Desk) -> None:
    told = desk.refused("email,first_name\n" + "".join(f"no{n},x\n" for n in range(30)) + "good@example.net,x\n")
    assert "line 2, column email: 'no0' is no address" in told
    assert "line 21, column email" in told
    assert "… and 10 more" in told


def test_an_address_gets_two_letters_only_where_that_is_asked_for(desk: Desk) -> None:
    twice = ANN + "bob@example.net,,Bob\nANN@Example.NET,,Ann\n"
    assert "line 4, column email: ANN@example.net is the recipient of line 2 too" in desk.refused(twice)
    desk.run(twice, "--allow-duplicates")
    assert sorted(map(str.lower, desk.api.recipients)) == [
        "ann a. <ann@example.net>", "ann@example.net", "bob@example.net",
    ]  # fmt: skip


def test_cells_may_hold_anything_that_a_letter_may(desk: Desk) -> None:
    cells = ["a,b", 'say "hi"', "two\r\nlines\nthree", "=1+1", "żółć €", "{{ first_name }}", "<b>&amp;</b>", "'; --"]
    file = desk.folder / "written.csv"
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        rows = csv.writer(out, lineterminator="\r\n")
        rows.writerow(["Email", "first_name"])
        rows.writerows([f"r{number}@example.net", cell] for number, cell in enumerate(cells))
    desk.run(file.read_bytes())
    taken = [letter["item"]["template"]["variables"]["first_name"] for letter in desk.api.letters.values()]
    assert taken == cells


def test_a_line_is_counted_as_an_editor_counts_it(desk: Desk) -> None:
    told = desk.refused('email,first_name\na@example.net,"two\nlines"\n\nbad,x\n')
    assert "line 5, column email: 'bad' is no address" in told


@pytest.mark.parametrize(("delimiter", "character"), [(";", ";"), ("tab", "\t"), ("|", "|")])
def test_another_delimiter_can_be_named(desk: Desk, delimiter: str, character: str) -> None:
    desk.run(ANN.replace(",", character), "--delimiter", delimiter)
    assert desk.api.recipients == ["Ann A. <ann@example.net>"]


def test_another_column_can_be_named(desk: Desk) -> None:
    desk.run("contact,first_name\nann@example.net,Ann\n", "--to-column", "contact")
    assert desk.api.recipients == ["ann@example.net"]


def test_a_template_that_is_missing_or_a_draft_sends_nothing(desk: Desk) -> None:
    desk.api.templates["welcome"]["published_at"] = None
    assert "the template welcome isn't published yet" in desk.refused(ANN)
    desk.api.templates.clear()
    assert "the template welcome: 404 not_found: There is no template with this id or alias." in desk.refused(ANN)


def test_an_empty_cell_is_no_value_so_the_fallback_stands_in(desk: Desk) -> None:
    desk.api.template("welcome", first_name="friend", city=str)
    desk.run("email,first_name,city\nann@example.net,,Ulm\n")
    (letter,) = desk.api.letters.values()
    assert letter["item"]["template"]["variables"] == {"city": "Ulm"}


def test_a_dry_run_shows_the_first_letter_and_sends_none(desk: Desk) -> None:
    shown = json.loads(desk.run(ANN, "--dry-run"))
    assert shown["to"] == "Ann A. <ann@example.net>"
    assert not desk.api.letters
    assert {method for method, _ in desk.api.asked} == {"GET"}
    assert "'no' is no address" in desk.refused(ANN + "no,,x\n", "--dry-run")


def test_without_a_terminal_it_wants_yes(desk: Desk) -> None:
    done = desk.typed("send", "--csv", str(desk.file(ANN)), "--template", "welcome")
    assert done.exit_code == 1
    assert "nothing was sent: --yes sends without being asked" in done.stderr
    assert not desk.api.letters


def test_the_same_command_again_sends_nothing_twice(desk: Desk) -> None:
    desk.api.now = datetime.now(UTC)
    file = many(2 * MOST + 10)
    desk.run(file)
    keys = desk.api.batches
    done = desk.tried(file)
    assert desk.api.batches == keys
    assert len(desk.api.letters) == len(set(desk.api.recipients)) == 2 * MOST + 10
    assert "what was accepted isn't sent twice" in done.stderr
    assert f"{2 * MOST + 10:>11,}  delivered" in done.stdout


def test_a_run_that_was_cut_short_goes_on_where_it_stopped(desk: Desk) -> None:
    desk.api.now = datetime.now(UTC)
    file = many(3 * MOST)
    desk.run(file)
    whole = desk.api.batches
    last = whole[-1]
    # As if the command had been killed before its last batch, and its second one had no answer.
    desk.api.letters = {id_: each for id_, each in desk.api.letters.items() if each["key"] != last}
    del desk.api.taken[last]
    desk.run(file)
    assert desk.api.batches == whole
    assert sorted(desk.api.recipients) == sorted(f"r{n}@example.net" for n in range(3 * MOST))


def test_after_a_day_it_is_not_repeated_by_mistake(desk: Desk) -> None:
    desk.api.now = datetime.now(UTC) - timedelta(hours=25)
    desk.run(ANN)
    done = desk.tried(ANN)
    assert done.exit_code == 1
    assert "it was sent before, at" in done.stderr
    assert "name it anew with --campaign" in done.stderr
    assert len(desk.api.letters) == 1
    desk.run(ANN, "--campaign", "again")
    assert len(desk.api.letters) == 2


def test_rows_that_the_api_refuses_are_listed_and_can_be_mended_and_sent(desk: Desk) -> None:
    desk.api.refuses = lambda item: "Invalid `to` field." if "bad" in item["to"] else None
    rows = 'email,first_name\na@example.net,A\nbad@example.net,"B, with\nlines"\nc@example.net,C\n'
    errors = desk.folder / "errors.csv"
    done = desk.tried(rows, "--errors", str(errors))
    assert done.exit_code == 1
    assert "line 3, bad@example.net: Invalid `to` field." in done.stderr
    assert "answered: 3 of 3" in done.stderr
    assert done.stdout.splitlines()[1:] == [
        "          2  delivered",
        "          1  refused by the API",
        "          3  rows",
    ]
    written = errors.read_text()
    assert written.splitlines()[0] == "email,first_name,postroom-error"
    assert written.splitlines()[-1] == 'lines",line 3: Invalid `to` field.'
    desk.run(written.replace("bad@", "good@"))
    assert sorted(desk.api.recipients) == ["a@example.net", "c@example.net", "good@example.net"]


def test_without_refusals_there_is_no_file_of_them(desk: Desk) -> None:
    desk.run(ANN, "--errors", str(desk.folder / "errors.csv"))
    assert not (desk.folder / "errors.csv").exists()


def test_the_file_of_errors_is_not_the_file_that_is_sent(desk: Desk) -> None:
    assert "would overwrite the file that is sent" in desk.refused(ANN, "--errors", str(desk.folder / "customers.csv"))
    assert "can't be written: No such file" in desk.refused(ANN, "--errors", str(desk.folder / "nowhere" / "e.csv"))


def test_where_all_of_the_first_batch_is_refused_the_rest_is_not_tried(desk: Desk) -> None:
    desk.api.refuses = lambda _: "The example.org domain is not verified."
    done = desk.tried(many(MOST + 1))
    assert done.exit_code == 1
    assert "None of the first batch was taken, so the rest wasn't tried." in done.stderr
    assert f"{MOST - 20} more were refused; --errors FILE writes all of them" in done.stderr
    assert "          1  not sent" in done.stdout


@pytest.mark.parametrize("trouble", [503, 429, 500, DROPPED])
def test_what_passes_is_waited_out_under_the_same_key(desk: Desk, trouble: int) -> None:
    desk.api.trouble.extend([trouble, trouble])
    desk.run(many(MOST + 3))
    assert len(desk.api.batches) == 2
    assert len(desk.api.letters) == len(set(desk.api.recipients)) == MOST + 3
    assert [method for method, _ in desk.api.asked].count("POST") == (4 if trouble == DROPPED else 2)


def test_waiting_has_an_end_and_says_how_to_go_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.cli.bulk.PATIENCE", 0.05)
    desk.api.trouble.extend([503] * 20)
    done = desk.tried(ANN)
    assert done.exit_code == 1
    assert "503 application_error: Not now." in done.stderr
    assert "Give the same command again within 24 hours to go on; what was accepted isn't sent twice." in done.stderr
    assert "          1  not sent" in done.stdout


def test_what_does_not_pass_ends_it_at_once(desk: Desk) -> None:
    desk.api.trouble.append(403)
    done = desk.tried(ANN)
    assert done.exit_code == 1
    assert "403 application_error: Not now." in done.stderr
    assert "Give the same command again" not in done.stderr


def test_the_summary_accounts_for_every_row(desk: Desk) -> None:
    fates = {"r1": "bounced", "r2": "suppressed", "r3": "failed", "r4": "sent", "r5": "complained", "r6": "bounced"}
    desk.api.becomes = lambda item: fates.get(item["to"].split("@")[0], "delivered")
    desk.api.refuses = lambda item: "no" if item["to"].startswith("r7@") else None
    done = desk.tried(many(10), "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["rows"], told["accepted"], told["refused"], told["not_sent"], told["not_in_list"]) == (10, 9, 1, 0, 0)
    assert told["outcomes"] == {
        "delivered": 3, "bounced": 2, "suppressed": 1, "failed": 1, "sent": 1, "complained": 1
    }  # fmt: skip
    assert told["causes"]["bounced"] == {"no_such_mailbox": 2}
    shown = desk.typed("report", "--campaign", told["campaign"])
    assert shown.exit_code == 1
    assert "          2  bounced:  no_such_mailbox 2" in shown.stdout
    assert "          1  unknown: the server's last reply was lost" in shown.stdout
    assert "          9  letters" in shown.stdout


def test_letters_that_the_list_does_not_show_are_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    page = desk.api._page
    monkeypatch.setattr(desk.api, "_page", lambda query: _without_the_first(page(query)))
    done = desk.tried(many(3))
    assert done.exit_code == 1
    assert "          1  accepted, and not in the list" in done.stdout
    assert "line 4, r2@example.net: accepted, and not in the list any more" in done.stderr


def _without_the_first(page: dict[str, object]) -> dict[str, object]:
    data = page["data"]
    assert isinstance(data, list)
    return page | {"data": data[1:]}


def test_it_waits_for_the_last_letter_but_not_for_ever(desk: Desk) -> None:
    desk.api.becomes = lambda _: "queued"
    done = desk.tried(ANN, "--wait-for", "100ms")
    assert done.exit_code == 1
    assert "          1  queued" in done.stdout
    assert "tells later what became of them" in done.stderr
    done = desk.tried(ANN, "--no-wait", "--campaign", "other")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == ["other", "          1  accepted", "          1  rows"]


def test_letters_for_later_are_not_waited_for(desk: Desk) -> None:
    desk.api.becomes = lambda _: "scheduled"
    told = desk.run(ANN, "--at", "in 1 hour")
    assert "          1  accepted" in told


def test_a_key_that_may_only_send_is_enough_to_send(desk: Desk) -> None:
    desk.api.may_read = False
    done = desk.tried(ANN)
    assert done.exit_code == 0
    assert "          1  accepted" in done.stdout
    assert "This key may send and nothing else, so what became of the letters isn't told." in done.stderr
    assert "--wait needs a key that may read" in desk.tried(ANN, "--wait").stderr


def test_a_key_that_may_not_read_the_template_is_told_what_is_a_number(desk: Desk) -> None:
    desk.api.may_read = False
    desk.run("email,count\nann@example.net,3\n", "--number", "count")
    (letter,) = desk.api.letters.values()
    assert letter["item"]["template"]["variables"] == {"count": 3}
    assert "--number size: there is no such column of values" in desk.tried(ANN, "--number", "size").stderr


def test_many_letters_take_few_questions(desk: Desk) -> None:
    desk.run(many(4 * MOST))
    questions = [path for method, path in desk.api.asked if method == "GET"]
    # The template, the first key, the first letter, nobody under way (twice), 2,000 letters by pages of a hundred.
    assert len(questions) == 5 + 20


def test_options_that_do_not_go_together_are_refused(desk: Desk) -> None:
    file = str(desk.file(ANN))
    for arguments, complaint in (
        (["--csv", file], "--csv needs a --template to fill in"),
        (["--csv", file, "--template", "welcome", "--to", "a@example.net"], "--to goes with a single letter"),
        (["--from", "a@example.org", "--to", "b@example.net", "--errors", "x"], "--errors goes with --csv"),
        (["--csv", file, "--template", "welcome", "--tag", "a b"], "'a b' is not name=value"),
        (["--csv", file, "--template", "welcome", "--tag", "campaign=x"], "the tag campaign is what --campaign sets"),
        (["--csv", file, "--template", "welcome", "--campaign", "a b"], "'a b' can't be a campaign's name"),
        (["--csv", file, "--template", "welcome", "--delimiter", "ab"], "--delimiter is one character"),
        (["--csv", file, "--template", "welcome", "--wait-for", "soon"], "'soon' is not a duration"),
        (["--to", "b@example.net"], "--from is missing"),
        (["--from", "b@example.net"], "--to is missing"),
    ):  # fmt: skip
        done = desk.typed("send", *arguments)
        assert done.exit_code == 2, done.output
        assert complaint in done.stderr
    assert "there is no letter of the campaign nobody" in desk.typed("report", "--campaign", "nobody").stderr
    assert summary.PATIENCE >= 60


@pytest.mark.parametrize("cell", ["", "1e400", "nan", "1_000", "9" * 20, "9" * 5000, "0x10", "twelve", "\u0663"])
def test_what_is_no_number_is_told_before_anything_is_sent(desk: Desk, cell: str) -> None:
    desk.api.template("welcome", count=int)
    told = desk.refused(f"email,count\nann@example.net,{cell}\n")
    assert "line 2, column count: " in told


def test_a_batch_is_as_large_as_the_api_takes_it() -> None:
    assert MOST == batch.MOST


def test_rows_that_are_long_make_smaller_batches(desk: Desk) -> None:
    cell = "x" * 100_000
    desk.run("email,first_name\n" + "".join(f"r{n}@example.net,{cell}\n" for n in range(30)))
    assert list(Counter(each["key"] for each in desk.api.letters.values()).values()) == [19, 11]


def test_ctrl_c_says_how_to_go_on(desk: Desk) -> None:
    def interrupted(item: dict[str, object]) -> None:
        if item["to"] == f"r{MOST}@example.net":
            os.kill(os.getpid(), signal.SIGINT)

    desk.api.refuses = interrupted
    # What runs in a shell's background is started with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = desk.tried(many(MOST + 1))
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.exit_code == 130
    assert "Interrupted. Give the same command again within 24 hours to go on" in done.stderr
    assert f"{MOST:>11,}  accepted" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads how much memory a process took from /proc")
def test_memory_does_not_grow_with_the_file(desk: Desk) -> None:
    def most(rows: int) -> int:
        """Kilobytes that a dry run for so many took at most."""
        command = ["send", "--csv", str(desk.file(many(rows))), "--template", "welcome", "--dry-run"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "shared"), **desk.settings}
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *command], env=environment, capture_output=True, text=True, check=True
        )
        return int(done.stderr.splitlines()[-1])

    # Kept in memory, 50,000 rows would take 25 MB and more.
    assert most(50_000) - most(500) < 6_000


PEAK = """
import atexit, re, sys
from postroom.cli import main

def peak():
    print(re.search(r"VmHWM:\\s+([0-9]+)", open("/proc/self/status").read())[1], file=sys.stderr)

atexit.register(peak)
main(sys.argv[1:])
"""


@pytest.mark.skipif(find_spec("rich") is None, reason="rich isn't installed")
def test_a_terminal_shows_bars_and_asks_before_it_sends(desk: Desk) -> None:
    desk.api.trouble.append(503)
    main, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "shared"), "TERM": "xterm", "COLUMNS": "100", **desk.settings}
    command = ["send", "--csv", str(desk.file(ANN)), "--template", "welcome"]
    with subprocess.Popen(
        [sys.executable, "-m", "postroom.cli", *command],
        env=environment, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, text=True,
    ) as process:  # fmt: skip
        os.close(terminal)
        os.write(main, b"y\n")
        seen = b""
        with contextlib.suppress(OSError):  # at its end Linux says EIO
            while read := os.read(main, 4096):
                seen += read
        assert process.stdout is not None
        told = process.stdout.read()
    os.close(main)
    assert process.returncode == 0, seen
    assert "          1  delivered" in told
    for expected in (b"Send them? [y/N]", "━".encode(), b"1/1", b"503 application_error: Not now.; the same again in"):
        assert expected in seen
