"""Processes of their own for the tests of one machine, since locks and crashes are theirs.

python -m tests.contracts.programs FOLDER PROGRAM [ARGUMENT]...
Each prints a line when it is ready, and goes on at a line from its input.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from postroom.claims import Claims
from postroom.clouds.local.database import Database
from postroom.clouds.local.directory import LocalDirectory
from postroom.clouds.local.holders import LocalHolders
from postroom.clouds.local.invocation import Backoff, Dispatcher
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.delivery.record import SubmissionId
from postroom.delivery.task import ParcelRef
from tests.contracts.samples import LETTER, lease, submission, unfranked
from tests.homes.child import ROOT, child_environment


def prepare(folder: Path) -> None:
    """Prepare the database and create one submission."""
    say("ready")
    sys.stdin.readline()
    database = Database(folder)
    database.prepare()
    say(LocalSubmissions(database).create(submission(), LETTER).id)
    database.close()


def claim(folder: Path, submission_id: str, holder: str) -> None:
    """Claim the submission's first parcel, tell what came of it, and live on."""
    database = Database(folder)
    claims = Claims(submissions=LocalSubmissions(database), holders=LocalHolders(folder / "locks"))
    say("ready")
    sys.stdin.readline()
    answer = claims.claim(ParcelRef(SubmissionId(submission_id), 0, 0), lease(holder), unfranked)
    say(type(answer).__name__)
    sys.stdin.readline()


def create(folder: Path) -> None:
    """Create submissions for ever, and tell each id once it is promised."""
    submissions = LocalSubmissions(Database(folder))
    say("ready")
    while True:
        say(submissions.create(submission(), LETTER).id)


def fork(folder: Path) -> None:
    """Write, fork, write in the child and close everything there, and write in the parent again."""
    database = Database(folder)
    directory = LocalDirectory(database)
    directory.put("key", "parent", {})
    if os.fork() == 0:
        directory.put("key", "child", {})
        database.close()
        return
    say("ready")
    os.wait()
    directory.put("key", "parent again", {})
    say("done")


def dispatch(folder: Path, url: str) -> None:
    """Run a dispatcher for ever."""
    say("ready")
    Dispatcher(Database(folder), {"": url}, backoff=Backoff(0.02)).run()


def say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The program, ready. It is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=child_environment(),
    )
    with process:
        try:
            assert heard(process) == "ready"
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


if __name__ == "__main__":
    programs: dict[str, Callable[..., None]] = {
        "prepare": prepare,
        "claim": claim,
        "create": create,
        "fork": fork,
        "dispatch": dispatch,
    }
    programs[sys.argv[2]](Path(sys.argv[1]), *sys.argv[3:])
