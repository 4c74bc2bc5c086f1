"""The contract of `Directory`."""

from __future__ import annotations

from postroom.ports import Directory
from tests.contracts.threads import at_once


def test_what_is_put_can_be_read(directory: Directory) -> None:
    document = {"name": "CI 👷", "odd": "\ud800", "scopes": ["a", "b"], "deep": {"n": 1, "none": None, "yes": True}}
    directory.put("key", "one", document)
    assert directory.get("key", "one") == document
    assert directory.get("key", "two") is None
    assert directory.get("domain", "one") is None
    assert directory.get("key", "\ud800") is None


def test_a_put_replaces_the_whole_document(directory: Directory) -> None:
    directory.put("key", "one", {"a": 1, "b": 2})
    directory.put("key", "one", {"a": 3})
    assert directory.get("key", "one") == {"a": 3}


def test_creating_hands_back_what_is_there(directory: Directory) -> None:
    assert directory.create("key", "one", {"a": 1}) == {"a": 1}
    assert directory.create("key", "one", {"a": 2}) == {"a": 1}
    assert directory.get("key", "one") == {"a": 1}


def test_of_many_who_create_at_once_one_does(directory: Directory) -> None:
    stored = at_once(8, lambda n: directory.create("deployment", "secret", {"by": n}))
    assert all(each == stored[0] for each in stored)
    assert directory.get("deployment", "secret") == stored[0]


def test_several_are_read_at_once(directory: Directory) -> None:
    for key in ("a", "b", "é"):
        directory.put("key", key, {"is": key})
    directory.put("domain", "c", {})
    assert directory.get_many("key", ["é", "c", "a", "a", "\ud800"]) == {"a": {"is": "a"}, "é": {"is": "é"}}
    assert directory.get_many("key", []) == {}
    many = [f"{number:03}" for number in range(150)]
    for key in many:
        directory.put("many", key, {"is": key})
    assert directory.get_many("many", many) == {key: {"is": key} for key in many}


def test_a_document_is_replaced_only_where_it_is_what_was_read(directory: Directory) -> None:
    directory.put("key", "one", {"a": 1})
    assert not directory.replace("key", "one", {"a": 3}, over={"a": 2})
    assert directory.get("key", "one") == {"a": 1}
    assert directory.replace("key", "one", {"a": 3}, over={"a": 1})
    assert directory.get("key", "one") == {"a": 3}
    assert directory.replace("key", "one", {"a": 4}, over={"a": 3})
    directory.delete("key", "one")
    assert not directory.replace("key", "one", {"a": 5}, over={"a": 4})
    assert directory.get("key", "one") is None


def test_of_many_who_replace_at_once_one_does(directory: Directory) -> None:
    directory.create("key", "one", {"by": None})
    done = at_once(8, lambda n: directory.replace("key", "one", {"by": n}, over={"by": None}))
    assert sum(done) == 1
    assert directory.get("key", "one") == {"by": done.index(True)}


def test_deleting_tells_whether_it_was_there(directory: Directory) -> None:
    directory.put("key", "one", {})
    assert directory.delete("key", "one")
    assert not directory.delete("key", "one")
    assert directory.get("key", "one") is None
    assert directory.create("key", "one", {"a": 2}) == {"a": 2}


def test_a_kind_is_listed_in_the_order_of_its_keys(directory: Directory) -> None:
    keys = ["a", "b", "b/c", "ba", "z", "é", "𝄞"]
    for key in reversed(keys):
        directory.put("key", key, {"is": key})
    directory.put("domain", "c", {})
    assert directory.list("key") == [(key, {"is": key}) for key in keys]
    assert [key for key, _ in directory.list("key", after="b", limit=3)] == ["b/c", "ba", "z"]
    assert [key for key, _ in directory.list("key", after="b/")] == ["b/c", "ba", "z", "é", "𝄞"]
    assert directory.list("key", after="𝄞") == []
    assert directory.list("nothing") == []
