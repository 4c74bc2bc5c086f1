"""Posts letters over kept connections, from a process of its own: `load.py PORT KEY LETTERS CONNECTIONS`."""

from __future__ import annotations

import json
import sys
import time
from http.client import HTTPConnection
from threading import Thread

BODY = json.dumps(
    {
        "from": "Acme <hello@example.org>",
        "to": ["bob@example.net"],
        "subject": "Your order has been shipped",
        "text": "It is on its way.\n" * 100,
        "html": "<p>It is on its way.</p>\n" * 80,
    }
)


def submit(port: int, key: str, letters: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for _ in range(letters):
        connection.request("POST", "/emails", BODY, headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
    connection.close()


if __name__ == "__main__":
    port, letters, connections = int(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4])
    threads = [Thread(target=submit, args=(port, sys.argv[2], letters // connections)) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{(letters // connections) * connections} {time.perf_counter() - began:.3f}")
