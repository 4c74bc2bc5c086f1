"""Letters that are under way at the same time share sessions, and each keeps the words that were said of it."""

from tests.journeys.destination import STALL, Destination
from tests.journeys.office import Office, eventually


def test_letters_of_tasks_under_way_at_once_share_sessions(office: Office, destination: Destination) -> None:
    destination.rcpt["slow@shared.example.net"].append(STALL)
    slow = office.send("slow@shared.example.net")
    eventually(lambda: destination.waiting == 1, 10)
    before = destination.sessions
    letters = {f"r{number}@shared.example.net": office.send(f"r{number}@shared.example.net") for number in range(8)}
    for id_ in letters.values():
        office.wait_for(id_, "delivered")
    sessions = destination.sessions - before
    destination.release("250 2.1.5 ok")
    office.wait_for(slow, "delivered")
    for recipient, id_ in letters.items():
        (attempt,) = office.attempts(id_)
        said = [line["line"] for line in attempt["transcript"]]
        assert said[0].startswith("220 ")
        assert [line for line in said if line.startswith("RCPT")] == [f"RCPT TO:<{recipient}>"]
        assert len(destination.letters_to(recipient)) == 1
    assert sessions < len(letters)
