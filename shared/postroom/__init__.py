"""postroom: an email submission API. One letter's journey through the package, file by file:

1.  `api.app` answers the HTTP request. `api.auth` asks for the key, `api.body` and `api.schemas` read the letter
    and name every bad member at once; `message.address` and `message.letter` are what becomes of it.
2.  `accept` makes the records: a `delivery.submission`, and a `delivery.parcel` for each next hop of
    `delivery.routing`. It stores letter and records through `ports.Submissions`, puts a task for each parcel through
    `ports.Schedule`, and answers with the id.
3.  Both ports have an adapter in each home, `clouds.local`, `clouds.gcp` and `clouds.aws`. On one machine they are one
    SQLite file, and its dispatcher, `clouds.local.invocation`, pushes the task over HTTP to the worker function, where
    `clouds.push` takes it, as it does from Cloud Tasks; on AWS `clouds.aws.invocation` takes batches of SQS.
4.  `deliver` asks `destination` where the letter may go, and has `claims` claim each parcel by one conditional update.
    `outgoing` has `message.mime` write the letter's octets and `message.dkim` sign them: the same for every attempt.
5.  `internet.wire` carries it: `internet.reach` finds a server that the guard lets through, `internet.connection`
    introduces us, and `smtp.dialogue`, which knows no socket, says what is said, from EHLO to QUIT.
6.  `smtp.verdict` judges the replies for each recipient. `delivery.settlement` moves the recipients by the table of
    `delivery.status`; `delivery.bounces` names the cause, `delivery.retry` the next attempt.
7.  The settled parcel and the attempt with its `smtp.transcript` are stored, and whatever comes next is put. What a
    crash or the queue left lying is put again by `sweep`.
8.  `api.emails` reads it all back. Until a worker has it, and again where it didn't get through, `change` lets its
    sender think again, by the rules of `delivery.amendment`.

`settings` are read once; `wiring` puts the parts together, and is the only one to know which home it is; `house`
runs the processes of one machine for `cli`. Imports point inwards only, and import-linter keeps it so.
"""
