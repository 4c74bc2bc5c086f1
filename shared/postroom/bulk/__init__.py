"""Bulk mail: a letter for each row of a CSV file, from a stored template, through the API like any client's.

`sheet` reads the file, `form` knows what the template wants, `mailing` makes a letter of a row, `ledger` keeps account
of every row on disk, `preparing` fills it, `posting` sends what it holds in batches, `patience` repeats what didn't get
an answer, `following` finds out what became of the letters, `outcome` sums that up.
"""
