"""Letters that are under way at the same time share sessions, and each keeps the words that were said of it."""

from tests.journeys.destination import STALL, Destination
from tests.journeys.office import Office, eventually


def test_letters_of_tasks_under_way_at_once_share_sessions(office: Office, destination: Destination) -> None:
    # On a machine that is busy with other things, the slow one may be given up before the others come.
    assert any(carry_beside_a_slow_one(office, destination, turn) < LETTERS for turn in ("first", "second", "third"))


LETTERS = 8


def carry_beside_a_slow_one(office: Office, destination: Destination, turn: str) -> int:
    """How many sessions the letters had while another one was under way."""
    slow = f"slow@{turn}.shared.example.net"
    destination.rcpt[slow].append(STALL)
    waited_for = office.send(slow)
    eventually(lambda: destination.waiting == 1, 10)
    before = destination.sessions
    everybody = [f"r{number}@{turn}.shared.example.net" for number in range(LETTERS)]
    letters = {recipient: office.send(recipient) for recipient in everybody}
    for id_ in letters.values():
        office.wait_for(id_, "delivered")
    sessions = destination.sessions - before
    destination.release("250 2.1.5 ok")
    office.wait_for(waited_for, "delivered")
    for recipient, id_ in letters.items():
        (attempt,) = office.attempts(id_)
        said = [line["line"] for line in attempt["transcript"]]
        assert said[0].startswith("220 ")
        assert [line for line in said if line.startswith("RCPT")] == [f"RCPT TO:<{recipient}>"]
        assert len(destination.letters_to(recipient)) == 1
    return sessions
