"""A letter goes in over HTTP, is carried from HELO to QUIT, and every word of it can be read."""

import base64
from email import message_from_bytes, policy
from uuid import UUID, uuid4

from tests.journeys.destination import Destination
from tests.journeys.office import Office


def test_the_conversation_is_kept_from_the_greeting_to_quit(office: Office, destination: Destination) -> None:
    id_ = office.send("bob@one.example.net")
    email = office.wait_for(id_, "delivered")

    assert email["last_event"] == "delivered"
    (bob,) = email["recipients"]
    assert (bob["code"], bob["enhanced_code"], bob["response"]) == (250, "2.0.0", "250 2.0.0 taken")
    (attempt,) = office.attempts(id_)
    assert (attempt["outcome"], attempt["number"], attempt["round_trips"]) == ("accepted", 1, 2)
    said = [f"{each['from'][0].upper()}: {each['line']}" for each in attempt["transcript"]]
    assert said[0].startswith("S: 220 mx.example.net")
    assert said[1] == "C: EHLO client.example.org"
    (letter,) = destination.letters_to("bob@one.example.net")
    assert [line for line in said if line.startswith("C: ")][1:4] == [
        f"C: MAIL FROM:<{letter.mail_from}> SIZE={len(letter.content)}",
        "C: RCPT TO:<bob@one.example.net>",
        "C: DATA",
    ]
    assert "S: 250 2.0.0 taken" in said[-2:]  # and QUIT, unless another task takes the session over
    times = [each["at_ms"] for each in attempt["transcript"]]
    assert times == sorted(times)


def test_what_arrives_is_what_was_asked_for(office: Office, destination: Destination) -> None:
    to, cc, bcc = (f"{name}-{uuid4().hex[:8]}@two.example.net" for name in ("to", "cc", "bcc"))
    picture = bytes(range(256)) * 40
    id_ = office.send(
        f"Büro <{to}>",
        cc=[cc],
        bcc=bcc,
        reply_to="answers@example.org",
        subject="Grüße ☃",
        text="Hallo\n.\nWelt\n",
        html='<p>Hallo <img src="cid:snow"></p>',
        headers={"X-Campaign": "winter", "List-Unsubscribe": f"<https://example.org/u/{'x' * 120}>"},
        tags=[{"name": "kind", "value": "test"}],
        attachments=[
            {"filename": "Rechnung für März.pdf", "content": base64.b64encode(picture).decode()},
            {"filename": "snow.png", "content": list(picture), "content_id": "snow"},
        ],
    )
    email = office.wait_for(id_, "delivered", "delivered", "delivered")
    assert [each["kind"] for each in email["recipients"]] == ["to", "cc", "bcc"]
    assert email["tags"] == [{"name": "kind", "value": "test"}]

    (letter,) = destination.letters_to(bcc)
    assert letter.mail_from.startswith(UUID(id_).hex)
    assert letter.mail_from.endswith("@returns.example.org")
    assert bcc.encode() not in letter.content
    assert letter.content.isascii()
    message = message_from_bytes(letter.content, policy=policy.default)
    assert message["Subject"] == "Grüße ☃"
    assert message["From"].addresses[0].display_name == "Alice"
    assert message["To"].addresses[0].display_name == "Büro"
    assert message["Reply-To"] == "answers@example.org"
    assert message["Message-ID"] == email["message_id"]
    assert message["List-Unsubscribe"] == f"<https://example.org/u/{'x' * 120}>"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == ["Hallo", ".", "Welt"]
    assert "cid:snow" in html.get_content()
    files = {part.get_filename(): part.get_content() for part in message.walk() if part.get_filename()}
    assert files == {"Rechnung für März.pdf": picture, "snow.png": picture}


def test_a_repeat_under_the_same_key_is_the_same_letter(office: Office, destination: Destination) -> None:
    address = f"once-{uuid4().hex}@three.example.net"
    letter = {"from": "alice@example.org", "to": address, "subject": "once", "text": "once"}
    key = {"Idempotency-Key": uuid4().hex}
    first = office.request("POST", "/emails", letter, key)
    second = office.request("POST", "/emails", letter, key)
    assert first == second
    office.wait_for(first[1]["id"], "delivered")
    assert len(destination.letters_to(address)) == 1
    status, error = office.request("POST", "/emails", {**letter, "text": "other"}, key)
    assert (status, error["name"]) == (409, "invalid_idempotent_request")
