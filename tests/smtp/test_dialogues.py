"""Each script in dialogues/ is one rule, readable by a postmaster, replayed without a socket."""

from pathlib import Path

import pytest

from tests.smtp.script import Player, Script

SCRIPTS = sorted(Path(__file__).with_name("dialogues").glob("*.smtp"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_session_says_what_the_script_says(path: Path) -> None:
    Player(Script.read(path)).play()


def test_a_script_that_differs_in_one_word_fails() -> None:
    script = Script.read(SCRIPTS[0])
    script.lines = [line.replace("EHLO", "HELO") for line in script.lines]
    with pytest.raises(AssertionError, match="HELO"):
        Player(script).play()
