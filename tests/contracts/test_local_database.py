"""The SQLite file: what is promised is on the disk, and what could not be written left no trace."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from errno import EIO
from pathlib import Path
from threading import Event, Lock, Thread, current_thread
from time import sleep
from typing import TypeVar

import pytest

from postroom.claims import Claims
from postroom.clouds.local import writer
from postroom.clouds.local.database import VERSION, Database
from postroom.clouds.local.directory import LocalDirectory
from postroom.clouds.local.letters import LetterFiles
from postroom.clouds.local.queue import Queue
from postroom.clouds.local.schedule import LocalSchedule
from postroom.clouds.local.submissions import INLINE, LocalSubmissions
from postroom.delivery.record import SubmissionId
from postroom.delivery.task import DeliveryTask, ParcelRef
from postroom.ports import Cursor, Unavailable
from tests.contracts.programs import go, heard, started
from tests.contracts.samples import LETTER, NOON, attempt, claimed, delivered, lease, ref, submission, unfranked

T = TypeVar("T")


@pytest.fixture
def submissions(local_submissions: LocalSubmissions) -> LocalSubmissions:
    return local_submissions


@pytest.fixture
def claims(local_claims: Claims) -> Claims:
    return local_claims


def fill(database: Database, pages: int) -> None:
    """Leave room for so many more pages of 4 KB, as a disk that is nearly full does."""
    ((now,),) = database.read("PRAGMA page_count")
    database.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {now + pages}").fetchall())


def test_a_kill_loses_nothing_that_was_promised(submissions: LocalSubmissions, tmp_path: Path) -> None:
    with started(tmp_path, "create") as writer:
        promised = [heard(writer) for _ in range(100)]
        writer.kill()
        promised += [line for line in writer.communicate()[0].split("\n")[:-1] if line]
    assert len(promised) >= 100
    for id_ in promised:
        assert submissions.get(SubmissionId(id_)) is not None
        assert submissions.letter(SubmissionId(id_)) == LETTER


def test_several_processes_may_prepare_it_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there yet?#%"
    with ExitStack() as stack:
        processes = [stack.enter_context(started(folder, "prepare")) for _ in range(4)]
        for process in processes:
            go(process)
        created = set(map(heard, processes))
    database = Database(folder)
    assert {each.id for each in LocalSubmissions(database).list(Cursor()).items} == created
    assert database.read("PRAGMA journal_mode") == [("wal",)]
    assert database.read("PRAGMA synchronous") == [(1,)]
    assert folder.stat().st_mode & 0o777 == 0o700
    database.close()


def test_a_file_of_a_newer_postroom_is_left_alone(database: Database, tmp_path: Path) -> None:
    database.write(lambda connection: connection.execute(f"PRAGMA user_version = {VERSION + 1}"))
    with pytest.raises(Unavailable, match="version"):
        Database(tmp_path).prepare()


def test_without_its_file_it_is_unavailable(tmp_path: Path) -> None:
    database = Database(tmp_path / "nowhere")
    with pytest.raises(Unavailable, match=r"postroom\.sqlite3"):
        LocalDirectory(database).get("key", "one")
    with pytest.raises(Unavailable, match=r"postroom\.sqlite3"):
        LocalDirectory(database).put("key", "one", {})
    assert not (tmp_path / "nowhere").exists()


def test_with_a_spoiled_file_it_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "postroom.sqlite3").write_bytes(b"not a database" * 1000)
    with pytest.raises(Unavailable, match="not a database"):
        Database(tmp_path).prepare()


def test_a_full_disk_leaves_nothing_half_done(
    database: Database, submissions: LocalSubmissions, claims: Claims
) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    before = submissions.get(stored.id)
    fill(database, pages=4)

    refused = submission()
    with pytest.raises(Unavailable, match="full"):
        submissions.create(refused, b"x" * 100_000)
    assert submissions.get(refused.id) is None
    assert submissions.letter(refused.id) is None

    long = attempt(mine, text="".join(map(chr, range(0x4E00, 0x9000))))
    with pytest.raises(Unavailable, match="full"):
        claims.settle(delivered(mine), long)
    assert submissions.get(stored.id) == before
    assert submissions.attempts(stored.id, Cursor()).items == ()

    refs = tuple(ParcelRef(SubmissionId("x" * 36), n, 0) for n in range(2000))
    with pytest.raises(Unavailable, match="full"):
        LocalSchedule(database).put(DeliveryTask("mx", "mx", "example.org", refs), NOON)
    assert Queue(database).waiting() == {}

    fill(database, pages=1000)
    assert submissions.create(refused, b"x" * 100_000) == refused
    assert claims.settle(delivered(mine), long)


def test_a_letter_that_can_not_be_written_leaves_no_submission(submissions: LocalSubmissions, tmp_path: Path) -> None:
    (tmp_path / "letters").touch()  # a file where the folder should be
    refused = submission()
    with pytest.raises(Unavailable, match="letter"):
        submissions.create(refused, b"x" * (INLINE + 1))
    assert submissions.get(refused.id) is None
    assert submissions.create(submission(), b"x" * INLINE)


def test_a_large_letter_is_a_file_of_its_own(submissions: LocalSubmissions, tmp_path: Path) -> None:
    stored = submissions.create(submission(), b"x" * (INLINE + 1))
    submissions.create(submission(), b"x" * INLINE)
    (file,) = (file for file in (tmp_path / "letters").rglob("*") if file.is_file())
    assert file == tmp_path / "letters" / stored.id[:2] / f"{stored.id}-{stored.fingerprint}"
    file.unlink()
    assert submissions.letter(stored.id) is None  # erased


def test_a_letter_s_file_is_written_once(tmp_path: Path) -> None:
    letters = LetterFiles(tmp_path / "letters")
    path = letters.put("name", b"first")
    assert letters.put("name", b"second") == path
    assert letters.get(path) == b"first"
    assert [file.name for file in (tmp_path / "letters" / "na").iterdir()] == ["name"]
    with pytest.raises(ValueError, match="letter's name"):
        letters.put("../name", b"")


class Meanwhile:
    """Writes that begin, each in a thread, while another is being done."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool = ThreadPoolExecutor(16)
        self._begun, self._held = Event(), Event()

    def __enter__(self) -> Meanwhile:
        def hold(_: sqlite3.Connection) -> None:
            self._begun.set()
            self._held.wait()

        self.write(hold)
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        sleep(0.05)  # until all of them wait
        self._held.set()
        self._pool.shutdown()

    def write(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        return self._pool.submit(self._database.write, work)


def putting(key: str) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO documents (kind, key, document) VALUES ('key', ?, '{}')", (key,))

    return work


def test_what_threads_write_meanwhile_shares_a_transaction(database: Database) -> None:
    seen: list[int] = []

    def work(connection: sqlite3.Connection) -> None:
        putting(str(len(seen)))(connection)
        # What others put into this transaction is seen here and nowhere else.
        seen.append(connection.execute("SELECT count(*) FROM documents").fetchone()[0])
        assert database.read("SELECT count(*) FROM documents") == [(0,)]

    with Meanwhile(database) as meanwhile:
        writes = [meanwhile.write(work) for _ in range(8)]
    for write in writes:
        write.result()
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8]


