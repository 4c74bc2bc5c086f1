"""The DynamoDB table: its calls, their pages, and its errors as ours.

One table holds everything: partition key `pk`, sort key `sk`, both strings, and the index `by_creation`.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from postroom.clouds.aws.clients import Clients, code_of, reaching
from postroom.clouds.aws.records import Item
from postroom.ports import Unavailable

Action = tuple[str, dict[str, Any]]
"""A write: "Put" or "Update", and the arguments of that action in TransactWriteItems."""

BATCH = 100  # keys in one BatchGetItem at most

# Conflicts that pass by themselves, and for which the SDK doesn't repeat a call: of one write, and within
# a transaction. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_PASSING = {"TransactionConflictException", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)  # seconds


class Table:
    """The table `name`. Reads are strongly consistent, but for those of an index. Raises `Unavailable`."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._clients = clients
        self._name = name
        self._home = f"the DynamoDB table {name}"

    def get(self, key: Item, fields: str | None = None) -> Item | None:
        """The item, or those of its attributes that `fields` names."""
        with reaching(self._home):
            answer = self._clients.dynamodb().get_item(
                TableName=self._name, Key=key, ConsistentRead=True, **_projection(fields)
            )
        item: Item | None = answer.get("Item")
        return item

    def get_many(self, keys: Sequence[Item], fields: str | None = None) -> Iterator[Item]:
        """Those of the items that are there, in any order."""
        for start in range(0, len(keys), BATCH):
            wanted: Any = {
                self._name: {"Keys": list(keys[start : start + BATCH]), "ConsistentRead": True, **_projection(fields)}
            }
            for pause in _PAUSES:
                with reaching(self._home):
                    answer = self._clients.dynamodb().batch_get_item(RequestItems=wanted)
                yield from answer["Responses"].get(self._name, ())
                wanted = answer.get("UnprocessedKeys")
                if not wanted:
                    break
                _pause(pause)
            else:
                raise Unavailable(f"{self._home} didn't hand out all of a batch")

    def query(
        self,
        condition: str,
        values: Mapping[str, str],
        *,
        index: str | None = None,
        forward: bool = True,
        page: int | None = None,
        fields: str | None = None,
    ) -> Iterator[Item]:
        """The items that the key condition holds of, in the order of their sort keys.

        Read as they are asked for, at most `page` at a time. `values` are strings by their names, such as ":pk".
        """
        arguments: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()},
            "ScanIndexForward": forward,
            **_projection(fields),
        }
        arguments |= {"ConsistentRead": True} if index is None else {"IndexName": index}
        if page is not None:
            arguments["Limit"] = page
        while True:
            with reaching(self._home):
                answer = self._clients.dynamodb().query(**arguments)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put(self, item: Item, *, absent: bool = False) -> Action:
        """The write of an item: over whatever is there, or only where nothing is."""
        return ("Put", {"Item": item} | ({"ConditionExpression": "attribute_not_exists(pk)"} if absent else {}))

    def update(self, key: Item, attributes: Item, *, version: str) -> Action:
        """The write of some of an item's attributes, only over that `version` of it."""
        return self._update(key, attributes, "version = :expected", {":expected": {"S": version}})

    def update_once(self, key: Item, attributes: Item, mark: str) -> Action:
        """The write of some attributes of an item that is there, unless the attribute `mark` of it is."""
        marked = attributes | {mark: {"BOOL": True}}
        return self._update(key, marked, f"attribute_exists(pk) AND attribute_not_exists({mark})", {})

    def _update(self, key: Item, attributes: Item, condition: str, values: Item) -> Action:
        changes = ", ".join(f"{name} = :{name}" for name in attributes)
        return (
            "Update",
            {
                "Key": key,
                "UpdateExpression": f"SET {changes}",
                "ConditionExpression": condition,
                "ExpressionAttributeValues": values | {f":{name}": value for name, value in attributes.items()},
            },
        )

    def write(self, *actions: Action, token: str = "") -> Item | None:
        """Do all of it or nothing; one action by itself costs half of what it does in a transaction.

        None where it is written. Else the item that didn't meet the condition of the first action, which alone may
        have one; {} where there is no item. `token` names a write of several actions for ten minutes, in which
        its repeat does nothing.
        """
        for pause in _PAUSES:
            try:
                return self._try_to_write(actions, token)
            except _ConflictError:
                _pause(pause)
        raise Unavailable(f"{self._home} could not be written: other writes kept getting in the way")

    def count(self, key: Item, change: str, condition: str, values: Mapping[str, int]) -> int | None:
        """The attribute `counted` as the change has left it, or None where the condition didn't hold.

        `values` are numbers by their names. A call that the SDK repeats, its answer being lost, may count twice.
        """
        from botocore.exceptions import ClientError

        with reaching(self._home):
            try:
                answer = self._clients.dynamodb().update_item(
                    TableName=self._name,
                    Key=key,
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeValues={name: {"N": str(value)} for name, value in values.items()},
                    ReturnValues="ALL_NEW",
                )
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return None
                raise
        return int(answer["Attributes"]["counted"]["N"])

    def delete(self, key: Item) -> bool:
        """Whether it was there."""
        with reaching(self._home):
            answer = self._clients.dynamodb().delete_item(TableName=self._name, Key=key, ReturnValues="ALL_OLD")
        return "Attributes" in answer

    def _try_to_write(self, actions: Sequence[Action], token: str) -> Item | None:
        """As `write`, once. Raises `_ConflictError`."""
        from botocore.exceptions import ClientError

        kind, first = actions[0]
        if "ConditionExpression" in first:
            first = first | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        every = [(kind, first), *actions[1:]]
        with reaching(self._home):
            client = self._clients.dynamodb()
            try:
                if len(every) == 1:
                    call = client.put_item if kind == "Put" else client.update_item
                    call(TableName=self._name, **first)
                else:
                    client.transact_write_items(
                        TransactItems=[{kind: {"TableName": self._name, **action}} for kind, action in every],
                        ClientRequestToken=token,
                    )
            except ClientError as error:
                return _obstacle(error)
        return None


class _ConflictError(Exception):
    """A transaction of somebody else is at the same item. It passes."""


def _obstacle(error: Any) -> Item:
    """The item that a write's condition didn't hold of, {} for none. Raises `_ConflictError`, or the error itself."""
    reasons = error.response.get("CancellationReasons") or [{}]
    codes = [code_of(error), *(reason.get("Code") for reason in reasons)]
    item: Item
    if codes[0] == "ConditionalCheckFailedException":
        item = error.response.get("Item", {})
    elif codes[1] == "ConditionalCheckFailed":
        item = reasons[0].get("Item", {})
    elif _PASSING.intersection(codes):
        raise _ConflictError from error
    else:
        raise error
    return item


def _projection(fields: str | None) -> dict[str, str]:
    return {} if fields is None else {"ProjectionExpression": fields}


def _pause(seconds: float) -> None:
    time.sleep(seconds * (0.5 + random.random()))  # noqa: S311  # spreads repeats, guards nothing
