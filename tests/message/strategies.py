"""Letters of valid parts, leaning towards the parts that break mail."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from postroom.message.address import Mailbox
from postroom.message.letter import Attachment, Letter

CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
TRAPS = [
    "=?",
    "?=",
    "=?utf-8?q?=0d=0a?=",
    '"',
    "\\",
    ",",
    "<",
    ">",
    "@",
    ";",
    "  ",
    "é",
    "🎉",
    "日本",
    "a" * 90,
    "word ",
]
header_text = st.lists(st.text(CHARACTERS, max_size=12) | st.sampled_from(TRAPS), max_size=8).map("".join)
display_names = header_text.map(lambda text: " ".join(text.split()))
LINES = [
    "\n",
    "\r\n",
    "\r",
    ".",
    "..",
    "From ",
    "From here",
    " \n",
    "\t\n",
    "=",
    "--=_",
    "x" * 75 + " \n",
    "é" * 40,
    "\x00",
]
body_text = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(LINES) | st.just("y" * 75),
    max_size=12,
).map("".join)

ATEXT = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+/=?^_`{|}~-"
locals_ = (
    st.lists(st.text(ATEXT, min_size=1, max_size=9), min_size=1, max_size=3)
    .map(".".join)
    .map(lambda text: text.replace("=?", "=!"))
)
quoted_locals = st.text('abc ."<>@,\\', min_size=1, max_size=9).map(
    lambda text: Mailbox.parse('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"@a.example').local
)
domains = st.sampled_from(
    ["a.example", "mail.example.com", "xn--mnchen-3ya.example", "x-1.y2." + "z" * 63 + ".example"]
)
mailboxes = st.builds(Mailbox, local=locals_ | quoted_locals | st.just("иван"), domain=domains, name=display_names)
boxes = st.lists(mailboxes, max_size=4).map(tuple)

attachments = st.builds(
    Attachment,
    filename=header_text,
    content=st.binary(max_size=200) | st.just(bytes(range(256))),
    content_type=st.sampled_from(
        ["application/pdf", "text/plain", 'text/csv; charset="utf-8"; header=present', "message/rfc822", "image/png"]
    ),
    content_id=st.none() | st.sampled_from(["logo", "a.b@c.example"]),
)
headers = st.tuples(st.sampled_from(["X-Tags", "X-Entity-Ref-ID", "Comments", "X-" + "Long" * 17]), header_text)
letters = st.builds(
    Letter,
    sender=mailboxes,
    to=st.lists(mailboxes, min_size=1, max_size=4).map(tuple),
    cc=boxes,
    reply_to=boxes,
    subject=header_text,
    text=st.none() | body_text,
    html=st.none() | body_text,
    headers=st.lists(headers, max_size=3, unique_by=lambda header: header[0]).map(tuple),
    attachments=st.lists(attachments, max_size=3).map(tuple),
)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
