"""Each recipient has its own fate, and its server's own words."""

from tests.journeys.destination import Destination
from tests.journeys.office import Office


def test_one_is_taken_one_deferred_and_one_refused(office: Office, destination: Destination) -> None:
    destination.rcpt["later@each.example.net"].extend(["451 4.7.1 greylisted, come back"] * 2)
    destination.rcpt["nobody@each.example.net"].append("550 5.1.1 no such user here")
    id_ = office.send(["now@each.example.net", "later@each.example.net", "nobody@each.example.net"])
    email = office.wait_for(id_, "delivered", "delivered", "bounced")

    now, later, nobody = email["recipients"]
    assert [now["attempts"], later["attempts"], nobody["attempts"]] == [1, 3, 1]
    assert (nobody["code"], nobody["enhanced_code"], nobody["cause"]) == (550, "5.1.1", "no_such_mailbox")
    assert nobody["response"] == "550 5.1.1 no such user here"
    assert email["last_event"] == "bounced"
    assert [attempt["outcome"] for attempt in office.attempts(id_)] == ["accepted", "deferred", "accepted"]
    # Each got the letter exactly once, and it was the same letter.
    copies = [destination.letters_to(f"{name}@each.example.net") for name in ("now", "later", "nobody")]
    assert [len(each) for each in copies] == [1, 1, 0]
    assert copies[0][0].content == copies[1][0].content


def test_a_letter_refused_after_the_dot_bounces(office: Office, destination: Destination) -> None:
    destination.data["bob@dot.example.net"].append("554 5.7.1 this looks like spam")
    id_ = office.send("bob@dot.example.net")
    (bob,) = office.wait_for(id_, "bounced")["recipients"]
    assert (bob["response"], bob["cause"]) == ("554 5.7.1 this looks like spam", "spam")


def test_a_full_mailbox_gets_its_letter_once_there_is_room(office: Office, destination: Destination) -> None:
    destination.rcpt["bob@full.example.net"].append("552 5.2.2 mailbox full")
    id_ = office.send("bob@full.example.net")
    (bob,) = office.wait_for(id_, "delivered")["recipients"]
    assert (bob["attempts"], bob["cause"]) == (2, None)
    first, second = office.attempts(id_)
    assert (first["outcome"], second["outcome"]) == ("deferred", "accepted")


def test_an_address_that_needs_smtputf8_keeps_its_letters(office: Office, destination: Destination) -> None:
    id_ = office.send("jürgen@bücher.example")
    office.wait_for(id_, "delivered")
    (letter,) = destination.letters_to("jürgen@xn--bcher-kva.example")
    assert "To: jürgen@xn--bcher-kva.example".encode() in letter.content
