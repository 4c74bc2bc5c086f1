"""The clients of Google's SDKs: each is made when it is first needed, once in each process.

FIRESTORE_EMULATOR_HOST and STORAGE_EMULATOR_HOST are heard by the SDKs themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from postroom.ports import Unavailable

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud.firestore import Client as FirestoreClient
    from google.cloud.tasks_v2 import CloudTasksClient

T = TypeVar("T")


class Clients:
    """The clients for one project. Importing an SDK takes a third of a second, so it is left to the first call.

    `tasks_endpoint` is an address such as http://127.0.0.1:8123 where Cloud Tasks is spoken to over REST and without
    credentials; None is the real service. `patience` is how many seconds a call may take, its retries included: what
    the SDKs would wait by themselves is minutes.
    """

    def __init__(
        self,
        project: str,
        database: str = "(default)",
        *,
        tasks_endpoint: str | None = None,
        patience: float = 10.0,
    ) -> None:
        self.project = project
        self.database = database
        self.tasks_endpoint = tasks_endpoint
        self.patience = patience
        # What a parent process made stays where it is, unused: gRPC's channels don't outlive a fork.
        self._by_process: dict[int, _Made] = {}

    def firestore(self) -> FirestoreClient:
        return self._once("firestore", self._firestore)

    def storage(self) -> Any:
        """A `google.cloud.storage.Client`, which comes without types."""
        return self._once("storage", self._storage)

    def tasks(self) -> CloudTasksClient:
        return self._once("tasks", self._tasks)

    def again(self) -> Retry:
        """Which failures of a call that may be made twice are worth another try, for half the patience.

        A call that was aborted for contention has done nothing; one that timed out may have, and is not made again.
        """
        from google.api_core.exceptions import Aborted, InternalServerError, ServiceUnavailable, TooManyRequests
        from google.api_core.retry import Retry, if_exception_type

        worth_it = if_exception_type(Aborted, InternalServerError, ServiceUnavailable, TooManyRequests)
        return Retry(predicate=worth_it, initial=0.1, maximum=1.0, multiplier=2.0, timeout=self.patience / 2)

    def _once(self, name: str, make: Callable[[], T]) -> T:
        mine = self._by_process.get(os.getpid())
        if mine is None:
            # Two threads may come here at once; `setdefault` lets one of them win.
            mine = self._by_process.setdefault(os.getpid(), _Made())
        return mine.once(name, make)

    def _firestore(self) -> FirestoreClient:
        from google.cloud.firestore import Client

        return Client(self.project, database=self.database)

    def _storage(self) -> Any:
        from google.cloud import storage  # type: ignore[attr-defined]  # it comes without types

        return storage.Client(self.project)

    def _tasks(self) -> CloudTasksClient:
        from google.cloud.tasks_v2 import CloudTasksClient

        if self.tasks_endpoint is None:
            return CloudTasksClient()

        from google.auth.credentials import AnonymousCredentials
        from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksRestTransport

        parts = urlsplit(self.tasks_endpoint)
        nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # it comes without types
        transport = CloudTasksRestTransport(host=parts.netloc, url_scheme=parts.scheme, credentials=nobody)
        return CloudTasksClient(transport=transport)


class _Made:
    """One process's clients."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._clients: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], T]) -> T:
        client = self._clients.get(name)
        if client is None:
            with self._lock:
                client = self._clients.get(name)
                if client is None:
                    client = self._clients[name] = make()
        return client


@contextmanager
def told_as_unavailable(what: str) -> Iterator[None]:
    """Raise whatever the SDKs raise within as `Unavailable`; `what` names the service and what failed."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, _failures()):
            raise
        raise Unavailable(f"{what}: {error}") from error


def _failures() -> tuple[type[Exception], ...]:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    return GoogleAPIError, GoogleAuthError, OSError  # errors of `requests` are OSErrors
