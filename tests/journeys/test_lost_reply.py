"""A connection lost after the final dot is its own state: nobody says delivered, nobody says it was not."""

from tests.journeys.destination import DROP, Destination
from tests.journeys.office import Office


def test_under_hold_it_is_unknown_and_not_sent_again(office: Office, destination: Destination) -> None:
    destination.data["bob@hold.example.net"].append(DROP)
    id_ = office.send("bob@hold.example.net", delivery={"on_unknown": "hold"})
    (bob,) = office.wait_for(id_, "unknown")["recipients"]
    assert (bob["possibly_delivered"], bob["cause"], bob["next_attempt_at"]) == (True, "reply_lost", None)
    assert office.email(id_)["last_event"] == "sent"
    (attempt,) = office.attempts(id_)
    assert attempt["outcome"] == "unknown"
    assert "final dot" in attempt["note"]
    assert len(destination.letters_to("bob@hold.example.net")) == 1


def test_under_retry_it_is_sent_again_with_the_same_bytes_and_says_so_for_good(
    office: Office, destination: Destination
) -> None:
    destination.data["bob@retry.example.net"].append(DROP)
    id_ = office.send("bob@retry.example.net")
    (bob,) = office.wait_for(id_, "delivered")["recipients"]
    assert bob["possibly_delivered"] is True
    assert [attempt["outcome"] for attempt in office.attempts(id_)] == ["unknown", "accepted"]
    first, second = destination.letters_to("bob@retry.example.net")
    assert first.content == second.content


def test_a_connection_lost_before_the_letter_is_only_a_deferral(office: Office, destination: Destination) -> None:
    destination.rcpt["bob@early.example.net"].append(DROP)
    id_ = office.send("bob@early.example.net")
    (bob,) = office.wait_for(id_, "delivered")["recipients"]
    assert bob["possibly_delivered"] is False
    assert [attempt["outcome"] for attempt in office.attempts(id_)] == ["deferred", "accepted"]
