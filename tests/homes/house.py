"""The same functions as in a cloud, with programs around them that play the rest of it: queue, pollers, timers.

python -m tests.homes.house

runs what the settings in its environment name, until SIGTERM, with WORKERS instances of the worker. A process that dies
is started again, as a cloud would.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from postroom.house.child import end_with_parent
from postroom.house.signals import on_stop
from postroom.house.supervisor import Child, Supervisor, functions_folder
from postroom.setting import in_url
from postroom.settings import Settings, every_setting

WORKERS = int(os.environ.get("WORKERS", "1"))


def main() -> int:
    end_with_parent(os.getppid())
    settings = Settings.from_environment()
    supervisor = Supervisor({"gcp": google_cloud, "aws": aws}[settings.cloud](settings))
    on_stop(supervisor.stop)
    host, port = settings.listen
    try:
        supervisor.start()
        supervisor.wait_until_ready(host, port)
        while not supervisor.stopping:
            supervisor.tend()
    finally:
        supervisor.end()
    return 0


def google_cloud(settings: Settings) -> list[Child]:
    tasks = urlsplit(settings.token_certificates)
    private = {"deliver": settings.deliver_url, "notify": settings.notify_url, "sweep": settings.sweep_url}
    host, port = settings.listen
    functions = functions_folder()

    def function(name: str, *secrets: str, workers: int = 1) -> Child:
        parts = urlsplit(private.get(name) or f"//{in_url(host)}:{port}")
        source = str(functions / name / "main.py")
        size = {"WORKERS": str(workers), "THREADS": "16"}
        return Child(name, ("function", source, name, str(parts.hostname), str(parts.port)), {**told(*secrets), **size})

    queue = (str(settings.data), settings.deliver_url or "", settings.notify_url or "", settings.invoker or "")
    return [
        Child(
            "queue",
            (*queue, str(tasks.port), settings.sweep_url or "", sweep_every(settings)),
            told(),
            module="tests.homes.cloudtasks",
        ),
        function("submit", "POSTROOM_BOOTSTRAP_KEY", "POSTROOM_MASTER_KEYS"),
        function("deliver", "POSTROOM_SEAL_PRIVATE", workers=WORKERS),
        function("notify", "POSTROOM_MASTER_KEYS"),
        function("sweep"),
    ]


def aws(settings: Settings) -> list[Child]:
    host, port = settings.listen

    def lambdas(name: str, *arguments: str, secrets: tuple[str, ...] = ()) -> Child:
        return Child(name, arguments, told(*secrets), module="tests.homes.lambdas")

    return [
        lambdas("submit", "submit", host, str(port), secrets=("POSTROOM_BOOTSTRAP_KEY", "POSTROOM_MASTER_KEYS")),
        *(lambdas(f"deliver-{n}", "deliver", secrets=("POSTROOM_SEAL_PRIVATE",)) for n in range(WORKERS)),
        lambdas("notify", "notify", secrets=("POSTROOM_MASTER_KEYS",)),
        lambdas("sweep", "sweep", sweep_every(settings)),
        lambdas("queue", "scheduler"),
    ]


def sweep_every(settings: Settings) -> str:
    """Seconds between two calls of the timer."""
    return f"{settings.sweep_after.total_seconds() / 2:.1f}"


def told(*secrets: str) -> Mapping[str, str]:
    """The environment with those secrets alone that a process needs."""
    hidden = {setting.variable for setting in every_setting() if setting.secret} - set(secrets)
    return {name: value for name, value in os.environ.items() if name not in hidden}


if __name__ == "__main__":
    sys.exit(main())
