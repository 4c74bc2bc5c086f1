"""Letters that go by a fallback, by a proxy, and by the route that their domain's servers belong to."""

from tests.doubles.socks import Socks
from tests.journeys.destination import Destination
from tests.journeys.office import Office


def test_a_fallback_carries_the_letter_and_the_attempt_says_so(office: Office, destination: Destination) -> None:
    id_ = office.send("bob@fallback.example")
    office.wait_for(id_, "delivered")
    (attempt,) = office.attempts(id_)
    assert (attempt["route"], attempt["outcome"]) == ("here", "accepted")
    assert attempt["note"] == "Route first choice could not be used: 127.0.0.1:9: Connection refused."
    assert len(destination.letters_to("bob@fallback.example")) == 1


def test_a_proxy_carries_the_letter_to_the_domains_own_server(
    office: Office, destination: Destination, proxy: Socks
) -> None:
    id_ = office.send("bob@proxied.example")
    email = office.wait_for(id_, "delivered")
    assert email["recipients"][0]["mx"] == "mx.proxied.example"
    (attempt,) = office.attempts(id_)
    assert (attempt["route"], attempt["mx"], attempt["address"]) == ("tunnel", "mx.proxied.example", "127.0.0.1")
    assert proxy.asked == [("127.0.0.1", destination.port)]
    assert len(destination.letters_to("bob@proxied.example")) == 1


def test_a_letter_goes_by_the_route_that_its_domains_servers_belong_to(office: Office) -> None:
    letters = {domain: office.send(f"bob@{domain}") for domain in ("shop.hosted.example", "cellar.hosted.example")}
    went = {}
    for domain, id_ in letters.items():
        office.wait_for(id_, "delivered")
        (attempt,) = office.attempts(id_)
        (hello,) = (line["line"] for line in attempt["transcript"] if line["line"].startswith("EHLO"))
        went[domain] = (attempt["route"], attempt["number"], hello)
    assert went == {
        "shop.hosted.example": ("big", 1, "EHLO big-out.example.org"),
        "cellar.hosted.example": ("hosted", 1, "EHLO client.example.org"),
    }


def test_a_letter_that_names_its_route_goes_by_it(office: Office) -> None:
    id_ = office.send("bob@shop.hosted.example", delivery={"route": "hosted"})
    office.wait_for(id_, "delivered")
    assert [attempt["route"] for attempt in office.attempts(id_)] == ["hosted"]
