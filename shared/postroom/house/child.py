"""A process that the supervisor starts: it ends when its parent does, however the parent ends.

python -m postroom.house.child PARENT function SOURCE TARGET HOST PORT
python -m postroom.house.child PARENT dispatcher DELIVER_URL NOTIFY_URL TASKS_AT_ONCE SWEEP_URL

PARENT is the parent's process id: asked of the system it would be another's where the parent is dead already.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent(parent: int) -> None:
    """Have SIGTERM sent to this process when the process `parent` dies, or at once where it is dead."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGTERM)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def serve_function(source: str, target: str, host: str, port: str) -> None:
    """Serve a function by functions-framework, just as its own command does."""
    import gunicorn.config
    from functions_framework._cli import _cli

    # It lies in the user's home directory, where every function of every house would have the same.
    if (control_socket_disable := getattr(gunicorn.config, "ControlSocketDisable", None)) is not None:
        control_socket_disable.default = True
    _cli(["--source", source, "--target", target, "--host", host, "--port", port])


def dispatch(deliver_url: str, notify_url: str, at_once: int, sweep_url: str) -> None:
    """Push due tasks until SIGTERM, at most `at_once` of a queue at a time, and call the sweep now and then."""
    from postroom import wiring
    from postroom.house.signals import on_stop
    from postroom.settings import Settings

    settings = Settings.from_environment()
    dispatcher = wiring.dispatcher(settings, deliver_url, notify_url, at_once)
    timer = wiring.timer(settings, sweep_url)
    on_stop(dispatcher.stop)
    timer.start()
    dispatcher.run()
    timer.stop()


def main(arguments: list[str]) -> None:
    end_with_parent(int(arguments[0]))
    match arguments[1:]:
        case ["function", source, target, host, port]:
            serve_function(source, target, host, port)
        case ["dispatcher", deliver_url, notify_url, at_once, sweep_url]:
            dispatch(deliver_url, notify_url, int(at_once), sweep_url)
        case _:
            sys.exit(f"postroom: not a child process: {arguments}")


if __name__ == "__main__":
    main(sys.argv[1:])