def test_one_s_failure_is_not_the_others(database: Database) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        putting("undone")(connection)
        raise KeyError("mine")

    fill(database, pages=20)
    with Meanwhile(database) as meanwhile:
        early = [meanwhile.write(putting(key)) for key in "abcd"]
        wrong, large = meanwhile.write(fail), meanwhile.write(putting("x" * 200_000))
        late = [meanwhile.write(putting(key)) for key in "efgh"]
    for write in (*early, *late):
        write.result()
    with pytest.raises(KeyError, match="mine"):
        wrong.result()
    with pytest.raises(Unavailable, match="full"):
        large.result()
    assert [key for key, _ in LocalDirectory(database).list("key")] == list("abcdefgh")


class Dawdling:
    """A lock after which a thread of that name dawdles, until it is told to go on."""

    def __init__(self, name: str) -> None:
        self.lock, self.name, self.dawdles, self.go_on = Lock(), name, Event(), Event()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()
        if current_thread().name == self.name:
            self.dawdles.set()
            self.go_on.wait()


def test_a_thread_may_be_given_the_lead_before_it_waits_for_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutex, held, errors = Dawdling("dawdler"), Event(), []
    database.write(putting("opened"))
    monkeypatch.setattr(database._connections.writer, "_mutex", mutex)

    def write(key: str) -> None:
        try:
            database.write(lambda connection: (putting(key)(connection), key == "first" and held.wait()))
        except Exception as error:
            errors.append(error)

    threads = [Thread(target=write, args=(name,), name=name) for name in ("first", "dawdler", "last")]
    for thread in threads[:2]:
        thread.start()
    mutex.dawdles.wait()
    threads[2].start()
    held.set()
    threads[0].join()  # it has handed the lead on
    mutex.go_on.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert not errors
    assert [key for key, _ in LocalDirectory(database).list("key")] == ["dawdler", "first", "last", "opened"]


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are flushed after commits, as they are."""
    names = []

    def flush(descriptor: int) -> None:
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        os.fdatasync(descriptor)

    monkeypatch.setattr(writer, "_flush", flush)
    return names


def test_what_has_to_last_is_flushed_and_nothing_else(database: Database, flushed: list[str]) -> None:
    database.write(putting("durable"))
    assert flushed == ["postroom.sqlite3-wal"]
    database.write(putting("not durable"), durable=False)
    assert len(flushed) == 1
    database.flush()
    assert len(flushed) == 2


def test_what_threads_write_meanwhile_shares_a_flush(database: Database, flushed: list[str]) -> None:
    with Meanwhile(database) as meanwhile:
        writes = [meanwhile.write(putting(key)) for key in "abcd"]
    for write in writes:
        write.result()
    assert len(flushed) == 2  # the one that they waited for, and theirs


def test_others_may_write_while_the_log_is_flushed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Database(database.folder)  # as another process has it

    def flush(_: int) -> None:
        monkeypatch.undo()
        other.write(putting("meanwhile"))

    monkeypatch.setattr(writer, "_flush", flush)
    database.write(putting("first"))
    assert [key for key, _ in LocalDirectory(database).list("key")] == ["first", "meanwhile"]
    other.close()


def test_once_the_log_could_not_be_flushed_nothing_durable_is_promised(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flush(_: int) -> None:
        monkeypatch.undo()  # the kernel tells of it once
        raise OSError(EIO, "Input/output error")

    monkeypatch.setattr(writer, "_flush", flush)
    for key in "ab":
        with pytest.raises(Unavailable, match="Input/output error"):
            database.write(putting(key))
    database.write(putting("c"), durable=False)
    database.close()
    database.write(putting("d"))


def test_a_forked_process_opens_connections_of_its_own(database: Database, tmp_path: Path) -> None:
    with started(tmp_path, "fork") as parent:
        assert heard(parent) == "done"
    assert [key for key, _ in LocalDirectory(database).list("key")] == ["child", "parent", "parent again"]


def test_nobody_else_may_read_what_is_kept(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # a folder that was there before
    database = Database(tmp_path)
    database.prepare()
    database.write(lambda connection: connection.execute("PRAGMA user_version").fetchall())
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.glob("postroom.sqlite3*")}
    database.close()
    assert set(modes.values()) == {0}, modes


def test_a_file_of_an_earlier_version_is_taken_along(database: Database) -> None:
    stored = LocalSubmissions(database).create(submission(), LETTER)
    with closing(sqlite3.connect(database.folder / "postroom.sqlite3")) as earlier, earlier:
        earlier.executescript(
            """ALTER TABLE parcels ADD COLUMN claim INTEGER NOT NULL DEFAULT 0;
               ALTER TABLE parcels ADD COLUMN lease_until INTEGER;
               ALTER TABLE submissions DROP COLUMN erased;
               ALTER TABLE letters DROP COLUMN completed;
               DROP INDEX tasks_by_time;
               ALTER TABLE tasks DROP COLUMN destination;
               CREATE INDEX tasks_by_time ON tasks (queue, not_before) WHERE done_at IS NULL;
               INSERT INTO tasks (name, queue, body, not_before) VALUES ('old', 'mx', x'7b7d', 0);
               PRAGMA user_version = 1;"""
        )
    database.close()
    database.prepare()
    database.prepare()
    submissions = LocalSubmissions(database)
    assert submissions.get(stored.id) == stored
    found = submissions.find(stored.id, 0)
    assert found is not None
    assert submissions.change(replace(found.parcel, generation=1)) is not None
    assert submissions.create(submission(), LETTER)
    LocalSchedule(database).put(stored.parcels[0].task(), NOON)
    due = Queue(database).due("mx", NOON, 10, without=["example.org"])
    assert [task.name for task in due] == ["old"], "a task of then is for nobody in particular"
