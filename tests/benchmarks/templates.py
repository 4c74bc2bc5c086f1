"""What a letter that is made of a template costs beside a plain one of the same size, one by one and in batches.

All take turns with each other on one function, served as `postroom serve` does it, and are durable with their tasks at
each 200. `python -m tests.benchmarks.templates PORT KEY BODIES TIMES CLIENTS` is the load by itself: it posts the body
in the file BODIES over and over, and prints the letters that were taken, and the seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from time import thread_time
from typing import Any

from postroom.rendering.budget import Allowance
from postroom.rendering.letter import LetterTemplate
from tests.benchmarks.batch import LETTERS, turn
from tests.benchmarks.function import SUBMIT, served
from tests.journeys.office import KEY

ROUNDS = 7
ONE_BY_ONE, BATCHES, CLIENTS = 600, 6, 4  # requests of one turn
WANTED = 1.5  # times a plain letter

_ROW = '<tr><td class="name">{{ line.name }}</td><td class="price">{{ \'%.2f\'|format(line.price) }}</td></tr>\n'
_STYLE = "<style>td { padding: 4px } .name { color: #333 } .price { text-align: right } p { margin: 0 0 1em }</style>"
_WORDS = "<p>Thank you for your order. We pack it today, and you will hear from us as soon as it is on its way.</p>\n"
HTML = (
    "<h1>Hello {{ NAME }}</h1>\n<p>Your number is {{ NUMBER }}.</p>\n"
    + _WORDS * 30
    + "<table>\n{% for line in lines %}"
    + _ROW
    + "{% endfor %}</table>\n<p>Yours, {{ SELLER|default('the shop') }}</p>\n"
)
VARIABLES: dict[str, Any] = {
    "NAME": "Ann Smith",
    "NUMBER": 4711,
    "lines": [{"name": f"Thing {number}", "price": 3.5} for number in range(10)],
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of letter: its request, with `{n}` in the address."""

    name: str
    letter: dict[str, Any]
    costs: list[float] = field(default_factory=list)  # milliseconds of CPU
    rates: list[float] = field(default_factory=list)


def kinds(port: int) -> list[Kind]:
    """A plain letter, and the same made of a template, without styles and with."""
    rendered = LetterTemplate.read("Order {{ NUMBER }}", HTML, None).filled(
        VARIABLES, Allowance(thread_time), unsubscribe_url=None
    )
    common = {"from": "Shop <shop@example.org>"}
    plain = common | {"subject": rendered.subject, "html": rendered.html, "text": rendered.text}
    found = [Kind(f"plain, {len(rendered.html)} characters of HTML", plain)]
    for alias, html, name in (("bare", HTML, "of a template"), ("styled", _STYLE + HTML, "with styles")):
        posted(port, "/templates", {"name": alias, "alias": alias, "subject": "Order {{ NUMBER }}", "html": html})
        posted(port, f"/templates/{alias}/publish", {})
        found.append(Kind(name, common | {"template": {"id": alias, "variables": VARIABLES}}))
    return found


def posted(port: int, path: str, body: Any, times: int = 1) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(times):
        connection.request("POST", path, raw, {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        taken = answer.read()
        assert answer.status < 300, taken
    connection.close()


def report() -> None:
    mode = {"WORKERS": str(os.cpu_count()), "THREADS": "32"}
    print("letters made of a template beside plain ones of the same size, as `postroom serve` serves them")
    with TemporaryDirectory() as folder, served(SUBMIT, mode) as function:
        found = kinds(function.port)
        for path, number, times in (("/emails", 1, ONE_BY_ONE), ("/emails/batch", LETTERS, BATCHES)):
            all_kinds = [Kind(each.name, each.letter) for each in found]
            for place, kind in enumerate(all_kinds):
                items = [kind.letter | {"to": [f"r{n}@d{n % 50}.example"]} for n in range(number)]
                body = Path(folder) / f"{number}-{place}.json"
                body.write_text(json.dumps(items[0] if number == 1 else items))
            for taken in range(ROUNDS + 1):  # the first warms up
                for place, kind in enumerate(all_kinds):
                    told = (str(function.port), path, str(Path(folder) / f"{number}-{place}.json"), str(times))
                    rate, cost = turn(function, "-m", "tests.benchmarks.templates", *told, str(number))
                    if taken:
                        kind.rates.append(rate)
                        kind.costs.append(cost)
            print(f"  {path}" + (f", {LETTERS} at once" if number > 1 else ""))
            for kind in all_kinds:
                ratios = [its / plain for its, plain in zip(kind.costs, all_kinds[0].costs, strict=True)]
                slower = [plain / its for its, plain in zip(kind.rates, all_kinds[0].rates, strict=True)]
                print(
                    f"    {kind.name:<36} {median(kind.rates):6.0f} letters/s {median(kind.costs):6.3f} ms CPU    "
                    f"{median(ratios):.2f} times the CPU ({min(ratios):.2f} to {max(ratios):.2f}), "
                    f"{median(slower):.2f} times as long, where {WANTED} is wanted"
                )


def main() -> None:
    port, path, body, times, number = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    raw, each = Path(body).read_bytes(), times // min(CLIENTS, times)
    threads = [Thread(target=posted, args=(port, path, raw, each)) for _ in range(times // each)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(number * each * len(threads), time.perf_counter() - began)


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else report()
